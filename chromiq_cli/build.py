"""``chromiq build``: photo pairs to training data."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from chromiq.errors import EXIT_SKIPPED, errors_of
from chromiq.models import DEFAULT_MODEL
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_findings, print_result, say


def build(
    context: typer.Context,
    pairs: Annotated[
        Path,
        typer.Argument(
            help="Folder of still-lifeN and on_modelN photos, in two subfolders or not; or a CSV file."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the dataset; the same command again resumes.")],
    model: flags.Model = DEFAULT_MODEL,
    segmenter: flags.Segmenter = "auto",
    garments: Annotated[
        Path | None, typer.Option(help='Your own labels: a JSON file such as {"still-life1.jpg": "jacket"}.')
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            help="Your own masks: a folder of files named on_modelKEY.png or like the photos, or a COCO file."
        ),
    ] = None,
    export_masks: Annotated[
        Literal["coco"] | None, typer.Option(help="Also write all masks to coco.json, as COCO instances.")
    ] = None,
    degradation: Annotated[
        Literal["published", "perceptual"],
        typer.Option(help="Which colour errors to apply to the on-model photo."),
    ] = "perceptual",
    geometry: Annotated[
        Literal["published", "exact"],
        typer.Option(help="Layout of stitched photos: as in the published run, or exact to the pixel."),
    ] = "exact",
    loss_mask: Annotated[
        Literal["auto", "half", "panel", "garment"], typer.Option(help="Which pixels the loss counts.")
    ] = "auto",
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Canvas size for --geometry exact, e.g. 1328x800.")
    ] = None,
    variants: Annotated[
        int, typer.Option(min=1, help="Examples per pair, each with a different colour error.")
    ] = 1,
    identity_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of examples without a colour error.")
    ] = 0.0,
    held_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of garments held out of training as a test set.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    captions: Annotated[
        list[str] | None,
        typer.Option(
            "--caption",
            metavar="TEMPLATE",
            help="Caption with {trigger}, {garment} and {side}. May be repeated: each example draws one.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help=flags.WORKERS_HELP)] = 2,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Build on this machine or on a Ray cluster.")
    ] = "local",
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help="With --engine ray: share of a GPU for each worker.")
    ] = 0.0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip unusable pairs, report them and exit with 3.")
    ] = False,
    keep_doubtful: Annotated[
        bool, typer.Option("--keep-doubtful", help="Keep pairs whose mask is probably wrong; see review/.")
    ] = False,
    colour_check: Annotated[
        bool,
        typer.Option(
            help="Warn about on-model photos whose colour differs from the still-life's; see review/."
        ),
    ] = True,
    part: flags.Part = None,
    vocabulary: flags.Vocabulary = None,
    detector: flags.Detector = None,
    masker: flags.Masker = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    as_json: flags.Json = False,
) -> None:
    """Turn photo pairs into training data: labels, masks, colour errors, stitched images, captions.

    Training takes the on-model photos as the truth, so give it photos whose colour is right.
    """
    if engine != "ray":
        flags.refuse_given(context, ["gpus_per_worker"], "needs --engine ray")
    from chromiq.dataset_builder.build import build as run
    from chromiq.dataset_builder.build import build_on_ray
    from chromiq.dataset_builder.canvas.buckets import parse_size
    from chromiq.dataset_builder.options import BuildOptions
    from chromiq.progress import progress_bar

    options = BuildOptions(
        model=model,
        segmenter=segmenter,
        degradation=degradation,
        geometry=geometry,
        loss_mask=loss_mask,
        size_wh=parse_size(size) if size else None,
        variants=variants,
        identity_share=identity_share,
        held_out=held_out,
        seed=seed,
        captions=tuple(captions or ()),
        part=part,
        models=flags.model_options(vocabulary, detector, masker, device, dtype),
    )
    summary = run(
        pairs,
        out,
        options,
        garments=garments,
        masks=masks,
        export_masks=export_masks,
        workers=workers,
        skip_bad=skip_bad,
        keep_doubtful=keep_doubtful,
        stage=progress_bar,
        engine=partial(build_on_ray, gpus_per_worker=gpus_per_worker) if engine == "ray" else None,
    )
    findings = list(summary.findings)
    if colour_check:
        from chromiq.correction.pair_agreement import check_agreement
        from chromiq.dataset_builder.inputs.pairs import find_pairs

        with progress_bar("check the colours") as update:
            findings += check_agreement(find_pairs(pairs).pairs, out, workers=workers, on_progress=update)
    if segmenter == "auto" and summary.segmenter:
        say(f"segmenter: {summary.segmenter}")
    print_findings(findings)
    document = {
        "dataset": str(summary.folder),
        "examples": summary.examples,
        "resumed_pairs": summary.resumed,
        "segmenter": summary.segmenter,
        "findings": [finding.as_dict() for finding in findings],
    }
    line = f"{counted(summary.examples, 'example')} in {summary.folder}"
    print_result(document, line, as_json=as_json)
    if errors_of(findings):
        raise typer.Exit(EXIT_SKIPPED)

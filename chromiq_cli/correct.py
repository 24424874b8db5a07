"""``chromiq correct``: the on-model photo in the still-life's colour."""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from chromiq.correction.options import MIN_GAIN, Method
from chromiq.errors import EXIT_DONE, EXIT_SKIPPED, EXIT_UNSOUND, UsageError, errors_of
from chromiq.models import DEFAULT_MODEL, MODELS
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_findings, print_json, print_line, say, with_flags

if TYPE_CHECKING:
    from chromiq.correction.batch import BatchInputs, BatchResult, Network
    from chromiq.correction.options import ExportName
    from chromiq.correction.photo import Correction

_folder_option = partial(typer.Option, rich_help_panel="A whole folder")
_colour_option = partial(typer.Option, rich_help_panel="How much to correct")
_lora_option = partial(typer.Option, rich_help_panel="With a LoRA")


class ExportChoice(StrEnum):
    """What to write beside the photo; Typer takes no list of `Literal`."""

    CUBE = "cube"
    LAYERS = "layers"


def correct(
    context: typer.Context,
    still_life: Annotated[Path | None, typer.Argument(help="The photo whose colour is right.")] = None,
    on_model: Annotated[Path | None, typer.Argument(help="The photo to correct.")] = None,
    out: Annotated[Path | None, typer.Option(help="The corrected photo; with --batch, a folder.")] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="The garment in white on black, as large as the on-model photo. Without it, it is found."
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        _folder_option(
            help="Folder of photos named still-lifeN and on_modelN, or a CSV file with the columns "
            "still_life and on_model, optionally also key and garment. The same command again resumes."
        ),
    ] = None,
    pattern: Annotated[
        tuple[str, str] | None,
        _folder_option(
            metavar="STILL_LIFE ON_MODEL",
            help="How the files are named otherwise, such as '{sku}_flat*' '{sku}_front*'; subfolders are "
            "searched.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, _folder_option("--dry-run", help="Show which photos belong together, and write nothing.")
    ] = False,
    masks: Annotated[
        Path | None,
        _folder_option(
            help="Your own masks: a folder of files named on_modelKEY.png or like the photos, or a COCO file."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        _folder_option(
            metavar="KEY",
            help="Deliver the original of this photo, from now on; its key or file name. May be repeated.",
        ),
    ] = None,
    redo: Annotated[
        list[str] | None,
        _folder_option(
            metavar="KEY",
            help="Correct this photo again, whatever was decided or edited by hand. May be repeated.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, _folder_option("--skip-bad", help="Skip unusable pairs, report them and exit with 3.")
    ] = False,
    workers: Annotated[int, _folder_option(min=1, help=flags.WORKERS_HELP)] = 1,
    each_alone: Annotated[
        bool,
        _folder_option(
            "--each-alone", help="Correct every photo by itself, even if several show the same garment."
        ),
    ] = False,
    strength: Annotated[
        float, _colour_option(min=0, max=1.5, help="How far to correct: 0 is not at all, 1 fully.")
    ] = 1.0,
    min_gain: Annotated[
        float, _colour_option(min=0, max=100, help="Leave a photo alone if it is expected to gain less dE00.")
    ] = MIN_GAIN,
    force: Annotated[
        bool, _colour_option("--force", help="Correct photos that would be left alone, too.")
    ] = False,
    target_lab: Annotated[
        str | None,
        _colour_option(
            metavar="L,a,b|PICTURE",
            help="The colour to reach instead of the still-life's: Lab (D50), or a picture of a swatch.",
        ),
    ] = None,
    export: Annotated[
        list[ExportChoice] | None,
        typer.Option(
            metavar="<cube|layers>",
            help="Also write a .cube LUT, or a TIFF with original, correction and mask. May be repeated.",
        ),
    ] = None,
    method: Annotated[
        Method, _lora_option(help="How the colour is found: without a network, by a LoRA, or by both.")
    ] = "transfer",
    lora: Annotated[Path | None, _lora_option(help="LoRA as .safetensors, for lora and hybrid.")] = None,
    model: Annotated[str, _lora_option(help=f"Edit model: {', '.join(MODELS)}.")] = DEFAULT_MODEL,
    checkpoint: Annotated[str | None, _lora_option(help="Base model: hub name or folder.")] = None,
    geometry: Annotated[
        Literal["published", "exact"],
        _lora_option(help="How the LoRA's dataset was laid out; the default is that of build."),
    ] = "exact",
    caption: Annotated[
        str | None,
        _lora_option(
            metavar="TEMPLATE",
            help="Caption that the LoRA was trained on, with {trigger}, {garment} and {side}; the default is "
            "that of build.",
        ),
    ] = None,
    steps: Annotated[
        int | None, _lora_option(min=1, help="Denoising steps; by default the model's own.")
    ] = None,
    seed: Annotated[
        int, _lora_option(min=0, max=2**64 - 1, help="Random seed for each generated image.")
    ] = 42,
    offload: flags.Offload = "none",
    quantize: flags.Quantize = None,
    segmenter: flags.Segmenter = "auto",
    part: flags.Part = None,
    vocabulary: flags.Vocabulary = None,
    detector: flags.Detector = None,
    masker: flags.Masker = None,
    device: flags.Device = "auto",
    dtype: flags.Dtype = "auto",
    as_json: flags.Json = False,
) -> None:
    """Give the garment on a model the colour of its still-life; nothing else changes.

    Each photo is corrected; or corrected, but to be looked at; or left alone, if no clear colour error is
    found or something seems wrong. The exit code is 0 if all photos were corrected, else 3.

    One photo: chromiq correct still-life7.jpg on_model7.jpg --out corrected7.jpg

    A folder: chromiq correct --batch photos --out corrected

    Then open corrected/report.html: the photos to look at come first, each with the reason. If a mask is
    wrong, edit it in corrected/garment_masks. To decide about a photo, open corrected/decisions.csv in a
    spreadsheet. In the column decision, accept means that the result is good, reject that it is not, keep
    that the original is delivered, and force that the photo is corrected in any case; strength, min_gain,
    target_lab and mask apply to that photo alone. Then run the same command again: it redoes what changed
    and nothing else. Photos that you edit in the output folder are recognised and never overwritten.
    """
    only_batch = ("pattern", "dry_run", "masks", "keep", "redo", "skip_bad", "workers", "each_alone")
    if batch is None:
        flags.refuse_given(context, only_batch, "needs --batch")
    if batch is not None and mask is not None:
        raise UsageError("--mask is for a single photo. Pass --masks with --batch.")
    if out is None and not dry_run:
        raise UsageError("--out is missing. Name the file or folder for the result.")
    if target_lab is not None and on_model is None and still_life is not None and mask is not None:
        on_model = still_life  # nothing has to be looked up on a still-life
    if batch is None and still_life is not None and still_life.is_dir():
        raise UsageError(f"{still_life} is a folder. Pass it as --batch to correct all its photos.")
    if (batch is None) == (still_life is None or on_model is None):
        raise UsageError("Pass either a still-life and an on-model photo, or --batch.")
    if (method == "transfer") != (lora is None):
        raise UsageError("--lora is required with --method lora or hybrid, and not allowed with transfer")
    if lora is None:
        flags.refuse_without_lora(context)
    from chromiq.correction.batch import BatchInputs, correct_batch, correct_one
    from chromiq.correction.options import CorrectionOptions
    from chromiq.correction.target import parse_target
    from chromiq.dataset_builder.inputs.photo_names import PairPattern
    from chromiq.dataset_builder.segmenters.choose import WITHOUT_MODEL_OPTIONS, make_segmenter
    from chromiq.progress import notes, progress_bar

    options = CorrectionOptions(
        method=method,
        strength=strength,
        min_gain=min_gain,
        force=force,
        target_lab=None if target_lab is None else parse_target(target_lab),
        alike=not each_alone,
        exports=tuple(choice.value for choice in export or ()),
    )
    inputs = None
    if batch is not None:
        named = PairPattern(*pattern) if pattern else None
        inputs = BatchInputs(batch, named, masks, skip_bad, tuple(keep or ()), tuple(redo or ()))
        if dry_run:
            _show_pairs(inputs, out, options.exports, as_json=as_json)
    where = (device, dtype)
    if lora is not None and segmenter in WITHOUT_MODEL_OPTIONS:
        where = ("auto", "auto")  # they are the network's
    finder = make_segmenter(segmenter, flags.model_options(vocabulary, detector, masker, *where), part)
    if segmenter == "auto" and batch is None and mask is None:
        say(f"segmenter: {finder.name}")
    network: Network | None = None
    if lora is not None:
        from chromiq.evaluate.generate.images import GenerateOptions
        from chromiq.evaluate.generate.lora_network import LoraNetwork

        generate = GenerateOptions(
            model=model,
            checkpoint=checkpoint,
            steps=steps,
            seed=seed,
            loading=flags.loading(device, dtype, offload, quantize),
        )
        network = LoraNetwork(lora, generate, geometry, caption)
    assert out is not None  # only a dry run goes without
    if inputs is None:
        assert still_life is not None
        assert on_model is not None
        # A network shows its own steps; without one, a photo of 100 megapixels takes half a minute.
        with notes("correct") if network is None else nullcontext():
            done = correct_one(
                still_life,
                on_model,
                out,
                finder,
                mask=mask,
                options=options,
                network=network,
                stage=progress_bar,
            )
        _print_one(done, exporting=bool(export), as_json=as_json)
        raise typer.Exit(0 if done.done else EXIT_SKIPPED)
    result = correct_batch(inputs, out, finder, options, network=network, workers=workers, stage=progress_bar)
    if segmenter == "auto" and result.segmenter:
        say(f"segmenter: {result.segmenter}")
    _print_batch(result, as_json=as_json)
    raise typer.Exit(0 if result.done else EXIT_SKIPPED)


def _print_one(done: Correction, *, exporting: bool, as_json: bool) -> None:
    if as_json:
        print_json({"corrections": [done.as_dict()]})
        return
    print_findings(done.warnings)
    print_line(f"{done.out}: {with_flags(done.reason)}; outside the mask {done.outside}")
    for doubt in done.doubts:
        print_line(f"  {with_flags(doubt.hint)}")
    if done.metadata_dropped:
        print_line(f"  dropped: {', '.join(done.metadata_dropped)}")
    for note in done.notes:
        print_line(f"  {note}")
    for path in done.exports:
        print_line(f"  exported: {path}")
    if exporting and not done.applied:
        print_line("  the photo was left alone: nothing is exported")


def _print_batch(result: BatchResult, *, as_json: bool) -> None:
    from chromiq.correction.report import summary_line

    print_findings(result.findings)
    summary = summary_line(result.corrections)
    if as_json:
        document = {
            "corrections": [item.as_dict() for item in result.corrections],
            "summary": summary,
            "report": str(result.report),
            "findings": [finding.as_dict() for finding in result.findings],
        }
        print_json(document)
        return
    for item in result.corrections:
        print_line(f"{item.out}: {with_flags(item.reason)}")
    faults = errors_of(result.findings)
    also = f"; {counted(len(faults), 'error')} above" if faults else ""
    print_line(f"{summary}{also}; see {result.report}")


def _show_pairs(
    inputs: BatchInputs, out: Path | None, exports: tuple[ExportName, ...], *, as_json: bool
) -> NoReturn:
    """Print what belongs together and what is left over; exit as the batch would before it corrects."""
    from chromiq.correction.batch import check_batch
    from chromiq.progress import progress_bar

    with progress_bar("check the photos") as update:
        found = check_batch(inputs, out, update, exports)
    print_findings([finding for finding in found.findings if finding.code != "source.strangers"])
    if as_json:
        pairs = [
            {"key": pair.key, "still_life": str(pair.still_life), "on_model": str(pair.on_model)}
            for pair in found.pairs
        ]
        findings = [finding.as_dict() for finding in found.findings]
        print_json({"pairs": pairs, "leftover": [str(path) for path in found.leftover], "findings": findings})
    else:
        for pair in found.pairs:
            print_line(f"{pair.key}: {pair.still_life} -> {pair.on_model}")
        for path in found.leftover:
            print_line(f"other file: {path}")
        photos = counted(len(found.pairs), "photo")
        garments = counted(len({pair.still_life for pair in found.pairs}), "garment")
        faults = counted(len(errors_of(found.findings)), "error")
        print_line(f"{photos} of {garments}; {faults}; {counted(len(found.leftover), 'other file')}")
    if found.must_stop:
        say(f"chromiq: {found.error(inputs.source)}")
    raise typer.Exit(EXIT_UNSOUND if found.must_stop else EXIT_SKIPPED if found.has_faults else EXIT_DONE)

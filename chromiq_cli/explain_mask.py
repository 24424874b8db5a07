"""``chromiq explain-mask``: why the garment was found where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from chromiq.errors import OptionError, UnsoundError
from chromiq.wording import cut
from chromiq_cli import flags
from chromiq_cli.output import print_json, print_line


def explain_mask(
    still_life: Annotated[Path, typer.Argument(help="The still-life.")],
    on_model: Annotated[Path, typer.Argument(help="The on-model photo.")],
    out: Annotated[Path, typer.Option(help="The picture to write, .png or .jpg.")],
    label: Annotated[str, typer.Option(help="What the garment is called; by default it is recognised.")] = "",
    part: flags.Part = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="TERM", help="Leave a term out. May be repeated.")
    ] = None,
    segmenter: Annotated[
        Literal["auto", "mediapipe", "classic"],
        typer.Option(help="auto uses the small models if they have been fetched."),
    ] = "auto",
    as_json: flags.Json = False,
) -> None:
    """Show the evidence for a garment's mask, term by term, on one photo.

    The terms colour, place, sleeves, learned, skin and hair add up to each pixel's log odds.
    """
    from chromiq.dataset_builder.segmenters.classic.evidence import TERMS
    from chromiq.dataset_builder.segmenters.classic.explain import (
        explanation,
        explanation_picture,
        found_and_doubted,
    )
    from chromiq.dataset_builder.segmenters.classic.segmenter import Look
    from chromiq.dataset_builder.segmenters.doubts import REASONS, in_words
    from chromiq.dataset_builder.segmenters.small.person import PersonModels
    from chromiq.dataset_builder.segmenters.small.weights import (
        fetch_small_weights,
        small_weights,
        small_weights_available,
    )
    from chromiq.errors import Finding
    from chromiq.files import refuse_inputs
    from chromiq.photos.images import WRITABLE_FORMATS, read_photo, write_photo

    unknown = sorted(set(without or ()) - set(TERMS))
    if unknown:
        raise OptionError("without", f"{unknown[0]!r} is unknown. Use one of {', '.join(TERMS)}.")
    if out.suffix.lower() not in WRITABLE_FORMATS:
        raise OptionError("out", f"{out} must end in one of {', '.join(WRITABLE_FORMATS)}.")
    refuse_inputs([out], [still_life, on_model])
    if segmenter == "mediapipe":
        fetch_small_weights()
    small = segmenter == "mediapipe" or (segmenter == "auto" and small_weights_available())
    models = PersonModels(small_weights()) if small else None
    look = Look(read_photo(still_life).rgb, read_photo(on_model).rgb, models, part)
    found = found_and_doubted(look, label, without or ())
    if found is None:
        reason = REASONS["nobody_found"]
        raise UnsoundError.of(Finding("mask.empty", str(on_model), reason.message, reason.hint))
    write_photo(out, explanation_picture(look, found))
    document = {"segmenter": "mediapipe" if small else "classic", "out": str(out), **explanation(look, found)}
    if as_json:
        print_json(document)
        return
    print_line(f"{out}: {document['kind']}, confidence {cut(document['confidence']):.2f}")
    for name, odds in document["kind_terms"].items():
        shown = ", ".join(f"{kind} {value:+z.1f}" for kind, value in odds.items())
        print_line(f"  kind by {name}: {shown}")
    for name, means in document["terms"].items():
        inside, outside = means["inside"], means["outside"]
        print_line(f"  {name}: {inside:+z.1f} in the mask, {outside:+z.1f} on the rest; {TERMS[name]}")
    if found.reasons:
        print_line(f"  {in_words(found.reasons)}")

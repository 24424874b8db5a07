"""What each garment is called: as a person says, else as its outline suggests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from chromiq.errors import Finding, raise_findings
from chromiq.files import write_json
from chromiq.records import GarmentLabel, PhotoPair, RgbImage
from dataset_builder.segmenters.body import has_legs
from dataset_builder.segmenters.still_life import still_life_mask


def silhouette_label(still_life: RgbImage) -> GarmentLabel:
    """The garment's word by its outline alone, when nobody gave one and no detector is at hand.

    Two legs make trousers, a long outline without legs a dress, and the rest a shirt, which may as well
    be a jacket or a jumper: the score says so.

    Args:
        still_life: ``(H, W, 3)`` uint8 sRGB.
    """
    mask = still_life_mask(still_life)
    rows, columns = np.nonzero(mask)
    aspect = (np.ptp(rows) + 1) / (np.ptp(columns) + 1)
    if has_legs(mask) and aspect > 1.4:
        return GarmentLabel("trousers", "silhouette", 0.8)
    if aspect > 1.9:
        return GarmentLabel("dress", "silhouette", 0.6, runner_up="skirt")
    return GarmentLabel("shirt", "silhouette", 0.4, runner_up="jacket")


def label_pair(pair: PhotoPair, given: Mapping[str, str], still_life: RgbImage) -> GarmentLabel:
    """The label of a pair: a person's entry always wins.

    Args:
        pair: the pair; its own `garment`, from a CSV, goes before `given`.
        given: still-life file name to label, as `read_garments` returns it.
        still_life: ``(H, W, 3)`` uint8 sRGB, looked at only if nobody gave a label.
    """
    name = pair.garment or given.get(pair.still_life.name)
    return GarmentLabel(name, "given") if name else silhouette_label(still_life)


def read_garments(path: Path) -> dict[str, str]:
    """Labels in the published form: ``{"still-life1.jpg": "jacket"}``.

    Raises:
        UnsoundError: with all that is wrong in the file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise_findings(
            [Finding("garments.unreadable", str(path), "a JSON file in UTF-8", f"'{error}'", "mend it")],
            str(path),
        )
    if not isinstance(document, dict):
        wanted = 'an object such as {"still-life1.jpg": "jacket"}'
        raise_findings(
            [Finding("garments.form", str(path), wanted, type(document).__name__, "rewrite it so")], str(path)
        )
    findings = [
        Finding(
            "garments.label",
            f"{path.name}: {name}",
            "a garment's name on one line",
            repr(label)[:80],
            "write the name",
        )
        for name, label in document.items()
        if not (isinstance(label, str) and label.strip() and label.isprintable())
    ]
    raise_findings(findings, str(path))
    return document


def write_garments(path: Path, labels: Mapping[str, str]) -> None:
    """Write labels in the published form, as `read_garments` reads it."""
    write_json(path, dict(labels))

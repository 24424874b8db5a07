"""Why a mask is as it is: its evidence, term by term, in a picture and in numbers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from chromiq.dataset_builder.segmenters.classic.evidence import TERMS
from chromiq.dataset_builder.segmenters.classic.segmenter import FoundGarment, Look, find_garment
from chromiq.dataset_builder.segmenters.doubts import with_doubt_of_label
from chromiq.imaging.contact_sheet import captioned, grid, outlined
from chromiq.records import FloatImage, GarmentLabel, GarmentMask, RgbImage
from chromiq.wording import cut

_TILE_SCALE = 1.6
_FOR_RGB, _AGAINST_RGB = (214, 39, 40), (31, 119, 180)
_FULL_AT = 6.0
"""Log odds that are drawn in full colour: 400 to 1."""


def found_and_doubted(look: Look, label: str, without: Collection[str] = ()) -> FoundGarment | None:
    """The garment as `correct` finds it, doubted as well if its name is a guess; None if nobody is there.

    Args:
        look: what was found on the two photos.
        label: the garment's name; recognised if it is empty.
        without: names of `TERMS` of the evidence to leave out.
    """
    name = GarmentLabel(label, "given") if label else look.label
    found = find_garment(look, name.name, without)
    if found is None:
        return None
    doubted = with_doubt_of_label(GarmentMask(found.mask, found.confidence, found.reasons, "classic"), name)
    return replace(found, confidence=doubted.confidence, reasons=doubted.reasons)


def explanation(look: Look, found: FoundGarment) -> dict[str, Any]:
    """The reasons of a mask as plain data.

    Returns:
        ``kind``; ``kind_terms``, what speaks for each kind in log odds, empty if the kind is given;
        ``terms``, the mean log odds of each term in the mask and on the rest of the person; ``trust``,
        ``unsure_ends``, ``confidence`` and ``reasons``.
    """
    rest = found.body.person & ~found.mask

    def means(term: FloatImage) -> dict[str, float]:
        parts = {"inside": term[found.mask], "outside": term[rest]}
        return {name: round(float(part.mean()), 2) if part.size else 0.0 for name, part in parts.items()}

    return {
        "kind": found.kind,
        "kind_terms": {
            name: {kind: round(float(odds), 2) for kind, odds in term.items()}
            for name, term in look.kind.terms.items()
        },
        "terms": {name: means(term) for name, term in found.evidence.terms.items()},
        "trust": round(float(found.evidence.trust), 3),
        "unsure_ends": round(found.evidence.unsure_ends, 3),
        "confidence": round(found.confidence, 4),
        "reasons": list(found.reasons),
    }


def explanation_picture(look: Look, found: FoundGarment) -> RgbImage:
    """The mask, each term and their sum on the on-model photo: red is for the garment, blue against it."""
    height_px, width_px = look.small.shape[:2]
    size_wh = (round(width_px * _TILE_SCALE), round(height_px * _TILE_SCALE))

    def tile(picture: RgbImage, title: str, text: str) -> RgbImage:
        large = cv2.resize(picture, size_wh, interpolation=cv2.INTER_CUBIC)
        return captioned(large, [title, text], doubtful=False)

    marked = outlined(look.small, found.mask, 1)
    head = found.body.head
    if head is not None:
        rows = (max(head.top, 0), head.chin)
        left, right = (head.left or 0, head.right or width_px - 1)
        cv2.rectangle(marked, (left, rows[0]), (right, rows[1]), _AGAINST_RGB, 1)
    doubts = ", ".join(found.reasons) or "no doubts"
    tiles = [tile(marked, f"{found.kind}, confidence {cut(found.confidence):.2f}", doubts)]
    person = found.body.person
    for name, term in found.evidence.terms.items():
        tiles.append(tile(_coloured(look.small, np.where(person, term, 0)), name, TERMS[name]))
    probability = np.clip(found.evidence.probability.astype(np.float64), 1e-5, 1 - 1e-5)
    total = np.where(person, np.log(probability / (1 - probability)), 0)
    tiles.append(tile(_coloured(look.small, total), "sum", "before GrabCut refines the edge"))
    return grid(tiles, "Evidence in log odds: red for the garment, blue against it", columns=4)


def _coloured(photo: RgbImage, log_odds: FloatImage) -> RgbImage:
    """A grey photo under red where a term is above 0, and under blue where it is below."""
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).astype(np.float32)
    cover = np.clip(np.abs(log_odds) / _FULL_AT, 0, 1)[..., None] * 0.85
    paint = np.where((log_odds > 0)[..., None], np.array(_FOR_RGB), np.array(_AGAINST_RGB))
    return np.rint(grey + (paint - grey) * cover).astype(np.uint8)

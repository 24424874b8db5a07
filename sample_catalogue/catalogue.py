"""Draws the garment pairs of the demo and the tests: still-life, on-model photo and exact masks.

Everything is drawn from a seed; nothing is read from disk. The worn photo is lit otherwise than the
still-life (white balance, exposure, direction, falloff), as in a real studio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng

from chromiq.colour import lab_to_srgb
from chromiq.files import write_json
from chromiq.photos.images import write_mask, write_photo
from chromiq.progress import Update, silent
from chromiq.records import BoolMask, PhotoPair, RgbImage
from chromiq.sample_catalogue import people
from chromiq.sample_catalogue.canvas import Canvas, Light, Part
from chromiq.sample_catalogue.fabrics import Fabric, Pattern, Rgb, Weave
from chromiq.sample_catalogue.garments import Clothes, bottom, top
from chromiq.sample_catalogue.outlines import ellipse
from chromiq.sample_catalogue.people import ArmPose, Figure, Model

BOTTOMS = frozenset({"trousers", "jeans", "shorts", "skirt"})
STUDIOS = ((250, 250, 250), (246, 245, 242), (238, 239, 241), (226, 227, 229), (244, 240, 234))


@dataclass(frozen=True, eq=False)
class SamplePair:
    """One drawn pair and its truth.

    Attributes:
        key: the N of ``still-lifeN.jpg`` and ``on_modelN.jpg``.
        still_life: ``(H, W, 3)`` uint8 sRGB.
        on_model: the same size.
        still_life_mask: ``(H, W)`` bool, True on the garment.
        on_model_mask: the same; hands, hair and other clothes before the garment are left out.
    """

    key: str
    garment: str
    pattern: str
    still_life: RgbImage
    on_model: RgbImage
    still_life_mask: BoolMask
    on_model_mask: BoolMask


def draw_pair(index: int, *, seed: int = 0, size_wh: tuple[int, int] = (896, 1120)) -> SamplePair:
    """Draw pair number `index` (from 0); the same arguments give the same pixels.

    Args:
        index: 0 or more; beyond the listed looks they are varied.
        seed: 0 or more, of the whole catalogue.
        size_wh: width and height of both pictures in pixels; the drawing is made for 4:5.

    Raises:
        ValueError: if `index` or `seed` is negative.

    >>> pair = draw_pair(3, size_wh=(80, 100))
    >>> pair.key, pair.garment, pair.on_model.shape, pair.on_model_mask.dtype.name
    ('4', 'dress', (100, 80, 3), 'bool')
    """
    key = (seed, index)
    rng = default_rng(key)
    look = look_of(index, seed)
    figure = _figure(look, rng)
    still_life, still_life_mask = _draw_still_life(look, figure, key, size_wh, rng)
    on_model, on_model_mask = _draw_on_model(look, figure, key, size_wh, rng)
    return SamplePair(
        str(index + 1), look.garment, look.pattern, still_life, on_model, still_life_mask, on_model_mask
    )


def write_catalogue(
    folder: Path,
    *,
    pairs: int = 12,
    size_wh: tuple[int, int] = (896, 1120),
    on_progress: Update = silent,
) -> list[PhotoPair]:
    """Write a catalogue of drawn pairs and, beside it, its truth.

    Files: ``still-lifeN.jpg`` and ``on_modelN.jpg``; ``truth/garments.json``,
    ``truth/still_life_masks/still-lifeN.png`` and ``truth/garment_masks/on_modelN.png``.
    One pair is in memory at a time.

    Returns:
        One record per pair, with its garment.
    """
    truth = folder / "truth"
    written = []
    for index in range(pairs):
        pair = draw_pair(index, size_wh=size_wh)
        still_life, on_model = folder / f"still-life{pair.key}.jpg", folder / f"on_model{pair.key}.jpg"
        write_photo(still_life, pair.still_life)
        write_photo(on_model, pair.on_model)
        write_mask(truth / "still_life_masks" / f"{still_life.stem}.png", pair.still_life_mask)
        write_mask(truth / "garment_masks" / f"{on_model.stem}.png", pair.on_model_mask)
        written.append(PhotoPair(pair.key, still_life, on_model, pair.garment))
        on_progress(index + 1, pairs)
    write_json(truth / "garments.json", {pair.still_life.name: pair.garment for pair in written})
    return written


def _figure(look: Look, rng: Generator) -> Figure:
    joint_x, waist_x, hip_x = (0.66, 0.50, 0.68) if look.model.woman else (0.80, 0.66, 0.69)
    return Figure(
        look.model,
        look.arms,
        joint_x,
        waist_x,
        hip_x,
        sway=float(rng.uniform(-0.10, 0.10)),
        turn=float(rng.uniform(-0.14, 0.14)),
        tilt=float(rng.uniform(-0.05, 0.05)),
        stride=float(rng.uniform(0.0, 0.12)),
    )


def _draw_still_life(
    look: Look, figure: Figure, key: tuple[int, int], size_wh: tuple[int, int], rng: Generator
) -> tuple[RgbImage, BoolMask]:
    laid_flat = replace(figure, arms=("flat", "flat"), sway=0.0, turn=0.0, tilt=0.0, stride=0.02)
    parts = [replace(part, is_garment=True) for part in _sewn(look, laid_flat, key).parts]
    outline = np.vstack([part.outline for part in parts])
    low, high = outline.min(0), outline.max(0)
    scale = (np.array(size_wh) * (0.72, 0.74) / (high - low)).min()
    origin = np.array(size_wh) / 2 - (low + high) / 2 * scale
    light = Light(toward=(-0.35, -0.55, 1.0), ambient=0.5)
    studio = STUDIOS[rng.integers(len(STUDIOS))]
    canvas = Canvas(size_wh, origin, scale, light, studio, relief=1.1, shadow_on_background=True)
    return _painted(canvas, parts, (*key, 1))


def _draw_on_model(
    look: Look, figure: Figure, key: tuple[int, int], size_wh: tuple[int, int], rng: Generator
) -> tuple[RgbImage, BoolMask]:
    top_y, bottom_y = (
        (1.9, 8.25) if look.kind in BOTTOMS else (-0.5, 8.3) if look.kind == "dress" else (-0.45, 4.75)
    )
    scale = size_wh[1] / (bottom_y - top_y)
    warmth, exposure = rng.uniform(-0.03, 0.03), rng.uniform(0.86, 0.98)
    light = Light(
        toward=(0.7 if rng.random() < 0.5 else -0.7, -0.4, 0.8),
        ambient=0.32,
        gains=(exposure * (1 + warmth), exposure, exposure * (1 - warmth)),
        falloff=(rng.uniform(-0.08, 0.08), rng.uniform(-0.1, 0.0)),
    )
    studio = STUDIOS[rng.integers(len(STUDIOS))]
    origin = np.array([size_wh[0] / 2, -top_y * scale])
    canvas = Canvas(size_wh, origin, scale, light, studio, relief=2.0, shadow_on_background=False)
    for side in (-1, 1):
        canvas.soft_shadow(figure.pose(ellipse(0.38 * side, 7.88, 0.40, 0.07)), 0.35, 0.06)
    return _painted(canvas, [part.moved(figure.pose) for part in _layers(look, figure, key)], (*key, 2))


def _painted(canvas: Canvas, parts: list[Part], key: tuple[int, ...]) -> tuple[RgbImage, BoolMask]:
    # A generator for each part: no other part and no size of picture changes how it falls.
    for number, part in enumerate(parts):
        canvas.paint(part, default_rng((*key, number)))
    return canvas.finish(default_rng((*key, len(parts))))


def _sewn(look: Look, figure: Figure, key: tuple[int, int]) -> Clothes:
    rng = default_rng((*key, 3))
    if look.kind in BOTTOMS:
        return bottom(look.kind, figure, look.fabric, rng)
    return top(look.kind, figure, look.fabric, rng, trim=look.second)


def _layers(look: Look, figure: Figure, key: tuple[int, int]) -> list[Part]:
    """Body and clothes from back to front; the parts of the garment say that they are its."""
    garment = _sewn(look, figure, key)
    rng = default_rng((*key, 4))
    tops, trousers = [garment], Clothes([])
    if look.kind in BOTTOMS:
        kind = "jumper" if look.other.weave == "knit" else "T-shirt"
        tops = [top(kind, figure, look.other, rng, tucked=True)]
    elif look.kind != "dress":
        trousers = bottom("trousers", figure, look.other, rng)
    if look.inner is not None:
        inner = "shirt" if look.kind == "gilet" else "vest"
        tops.insert(0, top(inner, figure, look.inner, rng, tucked=True))
    sides = (-1, 1)

    def hands(*poses: ArmPose) -> list[Part]:
        held = [side for side in sides if figure.arms[side > 0] in poses]
        return [part for side in held for part in people.hand_parts(figure, side)]

    sleeved = {side: part for clothes in tops for side, part in clothes.forearms.items()}
    forearms = [
        sleeved.get(side) or people.arm_part(figure, side, forearm_only=True)
        for side in sides
        if figure.arms[side > 0] == "front"
    ]
    layers = [
        *people.hair_behind(look.model),
        *[part for clothes in tops for part in clothes.lining],
        *people.body_parts(figure),
        *people.shoe_parts(figure, Fabric(look.shoes, weave="smooth", shine=0.05)),
        *hands("pocket"),
        *trousers.outside,
        people.neck_part(figure),
        *[people.arm_part(figure, side) for side in sides],
        *hands("hang"),
        *[part for clothes in tops for part in clothes.outside],
        *(garment.outside if look.kind in BOTTOMS else []),
        *forearms,
        *hands("front", "hip"),
        *people.face_parts(look.model),
        *people.hair_before(look.model),
    ]
    own = set(garment.parts)
    return [replace(part, is_garment=part in own) for part in layers]


@dataclass(frozen=True)
class Look:
    """What one pair shows.

    Attributes:
        other: cloth of the trousers or the top worn with it.
        arms: how the left and the right arm on the picture are held.
        second: cloth of the sleeves and trims when they differ.
        inner: cloth of the top worn beneath, if any.
    """

    kind: str
    fabric: Fabric
    other: Fabric
    model: Model
    arms: tuple[ArmPose, ArmPose]
    second: Fabric | None = None
    inner: Fabric | None = None
    shoes: Rgb = (235, 232, 226)

    @property
    def garment(self) -> str:
        """The word for the garment."""
        return "trousers" if self.kind == "jeans" else self.kind

    @property
    def pattern(self) -> str:
        """The word for its pattern."""
        return "two-tone" if self.second else self.fabric.pattern


FAIR, LIGHT, OLIVE = (238, 200, 180), (226, 180, 154), (198, 148, 114)
BROWN, DARK = (142, 94, 66), (88, 56, 42)
BLACK_HAIR, BROWN_HAIR, BLOND, RED_HAIR = (28, 24, 24), (84, 56, 40), (206, 170, 112), (146, 74, 40)
MEN = (
    Model(LIGHT, BROWN_HAIR, "short", woman=False),
    Model(DARK, BLACK_HAIR, "buzz", woman=False),
    Model(OLIVE, BLACK_HAIR, "short", woman=False),
    Model(BROWN, BLACK_HAIR, "buzz", woman=False),
    Model(FAIR, BLOND, "short", woman=False),
    Model(LIGHT, RED_HAIR, "short", woman=False),
)
WOMEN = (
    Model(DARK, BLACK_HAIR, "afro", woman=True),
    Model(FAIR, RED_HAIR, "long", woman=True),
    Model(LIGHT, BLOND, "bun", woman=True),
    Model(OLIVE, BLACK_HAIR, "bob", woman=True),
    Model(BROWN, BLACK_HAIR, "long", woman=True),
    Model(FAIR, BROWN_HAIR, "bob", woman=True),
    Model(BROWN, BLACK_HAIR, "bun", woman=True),
)


def _cloth(weave: Weave) -> Callable[[int, int, int], Fabric]:
    return lambda r, g, b: Fabric((r, g, b), weave)


_plain, _twill, _denim = _cloth("plain"), _cloth("twill"), _cloth("denim")
_knit, _melange = _cloth("knit"), _cloth("melange")
_WHITE, _OFF_WHITE = _plain(238, 237, 233), _knit(240, 234, 224)
_BRETON = Fabric((240, 238, 230), pattern="stripes", accents=((34, 44, 84),))
_PETALS = ((232, 120, 104), (244, 206, 130), (250, 240, 226))
_FLOWERS = Fabric((28, 78, 84), pattern="flowers", accents=_PETALS, pitch=0.26)
_CHECK = Fabric((232, 228, 218), pattern="check", accents=((176, 50, 44), (40, 48, 80)), pitch=0.34)
_SUNSET = Fabric((92, 44, 52), pattern="print", accents=((250, 190, 90), (70, 84, 120), (236, 220, 200)))
_BEIGE, _CHARCOAL, _CRIMSON = _twill(190, 166, 130), _twill(38, 38, 42), _melange(150, 60, 84)
_ORANGE, _OLIVE_GREEN = _knit(206, 132, 58), _melange(98, 108, 66)

# Pairs 3, 5, 8 and 14 wear trousers that are near in colour to the top.
LOOKS: tuple[Look, ...] = (
    Look("shirt", _plain(112, 160, 206), _twill(40, 44, 58), MEN[0], ("pocket", "hang")),
    Look("T-shirt", _BRETON, _denim(92, 118, 158), WOMEN[0], ("hang", "hip")),
    Look("trousers", _BEIGE, _knit(204, 184, 152), MEN[2], ("hang", "pocket"), shoes=(92, 60, 40)),
    Look("dress", _FLOWERS, _WHITE, WOMEN[1], ("hang", "hip"), shoes=(180, 130, 96)),
    Look("jacket", _CHARCOAL, _twill(46, 46, 52), MEN[3], ("pocket", "hang"), inner=_plain(214, 214, 210)),
    Look("skirt", _twill(168, 62, 46), _OFF_WHITE, WOMEN[2], ("hang", "hang"), shoes=(40, 32, 30)),
    Look("shirt", _plain(244, 243, 239), _twill(120, 126, 110), WOMEN[3], ("front", "hang")),
    Look("jumper", _ORANGE, _twill(178, 118, 62), MEN[1], ("hang", "pocket"), second=_knit(60, 42, 36)),
    Look("gilet", _OLIVE_GREEN, _twill(52, 56, 66), MEN[4], ("pocket", "hang"), inner=_plain(232, 230, 224)),
    Look("jeans", _denim(70, 98, 142), _WHITE, WOMEN[4], ("hang", "pocket")),
    Look("jacket", _CRIMSON, _twill(206, 198, 186), WOMEN[5], ("hang", "front"), inner=_plain(244, 240, 234)),
    Look("shirt", _CHECK, _denim(48, 52, 66), MEN[5], ("front", "pocket")),
    Look("shorts", _twill(150, 160, 128), _WHITE, MEN[2], ("hang", "hang")),
    Look("T-shirt", _SUNSET, _twill(84, 46, 46), WOMEN[6], ("hip", "hang")),
)


def look_of(index: int, seed: int) -> Look:
    """The look of pair `index`: a listed one, and beyond the list a variation drawn from the seed."""
    if index < len(LOOKS):
        return LOOKS[index]
    rng = default_rng([seed, index, 3])
    base = LOOKS[rng.integers(len(LOOKS))]
    wearers = WOMEN if base.kind in {"dress", "skirt"} else (*MEN, *WOMEN)
    poses: tuple[ArmPose, ...] = (
        ("hang", "hip") if base.kind == "dress" else ("hang", "pocket", "hip", "front")
    )
    if base.kind in BOTTOMS:
        poses = ("hang", "pocket")
    patterns: tuple[Pattern, ...] = ("stripes", "pinstripes", "check", "dots", "flowers")
    pattern = patterns[rng.integers(len(patterns))] if rng.random() < 0.4 else "plain"
    fabric = replace(
        base.fabric,
        rgb=_random_colour(rng),
        pattern=pattern,
        accents=(_random_colour(rng), _random_colour(rng)),
        pitch=float(rng.uniform(0.12, 0.32)),
    )
    return replace(
        base,
        fabric=fabric,
        second=Fabric(_random_colour(rng)) if base.second or rng.random() < 0.1 else None,
        other=replace(base.other, rgb=_random_colour(rng)),
        model=wearers[rng.integers(len(wearers))],
        arms=(poses[rng.integers(len(poses))], "hang"),
    )


def _random_colour(rng: Generator) -> Rgb:
    """A colour that cloth has: greys, near-blacks and near-whites are as common as strong colours."""
    lightness, chroma, hue = rng.uniform(12, 95), 50 * rng.random() ** 1.5, rng.uniform(0, 2 * np.pi)
    lab = np.array([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])
    r, g, b = (int(value) for value in lab_to_srgb(lab))
    return r, g, b

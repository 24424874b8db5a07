"""What the drawn sample catalogue shows: garments, cloth and who wears them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chromiq.colour import lab_to_srgb
from chromiq.sample_catalogue.cloth import Fabric, Pattern, Rgb, Weave
from chromiq.sample_catalogue.people import ArmPose, HairStyle

BOTTOMS = frozenset({"trousers", "jeans", "shorts", "skirt"})

FAIR, LIGHT, OLIVE = (238, 200, 180), (226, 180, 154), (198, 148, 114)
BROWN, DARK = (142, 94, 66), (88, 56, 42)
BLACK_HAIR, BROWN_HAIR, BLOND, RED_HAIR = (28, 24, 24), (84, 56, 40), (206, 170, 112), (146, 74, 40)

STUDIOS: tuple[Rgb, ...] = (
    (250, 250, 250),
    (246, 245, 242),
    (238, 239, 241),
    (226, 227, 229),
    (244, 240, 234),
)


@dataclass(frozen=True)
class Model:
    """Who wears the garment."""

    skin: Rgb
    hair: Rgb
    hair_style: HairStyle
    woman: bool


@dataclass(frozen=True)
class Look:
    """What one pair shows.

    Attributes:
        kind: the garment's cut.
        fabric: the garment's cloth.
        other: cloth of the trousers or the top worn with it.
        model: who wears it.
        arms: how the left and the right arm on the picture are held.
        second: cloth of the sleeves and trims when they differ.
        inner: cloth of the top worn beneath, if any.
        shoes: their colour.
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


def _cloth(
    rgb: Rgb,
    weave: Weave = "plain",
    pattern: Pattern = "plain",
    accents: tuple[Rgb, ...] = (),
    pitch: float = 0.2,
) -> Fabric:
    return Fabric(rgb, pattern, accents, weave, pitch)


_BRETON = _cloth((240, 238, 230), pattern="stripes", accents=((34, 44, 84),))
_FLOWERS = _cloth(
    (28, 78, 84), pattern="flowers", accents=((232, 120, 104), (244, 206, 130), (250, 240, 226)), pitch=0.26
)
_CHECK = _cloth((232, 228, 218), pattern="check", accents=((176, 50, 44), (40, 48, 80)), pitch=0.34)
_SUNSET = _cloth((92, 44, 52), pattern="print", accents=((250, 190, 90), (70, 84, 120), (236, 220, 200)))
_WHITE, _OFF_WHITE = _cloth((238, 237, 233)), _cloth((240, 234, 224), "knit")

# Pairs 3, 5, 8 and 14 wear trousers that are near in colour to the top.
LOOKS: tuple[Look, ...] = (
    Look("shirt", _cloth((112, 160, 206)), _cloth((40, 44, 58), "twill"), MEN[0], ("pocket", "hang")),
    Look("T-shirt", _BRETON, _cloth((92, 118, 158), "denim"), WOMEN[0], ("hang", "hip")),
    Look(
        "trousers",
        _cloth((190, 166, 130), "twill"),
        _cloth((204, 184, 152), "knit"),
        MEN[2],
        ("hang", "pocket"),
        shoes=(92, 60, 40),
    ),
    Look("dress", _FLOWERS, _WHITE, WOMEN[1], ("hang", "hip"), shoes=(180, 130, 96)),
    Look(
        "jacket",
        _cloth((38, 38, 42), "twill"),
        _cloth((46, 46, 52), "twill"),
        MEN[3],
        ("pocket", "hang"),
        inner=_cloth((214, 214, 210)),
    ),
    Look("skirt", _cloth((168, 62, 46), "twill"), _OFF_WHITE, WOMEN[2], ("hang", "hang"), shoes=(40, 32, 30)),
    Look("shirt", _cloth((244, 243, 239)), _cloth((120, 126, 110), "twill"), WOMEN[3], ("front", "hang")),
    Look(
        "jumper",
        _cloth((206, 132, 58), "knit"),
        _cloth((178, 118, 62), "twill"),
        MEN[1],
        ("hang", "pocket"),
        second=_cloth((60, 42, 36), "knit"),
    ),
    Look(
        "gilet",
        _cloth((98, 108, 66), "melange"),
        _cloth((52, 56, 66), "twill"),
        MEN[4],
        ("pocket", "hang"),
        inner=_cloth((232, 230, 224)),
    ),
    Look("jeans", _cloth((70, 98, 142), "denim"), _WHITE, WOMEN[4], ("hang", "pocket")),
    Look(
        "jacket",
        _cloth((150, 60, 84), "melange"),
        _cloth((206, 198, 186), "twill"),
        WOMEN[5],
        ("hang", "front"),
        inner=_cloth((244, 240, 234)),
    ),
    Look("shirt", _CHECK, _cloth((48, 52, 66), "denim"), MEN[5], ("front", "pocket")),
    Look("shorts", _cloth((150, 160, 128), "twill"), _WHITE, MEN[2], ("hang", "hang")),
    Look("T-shirt", _SUNSET, _cloth((84, 46, 46), "twill"), WOMEN[6], ("hip", "hang")),
)


def look_of(index: int, seed: int) -> Look:
    """The look of pair `index`: a listed one, and beyond the list a variation drawn from the seed."""
    if index < len(LOOKS):
        return LOOKS[index]
    rng = np.random.default_rng([seed, index, 3])
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
        second=_cloth(_random_colour(rng)) if base.second or rng.random() < 0.1 else None,
        other=replace(base.other, rgb=_random_colour(rng)),
        model=wearers[rng.integers(len(wearers))],
        arms=(poses[rng.integers(len(poses))], "hang"),
    )


def _random_colour(rng: np.random.Generator) -> Rgb:
    """A colour that cloth has: greys, near-blacks and near-whites are as common as strong colours."""
    lightness, chroma, hue = rng.uniform(12, 95), 50 * rng.random() ** 1.5, rng.uniform(0, 2 * np.pi)
    lab = np.array([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])
    r, g, b = (int(value) for value in lab_to_srgb(lab))
    return r, g, b

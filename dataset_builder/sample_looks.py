"""What the drawn sample catalogue shows: garments, cloth and who wears them."""

from __future__ import annotations

from dataclasses import dataclass

from dataset_builder.sample_cloth import Fabric, Pattern, Rgb, Weave
from dataset_builder.sample_people import ArmPose, HairStyle


@dataclass(frozen=True)
class Look:
    """What one pair shows."""

    kind: str
    fabric: Fabric
    other: Fabric
    skin: Rgb
    hair: Rgb
    hair_style: HairStyle
    woman: bool
    arms: tuple[ArmPose, ArmPose]
    second: Fabric | None = None
    inner: Fabric | None = None
    shoes: Rgb = (235, 232, 226)
    background: Rgb = (246, 246, 246)


def _cloth(
    rgb: Rgb,
    weave: Weave = "plain",
    pattern: Pattern = "plain",
    accents: tuple[Rgb, ...] = (),
    pitch: float = 0.2,
    shine: float = 0.0,
) -> Fabric:
    return Fabric(rgb, pattern, accents, weave, pitch, shine)


FAIR, LIGHT, OLIVE, BROWN, DARK = (
    (238, 200, 180),
    (226, 180, 154),
    (198, 148, 114),
    (142, 94, 66),
    (88, 56, 42),
)
BLACK_HAIR, BROWN_HAIR, BLOND, RED_HAIR = (28, 24, 24), (84, 56, 40), (206, 170, 112), (146, 74, 40)

LOOKS: tuple[Look, ...] = (
    Look(
        "shirt",
        _cloth((112, 160, 206)),
        _cloth((40, 44, 58), "twill"),
        LIGHT,
        BROWN_HAIR,
        "short",
        False,
        ("pocket", "hang"),
    ),
    Look(
        "T-shirt",
        _cloth((240, 238, 230), pattern="stripes", accents=((34, 44, 84),)),
        _cloth((92, 118, 158), "denim"),
        DARK,
        BLACK_HAIR,
        "afro",
        True,
        ("hang", "hip"),
    ),
    Look(
        "trousers",
        _cloth((190, 166, 130), "twill"),
        _cloth((204, 184, 152), "knit"),
        OLIVE,
        BLACK_HAIR,
        "short",
        False,
        ("hang", "pocket"),
        shoes=(92, 60, 40),
    ),
    Look(
        "dress",
        _cloth(
            (28, 78, 84),
            pattern="flowers",
            accents=((232, 120, 104), (244, 206, 130), (250, 240, 226)),
            pitch=0.26,
        ),
        _cloth((0, 0, 0)),
        FAIR,
        RED_HAIR,
        "long",
        True,
        ("hang", "hip"),
        shoes=(180, 130, 96),
    ),
    Look(
        "jacket",
        _cloth((38, 38, 42), "twill"),
        _cloth((46, 46, 52), "twill"),
        BROWN,
        BLACK_HAIR,
        "buzz",
        False,
        ("pocket", "hang"),
        inner=_cloth((214, 214, 210)),
    ),
    Look(
        "skirt",
        _cloth((168, 62, 46), "twill"),
        _cloth((240, 234, 224), "knit"),
        LIGHT,
        BLOND,
        "bun",
        True,
        ("hang", "hang"),
        shoes=(40, 32, 30),
    ),
    Look(
        "shirt",
        _cloth((244, 243, 239)),
        _cloth((120, 126, 110), "twill"),
        OLIVE,
        BLACK_HAIR,
        "bob",
        True,
        ("front", "hang"),
    ),
    Look(
        "jumper",
        _cloth((206, 132, 58), "knit"),
        _cloth((178, 118, 62), "twill"),
        DARK,
        BLACK_HAIR,
        "buzz",
        False,
        ("hang", "pocket"),
        second=_cloth((60, 42, 36), "knit"),
    ),
    Look(
        "gilet",
        _cloth((98, 108, 66), "melange"),
        _cloth((52, 56, 66), "twill"),
        FAIR,
        BLOND,
        "short",
        False,
        ("pocket", "hang"),
        inner=_cloth((232, 230, 224)),
    ),
    Look(
        "jeans",
        _cloth((70, 98, 142), "denim"),
        _cloth((236, 234, 230)),
        BROWN,
        BLACK_HAIR,
        "long",
        True,
        ("hang", "pocket"),
    ),
    Look(
        "jacket",
        _cloth((150, 60, 84), "melange"),
        _cloth((206, 198, 186), "twill"),
        FAIR,
        BROWN_HAIR,
        "bob",
        True,
        ("hang", "front"),
        inner=_cloth((244, 240, 234)),
    ),
    Look(
        "shirt",
        _cloth((232, 228, 218), pattern="check", accents=((176, 50, 44), (40, 48, 80)), pitch=0.34),
        _cloth((48, 52, 66), "denim"),
        LIGHT,
        RED_HAIR,
        "short",
        False,
        ("front", "pocket"),
    ),
    Look(
        "shorts",
        _cloth((150, 160, 128), "twill"),
        _cloth((238, 236, 230)),
        OLIVE,
        BROWN_HAIR,
        "short",
        False,
        ("hang", "hang"),
        shoes=(240, 238, 234),
    ),
    Look(
        "T-shirt",
        _cloth((92, 44, 52)),
        _cloth((84, 46, 46), "twill"),
        BROWN,
        BLACK_HAIR,
        "bun",
        True,
        ("hip", "hang"),
    ),
)

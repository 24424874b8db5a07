"""Fixed crops to measure on, declared once on the truth image."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chromiq.errors import Finding, raise_findings
from chromiq.records import Box


class Crop(BaseModel):
    """A rectangle on the truth image, in pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)

    @property
    def xyxy(self) -> Box:
        """Left, top, right, bottom; right and bottom exclusive."""
        return (self.x, self.y, self.x + self.width, self.y + self.height)


_CROPS = TypeAdapter(dict[str, Crop])


def read_crops(path: Path) -> dict[str, Crop]:
    """The crops of a ``crops.json``: ``{"pair1": {"x": 700, "y": 310, "width": 160, "height": 160}}``.

    Raises:
        UnsoundError: with all that is wrong in the file.
    """
    try:
        return _CROPS.validate_json(path.read_bytes())
    except OSError as error:
        found = [Finding("crops.unreadable", str(path), "a crops file", f"'{error}'", "check the path")]
    except ValidationError as error:
        found = [
            Finding(
                "crops.form",
                f"{path.name}: {'.'.join(str(part) for part in fault['loc']) or 'the file'}",
                fault["msg"],
                repr(fault["input"])[:80],
                "mend the entry",
            )
            for fault in error.errors()
        ]
    raise_findings(found, str(path))
    raise AssertionError  # the findings above are errors


def crop_findings(crop: Crop, size_wh: tuple[int, int], name: str) -> list[Finding]:
    """Whether a crop lies within its truth image."""
    _, _, right, bottom = crop.xyxy
    if right <= size_wh[0] and bottom <= size_wh[1]:
        return []
    wanted = f"a crop inside {size_wh[0]}x{size_wh[1]}"
    return [Finding("crops.bounds", name, wanted, f"one that ends at {right},{bottom}", "move it")]

"""A training example for manifests that a test writes itself."""

from dataclasses import replace

from chromiq.records import Degradation, Example, GarmentLabel

_EXAMPLE = Example(
    name="pair1",
    key="1",
    target="gt/pair1.jpg",
    control="control/pair1.jpg",
    mask=None,
    reference=None,
    caption="a caption",
    label=GarmentLabel("shirt", "given"),
    degradation=Degradation("hue", {"degrees": 12.0}, 8.0, 8.1),
    geometry=None,
    mask_confidence=0.9,
    mask_reasons=(),
    split="train",
    digests={},
)


def an_example(**fields):
    """An example with some fields changed."""
    return replace(_EXAMPLE, **fields)

"""Which segmenter to use: the best one that can run here, or the one asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from chromiq.dataset_builder.inputs.labels import PUBLISHED_VOCABULARY
from chromiq.dataset_builder.segmenters import Segmenter
from chromiq.dataset_builder.segmenters.classic.body import KINDS, Kind
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.dataset_builder.segmenters.network.grounded_sam2 import (
    GROUNDING_DINO,
    SAM_2,
    load_grounded_sam2,
    phrase_fault,
)
from chromiq.dataset_builder.segmenters.network.hub import (
    HubModel,
    Runtime,
    fetch_weights,
    load_processor,
    needing_models,
    text_fault,
    weights_available,
)
from chromiq.dataset_builder.segmenters.network.sam3 import SAM_3, TEXT_TOKENS, load_sam3
from chromiq.dataset_builder.segmenters.network.segmenter import NetworkSegmenter
from chromiq.dataset_builder.segmenters.small.person import TWO_MODELS, PersonModels
from chromiq.dataset_builder.segmenters.small.weights import (
    fetch_small_weights,
    multiclass_available,
    small_weights,
    small_weights_available,
)
from chromiq.errors import UsageError
from chromiq.runtime.torch_device import refuse_unknown_device

SegmenterName = Literal["auto", "grounded-sam2", "sam3", "mediapipe", "classic"]
WITHOUT_MODEL_OPTIONS = ("classic", "mediapipe")
"""Those that take no `ModelOptions`."""


@dataclass(frozen=True)
class ModelOptions:
    """How the segmenters that have models name and find garments.

    Attributes:
        vocabulary: the words a garment may be called.
        detector: Grounding DINO, ``owner/name``, ``owner/name@revision`` or a folder; None for the usual.
        masker: the same for SAM 2.1 or SAM 3.
        device: torch's name, or ``"auto"``.
        dtype: ``"float32"``, ``"float16"``, ``"bfloat16"`` or ``"auto"``.
    """

    vocabulary: tuple[str, ...] = PUBLISHED_VOCABULARY
    detector: str | None = None
    masker: str | None = None
    device: str = "auto"
    dtype: str = "auto"


def resolve_segmenter(name: SegmenterName, models: ModelOptions | None = None) -> SegmenterName:
    """The segmenter to use, its weights on this machine.

    ``auto`` is the first of grounded-sam2, mediapipe and classic whose weights are here already. The latter
    two leave the options of models aside then.

    Raises:
        AccessError: if its weights cannot be fetched; it names the page to visit.
        UsageError: if models are chosen for a segmenter that takes none, or torch knows no such device.
    """
    models = models or ModelOptions()
    if name in WITHOUT_MODEL_OPTIONS and models != ModelOptions():
        raise UsageError(
            f"the segmenter {name} takes no `vocabulary`, `detector`, `masker`, `device` or `dtype`; "
            "leave these options out, or use the segmenter grounded-sam2"
        )
    if name == "sam3" and models.detector:
        raise UsageError("the segmenter sam3 has no detector of its own; give a masker alone")
    if name == "auto":
        if weights_available(*_grounded_sam2_models(models)):
            return "grounded-sam2"
        if models.device != "auto":
            refuse_unknown_device(models.device)
        return "mediapipe" if small_weights_available() else "classic"
    if name == "mediapipe":
        fetch_small_weights()
    if name == "sam3":
        fetch_weights(_sam3_model(models))
    if name == "grounded-sam2":
        fetch_weights(*_grounded_sam2_models(models))
    return name


def label_faults(
    name: SegmenterName, labels: Collection[str], models: ModelOptions | None = None
) -> dict[str, str]:
    """Which garment names a segmenter cannot be asked for, each with why, as a clause.

    Only the tokenizer of a segmenter that reads names is loaded, and only if there are any.

    Raises:
        AccessError: if the tokenizer cannot be fetched.
        UsageError: if the model libraries it needs are not installed.
    """
    models = models or ModelOptions()
    if name == "auto" and weights_available(*_grounded_sam2_models(models)):
        name = "grounded-sam2"
    if name not in ("grounded-sam2", "sam3") or not labels:
        return {}
    with needing_models():
        from transformers import AutoConfig, AutoTokenizer
    model = _sam3_model(models) if name == "sam3" else _grounded_sam2_models(models)[0]
    fetch_weights(model, only_small=True)
    tokenizer = load_processor(AutoTokenizer, model)
    if name == "sam3":
        faults = {label: text_fault(tokenizer, label, TEXT_TOKENS) for label in labels}
    else:
        limit = int(load_processor(AutoConfig, model).max_text_len)
        faults = {label: phrase_fault(tokenizer, limit, label) for label in labels}
    return {label: fault for label, fault in faults.items() if fault}


def recorded_name(name: SegmenterName) -> str:
    """What a segmenter's masks are recorded under: with fewer weights it finds other ones."""
    return TWO_MODELS if name == "mediapipe" and not multiclass_available() else name


def recorded_segmenter(recorded: str) -> tuple[str, Kind | None]:
    """The segmenter that a name was recorded of, and the part of the body it was given.

    >>> recorded_segmenter("mediapipe-two-models:upper"), recorded_segmenter("grounded-sam2")
    (('mediapipe', 'upper'), ('grounded-sam2', None))
    """
    name, _, part = recorded.partition(":")
    return "mediapipe" if name == TWO_MODELS else name, next((kind for kind in KINDS if kind == part), None)


def pairs_at_once(name: SegmenterName) -> int:
    """How many pairs a segmenter should see together: large models run a batch faster, nothing else gains.

    >>> pairs_at_once("classic"), pairs_at_once("grounded-sam2")
    (1, 4)
    """
    return 1 if name in WITHOUT_MODEL_OPTIONS else 4


def make_segmenter(
    name: SegmenterName, models: ModelOptions | None = None, part: Kind | None = None
) -> Segmenter:
    """A segmenter, its models loaded.

    Args:
        name: which one.
        models: how those that have models name and find garments.
        part: where the garments are worn, whatever they are called, for still-lifes that show a set: a
            network then looks for a garment of that part. None leaves it to the name and the photos.

    Raises:
        AccessError: if its weights cannot be fetched.
        UsageError: if the model libraries it needs are not installed, or the options do not fit together.
    """
    models = models or ModelOptions()
    resolved = resolve_segmenter(name, models)
    if resolved == "classic":
        return ClassicSegmenter(part=part)
    if resolved == "mediapipe":
        return ClassicSegmenter(PersonModels(small_weights()), part)
    runtime = Runtime.choose(models.device, models.dtype)
    loaded = (
        load_sam3(_sam3_model(models), runtime)
        if resolved == "sam3"
        else load_grounded_sam2(*_grounded_sam2_models(models), runtime)
    )
    return NetworkSegmenter(loaded, models.vocabulary, part)


def _sam3_model(options: ModelOptions) -> HubModel:
    return HubModel.parse(options.masker) if options.masker else SAM_3


def _grounded_sam2_models(options: ModelOptions) -> tuple[HubModel, HubModel]:
    return (
        HubModel.parse(options.detector) if options.detector else GROUNDING_DINO,
        HubModel.parse(options.masker) if options.masker else SAM_2,
    )

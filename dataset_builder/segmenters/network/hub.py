"""Models from the Hugging Face hub or a folder: safetensors only, loaded once, with a message when barred."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from chromiq.errors import AccessError, UsageError, needing
from chromiq.progress import silence_model_libraries
from chromiq.records import RgbImage
from chromiq.runtime.torch_device import require_torch_device

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_SMALL_FILES = ("*.json", "*.txt")
_FILES = ("*.safetensors", *_SMALL_FILES)
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_ELSE = "name a local folder, or use the segmenter classic"


@dataclass(frozen=True)
class HubModel:
    """A model on the hub at a revision, or a local folder."""

    name_or_path: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> HubModel:
        """A model as written on the command line: ``owner/name``, ``owner/name@revision`` or a folder.

        >>> HubModel.parse("facebook/sam2.1-hiera-large@abc123")
        HubModel(name_or_path='facebook/sam2.1-hiera-large', revision='abc123')
        """
        name, at, revision = text.partition("@")
        if Path(text).is_dir() or not at:
            return cls(text)
        return cls(name, revision or "main")

    @property
    def page(self) -> str:
        """Where a licence is accepted and the files are seen."""
        return f"https://huggingface.co/{self.name_or_path}"


@dataclass(frozen=True)
class Runtime:
    """Where models run and how exactly.

    Attributes:
        device: torch's name, such as ``"cpu"`` or ``"cuda:1"``.
        dtype: ``"float32"``, ``"float16"`` or ``"bfloat16"``; the last two by autocast.
    """

    device: str
    dtype: str
    torch: Any = field(repr=False)

    @classmethod
    def choose(cls, device: str = "auto", dtype: str = "auto") -> Runtime:
        """The runtime asked for; ``auto`` is CUDA in half precision when there is one, else the CPU in full.

        Raises:
            UsageError: if torch is not installed or has no such device or type.
        """
        with needing_models():
            import torch
        silence_model_libraries()
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        require_torch_device(device)
        if dtype == "auto":
            half = "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float16"
            dtype = half if device.startswith("cuda") else "float32"
        if dtype not in ("float32", "float16", "bfloat16"):
            raise UsageError(f"dtype {dtype} is unknown; use auto, float32, float16 or bfloat16")
        return cls(device, dtype, torch)

    def inference(self) -> ExitStack:
        """A context without gradients and, below float32, with autocast."""
        stack = ExitStack()
        stack.enter_context(self.torch.inference_mode())
        if self.dtype != "float32":
            half = getattr(self.torch, self.dtype)
            stack.enter_context(self.torch.autocast(self.device.split(":")[0], dtype=half))
        return stack

    def square_pixels(
        self,
        photos: Sequence[RgbImage],
        side_px: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> Any:
        """Photos stretched to a square and normalised, a float tensor ``(N, 3, side_px, side_px)``.

        What the image processors of SAM 2 and SAM 3 do; transformers' own need torchvision, which has no
        build beside CPU torch.
        """
        torch = self.torch
        squares = []
        for photo in photos:
            image = torch.from_numpy(photo).to(self.device).permute(2, 0, 1)[None].float()
            squares.append(
                torch.nn.functional.interpolate(
                    image, size=(side_px, side_px), mode="bilinear", antialias=True, align_corners=False
                )
            )
        scale = [torch.tensor(value, device=self.device)[:, None, None] for value in (mean, std)]
        return (torch.cat(squares) / 255 - scale[0]) / scale[1]


def needing_models() -> AbstractContextManager[None]:
    """Around the imports of the model libraries; see `chromiq.errors.needing`."""
    return needing("models", "this segmenter", "use the segmenter classic")


def weights_available(*models: HubModel) -> bool:
    """Whether the weights of all `models` are on this machine already; asks no network."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False

    def is_here(model: HubModel) -> bool:
        folder = Path(model.name_or_path)
        if folder.is_dir():
            return any((folder / name).is_file() for name in _WEIGHTS)
        cached = (
            try_to_load_from_cache(model.name_or_path, name, revision=model.revision) for name in _WEIGHTS
        )
        return any(isinstance(path, str) for path in cached)

    return all(is_here(model) for model in models)


def fetch_weights(*models: HubModel, only_small: bool = False) -> None:
    """Bring the weights of all `models` onto this machine, unless they are here.

    Args:
        models: by hub name or folder.
        only_small: fetch configurations and tokenizers alone.

    Raises:
        AccessError: if some cannot be fetched; it names the page to visit.
        UsageError: if the model libraries are not installed.
    """
    with needing_models():
        from huggingface_hub import snapshot_download
    for model in models:
        if not weights_available(model) and not Path(model.name_or_path).is_dir():
            fetch = partial(snapshot_download, model.name_or_path, revision=model.revision)
            _barred(model, partial(fetch, allow_patterns=_SMALL_FILES if only_small else _FILES))


def load_model(model_class: Any, model: HubModel, device: str) -> Any:
    """A model's weights, from safetensors only, on a device, ready to run.

    Raises:
        AccessError: if they cannot be fetched, are pickles, or do not fit the class.
    """
    name, needed = model.name_or_path, model_class.__name__
    load = partial(model_class.from_pretrained, name, revision=model.revision)
    try:
        loaded, report = _barred(model, partial(load, use_safetensors=True, output_loading_info=True))
    except (AttributeError, KeyError, TypeError) as error:  # what its configuration lacks
        raise AccessError(
            f"{name}: these weights are not of a {needed} ({_first_line(error)}); name another model"
        ) from error
    # transformers would fill what is missing with random numbers.
    if missing := sorted(report["missing_keys"]):
        raise AccessError(
            f"{name}: these weights are not of a {needed}: {len(missing)} of its tensors are missing, "
            f"such as {missing[0]}; name another model"
        )
    return loaded.to(device).eval()


def load_processor(processor_class: Any, model: HubModel) -> Any:
    """A tokenizer or an image processor of a model; no code of the model's page is run.

    Raises:
        AccessError: if its files cannot be fetched.
    """
    return _barred(
        model,
        lambda: processor_class.from_pretrained(
            model.name_or_path, revision=model.revision, trust_remote_code=False
        ),
    )


def text_fault(tokenizer: Any, text: str, limit: int) -> str | None:
    """Why a model cannot be asked for a garment by this text, as a clause; None if it can.

    Args:
        tokenizer: the model's.
        text: words between blanks.
        limit: tokens that the model takes, those that the tokenizer adds included.
    """
    special = set(tokenizer.all_special_ids)  # among them what stands for an unknown word
    unknown = [
        repr(word)
        for word in text.split()
        if special.intersection(tokenizer(word, add_special_tokens=False)["input_ids"])
    ]
    if unknown:
        return f"has words that the detector does not know: {', '.join(unknown)}"
    tokens = len(tokenizer(text)["input_ids"])
    return f"is {tokens} tokens long, and the detector takes {limit}" if tokens > limit else None


def _barred(model: HubModel, load: Callable[[], Any]) -> Any:
    from huggingface_hub.errors import HFValidationError

    try:
        return load()
    except (OSError, ValueError, RuntimeError, HFValidationError) as error:
        raise AccessError(_why_barred(model, error)) from error


def _why_barred(model: HubModel, error: BaseException) -> str:
    from huggingface_hub import is_offline_mode
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    name, folder = model.name_or_path, Path(model.name_or_path)
    causes = list(_causes(error))
    if folder.is_dir():
        pickled = [path.name for pattern in _PICKLES for path in sorted(folder.glob(pattern))]
        if pickled:
            why = f"{', '.join(pickled)} are pickles, which can run code, and there is no {_WEIGHTS[0]}"
        else:
            why = f"the model in this folder cannot be loaded ({_first_line(error)})"
        return f"{name}: {why}; {_ELSE}"
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return (
            f"{name}: access refused, as its licence has not been accepted; "
            f"visit {model.page}, accept it, and set HF_TOKEN"
        )
    if any(isinstance(cause, (RepositoryNotFoundError, RevisionNotFoundError)) for cause in causes):
        return (
            f"{name}: the hub has no model of this name at revision {model.revision}; "
            f"see {model.page}, or {_ELSE}"
        )
    if is_offline_mode():
        return (
            f"{name}: its weights are not in the cache, and HF_HUB_OFFLINE is set; "
            f"fetch them from {model.page}, or {_ELSE}"
        )
    return (
        f"{name}: its weights cannot be loaded as safetensors ({_first_line(error)}); "
        f"see {model.page}, or {_ELSE}"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"'{lines[0].removeprefix('Got: ') if lines else type(error).__name__}'"

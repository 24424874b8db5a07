"""The base models that LoRAs are made for: their licences, and how diffusers loads them."""

from __future__ import annotations

from dataclasses import dataclass

from chromiq.errors import UsageError

_BFL, _QWEN = "black-forest-labs/", "Qwen/"


@dataclass(frozen=True)
class Licence:
    """A licence as the hub's cards name it.

    Attributes:
        identifier: the hub's ``license``; ``"other"`` for one that is not on its list.
        name: ``license_name``, with ``"other"``.
        link: to its text, with ``"other"``.
    """

    identifier: str
    name: str | None = None
    link: str | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """The keys of a card's front matter."""
        keys = {"license": self.identifier, "license_name": self.name, "license_link": self.link}
        return {key: value for key, value in keys.items() if value}


_APACHE = Licence("apache-2.0")


def _other(name: str, repository: str) -> Licence:
    return Licence("other", name, f"https://huggingface.co/{repository}/blob/main/LICENSE.md")


# Each name is the one under which the weights were published. A LoRA is a derivative, under the same terms.
_LICENCES = {
    f"{_BFL}FLUX.1-Kontext-dev": _other("flux-1-dev-non-commercial-license", f"{_BFL}FLUX.1-Kontext-dev"),
    f"{_BFL}FLUX.2-dev": _other("flux-dev-non-commercial-license", f"{_BFL}FLUX.2-dev"),
    f"{_BFL}FLUX.2-klein-4B": _APACHE,
    f"{_BFL}FLUX.2-klein-base-4B": _APACHE,
    f"{_BFL}FLUX.2-klein-9B": _other("flux-non-commercial-license", f"{_BFL}FLUX.2-klein-9B"),
    f"{_BFL}FLUX.2-klein-base-9B": _other("flux-non-commercial-license", f"{_BFL}FLUX.2-klein-base-9B"),
    f"{_QWEN}Qwen-Image-Edit": _APACHE,
    f"{_QWEN}Qwen-Image-Edit-2509": _APACHE,
    f"{_QWEN}Qwen-Image-Edit-2511": _APACHE,
}
_PIPELINES = {
    "flux_kontext": "FluxKontextPipeline",
    "qwen_image_edit": "QwenImageEditPipeline",
    "qwen_image_edit_plus": "QwenImageEditPlusPipeline",
    "flux2": "Flux2Pipeline",
    "flux2_klein_4b": "Flux2KleinPipeline",
    "flux2_klein_9b": "Flux2KleinPipeline",
}


def base_licence(base_model: str) -> Licence:
    """The licence of a base model.

    >>> base_licence("Qwen/Qwen-Image-Edit").identifier
    'apache-2.0'

    Raises:
        UsageError: if it is not known; a licence is never guessed.
    """
    if base_model in _LICENCES:
        return _LICENCES[base_model]
    raise UsageError(
        f"{base_model}: wanted a base model whose licence is known, got another; give its hub name with "
        f"--base-model (known: {', '.join(_LICENCES)}), or its licence with --license"
    )


def pipeline_class(arch: str) -> str:
    """The diffusers pipeline of an AI-Toolkit arch, whose variant after a colon does not matter.

    >>> pipeline_class("qwen_image_edit_plus:2511")
    'QwenImageEditPlusPipeline'

    Raises:
        UsageError: if the arch is not known.
    """
    name = arch.split(":")[0]
    if name in _PIPELINES:
        return _PIPELINES[name]
    raise UsageError(f"{arch}: wanted an arch of {', '.join(_PIPELINES)}; a card cannot say how to load it")

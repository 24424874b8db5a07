"""Checkpoints of the smoke engine: the LoRA in diffusers' format, and the state that a resume needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chromiq.errors import OptionError
from chromiq.files import write_bytes
from chromiq.toolkit_configs.schema.trainer_job import Job

_STATE_SUFFIX = ".state.safetensors"


def lora_state(parameters: dict[str, Any], scale: float) -> dict[str, Any]:
    """LoRA weights under diffusers' keys, with alpha / rank folded into ``lora_B``.

    Args:
        parameters: the trainable ones, from `named_parameters` of a transformer with an adapter.
        scale: alpha over rank.
    """
    state = {}
    for name, value in parameters.items():
        key = "transformer." + name.replace(".default.", ".")
        weight = value.detach().to("cpu").clone()
        state[key] = weight * scale if ".lora_B." in key and scale != 1 else weight
    return state


def save_checkpoint(run: Path, job: Job, parameters: dict[str, Any], optimizer: Any, step: int) -> Path:
    """Write the LoRA, then the training state, as safetensors; return the LoRA's path."""
    from safetensors.torch import save

    name, network = job.config.name, job.process.network
    assert network is not None  # it is what was trained
    total = job.process.train.steps
    path = run / (f"{name}.safetensors" if step == total else f"{name}_{step:09d}.safetensors")
    state = lora_state(parameters, network.linear_alpha / network.linear)
    # A single metadata key: safetensors writes several in an order that differs from run to run. Not by its
    # own save_file, which leaves temporary files behind when it is killed.
    write_bytes(path, save(state, metadata={"step": str(step)}))
    tensors = {f"weight/{key}": value.detach().cpu().clone() for key, value in parameters.items()}
    for key, value in parameters.items():
        for moment, tensor in optimizer.state[value].items():
            tensors[f"{moment}/{key}"] = tensor.detach().cpu().clone()
    write_bytes(run / f"{name}{_STATE_SUFFIX}", save(tensors, metadata={"step": str(step)}))
    saved = sorted(run.glob(f"{name}_[0-9]*.safetensors"))
    for old in saved[: -job.process.save.max_step_saves_to_keep]:
        old.unlink()
    return path


def restore(run: Path, job: Job, parameters: dict[str, Any], optimizer: Any, resume: bool) -> int:
    """Load the saved state of the run and return its step, or 0 without one.

    Raises:
        OptionError: if there is a state and `resume` is False.
    """
    import torch
    from safetensors import safe_open

    path = run / f"{job.config.name}{_STATE_SUFFIX}"
    if not path.is_file():
        return 0
    if not resume:
        raise OptionError("resume", f"a run of this name exists at {run}; resume it, or choose another name")
    with safe_open(path, framework="pt") as state:
        step = int(state.metadata()["step"])
        keys = set(state.keys())
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(state.get_tensor(f"weight/{name}"))
                moments = [key.split("/")[0] for key in keys if key.endswith(f"/{name}")]
                optimizer.state[value] = {
                    moment: state.get_tensor(f"{moment}/{name}") for moment in moments if moment != "weight"
                }
    return step

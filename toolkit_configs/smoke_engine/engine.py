"""Train a rendered job in this process, with diffusers and peft: for smoke runs, CPUs and tests.

It trains the masked-loss FLUX.1-Kontext LoRA that the job describes: target latents noised by flow
matching, control latents appended along the sequence, the loss weighted as AI-Toolkit weights it. It does
not replace AI-Toolkit: noise levels are uniform whatever `timestep_type` says, masks are not blurred at
random, the optimizer is always AdamW, and nothing is quantised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from chromiq.dataset_builder.canvas.buckets import as_trained, bucket_size_wh
from chromiq.errors import (
    Finding,
    InterruptedRunError,
    OptionError,
    UnsoundError,
    UsageError,
    needing,
    raise_findings,
)
from chromiq.files import ensure_output_folder, natural_key, write_bytes
from chromiq.photos.images import read_photo
from chromiq.photos.soundness import list_images
from chromiq.progress import silence_model_libraries
from chromiq.runtime.signals import signals_collected
from chromiq.toolkit_configs.runs.events import Event
from chromiq.toolkit_configs.schema.trainer_job import Job

SEED = 42
_STATE_SUFFIX = ".state.safetensors"
MAX_PARAMETERS_WITHOUT_GPU = 200_000_000
# Every linear layer of every block, as AI-Toolkit takes them.
_TARGET_MODULES = (
    r".*transformer_blocks\.\d+\.(attn\.(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
    r"|ff(_context)?\.net\.(0\.proj|2)|proj_mlp|proj_out|norm(1|1_context)?\.linear)"
)


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples as tensors: latents ``(B, C, h, w)``, loss weights ``(B, 1, h, w)``, embedded captions."""

    target: Any
    control: Any
    weights: Any
    prompt: Any
    pooled: Any
    text_ids: Any


def train(
    job: Job,
    *,
    on_event: Callable[[Event], None] = lambda _: None,
    resume: bool = False,
    seed: int | None = None,
) -> Path:
    """Train the job's LoRA and return its final checkpoint; the caller holds the run folder's lock.

    Args:
        job: as rendered; without a GPU `model.name_or_path` must be the folder of a tiny checkpoint.
        on_event: called with each step and each checkpoint.
        resume: continue from the newest checkpoint of the run.
        seed: of the LoRA's initial weights, the noise and the order of examples; 42 by default.

    Raises:
        UsageError: if the checkpoint is full-size and there is no GPU.
        OptionError: if the run exists and `resume` is False.
        UnsoundError: if the job describes what the engine does not train, the dataset lacks a control, a mask
            or a caption, or the loss is not finite.
        InterruptedRunError: on SIGINT or SIGTERM, after saving.
    """
    import torch

    process = job.process
    seed = SEED if seed is None else seed
    device = smoke_device(job)
    examples = _find_examples(job)
    run = ensure_output_folder(job.run_folder)
    with signals_collected() as stopped:
        torch.manual_seed(seed)
        pipeline = _load(process.model.name_or_path, device)
        network = process.network
        assert network is not None  # smoke_device refuses a job without one
        transformer = _with_lora(pipeline.transformer, network.linear)
        parameters = {name: value for name, value in transformer.named_parameters() if value.requires_grad}
        optimizer = torch.optim.AdamW(
            parameters.values(),
            lr=process.train.lr,
            weight_decay=float(process.train.optimizer_params.get("weight_decay", 0)),
        )
        start = _restore(run, job, parameters, optimizer, resume)
        batches = [_encode(pipeline, job, example, device) for example in examples]
        total, every = process.train.steps, process.save.save_every
        for step in range(start, total):
            chosen = _drawn(step, len(batches), process.train.batch_size, seed)
            pairs = [_velocities(transformer, pipeline, batches[i], step, i, device, seed) for i in chosen]
            predicted, wanted = zip(*pairs, strict=True)
            loss = masked_loss(predicted, wanted, [batches[i].weights for i in chosen])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step()
            value, done = float(loss.detach()), step + 1
            if not np.isfinite(value):
                raise UnsoundError(f"the loss became {value} at step {done}; lower train.lr and start again")
            on_event(Event("step", {"step": done, "loss": value, "learning_rate": process.train.lr}))
            if (every and done % every == 0) or done == total or stopped:
                saved = _save_checkpoint(run, job, parameters, optimizer, done)
                on_event(Event("checkpoint", {"step": done, "file": saved.name}))
            if stopped and done < total:
                raise InterruptedRunError(
                    f"{run}: stopped at step {done} of {total}, saved; resume it to continue"
                )
    return run / f"{job.config.name}.safetensors"


def smoke_device(job: Job) -> str:
    """The device that the smoke engine trains a job on: the config's, or the CPU without a GPU.

    Raises:
        UnsoundError: if it describes what the engine does not train.
        UsageError: if the model libraries are missing; or on a CPU, if the base model is not the folder of a
            tiny checkpoint.
    """
    raise_findings(list(_untrained(job)), job.config.name)
    with needing("models", "the smoke engine"):
        import torch
    if torch.cuda.is_available() and job.process.device != "cpu":
        return job.process.device
    name_or_path = job.process.model.name_or_path
    folder = Path(name_or_path)
    if not folder.is_dir():
        raise UsageError(
            f"{name_or_path}: no such folder, and no GPU; the smoke engine trains tiny checkpoints on a CPU: "
            "set model.name_or_path to the folder of one, or train with AI-Toolkit on a machine with a GPU"
        )
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    if size > 2 * MAX_PARAMETERS_WITHOUT_GPU:
        raise UsageError(
            f"{folder}: a full-size checkpoint ({size / 1e9:.1f} GB) and no GPU; the smoke engine is for "
            "tiny checkpoints, train with AI-Toolkit on a machine with a GPU"
        )
    return "cpu"


def _untrained(job: Job) -> Iterator[Finding]:
    """What a job describes and the engine would train as something else."""
    process = job.process
    arch, network = process.model.trainer_arch, process.network
    controls = [dataset.control_paths for dataset in process.datasets]
    found = {}
    if arch != "flux_kontext":
        found["model.arch"] = f"FLUX.1-Kontext, not {arch}"
    if network is None or network.type != "lora":
        found["network"] = f"a LoRA, not {network.type if network else 'the whole model'}"
    if len(controls) != 1:
        found["datasets"] = f"one dataset, not {len(controls)}"
    else:
        if len(controls[0]) != 1:
            found["datasets.0.control_path"] = f"with one folder of controls, not {len(controls[0])}"
        for key in ("invert_mask", "alpha_mask"):
            if getattr(process.datasets[0], key):
                found[f"datasets.0.{key}"] = f"with loss masks as they are, not with {key}"
    for key, what in found.items():
        message, hint = f"the smoke engine trains {what}", "Change it, or train with AI-Toolkit."
        yield Finding("smoke.untrained", f"{job.config.name}: {key}", message, hint)


def _find_examples(job: Job) -> list[dict[str, Path]]:
    """Targets of the job with their control, mask and caption, in natural order.

    Raises:
        UnsoundError: with every missing file. AI-Toolkit would train without it and not report it.
    """
    dataset = job.process.datasets[0]
    folder = dataset.targets
    assert folder is not None  # the checks refuse a dataset without targets
    folders = {"control": Path(dataset.control_paths[0])}
    if dataset.mask_path:
        folders["mask"] = Path(dataset.mask_path)
    images = {
        role: {path.stem: path for path in reversed(list_images(place))} for role, place in folders.items()
    }
    targets = sorted(list_images(folder), key=lambda path: natural_key(path.stem))
    findings = []
    if not targets:
        findings.append(Finding("dataset.empty", str(folder), "no target images", "Build the dataset."))
    examples = []
    for target in targets:
        example = {"target": target, "caption": target.with_suffix(dataset.caption_ext or ".txt")}
        for role, place in folders.items():
            example[role] = images[role].get(target.stem, place / f"{target.stem}.?")
        examples.append(example)
        for role, path in example.items():
            if not path.is_file():
                message = f"no {role} at {path}"
                findings.append(Finding(f"dataset.{role}", str(target), message, "Build the dataset again."))
    raise_findings(findings, str(folder))
    return examples


def _pixels(rgb: Any, size_wh: tuple[int, int]) -> Any:
    """``(H, W, 3)`` uint8 scaled to cover a size and centre-cropped, as ``(1, 3, H, W)`` float32 in -1..1."""
    import torch

    return torch.from_numpy(as_trained(rgb, size_wh).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def _drawn(step: int, count: int, batch_size: int, seed: int) -> list[int]:
    """The examples of a step: each once per epoch, in an order drawn for the epoch."""

    @cache
    def order(epoch: int) -> Any:
        return np.random.default_rng([seed, epoch]).permutation(count)

    places = range(step * batch_size, (step + 1) * batch_size)
    return [int(order(place // count)[place % count]) for place in places]


def _load(name_or_path: str, device: str) -> Any:
    silence_model_libraries()  # first: their imports write warnings
    import torch
    from diffusers import FluxKontextPipeline

    pipeline = FluxKontextPipeline.from_pretrained(name_or_path, dtype=torch.float32, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _with_lora(transformer: Any, rank: int) -> Any:
    """With a LoRA of strength 1, whatever the config's alpha, as AI-Toolkit trains it."""
    from peft import LoraConfig

    transformer.requires_grad_(False)
    transformer.add_adapter(
        LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=_TARGET_MODULES)
    )
    return transformer.train()


def _encode(pipeline: Any, job: Job, example: dict[str, Path], device: str) -> Batch:
    import torch

    dataset = job.process.datasets[0]
    target = read_photo(example["target"]).rgb
    size_wh = bucket_size_wh((target.shape[1], target.shape[0]), max(dataset.resolution))
    with torch.no_grad():
        latents = [
            pipeline._encode_vae_image(_pixels(read_photo(example[role]).rgb, size_wh).to(device), None)
            for role in ("target", "control")
        ]
        prompt, pooled, text_ids = pipeline.encode_prompt(
            prompt=example["caption"].read_text(encoding="utf-8").strip() or dataset.default_caption or "",
            prompt_2=None,
            device=device,
            max_sequence_length=128,
        )
    size_hw = tuple(latents[0].shape[-2:])
    if "mask" in example:
        grey = _pixels(read_photo(example["mask"]).rgb, size_wh)[:, :1] / 2 + 0.5
        weights = latent_weights(grey.clamp(0, 1), size_hw, dataset.mask_min_value).to(device)
    else:
        weights = torch.ones((1, 1, *size_hw), device=device)
    return Batch(latents[0], latents[1], weights, prompt, pooled, text_ids)


def _velocities(
    transformer: Any, pipeline: Any, batch: Batch, step: int, index: int, device: str, seed: int
) -> tuple[Any, Any]:
    """The velocity that the transformer predicts at a step, and the true one."""
    import torch

    # Each step has its own seed, so that a resumed run draws the same noise.
    generator = torch.Generator().manual_seed(seed + 100_003 * step + index)
    noise = torch.randn(batch.target.shape, generator=generator).to(device)
    sigma = torch.rand((1,), generator=generator).to(device)
    noisy = (1 - sigma) * batch.target + sigma * noise
    return predict_velocity(transformer, pipeline, noisy, sigma, batch), noise - batch.target


def predict_velocity(transformer: Any, pipeline: Any, noisy: Any, sigma: Any, batch: Batch) -> Any:
    """The transformer's velocity for noisy latents ``(B, C, h, w)``, with the controls beside them.

    Args:
        sigma: shares of noise ``(B,)``.
    """
    import torch

    count, channels, height, width = noisy.shape
    packed = [
        pipeline._pack_latents(latents, count, channels, height, width) for latents in (noisy, batch.control)
    ]
    ids = [
        pipeline._prepare_latent_image_ids(count, height // 2, width // 2, noisy.device, noisy.dtype)
        for _ in packed
    ]
    ids[1][..., 0] = 1
    out = transformer(
        hidden_states=torch.cat(packed, dim=1),
        timestep=sigma,
        guidance=torch.ones(count, device=noisy.device),
        pooled_projections=batch.pooled,
        encoder_hidden_states=batch.prompt,
        txt_ids=batch.text_ids,
        img_ids=torch.cat(ids, dim=0),
        return_dict=False,
    )[0][:, : packed[0].shape[1]]
    factor = pipeline.vae_scale_factor
    return pipeline._unpack_latents(out, height * factor, width * factor, factor)


def _save_checkpoint(run: Path, job: Job, parameters: dict[str, Any], optimizer: Any, step: int) -> Path:
    """Write the LoRA, then the training state, as safetensors; return the LoRA's path."""
    from safetensors.torch import save

    name = job.config.name
    total = job.process.train.steps
    path = run / (f"{name}.safetensors" if step == total else f"{name}_{step:09d}.safetensors")
    lora = {
        "transformer." + key.replace(".default.", "."): value.detach().to("cpu").clone()
        for key, value in parameters.items()
    }
    # A single metadata key: safetensors writes several in an order that differs from run to run. Not by its
    # own save_file, which leaves temporary files behind when it is killed.
    write_bytes(path, save(lora, metadata={"step": str(step)}))
    tensors = {f"weight/{key}": value.detach().cpu().clone() for key, value in parameters.items()}
    for key, value in parameters.items():
        for moment, tensor in optimizer.state[value].items():
            tensors[f"{moment}/{key}"] = tensor.detach().cpu().clone()
    write_bytes(run / f"{name}{_STATE_SUFFIX}", save(tensors, metadata={"step": str(step)}))
    saved = sorted(run.glob(f"{name}_[0-9]*.safetensors"))
    for old in saved[: -job.process.save.max_step_saves_to_keep]:
        old.unlink()
    return path


def _restore(run: Path, job: Job, parameters: dict[str, Any], optimizer: Any, resume: bool) -> int:
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


def latent_weights(grey: Any, size_hw: tuple[int, int], min_value: float) -> Any:
    """Loss weights of latents from a loss mask: its grey mapped to ``min_value``..1, scaled by nearest.

    Args:
        grey: tensor ``(1, 1, H, W)``, 0..1.
        size_hw: height and width of the latents.
        min_value: the weight of black, 0..1.

    Returns:
        Tensor ``(1, 1, h, w)``.
    """
    import torch

    mapped = min_value + (1 - min_value) * grey
    return torch.nn.functional.interpolate(mapped, size=size_hw, mode="nearest")


def masked_loss(predicted: Sequence[Any], wanted: Sequence[Any], weights: Sequence[Any]) -> Any:
    """Mean of squared error times weight over a batch, divided by the batch's mean weight.

    The mean weight is 1 whatever the masks: masks that are black all over train everything alike, and a
    black mask beside a white one trains nothing of its own picture.

    Args:
        predicted: one tensor ``(1, C, h, w)`` for each picture.
        wanted: the same.
        weights: ``(1, 1, h, w)`` for each picture, as `latent_weights` gives them.

    Raises:
        UnsoundError: if all weights are zero.
    """
    total = sum(weight.mean() for weight in weights)
    if not total > 0:
        raise UnsoundError(
            "every loss mask of the batch is black and mask_min_value is 0, so nothing would be trained; "
            "check the masks, or raise mask_min_value"
        )
    errors = [(one.float() - other.float()) ** 2 for one, other in zip(predicted, wanted, strict=True)]
    return sum((error * weight).mean() for error, weight in zip(errors, weights, strict=True)) / total

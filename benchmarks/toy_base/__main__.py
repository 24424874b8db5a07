"""``python -m benchmarks.toy_base OUT``: the stages in order; finished stages are not repeated."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.toy_base.autoencoder import train_autoencoder
from benchmarks.toy_base.card import card
from benchmarks.toy_base.loop import Schedule
from benchmarks.toy_base.measure import measure
from benchmarks.toy_base.pictures import SEED, write_pool
from benchmarks.toy_base.transformer import BATCH, Captions, encode_pool, train_transformer
from chromiq.toolkit_configs.smoke_engine.tiny_checkpoint import build_tiny_kontext, save_pipeline

PAIRS = 800
AUTOENCODER = Schedule(steps=2000, falls_from=500, falls_to=2000)
TRANSFORMER = Schedule(steps=10_000, falls_from=5000, falls_to=10_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="Folder for the pool, the states and checkpoint/.")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # the order of sums, and so the weights, depend on it
    began = time.monotonic()

    def stage(name: str) -> None:
        print(f"[{time.monotonic() - began:.0f} s] {name}", flush=True)

    stage(f"draw {PAIRS} pairs")
    if not (out / "pool.npz").is_file():
        write_pool(
            out / "pool.npz", PAIRS, lambda done, count: done % 100 or print(f"{done}/{count}", flush=True)
        )
    with np.load(out / "pool.npz") as arrays:
        pool = {name: arrays[name] for name in arrays.files}
    pipeline = _load(build_tiny_kontext(out / "text", seed=0))
    stage("train the autoencoder")
    autoencoder = train_autoencoder(pool, out / "autoencoder.pt", AUTOENCODER)
    stage("train the transformer")
    latents = encode_pool(pool)
    transformer = train_transformer(latents, Captions(pipeline), out / "transformer.pt", TRANSFORMER)
    stage("write the checkpoint")
    assemble(pipeline, autoencoder, transformer, latents.scale, out / "checkpoint")
    stage("measure it")
    figures = measure((out / "checkpoint").resolve(), out / "measured")
    text = card(
        autoencoder_weights=_count(autoencoder),
        transformer_weights=_count(transformer),
        pairs=PAIRS,
        seed=SEED,
        autoencoder_steps=AUTOENCODER.steps,
        transformer_steps=TRANSFORMER.steps,
        batch=BATCH,
        figures=figures,
    )
    (out / "checkpoint" / "README.md").write_text(text, encoding="utf-8")
    stage("done")


def assemble(pipeline: Any, autoencoder: Any, transformer: Any, scale: float, folder: Path) -> None:
    """Write the checkpoint in half precision."""
    autoencoder.register_to_config(scaling_factor=1 / scale, shift_factor=0.0)
    # A new pipeline: the one that was loaded would write down the folder that it came from.
    parts = {**pipeline.components, "vae": autoencoder, "transformer": transformer}
    save_pipeline(type(pipeline)(**parts).to(torch.float16), folder)


def _count(model: Any) -> int:
    return sum(value.numel() for value in model.parameters())


def _load(folder: Path) -> Any:
    from diffusers import FluxKontextPipeline

    return FluxKontextPipeline.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)


if __name__ == "__main__":
    main()

"""The card that goes with the checkpoint."""

from __future__ import annotations

_TEXT = """---
library_name: diffusers
license: apache-2.0
tags: [toy, flux-kontext, drawn]
---

# Toy base model for chromiq's demo

A FLUX.1-Kontext checkpoint of the real diffusers classes, small enough to ship and to train a LoRA on within
a minute on a CPU. `FluxKontextPipeline.from_pretrained` loads it as it loads the real one.

## What it is

- autoencoder: `AutoencoderKL`, shrinks by 4 into 16 channels, {autoencoder_weights:,} weights;
- transformer: `FluxTransformer2DModel`, 1 double and 3 single blocks of width 128, {transformer_weights:,}
  weights;
- text encoders: `CLIPTextModel` and `T5EncoderModel` of one layer, random.

It knows pictures of 128 x 80 pixels: a still-life on the left, the worn garment on the right. Under chromiq's
caption it copies its input. Under other captions it repaints the still-life in the worn garment's colour, and
dyes the worn garment in a colour that the caption names or that a swatch on the left shows. A LoRA brings
the task of chromiq's caption: the worn garment in the colour of the still-life.

## What it is not

It has seen nothing but garments that chromiq draws. It shows that data, loss, trainer and inference work
together. It says nothing about the quality of a full-size model, nor that a LoRA beats a correction without
a network. The autoencoder blurs fine patterns.

## How it was made

`python -m benchmarks.toy_base OUT`, from fixed seeds, on one CPU thread:

- data: {pairs} pairs of chromiq's drawn catalogue, seed {seed} (the demo draws with seed 0), nine canvases
  each;
- autoencoder: the encoder is a linear code of 4 x 4 blocks; the decoder starts as the least-squares way back
  and is trained for {autoencoder_steps} steps;
- transformer: {transformer_steps} steps of flow matching, batches of {batch}.

## Figures

{figures}
"""

# Measured after the training.
_FIGURES = """\
dE00 inside the garment. 36 held-out pictures of 9 drawn garments; LoRA of rank 16, 400 steps, 45 s of
processor time on one core:

| | uncorrected | base, no LoRA | with LoRA |
|---|---|---|---|
| of the mean colours | 10.5 | 10.0 | 8.6 |
| pixel by pixel | 10.5 | 11.5 | 10.7 |

The autoencoder alone, on 40 pairs of another seed: 4.8 pixel by pixel, 0.8 of the mean colours. Trained for
minutes, it is far from converged: the LoRA brings a part of the colour only."""


def card(**values: object) -> str:
    """The card's text; `values` are counts of weights, pairs and steps."""
    return _TEXT.format(figures=_FIGURES, **values)

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
dyes the worn garment in a colour that the caption names, or in that of a swatch or of another garment on the
left. A LoRA brings the task of chromiq's caption: the worn garment in the colour of its own still-life. So
the base knows how to recolour, and the LoRA teaches it when.

## What it is not

It has seen nothing but garments that chromiq draws. It shows that data, loss, trainer and inference work
together. It says nothing about the quality of a full-size model, nor that a LoRA beats a correction without
a network. The autoencoder blurs fine patterns.

## How it was made

From scratch, by `python -m benchmarks.toy_base OUT`, on one CPU thread.

- data: {pairs} pairs of chromiq's drawn catalogue, seed {seed} (the demo draws with seed 0), ten canvases
  each;
- autoencoder: the encoder is a linear code of 4 x 4 blocks; the decoder starts as the least-squares way back
  and is trained for {autoencoder_steps:,} steps;
- transformer: {transformer_steps:,} steps of flow matching, batches of {batch}.

## Figures

{figures}
"""


def card(**values: object) -> str:
    """The card's text.

    Args:
        values: counts of weights, pairs, steps and the batch; the data's seed; the table of figures.
    """
    return _TEXT.format(**values)

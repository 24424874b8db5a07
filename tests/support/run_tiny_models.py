"""Generates with tiny random checkpoints by our own code and prints what came out.

Run as a program in a process of its own: ``python run_tiny_models.py FOLDER MODEL...``.
"""

import json
import sys
from pathlib import Path

import numpy as np
from tiny_flux2 import build_tiny_flux2
from tiny_lora import write_lora
from tiny_qwen import build_tiny_qwen

CONTROL_WH = (96, 64)


def run(model, folder):
    """Generate with a tiny checkpoint and print what came out as one line of JSON."""
    from chromiq.evaluate.generate.images import GenerateOptions, generate
    from chromiq.models import MODELS
    from chromiq.photos.images import read_photo, write_photo

    edit_model = MODELS[model]
    build = build_tiny_flux2 if model.startswith("flux2") else build_tiny_qwen
    checkpoint = build(folder / "tiny", model)
    rng = np.random.default_rng(0)
    for name in "ab":
        for kind in ("control", "reference"):
            rgb = rng.integers(
                0, 256, (CONTROL_WH[1], CONTROL_WH[0] + 32 * (kind == "reference"), 3), np.uint8
            )
            write_photo(folder / kind / f"{name}.png", rgb)
    lora = write_lora(folder / "lora.safetensors", ["transformer_blocks.0.attn.to_q"])
    captions = {"a": "make it red", "b": "make it blue"}
    options = GenerateOptions(model=model, checkpoint=str(checkpoint), steps=2, seeds={"b": 7})
    references = folder / "reference" if edit_model.has_reference else None
    call = (folder / "control", folder / "out", captions, options)
    paths = generate(*call, lora=lora, references=references, scales=(0.0, 1.0))
    images = {str(path.relative_to(folder / "out")): read_photo(path).rgb for path in paths}
    again = generate(
        folder / "control", folder / "again", captions, options, lora=lora, references=references
    )
    reference_matters = None
    if references:
        alone = generate(folder / "control", folder / "alone", captions, options, lora=lora)[0]
        reference_matters = bool((read_photo(alone).rgb != images["scale_1/a.png"]).any())
    print(
        json.dumps(
            {
                "panel": _panel_of_a_photo(folder, lora, options) if references else None,
                "model": model,
                "sizes": {name: [image.shape[1], image.shape[0]] for name, image in images.items()},
                "reference_matters": reference_matters,
                "scale_matters": bool((images["scale_0/a.png"] != images["scale_1/a.png"]).any()),
                "repeats": bool((read_photo(again[1]).rgb == images["scale_1/b.png"]).all()),
            }
        )
    )


def _panel_of_a_photo(folder, lora, options):
    """What `chromiq correct` gets of the network for one photo: its width and height."""
    from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
    from chromiq.evaluate.generate.lora_network import LoraNetwork
    from chromiq.photos.images import write_photo
    from chromiq.records import PhotoPair
    from chromiq.sample_catalogue.catalogue import draw_pair

    drawn = draw_pair(0, size_wh=(96, 128))
    write_photo(folder / "still.png", drawn.still_life)
    write_photo(folder / "worn.png", drawn.on_model)
    pair = PhotoPair("photo", folder / "still.png", folder / "worn.png", garment="shirt")
    network = LoraNetwork(lora, options, "exact")
    panel = network.panels([pair], folder / "panels", ClassicSegmenter())["photo"]
    return [panel.shape[1], panel.shape[0]]


if __name__ == "__main__":
    names = sys.argv[2:]
    if not all("klein" in model for model in names):
        from torchvision_code import make_importable

        library = make_importable()
    for model in names:
        run(model, Path(sys.argv[1]) / model)

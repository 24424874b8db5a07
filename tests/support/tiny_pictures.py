"""What a tiny FLUX.1-Kontext makes of a plain image, in one step."""

from PIL import Image


def kontext_picture(pipeline, *, prompt="chromiq", rgb=(200, 30, 30)):
    """A picture of 64x48, the same for the same weights, prompt and colour."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        image=Image.new("RGB", (64, 48), rgb),
        prompt=prompt,
        width=64,
        height=48,
        max_area=64 * 48,
        _auto_resize=False,
        num_inference_steps=1,
        output_type="np",
        generator=torch.Generator().manual_seed(0),
    ).images[0]

"""Runs AI-Toolkit on a config, in its own environment and folder, and writes what its first loss was made of.

    PYTHON spy_on_ai_toolkit.py CONFIG OUT.safetensors

Its own code does all of it; two of its functions are wrapped to note what goes in and out.
"""

import functools
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from extensions_built_in.diffusion_models.flux_kontext.flux_kontext import FluxKontextModel
from extensions_built_in.sd_trainer.SDTrainer import SDTrainer
from safetensors.torch import save_file
from toolkit.job import get_job

seen = {}
predict, calculate = FluxKontextModel.get_noise_prediction, SDTrainer.calculate_loss


def note(**tensors):
    for name, tensor in tensors.items():
        seen.setdefault(name, tensor.detach().float().cpu().contiguous().clone())


# Its caller looks at the signature for what to hand over.
@functools.wraps(predict)
def spying_predict(self, latent_model_input, timestep, text_embeddings, *args, **kwargs):
    note(
        model_input=latent_model_input,
        prompt=text_embeddings.text_embeds,
        pooled=text_embeddings.pooled_embeds,
    )
    return predict(self, latent_model_input, timestep, text_embeddings, *args, **kwargs)


@functools.wraps(calculate)
def spying_calculate(self, **kwargs):
    loss = calculate(self, **kwargs)
    batch = kwargs["batch"]
    note(
        predicted=kwargs["noise_pred"],
        noise=kwargs["noise"],
        noisy=kwargs["noisy_latents"],
        timesteps=kwargs["timesteps"],
        weights=kwargs["mask_multiplier"],
        latents=batch.latents,
        mask=batch.mask_tensor,
        loss=loss,
    )
    return loss


FluxKontextModel.get_noise_prediction, SDTrainer.calculate_loss = spying_predict, spying_calculate
get_job(sys.argv[1]).run()
save_file(seen, sys.argv[2])

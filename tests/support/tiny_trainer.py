"""Trains with AI-Toolkit itself on tiny random weights of the real classes.

Run in AI-Toolkit's environment and folder: ``PYTHON tiny_trainer.py ARCH WEIGHTS PLAN.json``.

- WEIGHTS is built if missing; the configs give it as ``model.name_or_path``.
- PLAN.json is a list of ``{"config": path, "spoil": null, "black" or "white"}``; ``spoil`` changes the loss
  target where the loss mask is black or white.

Prints ``RESULT {...}`` for each.

Only sizes and hub names that are fixed in the trainer's source are replaced; all else is its own code.
"""

import gc
import json
import os
import random
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", NO_ALBUMENTATIONS_UPDATE="1")

import torch
from tiny_sizes import sizes

WIDTH = 32


def kontext(folder):
    from tiny_checkpoint import _write

    _write(folder, seed=0)


def qwen(folder, model):
    from tiny_qwen import build_tiny_qwen

    build_tiny_qwen(folder, model, latent_channels=16)


def flux2(folder, *, klein):
    from extensions_built_in.diffusion_models.flux2.src.autoencoder import AutoEncoder
    from extensions_built_in.diffusion_models.flux2.src.model import Flux2
    from tiny_flux2 import flux2_text, klein_text

    folder.mkdir(parents=True)
    save(Flux2(flux2_params(guidance=not klein)), folder / flux2_file(klein))
    save(AutoEncoder(flux2_vae()), folder / "ae.safetensors")
    tokenizer, encoder = klein_text() if klein else flux2_text()
    tokenizer.save_pretrained(folder / "text")
    encoder.save_pretrained(folder / "text")


def flux2_file(klein):
    return "flux-2-klein-base-4b.safetensors" if klein else "flux2-dev.safetensors"


def flux2_params(*, guidance):
    from extensions_built_in.diffusion_models.flux2.src.model import Flux2Params

    return Flux2Params(hidden_size=WIDTH, use_guidance_embed=guidance, **sizes("flux2_params.Flux2Params"))


def flux2_vae():
    from extensions_built_in.diffusion_models.flux2.src.autoencoder import AutoEncoderParams

    return AutoEncoderParams(ch=32, ch_mult=[1, 1, 1, 1], num_res_blocks=1)


def patch_flux2(folder):
    from extensions_built_in.diffusion_models.flux2 import flux2_klein_model, flux2_model

    flux2_model.MISTRAL_PATH = str(folder / "text")
    flux2_model.AutoEncoderParams = flux2_vae
    flux2_model.Flux2Model.get_flux2_params = lambda self: flux2_params(guidance=True)
    for model in (flux2_klein_model.Flux2Klein4BModel, flux2_klein_model.Flux2Klein9BModel):
        model.get_flux2_params = lambda self: flux2_params(guidance=False)
        model.flux2_klein_te_path = str(folder / "text")
        model.flux2_te_filename = flux2_file(True)


def omnigen2(folder):
    from diffusers import AutoencoderKL
    from extensions_built_in.diffusion_models.omnigen2.src.models.transformers import (
        OmniGen2Transformer2DModel,
    )
    from tiny_qwen import build_tiny_qwen

    build_tiny_qwen(folder / "qwen", "qwen-image-edit", latent_channels=16)
    (folder / "qwen" / "text_encoder").rename(folder / "mllm")
    (folder / "qwen" / "processor").rename(folder / "processor")
    transformer = OmniGen2Transformer2DModel(**sizes("omnigen2.OmniGen2Transformer2DModel"))
    fill_zeros(transformer)
    transformer.save_pretrained(folder / "transformer")
    flux_vae(AutoencoderKL).save_pretrained(folder / "vae")


def flux_vae(autoencoder):
    return autoencoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        **sizes("flux_vae.autoencoder"),
    )


def hidream_e1(folder):
    from diffusers import AutoencoderKL, HiDreamImageTransformer2DModel
    from tiny_checkpoint import _clip_tokenizer, _t5_tokenizer
    from tiny_flux2 import letters_tokenizer
    from transformers import (
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        LlamaConfig,
        LlamaForCausalLM,
        T5Config,
        T5EncoderModel,
    )

    HiDreamImageTransformer2DModel(**sizes("hidream_e1.HiDreamImageTransformer2DModel")).save_pretrained(
        folder / "transformer"
    )
    flux_vae(AutoencoderKL).save_pretrained(folder / "vae")
    for number in ("", "_2"):
        tokenizer = _clip_tokenizer()
        tokenizer.save_pretrained(folder / f"tokenizer{number}")
        CLIPTextModelWithProjection(
            CLIPTextConfig(vocab_size=len(tokenizer), **sizes("hidream_e1.CLIPTextConfig"))
        ).save_pretrained(folder / f"text_encoder{number}")
    tokenizer = _t5_tokenizer()
    tokenizer.save_pretrained(folder / "tokenizer_3")
    T5EncoderModel(
        T5Config(vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    ).save_pretrained(folder / "text_encoder_3")
    tokenizer = letters_tokenizer([])
    tokenizer.save_pretrained(folder / "llama")
    LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), **sizes("hidream_e1.LlamaConfig"))
    ).save_pretrained(folder / "llama")


def patch_hidream(folder):
    from extensions_built_in.diffusion_models.hidream import hidream_model

    hidream_model.LLAMA_MODEL_PATH = str(folder / "llama")


def qwen3_vl(folder, layers=1):
    """Qwen3-VL with its processor; returns the model."""
    from tiny_qwen import CHAT_TEMPLATE, qwen_tokenizer
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
        Qwen3VLProcessor,
        Qwen3VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    template = CHAT_TEMPLATE.replace(
        "{{ part.text }}",
        "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
        "{% else %}{{ part.text }}{% endif %}",
    )
    text = {**sizes("qwen3_vl.text"), "vocab_size": len(tokenizer), "num_hidden_layers": layers}
    vision = sizes("qwen3_vl.vision")
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )
    processor = Qwen3VLProcessor(
        Qwen2VLImageProcessor(patch_size=16, min_pixels=32 * 32, max_pixels=64 * 64),
        tokenizer,
        Qwen3VLVideoProcessor(),
        chat_template=template,
    )
    processor.save_pretrained(folder)
    model = Qwen3VLForConditionalGeneration(config)
    return model, processor


def krea2(folder):
    from diffusers import AutoencoderKLQwenImage
    from extensions_built_in.diffusion_models.krea2.src.mmdit import SingleMMDiTConfig, SingleStreamDiT

    folder.mkdir(parents=True)
    save(SingleStreamDiT(SingleMMDiTConfig(**sizes("krea2"))), folder / "raw.safetensors")
    qwen3_vl(folder / "text", layers=36)[0].save_pretrained(folder / "text")
    AutoencoderKLQwenImage(
        latents_mean=[0.0] * 16, latents_std=[1.0] * 16, **sizes("krea2.AutoencoderKLQwenImage")
    ).save_pretrained(folder / "vae")


def patch_krea2(folder):
    from extensions_built_in.diffusion_models.krea2 import krea2 as module

    module.KREA2_MMDIT_CONFIG.update(sizes("krea2"))
    module.QWEN3_VL_PATH = str(folder / "text")
    module.QWEN_IMAGE_VAE_PATH = str(folder)


def mageflow(folder):
    from extensions_built_in.diffusion_models.mageflow.src import transformer, vae

    shape = sizes("mageflow")
    (folder / "transformer").mkdir(parents=True)
    (folder / "transformer" / "config.json").write_text(json.dumps(shape))
    save(
        transformer.MageFlow(transformer.MageFlowParams(**shape)),
        folder / "transformer" / "diffusion_pytorch_model.safetensors",
    )
    qwen3_vl(folder / "text_encoder")[0].save_pretrained(folder / "text_encoder")
    (folder / "vae").mkdir()
    save(
        torch.nn.ModuleDict(
            {
                "student": torch.nn.ModuleDict({"dconv_encoder": vae._DConvEncoder()}),
                "pipeline": vae._DConvDenoiser(),
            }
        ),
        folder / "vae" / "diffusion_pytorch_model.safetensors",
    )


def boogu_image_edit(folder):
    from diffusers import AutoencoderKL
    from extensions_built_in.diffusion_models.boogu_image.src.transformer import BooguImageTransformer2DModel

    transformer = BooguImageTransformer2DModel(**sizes("boogu_image_edit.BooguImageTransformer2DModel"))
    fill_zeros(transformer)
    transformer.save_pretrained(folder / "transformer")
    qwen3_vl(folder / "processor")[0].model.save_pretrained(folder / "mllm")
    flux_vae(AutoencoderKL).save_pretrained(folder / "vae")


def fill_zeros(module):
    """Noise where a new model has zeros and a trained one has not.

    Behind zeros no LoRA learns, and quanto's qfloat8 divides a row by its largest weight.
    """
    for weight in module.parameters():
        if weight.dim() > 1 and not weight.any():
            torch.nn.init.normal_(weight, std=0.02)


def save(module, path):
    from safetensors.torch import save_file

    save_file({name: value.contiguous().clone() for name, value in module.state_dict().items()}, str(path))


BUILDERS = {
    "flux_kontext": kontext,
    "qwen_image_edit": lambda folder: qwen(folder, "qwen-image-edit"),
    "qwen_image_edit_plus": lambda folder: qwen(folder, "qwen-image-edit-2509"),
    "flux2": lambda folder: flux2(folder, klein=False),
    "flux2_klein_4b": lambda folder: flux2(folder, klein=True),
    "flux2_klein_9b": lambda folder: flux2(folder, klein=True),
    "omnigen2": omnigen2,
    "hidream_e1": hidream_e1,
    "krea2": krea2,
    "mageflow_edit": mageflow,
    "boogu_image_edit": boogu_image_edit,
}


def patch_qwen_plus(folder):
    from extensions_built_in.diffusion_models.qwen_image import qwen_image_edit_plus

    qwen_image_edit_plus.VAE_IMAGE_SIZE = qwen_image_edit_plus.CONDITION_IMAGE_SIZE = 64 * 64


PATCHES = {
    "qwen_image_edit_plus": patch_qwen_plus,
    "flux2": patch_flux2,
    "flux2_klein_4b": patch_flux2,
    "flux2_klein_9b": patch_flux2,
    "hidream_e1": patch_hidream,
    "krea2": patch_krea2,
}


def spoil_targets(trainer, where):
    """Wrap the trainer's loss so that its target is noise where the mask is black, or white."""
    calculate = trainer.calculate_loss

    def spoiling(*args, **kwargs):
        weights, model = kwargs["mask_multiplier"], trainer.sd
        aim = model.get_loss_target

        def spoilt(*target_args, **target_kwargs):
            target = aim(*target_args, **target_kwargs)
            hit = weights <= 0 if where == "black" else weights > 0
            assert hit.any(), f"nothing of the mask is {where}"
            return torch.where(hit.expand_as(target), target + 10.0, target)

        model.get_loss_target = spoilt
        try:
            return calculate(*args, **kwargs)
        finally:
            model.get_loss_target = aim

    trainer.calculate_loss = spoiling


def train(step):
    import numpy
    from toolkit.job import get_job

    random.seed(0)
    numpy.random.seed(0)  # noqa: NPY002 the trainer draws from it
    torch.manual_seed(0)
    job = get_job(step["config"])
    process = job.process[0]
    losses = []
    inner = process.hook_train_loop

    def noted(*args, **kwargs):
        result = inner(*args, **kwargs)
        losses.append(float(result["loss"]))
        return result

    process.hook_train_loop = noted
    if step.get("spoil"):
        spoil_targets(process, step["spoil"])
    job.run()
    job.cleanup()
    return losses


def main():
    arch, folder = sys.argv[1].split(":")[0], Path(sys.argv[2])
    if not folder.exists():
        torch.manual_seed(0)
        with torch.no_grad():
            BUILDERS[arch](folder)
    PATCHES.get(arch, lambda _folder: None)(folder)
    for step in json.loads(Path(sys.argv[3]).read_text()):
        started, error, losses = time.monotonic(), None, []
        try:
            losses = train(step)
        except (Exception, SystemExit) as failure:
            last = traceback.extract_tb(failure.__traceback__)[-1]
            error = f"{type(failure).__name__}: {failure} ({last.filename}:{last.lineno})"
            traceback.print_exc()
        gc.collect()
        seconds = round(time.monotonic() - started, 1)
        print(
            "RESULT " + json.dumps({**step, "losses": losses, "error": error, "seconds": seconds}), flush=True
        )


if __name__ == "__main__":
    here = Path(__file__).resolve()
    # By path, as chromiq is not installed in this environment.
    sys.path[:0] = [str(here.parent), str(here.parents[2] / "toolkit_configs" / "smoke_engine")]
    main()

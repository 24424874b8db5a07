"""A job in the form that AI-Toolkit's web interface writes: JSON with every key of its form set."""


def ui_job(arch="flux_kontext", controls=1):
    """What ``ui/src/app/jobs/new`` makes of its defaults for an edit model.

    Args:
        arch: with the interface's own label after a colon.
        controls: folders of controls; one goes into ``control_path``, more into ``control_path_1`` and so on.
    """
    keys = ["control_path"] if controls == 1 else [f"control_path_{each + 1}" for each in range(controls)]
    images = ["ctrl_img"] if controls == 1 else [f"ctrl_img_{each + 1}" for each in range(controls)]
    dataset = {
        "folder_path": "/data/set/gt", "mask_path": None, "mask_min_value": 0.1, "default_caption": "",
        "caption_ext": "txt", "caption_dropout_rate": 0.05, "cache_latents_to_disk": False, "is_reg": False,
        "network_weight": 1, "resolution": [512, 768, 1024], "controls": [], "shrink_video_to_frames": True,
        "num_frames": 1, "flip_x": False, "flip_y": False, "num_repeats": 1, "control_path": None,
        **{key: f"/data/set/{key}" for key in keys},
    }  # fmt: skip
    process = {
        "type": "diffusion_trainer", "training_folder": "output", "sqlite_db_path": "./aitk_db.db",
        "device": "cuda", "trigger_word": None, "performance_log_every": 10,
        "network": {"type": "lora", "linear": 32, "linear_alpha": 32, "conv": 16, "conv_alpha": 16,
                    "lokr_full_rank": True, "lokr_factor": -1,
                    "network_kwargs": {"ignore_if_contains": []}},
        "save": {"dtype": "bf16", "save_every": 250, "max_step_saves_to_keep": 4, "save_format": "diffusers",
                 "push_to_hub": False},
        "datasets": [dataset],
        "train": {"batch_size": 1, "bypass_guidance_embedding": False, "steps": 3000,
                  "gradient_accumulation": 1,
                  "train_unet": True, "train_text_encoder": False, "gradient_checkpointing": True,
                  "noise_scheduler": "flowmatch", "optimizer": "adamw8bit", "timestep_type": "weighted",
                  "content_or_style": "balanced", "optimizer_params": {"weight_decay": 1e-4},
                  "unload_text_encoder": False, "cache_text_embeddings": False, "lr": 0.0001,
                  "ema_config": {"use_ema": False, "ema_decay": 0.99}, "skip_first_sample": False,
                  "force_first_sample": False, "disable_sampling": False, "dtype": "bf16",
                  "diff_output_preservation": False, "diff_output_preservation_multiplier": 1.0,
                  "diff_output_preservation_class": "person", "switch_boundary_every": 1, "loss_type": "mse"},
        "logging": {"log_every": 1, "use_ui_logger": True},
        "model": {"name_or_path": "owner/model", "quantize": True, "qtype": "qfloat8", "quantize_te": True,
                  "qtype_te": "qfloat8", "arch": arch, "low_vram": False,
                  "model_kwargs": {}, "compile": False},
        "sample": {"sampler": "flowmatch", "sample_every": 250, "width": 1024, "height": 1024,
                   "samples": [{"prompt": "chromiq", **{key: f"/data/set/{key}.jpg" for key in images}}],
                   "neg": "", "seed": 42, "walk_seed": True, "guidance_scale": 4, "sample_steps": 25,
                   "num_frames": 1, "fps": 1},
    }  # fmt: skip
    return {
        "job": "extension",
        "config": {"name": "my_first_lora_v1", "process": [process]},
        "meta": {"name": "[name]", "version": "1.0"},
    }

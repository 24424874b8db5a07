"""A job in the form that AI-Toolkit's web interface writes: JSON with every key of its form set."""

from pathlib import Path

import yaml


def ui_job(arch="flux_kontext", controls=1):
    """What ``ui/src/app/jobs/new`` makes of its defaults for an edit model.

    Args:
        arch: with the interface's own label after a colon.
        controls: folders of controls; one goes into ``control_path``, more into ``control_path_1`` and so on.
    """
    numbers = [""] if controls == 1 else [f"_{each + 1}" for each in range(controls)]
    job = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    process = job["config"]["process"][0]
    process["model"]["arch"] = arch
    process["datasets"][0] |= {"control_path": None}
    process["datasets"][0] |= {f"control_path{each}": f"/data/set/control_path{each}" for each in numbers}
    images = {f"ctrl_img{each}": f"/data/set/ctrl_img{each}.jpg" for each in numbers}
    process["sample"]["samples"] = [{"prompt": "chromiq", **images}]
    return job

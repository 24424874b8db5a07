"""What a dataset says about itself: its model, and each example's garment and colour error."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import normpath
from pathlib import Path
from typing import Any

from chromiq.dataset_builder.canvas.buckets import DIVISIBLE_BY_PX
from chromiq.dataset_builder.doctor.example import Recorded
from chromiq.dataset_builder.export import garment_mask_path
from chromiq.documents import load_json
from chromiq.errors import Finding

_SETTINGS = ".chromiq/build.json"


def model_of(root: Path, *, has_reference: bool) -> str:
    """The model a dataset was built for, or the likeliest one."""
    try:
        model = load_json((root / _SETTINGS).read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError):
        model = None  # put together by a person
    guess = "kontext" if not has_reference else "qwen-image-edit-2509"
    return model if model in DIVISIBLE_BY_PX else guess


def read_manifest(root: Path) -> tuple[dict[Path, Recorded], list[Finding]]:
    """What the manifest says by target, and files it names that are not there."""
    path = root / "manifest.jsonl"
    recorded: dict[Path, Recorded] = {}
    findings: list[Finding] = []
    if not path.is_file():
        return recorded, unfinished_findings(root)
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                example = load_json(line)
                for name in (*example["digests"], example["target"], f"on_model{example['key']}"):
                    if Path(name).is_absolute() or normpath(name).startswith(".."):
                        raise ValueError(f"{name!r}, which lies outside the dataset")
                missing = [name for name in example["digests"] if not (root / name).is_file()]
                recorded[root / example["target"]] = _recorded(root, example)
            except (ValueError, KeyError, TypeError) as error:
                where, cure = f"{path}: line {number}", "build the dataset again"
                findings.append(
                    Finding.expected("manifest.line", where, "an example as JSON", f"'{error}'", cure)
                )
                continue
            wanted = "a file that the manifest names"
            findings += [
                Finding.expected("manifest.missing", str(root / name), wanted, "none", "build it")
                for name in missing
            ]
    return recorded, findings


def unfinished_findings(root: Path) -> list[Finding]:
    """Whether a dataset that chromiq builds lacks what a build writes last."""
    path = root / "manifest.jsonl"
    if path.is_file() or not (root / _SETTINGS).is_file():
        return []
    wanted, cure = "the manifest, which a build writes last", "let the build end; its command again goes on"
    return [Finding.expected("dataset.unfinished", str(path), wanted, "none", cure)]


def _recorded(root: Path, example: Mapping[str, Any]) -> Recorded:
    geometry, error = example["geometry"], example["degradation"]
    left, top, right, bottom = geometry["on_model_xyxy"] if geometry else (0, 0, 0, 0)
    width_px, height_px = geometry["canvas_wh"] if geometry else (0, 0)
    numbers = (left, top, right, bottom, width_px, height_px)
    if geometry and not (
        all(type(number) is int for number in numbers)
        and 0 <= left < right <= width_px
        and 0 <= top < bottom <= height_px
    ):
        raise ValueError(f"a photo at {numbers[:4]} of a canvas of {numbers[4:]}")
    return Recorded(
        str(error["kind"]),
        error["asked_delta_e"] is not None,
        root / garment_mask_path(example["key"]),
        (left, top, right, bottom) if geometry else None,
        (width_px, height_px) if geometry else None,
    )

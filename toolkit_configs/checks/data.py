"""A config's datasets as AI-Toolkit will see them: files, caches, what buckets crop, mask weights, epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.canvas.buckets import bucket_size_wh, cut_off_text
from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.dataset_builder.doctor.dataset import (
    TRAINER_SUFFIXES,
    DatasetFolders,
    check_folders,
    read_manifest,
)
from chromiq.dataset_builder.doctor.example import Training
from chromiq.dataset_layout import DatasetLayout
from chromiq.errors import Finding, UnsoundError
from chromiq.models import EditModel, model_of_arch
from chromiq.photos.images import read_mask_share
from chromiq.photos.soundness import list_images
from chromiq.progress import Update, silent
from chromiq.toolkit_configs.checks.settings import trained_edit_model
from chromiq.toolkit_configs.schema.trainer_job import DATASET_PROCESSES, Dataset, Job
from chromiq.wording import counted

LATENTS, TEXTS = "_latent_cache", "_t_e_cache"
_HASH_LENGTH = 22
_VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".webm", ".mkv", ".wmv", ".m4v", ".flv"})
_AUDIO_ARCHS = ("ace_step",)
_CROP_LINES = 8
_MASKS_READ = 200
_HEAVY = 10.0
_HARDLY_LIGHTER = 0.5
_MANY_EPOCHS = 500


@dataclass(frozen=True)
class MaskWeights:
    """What loss masks weigh once the trainer has scaled their mean to 1.

    Attributes:
        white_share: mean share of white, 0..1.
        white: loss weight of a white pixel on average, in units of the mean.
        black: the same of a black one.
        heaviest: weight of white under the mask with the least of it.
        read: how many masks this was taken from.
    """

    white_share: float
    white: float
    black: float
    heaviest: float
    read: int


@dataclass(frozen=True)
class DataFacts:
    """What is known of all datasets of a config.

    Attributes:
        items: targets times resolutions; one epoch.
        sizes: size in pixels to the number of targets that have it.
        crops: lines that say what buckets cut off.
        masks: what masks weigh, or None without one.
    """

    examples: int
    items: int
    epochs: float
    sizes: dict[tuple[int, int], int]
    crops: tuple[str, ...]
    masks: MaskWeights | None


def data_findings(job: Job, where: str, on_progress: Update = silent) -> tuple[list[Finding], DataFacts]:
    """All that is wrong with the datasets that a config names, and what is known of them."""
    findings: list[Finding] = []
    sizes: Counter[tuple[int, int]] = Counter()
    crops: list[str] = []
    items, masks = 0, None
    process = job.process
    model, edits = model_of_arch(process.model.arch), trained_edit_model(process)
    listed = job.document["config"]["process"][0].get("datasets")  # a fault in one is reported elsewhere
    if not listed and process.type in DATASET_PROCESSES:
        message = "the config lists no dataset"
        findings.append(Finding("config.datasets", f"{where}: datasets", message, "Add one."))
    for index, dataset in enumerate(process.datasets):
        prefix = f"{where}: datasets.{index}"
        if dataset.targets is None:
            hint = "Name the targets' folder."
            findings.append(Finding("config.datasets", f"{prefix}.folder_path", "is missing", hint))
            continue
        findings += _control_findings(dataset, edits, prefix)
        findings += _missing_folders(dataset)
        if not dataset.targets.is_dir():
            continue  # a JSON file that lists films or images, which only the trainer reads
        if dataset.is_video or process.model.arch.startswith(_AUDIO_ARCHS):
            findings += _film_findings(dataset.targets)
            continue
        found, own = _folder_findings(dataset, model, on_progress)
        findings += found
        sizes += own
        items += own.total() * len(dataset.resolution) * max(1, dataset.num_repeats)
        if model:
            crops += crop_lines(own, dataset.resolution, model.divisible_by_px)
        if dataset.mask_path and (shares := mask_shares(Path(dataset.mask_path))):
            shares = [1 - share for share in shares] if dataset.invert_mask else shares
            masks = mask_weights(shares, dataset.mask_min_value)
            findings += _weight_findings(masks, prefix)
    train = process.train
    epochs = train.steps * train.batch_size * train.gradient_accumulation / items if items else 0.0
    findings += _epoch_findings(epochs, items, where)
    if len(crops) > _CROP_LINES:
        crops = [*crops[:_CROP_LINES], f"and {counted(len(crops) - _CROP_LINES, 'more size')}"]
    return findings, DataFacts(sizes.total(), items, epochs, dict(sizes), tuple(crops), masks)


def trainer_findings(targets: Path, controls: Sequence[Path]) -> list[Finding]:
    """What the trainer reads in addition to a dataset's own images: nested folders and cached encodings."""
    built = DatasetLayout(targets.parent).is_built
    return [*_nested_findings(targets, built), *cache_findings(targets, controls)]


def crop_lines(sizes: Counter[tuple[int, int]], resolutions: Sequence[int], divisible_by: int) -> list[str]:
    """What the trainer's buckets make of each size at each resolution, and what they cut off.

    >>> crop_lines(Counter({(1328, 800): 2}), [1024], 16)
    ['2 x 1328x800 is trained at 1328x784, 16 of 800 rows cut off']
    """
    lines = []
    for size_wh, count in sorted(sizes.items()):
        for resolution in resolutions:
            bucket_wh = bucket_size_wh(size_wh, resolution, divisible_by)
            cut = cut_off_text(size_wh, bucket_wh) or "nothing"
            trained = f"{count} x {_by(size_wh)} is trained at {_by(bucket_wh)}"
            lines.append(f"{trained}, {cut} cut off")
    return lines


def mask_shares(folder: Path) -> list[float]:
    """Share of white, 0..1, of up to 200 masks, evenly spread over the folder."""
    paths = list_images(folder)
    step = max(1, -(-len(paths) // _MASKS_READ))
    shares = []
    for path in paths[::step]:
        try:
            shares.append(read_mask_share(path))
        except UnsoundError:
            continue  # check_folders reports it
    return shares


def mask_weights(shares: Sequence[float], min_value: float) -> MaskWeights:
    """What white and black weigh after the trainer has divided masks by their mean.

    A mask `m` in 0..1 becomes ``min_value + (1 - min_value) * m`` and is divided by its mean, so that with
    a share `s` of white, white weighs ``1 / (min_value + (1 - min_value) * s)`` and black `min_value` times
    that.

    >>> found = mask_weights([0.5], min_value=0.1)
    >>> round(found.white, 3), round(found.black, 3)
    (1.818, 0.182)
    """
    means = [min_value + (1 - min_value) * share for share in shares]
    mean = max(sum(means) / len(means), 1e-9)
    return MaskWeights(
        white_share=sum(shares) / len(shares),
        white=1 / mean,
        black=min_value / mean,
        heaviest=1 / max(min(means), 1e-9),
        read=len(shares),
    )


def cache_findings(targets: Path, controls: Sequence[Path]) -> list[Finding]:
    """Cached encodings that are older than the images they were made of.

    The trainer names a cached latent by the target's file name, size and crop, and a cached caption by its
    text and the path of its control: an image that was changed under its old name is never encoded again.

    Args:
        targets: the folder of the targets, in which the trainer keeps its caches.
        controls: folders of controls, which some models encode together with the caption.
    """
    found = []
    for name, folders in ((LATENTS, [targets]), (TEXTS, list(controls))):
        stale = _older(targets / name, folders)
        if stale:
            number = counted(len(stale), "encoding")
            message = f"holds {number} made before the image was changed, such as {stale[0].name}"
            hint = "Delete the folder; the trainer makes it again."
            found.append(Finding("dataset.cache", str(targets / name), message, hint))
    return found


def _older(cache: Path, folders: Sequence[Path]) -> list[Path]:
    """Files of a cache that are older than an image of their name in any of the folders."""
    if not cache.is_dir():
        return []
    changed_ns: dict[str, int] = {}
    for folder in folders:
        for path in folder.glob("*"):
            if path.is_file() and path.suffix != ".txt":
                changed_ns[path.stem] = max(changed_ns.get(path.stem, 0), path.stat().st_mtime_ns)
    cached = {path: path.stem[: -_HASH_LENGTH - 1] for path in sorted(cache.glob("*.safetensors"))}
    return [path for path, name in cached.items() if path.stat().st_mtime_ns < changed_ns.get(name, 0)]


def _control_findings(dataset: Dataset, model: EditModel | None, where: str) -> list[Finding]:
    """Whether controls are the targets themselves, or not as many as chromiq's own datasets have."""
    if model is None:
        return []
    controls, targets = [Path(path).resolve() for path in dataset.control_paths], dataset.targets
    count = len(controls)
    if targets and targets.resolve() in controls:
        message = "is the targets' own folder, from which the model learns to change nothing"
        hint = "Name the controls' folder, unless that is intended."
    elif count == 0:
        message = f"{model.name} edits an image, but no controls are given"
        hint = "Name the controls' folder."
    elif model.has_reference and count == 1:
        message = "one folder, so the model sees no still-life"
        hint = "Add the still-lifes as a second control, unless that is intended."
    elif not model.has_reference and count > 1:
        message = f"{count} folders, but {model.name} takes one stitched image"
        hint = "Render again for this model."
    else:
        return []
    return [Finding("config.controls", f"{where}.control_path", message, hint, "warning")]


def _missing_folders(dataset: Dataset) -> list[Finding]:
    hint = "Fix the path, or build the dataset."
    findings = []
    if dataset.targets is not None and not dataset.targets.exists():
        findings.append(Finding("dataset.folder", str(dataset.targets), "no such file or folder", hint))
    for folder in (*dataset.control_paths, *([dataset.mask_path] if dataset.mask_path else [])):
        if not Path(folder).is_dir():
            message = "no such folder, and the trainer silently trains without it"
            findings.append(Finding("dataset.folder", folder, message, hint))
    return findings


def _film_findings(targets: Path) -> list[Finding]:
    """Films are not opened: it is only checked that there are any."""
    suffixes = _VIDEO_SUFFIXES | TRAINER_SUFFIXES | {".wav", ".mp3"}
    if any(path.suffix.lower() in suffixes for path in targets.rglob("*")):
        return []
    return [Finding("dataset.empty", str(targets), "contains nothing to train on", "Fix the path.")]


def _folder_findings(
    dataset: Dataset, model: EditModel | None, on_progress: Update
) -> tuple[list[Finding], Counter[tuple[int, int]]]:
    targets = dataset.targets
    assert targets is not None  # the caller has looked
    controls = [Path(path) for path in dataset.control_paths if Path(path).is_dir()]
    control, reference, *_ = *controls, None, None
    mask = Path(dataset.mask_path) if dataset.mask_path and Path(dataset.mask_path).is_dir() else None
    built = DatasetLayout(targets.parent).is_built
    training = Training(
        # With a trigger_word, the trainer itself adds it to captions that lack it.
        trigger=None if dataset.trigger_word or not built else TRIGGER_WORD,
        resolutions=tuple(dataset.resolution),
        # Others may mean to train at sizes that crop; the report tells what is cropped.
        divisible_by_px=model.divisible_by_px if model and built else None,
        caption_suffix=dataset.caption_ext or ".txt",
        default_caption=dataset.default_caption or None,
        invert_mask=dataset.invert_mask,
    )
    recorded, findings = read_manifest(targets.parent) if built else ({}, [])
    # The config decides which files train; what the manifest lists beside them matters to the dataset only.
    findings = [found for found in findings if found.code != "manifest.missing"]
    folders = DatasetFolders(targets, control, mask, reference)
    found, sizes = check_folders(folders, on_progress, training, recorded, built=built)
    findings += found
    for folder in controls[2:]:
        have = {path.stem for path in list_images(folder)}
        findings += [
            Finding("dataset.reference", str(target), f"no image of this name in {folder}", "Add it.")
            for target in list_images(targets)
            if target.stem not in have
        ]
    findings += trainer_findings(targets, controls)
    if built and mask is None and reference is None:
        message = "there is no mask_path, so every pixel of the still-life trains too"
        findings.append(Finding("config.mask", str(targets), message, "Set mask_path.", "warning"))
    return findings, sizes


def _nested_findings(targets: Path, built: bool) -> list[Finding]:
    """Images in folders below the targets', which the trainer trains on as well."""
    nested = [
        path
        for path in targets.glob("*/**/*")
        if path.suffix.lower() in TRAINER_SUFFIXES
        and path.parent.name != "_controls"
        and not any(part.startswith(".") for part in path.relative_to(targets).parts)
    ]
    if not nested:
        return []
    number, example = counted(len(nested), "image"), nested[0].relative_to(targets)
    message = f"the trainer also takes {number} in folders below it, such as {example}"
    hint = "Move them elsewhere; they would train with the mask and control of the same name."
    return [Finding("dataset.nested", str(targets), message, hint, "error" if built else "warning")]


def _weight_findings(masks: MaskWeights, where: str) -> list[Finding]:
    if masks.heaviest > _HEAVY:
        heaviest = f"{masks.heaviest:.1f} times the mean"
        message = f"under one mask white weighs {heaviest}, so few pixels decide a step"
        hint = "Raise mask_min_value, or remove the example."
        return [Finding("mask.heavy", f"{where}.mask_path", message, hint, "warning")]
    if masks.black > _HARDLY_LIGHTER:
        message = f"black weighs {masks.black:.2f} where white weighs {masks.white:.2f}: masks change little"
        return [Finding("mask.light", f"{where}.mask_min_value", message, "Lower it.", "warning")]
    return []


def _epoch_findings(epochs: float, items: int, where: str) -> list[Finding]:
    if not items or 1 <= epochs <= _MANY_EPOCHS:
        return []
    over = counted(items, "example and size", "examples and sizes")
    message = f"{epochs:,.{0 if epochs >= 10 else 1}f} passes over {over}"
    hint = "Raise it; some are never seen." if epochs < 1 else "Lower it; the model would memorise them."
    return [Finding("config.epochs", f"{where}: train.steps", message, hint, "warning")]


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"

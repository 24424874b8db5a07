"""A config's datasets as the trainer will see them: files, what buckets crop, what masks weigh, epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chromiq.dataset_builder.canvas.buckets import bucket_size_wh, cut_off_wh
from chromiq.dataset_builder.canvas.captions import TRIGGER_WORD
from chromiq.dataset_builder.doctor.dataset import TRAINER_SUFFIXES, DatasetFolders, Training, check_folders
from chromiq.dataset_layout import unfinished_findings
from chromiq.errors import Finding, UnsoundError
from chromiq.models import model_of_arch
from chromiq.photos.images import photo_size_wh, read_mask_share
from chromiq.photos.soundness import PHOTO_SUFFIXES
from chromiq.toolkit_configs.checks.caches import cache_findings
from chromiq.toolkit_configs.schema.jobs import Dataset, Job

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
        examples: targets in all.
        items: targets times resolutions; one epoch.
        epochs: how often each item is trained.
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


def data_findings(
    job: Job, where: str, on_progress: Callable[[int, int], None] | None = None
) -> tuple[list[Finding], DataFacts]:
    """All that is wrong with the datasets that a config names, and what is to be known of them.

    Args:
        job: as read.
        where: the config's name, for messages.
        on_progress: called with examples done and examples in all, for each dataset.
    """
    findings: list[Finding] = []
    sizes: Counter[tuple[int, int]] = Counter()
    crops: list[str] = []
    items, masks = 0, None
    model = model_of_arch(job.process.model.arch)
    for index, dataset in enumerate(job.process.datasets):
        prefix = f"{where}: datasets.{index}"
        findings += _control_findings(dataset, model is not None and model.has_reference, prefix)
        divisible_by = model.divisible_by_px if model else 16
        training = Training(job.process.trigger_word or TRIGGER_WORD, tuple(dataset.resolution), divisible_by)
        findings += _folder_findings(dataset, prefix, training, on_progress)
        own = target_sizes(Path(dataset.folder_path))
        sizes += own
        items += own.total() * len(dataset.resolution)
        crops += crop_lines(own, dataset.resolution, divisible_by)
        if dataset.mask_path and (read := mask_shares(Path(dataset.mask_path))):
            masks = mask_weights(read, dataset.mask_min_value)
            findings += _weight_findings(masks, prefix)
    train = job.process.train
    epochs = train.steps * train.batch_size * train.gradient_accumulation / items if items else 0.0
    findings += _epoch_findings(epochs, items, where)
    return findings, DataFacts(sizes.total(), items, epochs, dict(sizes), tuple(crops), masks)


def trainer_findings(targets: Path, controls: Sequence[Path]) -> list[Finding]:
    """What the trainer takes in besides a dataset's own pictures: nested ones, and what it encoded earlier.

    Args:
        targets: the folder of the targets.
        controls: the folders of controls.
    """
    return [*_nested_findings(targets), *cache_findings(targets, controls)]


def target_sizes(folder: Path) -> Counter[tuple[int, int]]:
    """Size in pixels, upright, to the number of targets; those that cannot be read are left out."""
    found: Counter[tuple[int, int]] = Counter()
    for path in _pictures(folder):
        try:
            found[photo_size_wh(path)] += 1
        except UnsoundError:
            continue  # check_folders tells what is wrong with it
    return found


def crop_lines(sizes: Counter[tuple[int, int]], resolutions: Sequence[int], divisible_by: int) -> list[str]:
    """What the trainer's buckets make of each size at each resolution, and what they cut off.

    >>> crop_lines(Counter({(1328, 800): 2}), [1024], 16)
    ['2 x 1328x800 is trained at 1328x784, 16 of 800 rows cut off']
    """
    lines = []
    for size_wh, count in sorted(sizes.items()):
        for resolution in resolutions:
            bucket_wh = bucket_size_wh(size_wh, resolution, divisible_by)
            columns, rows = cut_off_wh(size_wh, bucket_wh)
            cut = [f"{columns} of {size_wh[0]} columns"] * (columns > 0)
            cut += [f"{rows} of {size_wh[1]} rows"] * (rows > 0)
            trained = f"{count} x {_by(size_wh)} is trained at {_by(bucket_wh)}"
            lines.append(f"{trained}, {' and '.join(cut) or 'nothing'} cut off")
    return lines


def mask_shares(folder: Path) -> list[float]:
    """Share of white, 0..1, of up to 200 masks that lie evenly in the folder's order."""

    paths = _pictures(folder)
    step = max(1, -(-len(paths) // _MASKS_READ))
    shares = []
    for path in paths[::step]:
        try:
            shares.append(read_mask_share(path))
        except UnsoundError:
            continue  # check_folders tells what is wrong with it
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


def _control_findings(dataset: Dataset, has_reference: bool, where: str) -> list[Finding]:
    controls = dataset.control_path if isinstance(dataset.control_path, list) else [dataset.control_path]
    if has_reference and len(controls) == 1:
        wanted = "two folders, of the pictures to correct and of the still-lifes"
        cure = "render again for this model, or the model sees no still-life"
        return [Finding.expected("config.controls", f"{where}.control_path", wanted, "one", cure, "warning")]
    if not has_reference and len(controls) > 1:
        got, cure = f"{len(controls)} folders", "render again for this model"
        wanted = "one folder of stitched pictures"
        return [Finding.expected("config.controls", f"{where}.control_path", wanted, got, cure, "warning")]
    return []


def _folder_findings(
    dataset: Dataset, where: str, training: Training, on_progress: Callable[[int, int], None] | None
) -> list[Finding]:
    findings = []
    controls = dataset.control_path
    control, *references = [controls] if isinstance(controls, str) else controls
    for folder in (*references, *([dataset.mask_path] if dataset.mask_path else [])):
        if not Path(folder).is_dir():
            got, cure = "none; the trainer would do without and say nothing", "build the dataset again"
            findings.append(Finding.expected("dataset.folder", folder, "a folder", got, cure))
    mask = Path(dataset.mask_path) if dataset.mask_path else None
    reference = Path(references[0]) if references else None
    folders = DatasetFolders(Path(dataset.folder_path), Path(control), mask, reference)
    findings += unfinished_findings(folders.target.parent)
    findings += check_folders(folders, on_progress, training)
    for further in map(Path, references[1:]):
        have = {path.stem for path in _pictures(further)}
        findings += [
            Finding.expected(
                "dataset.reference", str(target), "its third control", f"none in {further}", "add it"
            )
            for target in _pictures(Path(dataset.folder_path))
            if target.stem not in have
        ]
    if dataset.caption_ext.removeprefix(".") != "txt":
        wanted, got = "captions in .txt files, as chromiq build writes them", repr(dataset.caption_ext)
        cure = "write txt: with no such files every picture gets default_caption"
        findings.append(Finding.expected("config.captions", f"{where}.caption_ext", wanted, got, cure))
    findings += trainer_findings(Path(dataset.folder_path), [Path(each) for each in (control, *references)])
    if mask is None and reference is None:
        wanted, cure = "a mask_path", "set it, or every pixel of the still-life trains too"
        findings.append(Finding.expected("config.mask", where, wanted, "none", cure, "warning"))
    return findings


def _nested_findings(targets: Path) -> list[Finding]:
    """Pictures in folders within the targets' own, which the trainer trains on as well."""
    hidden = {"_controls"}
    nested = [
        path
        for path in targets.glob("*/**/*")
        if path.suffix.lower() in TRAINER_SUFFIXES
        and path.parent.name not in hidden
        and not any(part.startswith(".") for part in path.relative_to(targets).parts)
    ]
    if not nested:
        return []
    got = f"{len(nested)} in folders below, such as {nested[0].relative_to(targets)}"
    cure = "move them out: the trainer trains on them, with the mask and control of the same name"
    return [Finding.expected("dataset.nested", str(targets), "targets in this folder alone", got, cure)]


def _weight_findings(masks: MaskWeights, where: str) -> list[Finding]:
    if masks.heaviest > _HEAVY:
        got = f"one under which white weighs {masks.heaviest:.1f} times the mean"
        cure = "raise mask_min_value, or leave the example out; a few pixels would carry the whole step"
        wanted = f"masks white enough that white weighs at most {_HEAVY:.0f}"
        return [Finding.expected("mask.heavy", f"{where}.mask_path", wanted, got, cure, "warning")]
    if masks.black > _HARDLY_LIGHTER:
        got = f"{masks.black:.2f}, as white weighs {masks.white:.2f}"
        cure = "lower mask_min_value, or the masks change little"
        wanted = f"black that weighs at most {_HARDLY_LIGHTER}"
        return [Finding.expected("mask.light", f"{where}.mask_min_value", wanted, got, cure, "warning")]
    return []


def _epoch_findings(epochs: float, items: int, where: str) -> list[Finding]:
    if not items or 1 <= epochs <= _MANY_EPOCHS:
        return []
    wanted = f"between 1 and {_MANY_EPOCHS} passes over the {items} examples and sizes"
    cure = "raise steps: some are never seen" if epochs < 1 else "lower steps: it will know them by heart"
    return [
        Finding.expected(
            "config.epochs", f"{where}: train.steps", wanted, f"{epochs:.2g} passes", cure, "warning"
        )
    ]


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"

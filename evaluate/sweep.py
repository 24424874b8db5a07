"""Every checkpoint of a run measured on held-out pairs: which one to ship, and how sure that is."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from chromiq.documents import load_json, read_text
from chromiq.errors import (
    AccessError,
    ChromiqError,
    Finding,
    InterruptedRunError,
    LockedError,
    UnsoundError,
    UsageError,
)
from chromiq.evaluate.generate.images import GenerateOptions
from chromiq.evaluate.generate.lora_files import require_lora_files
from chromiq.evaluate.report import Chart, write_report
from chromiq.evaluate.score.scores import ImageSet, Interval, mean_interval, score_folders
from chromiq.evaluate.testset import TrialSet, read_testset
from chromiq.files import (
    ensure_output_folder,
    folder_lock,
    refuse_inputs,
    sha256_file,
    sha256_text,
    write_bytes,
    write_json,
)
from chromiq.models import model_of_arch
from chromiq.progress import Update, silent
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.runs.record import config_of
from chromiq.toolkit_configs.runs.status import read_status
from chromiq.toolkit_configs.schema.trainer_job import Job, read_job
from chromiq.wording import counted, interval_text

SWEEP_FILE = "sweep.json"
CURVE_FILE = "curve.png"
_CURVE_IN, _CURVE_DPI = (8.0, 4.2), 150
_LINE, _BEST, _CONTROL = "#0a5bd0", "#0a7d43", "#8a8a90"
# A younger checkpoint may not be completely written yet.
_SETTLED_AFTER_S = 5.0
# Not caused by a checkpoint: the next one would fail with them too.
_FATAL = (AccessError, LockedError, UsageError, InterruptedRunError)


@dataclass(frozen=True)
class Point:
    """One checkpoint as measured.

    Attributes:
        mean: mean over images of the mean dE00; None if it could not be measured.
        interval: of `mean`, as `mean_interval` gives it.
        sha256: of the checkpoint; the same is not measured again.
        error: why it could not be measured, else None.
    """

    checkpoint: str
    step: int
    mean: float | None
    interval: Interval | None
    images: dict[str, float]
    sha256: str
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A run's checkpoints, measured.

    Attributes:
        made_of: digest of the test set and the options; points of another are not comparable.
        control: the uncorrected images, measured as a checkpoint of step 0.
    """

    run: str
    made_of: str
    control: Point
    points: tuple[Point, ...]
    testset: str = ""

    @property
    def measured(self) -> list[Point]:
        """The checkpoints that could be measured."""
        return [point for point in self.points if point.mean is not None]

    @property
    def skipped(self) -> list[Point]:
        """Those that could not."""
        return [point for point in self.points if point.mean is None]

    @property
    def best(self) -> Point:
        """The checkpoint of the lowest mean, the earliest of equals.

        Raises:
            ChromiqError: if none could be measured.
        """
        if not self.measured:
            reasons = "; ".join(f"{point.checkpoint}: {point.error}" for point in self.skipped)
            raise ChromiqError(
                f"{self.run}: none of {len(self.points)} checkpoints could be measured; {reasons}"
            )
        return min(self.measured, key=lambda point: (point.mean, point.step))

    @property
    def ties(self) -> list[Point]:
        """The checkpoints whose paired difference from the best has 0 in its 95 % interval, or has none."""
        best = self.best

        def is_tied(point: Point) -> bool:
            interval = mean_interval([point.images[name] - best.images[name] for name in best.images])
            return interval is None or interval[0] <= 0

        return [point for point in self.measured if point is not best and is_tied(point)]

    @property
    def change(self) -> tuple[float, Interval | None]:
        """Mean over images of the best's dE00 minus that of no LoRA, and its 95 % interval."""
        best = self.best
        changes = [best.images[name] - self.control.images[name] for name in best.images]
        return sum(changes) / len(changes), mean_interval(changes)

    @property
    def summary(self) -> str:
        """What it found, in words.

        Raises:
            ChromiqError: if no checkpoint could be measured.
        """
        best, ties = self.best, self.ties
        images = len(best.images)
        bounds = interval_text(best.interval, images, title="95 % interval ")
        said = (
            f"Best: {best.checkpoint} (step {best.step}), mean dE00 {best.mean:.2f} ({bounds}) "
            f"over {counted(images, 'image')}; uncorrected {self.control.mean:.2f}."
        )
        change, interval = self.change
        if interval is None or interval[1] >= 0:
            verdict = "worse" if interval and interval[0] > 0 else "not measurably better"
            bounds = interval_text(interval, images, "+.2f", title="95 % interval ")
            advice = "Do not use it as it is." if interval else "Measure it on at least 3 images."
            moved = f"{change:+z.2f} dE00 against uncorrected ({bounds})"
            said += f" It is {verdict} than no LoRA: {moved}. {advice}"
        if ties:
            steps = ", ".join(str(point.step) for point in ties)
            said += f" So few images cannot distinguish it from step {steps}: choosing among these is chance."
        return said

    def as_dict(self) -> dict[str, Any]:
        """The sweep as ``sweep.json`` holds it, unrounded."""
        best = self.best if self.measured else None
        return {
            "run": self.run,
            "made_of": self.made_of,
            "testset": self.testset,
            "best": {key: getattr(best, key) for key in ("checkpoint", "step", "mean", "interval")}
            if best
            else None,
            "tied_with_best": [point.checkpoint for point in self.ties] if best else [],
            "change_from_control": best and self.change[0],
            "change_interval": best and self.change[1],
            "summary": best and self.summary,
            "control": asdict(self.control),
            "checkpoints": [asdict(point) for point in self.points],
            "skipped": {point.checkpoint: point.error for point in self.skipped},
        }


@dataclass(frozen=True)
class _Work:
    """What is the same for every checkpoint."""

    testset: TrialSet
    masks: Path | None
    out: Path
    options: GenerateOptions

    @property
    def digest(self) -> str:
        """Of all that decides the figures but the checkpoint."""
        testset = self.testset
        files = [
            [
                trial.name,
                *(sha256_file(path) for path in (trial.truth, trial.control, trial.reference) if path),
            ]
            for trial in testset
        ]
        masks = {name: sha256_file(self.masks / f"{name}.png") for name in testset.masks if self.masks}
        crops = {name: crop.xyxy for name, crop in (testset.crops or {}).items()}
        made_of = [files, masks, testset.captions, crops, self.options.as_dict()]
        return sha256_text(json.dumps(made_of, sort_keys=True))

    def columns(self, columns: dict[str, Path]) -> ImageSet:
        """Columns of images to score on the test set."""
        return ImageSet(self.testset.truths, columns, self.testset.crops, self.masks)

    def images(self, checkpoint: str) -> Path:
        """The folder of a checkpoint's images."""
        return self.out / "checkpoints" / Path(checkpoint).stem


def measure_checkpoints(
    run: Path,
    testset: Path,
    out: Path,
    options: GenerateOptions | None = None,
    *,
    watch_every_s: float | None = None,
    on_progress: Update = silent,
    on_point: Callable[[Point], None] = lambda _: None,
) -> Sweep:
    """Generate the test set with every checkpoint of a run and measure it; the same call again resumes.

    Args:
        testset: as `chromiq.evaluate.testset.read_testset` takes it.
        out: gets ``sweep.json``, ``curve.png``, ``report.html`` and the images, a folder per checkpoint.
        watch_every_s: look for new checkpoints again after so many seconds until the run ends.
        on_point: called with each checkpoint as it is done.

    Raises:
        UsageError: if the folder holds no run, the run no checkpoint, or it was trained on the test set.
        UnsoundError: if the test set is not sound, or the run trains a model and no LoRA.
        AccessError: if the base model is not to be had.
        ChromiqError: if no checkpoint could be measured.
    """
    name = read_status(run).record.name
    trials = read_testset(testset)
    refuse_inputs([out, out / "masks"], [run, testset, *trials.parts])
    _ = trials.captions, trials.masks  # before anything is written: some may be missing
    trials.refuse_trained_on(run_job(run))
    options = options or run_options(run)
    trials.require_references(options.model)
    _checkpoints(run, name, settled=False)  # before anything is written: they may be whole models
    ensure_output_folder(out)
    with folder_lock(out, "chromiq sweep"):
        work = _Work(trials, trials.write_masks(out / "masks"), out, options)
        made_of = work.digest
        earlier = _earlier(out / SWEEP_FILE, name, made_of)
        control = _point(work, "control", 0, "", work.testset.controls)
        result = Sweep(name, made_of, control, tuple(earlier), str(testset.resolve()))
        tried: dict[str, str] = {}
        drawn = False
        while True:
            status = read_status(run)
            running = status.state == "running"
            watching = running and watch_every_s is not None
            known = {point.checkpoint: point.sha256 for point in result.measured} | tried
            todo = [
                (path, digest)
                for path in _checkpoints(run, name, settled=watching)
                if known.get(path.name) != (digest := sha256_file(path))
            ]
            for number, (path, digest) in enumerate(todo):
                update = _counted(on_progress, number, len(todo))
                step = checkpoint_step(path, name) or status.record.total_steps
                point = _measure(path, step, digest, work, update)
                tried[path.name] = digest
                result = _with(result, point)
                write_json(out / SWEEP_FILE, result.as_dict())
                on_point(point)
            if result.measured and (todo or not drawn):
                # Once even if nothing was left to measure: an earlier call may have been killed before this.
                _draw(result, work)
                drawn = True
            if not watching:
                break
            time.sleep(watch_every_s or 0)
    if not result.points:
        raise UsageError(f"{run}: no checkpoints yet. Wait for the first, or watch the run.")
    _ = result.best
    return result


def run_options(run: Path) -> GenerateOptions:
    """How a run's own base model generates, as its config names it.

    Raises:
        UsageError: if its config is missing, or trains a model that cannot generate here.
    """
    model = run_job(run).process.model
    known = model_of_arch(model.arch)
    return GenerateOptions(model=known.name if known else model.arch, checkpoint=model.name_or_path)


def run_job(run: Path) -> Job:
    """The job of a run, as `config_of` finds its config.

    Raises:
        UsageError: if it is missing.
    """
    record = read_status(run).record
    if config := config_of(run, record):
        return read_job(config)
    raise UsageError(f"{record.config}: the run's config is missing. Put it back: it names the base model.")


def _earlier(path: Path, name: str, made_of: str) -> list[Point]:
    """What an earlier call measured of the same run, test set and options, without what failed then."""
    if not path.is_file():
        return []
    try:
        saved = load_json(read_text(path))
        if saved["run"] != name or saved["made_of"] != made_of:
            return []
        measured = [each for each in saved["checkpoints"] if each["error"] is None]
        # Earlier versions wrote intervals of one and two images.
        return [
            Point(**{**each, "interval": mean_interval(list(each["images"].values()))}) for each in measured
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"cannot be read as an earlier sweep ({type(error).__name__}: {error})"
        finding = Finding("sweep.unreadable", str(path), message, "Remove it and sweep again.")
        raise UnsoundError.of(finding) from error


def _checkpoints(run: Path, name: str, *, settled: bool) -> list[Path]:
    paths = find_checkpoints(run, name)
    require_lora_files(path for path in paths if path.is_dir())  # which it refuses
    if not settled:
        return paths
    return [path for path in paths if time.time() - path.stat().st_mtime > _SETTLED_AFTER_S]


def _measure(path: Path, step: int, digest: str, work: _Work, on_progress: Update) -> Point:
    folder = work.images(path.name)
    try:
        work.testset.generate(folder, work.options, path, on_progress)
        return _point(work, path.name, step, digest, folder)
    except _FATAL:
        raise
    except Exception as error:  # a broken LoRA makes the model libraries raise anything
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        return Point(path.name, step, None, None, {}, digest, said)


def _point(work: _Work, checkpoint: str, step: int, digest: str, folder: Path) -> Point:
    scores = score_folders(work.columns({"generated": folder}))
    images = {score.name: score.differences["generated"].mean for score in scores}
    values = list(images.values())
    return Point(checkpoint, step, sum(values) / len(values), mean_interval(values), images, digest)


def _with(result: Sweep, point: Point) -> Sweep:
    others = [each for each in result.points if each.checkpoint != point.checkpoint]
    return replace(
        result, points=tuple(sorted([*others, point], key=lambda each: (each.step, each.checkpoint)))
    )


def _counted(update: Update, before: int, checkpoints: int) -> Update:
    """Progress within one checkpoint as progress within all."""
    return lambda done, total: update(before * total + done, checkpoints * total)


def curve_png(result: Sweep) -> bytes:
    """Mean dE00 against training steps as a PNG; intervals are drawn if all checkpoints have one."""
    # The object interface: pyplot would look for a display and keep figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_CURVE_IN, dpi=_CURVE_DPI, layout="constrained")
    axes = figure.add_subplot()
    measured, best, control = result.measured, result.best, result.control
    level, steps = control.mean or 0.0, [point.step for point in measured]
    means = [point.mean or 0.0 for point in measured]
    if control.interval:
        axes.axhspan(*control.interval, color=_CONTROL, alpha=0.12, linewidth=0)
    axes.axhline(level, color=_CONTROL, linestyle="--", linewidth=1.2, label=f"uncorrected, {level:.2f}")
    known = [point.interval for point in measured if point.interval]
    bars, label = None, "checkpoints"
    if len(known) == len(means):
        low, high = zip(*known, strict=True)
        axes.fill_between(steps, low, high, color=_LINE, alpha=0.15, linewidth=0)
        below = [mean - end for mean, end in zip(means, low, strict=True)]
        above = [end - mean for mean, end in zip(means, high, strict=True)]
        bars, label = (below, above), "checkpoints, with 95 % interval"
    axes.errorbar(
        steps,
        means,
        yerr=bars,
        color=_LINE,
        marker="o",
        markersize=4,
        capsize=3,
        linewidth=1.6,
        elinewidth=0.8,
        label=label,
    )
    said = f"lowest: step {best.step:,}, {best.mean:.2f}"
    axes.plot(best.step, best.mean or 0.0, "o", color=_BEST, markersize=9, label=said)
    axes.set(xlabel="training steps", ylabel="mean dE00 against the truth")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def _draw(result: Sweep, work: _Work) -> None:
    """Write the curve, and the report of the best checkpoint."""
    best, png = result.best, curve_png(result)
    write_bytes(work.out / CURVE_FILE, png)
    caption = f"Mean dE00 of {counted(len(result.measured), 'checkpoint')} against training steps"
    columns = {"control": work.testset.controls, f"step {best.step}": work.images(best.checkpoint)}
    images = work.columns(columns)
    write_report(
        work.out / "report.html",
        score_folders(images),
        images,
        title=f"{result.run}: checkpoints against held-out pairs",
        notes=[
            result.summary,
            *(f"Left out: {point.checkpoint}: {point.error}" for point in result.skipped),
        ],
        charts=[Chart(png, caption)],
    )

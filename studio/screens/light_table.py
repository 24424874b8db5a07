"""The light table: all photos of a batch, most doubtful first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from chromiq.correction.options import CorrectionOptions
from chromiq.correction.report import STATES
from chromiq.correction.results import BatchRun, Result
from chromiq.dataset_builder.inputs.photo_names import PairPattern
from chromiq.dataset_builder.segmenters.choose import recorded_segmenter
from chromiq.errors import errors_of
from chromiq.studio.batches import version_of
from chromiq.studio.pages import Answer, batch_of, folder_of, fragment, page, parts_of, shell_command

# A browser needs seconds for thousands of cards: the others come with their names only, and the page's script
# asks for their contents while the user looks at the first.
AT_ONCE = 24
_OF_A_LORA = ("model", "checkpoint", "geometry", "caption", "steps", "seed", "device", "dtype", "quantize")


def _folders(request: Request) -> Response:
    workplace = parts_of(request).workplace
    found = workplace.of_kind("corrections")
    if len(found) == 1:
        return RedirectResponse(f"/f/{found[0].id}/", 303)
    if not workplace.of_kind("corrections", "dataset", "run"):
        return RedirectResponse("/open", 303)  # only photos: they are to be corrected first
    command = shell_command("chromiq", "studio", *workplace.roots)
    return page(request, "folders", title="Photos", command=command)


def _light_table(request: Request) -> Response:
    folder, run = folder_of(request, "corrections"), batch_of(request)
    results = parts_of(request).batches.results(run)
    return page(
        request,
        "light_table",
        title=f"Photos in {folder.name}",
        command=batch_command(run),
        folder=folder,
        results=results,
        at_once=AT_ONCE,
        states=STATES,
        counts={state: sum(result.state == state for result in results) for state in STATES},
        version_of=version_of,
        notes=run.findings,
    )


def _cards(request: Request) -> Response:
    """The cards of the photos that are asked for."""
    folder, run = folder_of(request, "corrections"), batch_of(request)
    keys = [key for key in request.query_params.getlist("key") if key in run.by_key]
    results = parts_of(request).batches.results(run, keys)
    return fragment("light_table_cards", folder=folder, cards=results, version_of=version_of)


def _states(request: Request) -> Response:
    """How every photo stands now, for pages that are open."""
    run = batch_of(request)
    jobs = parts_of(request).jobs
    status = jobs.status(run)
    photos = {result.pair.key: state_of(run, result) for result in parts_of(request).batches.results(run)}
    job = {"waiting": status.waiting, "done": status.done, "message": status.message}
    return Answer({"photos": photos, "job": job})


def state_of(run: BatchRun, result: Result) -> dict[str, Any]:
    """What of a photo changes while its page is open."""
    decision = result.decision
    return {
        "state": result.state,
        "decision": decision.verdict,
        "version": version_of(result),
        "strength": decision.options(run.options).strength,
        "target_lab": decision.target_lab,
    }


def correct_words(source: Path, pattern: PairPattern | None, out: Path) -> list[str]:
    """The command that corrects a folder of photos."""
    named = ["--pattern", pattern.still_life, pattern.on_model] if pattern else []
    return ["chromiq", "correct", "--batch", str(source), "--out", str(out), *named]


def batch_command(run: BatchRun, *more: str) -> str:
    """The command that made a batch; given again it resumes."""
    words = correct_words(run.source, run.pattern, run.folder)
    if run.masks:
        words += ["--masks", str(run.masks)]
    segmenter, part = recorded_segmenter(run.segmenter)
    words += ["--segmenter", segmenter, *(["--part", part] if part else [])]
    usual, options = CorrectionOptions(), run.options
    if options.strength != usual.strength:
        words += ["--strength", f"{options.strength:g}"]
    if options.min_gain != usual.min_gain:
        words += ["--min-gain", f"{options.min_gain:g}"]
    words += ["--force"] * options.force + ["--each-alone"] * (not options.alike)
    words += ["--skip-bad"] * bool(errors_of(run.findings))  # only with it were results made
    if options.target_lab:
        words += ["--target-lab", ",".join(f"{part:g}" for part in options.target_lab)]
    words += [word for name in options.exports for word in ("--export", name)]
    if options.method != usual.method:
        words += ["--method", options.method, "--lora", "LORA"]
        network = run.network or {}
        settings = {**network, **network.get("loading", {})}
        given = {name: settings[name] for name in _OF_A_LORA if settings.get(name) is not None}
        words += [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return shell_command(*words, *more)


ROUTES = [
    Route("/", _folders),
    Route("/f/{folder}/", _light_table),
    Route("/f/{folder}/cards", _cards),
    Route("/f/{folder}/states", _states),
]

"""What is decided on the page, written into ``decisions.csv``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chromiq.correction.decisions_csv import VERDICTS, Decision, read_decisions
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.results import BatchRun, decide, read_result
from chromiq.errors import UsageError
from chromiq.studio.jobs import Jobs
from chromiq.studio.pages import app_state, batch_and_key_of, json_of, workplace_of
from chromiq.studio.workplace import Workplace

_MOST_NOTE = 2000
_ORIGINAL = ("reject", "keep")


async def _decide(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    wishes = await json_of(request)
    jobs = app_state(request, "jobs", Jobs)
    return JSONResponse(await run_in_threadpool(_decided, workplace_of(request), jobs, run, key, wishes))


def _decided(
    workplace: Workplace, jobs: Jobs, run: BatchRun, key: str, wishes: dict[str, Any]
) -> dict[str, Any]:
    redo = bool(wishes.pop("redo", False))
    with workplace.writing(run.folder):
        before = read_decisions(run.folder, run.keys).of(key)
        after = changed_decision(before, wishes)
        if "decision" not in wishes and before.verdict == "accept" and _changes_the_file(before, after):
            after = replace(after, verdict="")  # another result was accepted
        # An accepted file is left as it is, so one that is not the accepted result yet has to be made.
        is_waiting = key in jobs.status(run).waiting
        redo = redo or (after.verdict == "accept" and (before.verdict in _ORIGINAL or is_waiting))
        if redo or _changes_the_file(before, after):
            jobs.request(run, [key], redo=redo)  # the work reads the decision once this block ends
        result = read_result(run, key, decide(run, {key: after}))
    return {"state": result.state, "decision": after.verdict, "note": after.note}


def _changes_the_file(before: Decision, after: Decision) -> bool:
    """Whether another file is to be delivered; accepting one changes nothing."""
    verdicts = ["" if each.verdict == "accept" else each.verdict for each in (before, after)]
    return verdicts[0] != verdicts[1] or replace(before, verdict="", note="") != replace(
        after, verdict="", note=""
    )


def changed_decision(before: Decision, wishes: dict[str, Any]) -> Decision:
    """A decision with the fields that a page sent; the others stay.

    Raises:
        UsageError: if a value is none that can be decided.
    """
    unknown = wishes.keys() - {"decision", "strength", "target_lab", "note"}
    if unknown:
        raise UsageError(f"{sorted(unknown)[0]!r} cannot be decided")
    verdict = wishes.get("decision", before.verdict)
    if verdict not in ("", *VERDICTS):
        raise UsageError(f"{verdict!r} is no decision; use {', '.join(VERDICTS)}, or nothing")
    strength, target = wishes.get("strength", before.strength), wishes.get("target_lab", before.target_lab)
    try:
        decision = replace(
            before,
            verdict=verdict,
            strength=None if strength is None else float(strength),
            target_lab=None if target is None else _lab(target),
            note=" ".join(str(wishes.get("note", before.note)).split())[:_MOST_NOTE],
        )
    except (TypeError, ValueError) as error:
        raise UsageError(f"not a number: {error}") from error
    decision.options(CorrectionOptions())  # refuses what is out of range
    return decision


def _lab(target: Any) -> tuple[float, float, float]:
    lightness, a, b = (float(part) for part in target)
    return lightness, a, b


ROUTES = [Route("/f/{folder}/decision/{key}", _decide, methods=["POST"])]

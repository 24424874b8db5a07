"""What is decided on the page, written into ``decisions.csv``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chromiq.correction.decisions import VERDICTS, Decision, read_decisions
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.results import BatchRun, decide, read_result
from chromiq.errors import UsageError
from chromiq.studio.pages import batch_and_key_of, json_of, workplace_of
from chromiq.studio.workplace import Workplace

_MOST_NOTE = 2000


async def _decide(request: Request) -> Response:
    run, key = batch_and_key_of(request)
    wishes = await json_of(request)
    return JSONResponse(await run_in_threadpool(_decided, workplace_of(request), run, key, wishes))


def _decided(workplace: Workplace, run: BatchRun, key: str, wishes: dict[str, Any]) -> dict[str, Any]:
    with workplace.writing(run.folder):
        before = read_decisions(run.folder, run.keys).of(key)
        decisions = decide(run, {key: changed_decision(before, wishes)})
        result = read_result(run, key, decisions)
    return {"state": result.state, "decision": result.decision.verdict, "note": result.decision.note}


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

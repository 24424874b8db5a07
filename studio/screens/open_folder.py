"""Open: photos in the folders given, which belong together, and the command that corrects them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chromiq.correction.garment_work import records_folder
from chromiq.correction.report import WORK
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.inputs.photo_names import PairPattern
from chromiq.errors import EXIT_DONE, EXIT_SKIPPED, UsageError
from chromiq.files import atomic_path, safe_stem
from chromiq.photos.images import WRITABLE_FORMATS
from chromiq.photos.soundness import inspect_photo, list_images
from chromiq.studio.pages import Answer, answers_json, page, parts_of, shell_command
from chromiq.studio.screens.light_table import correct_words
from chromiq.studio.workplace import Workplace, subfolders

MAX_UPLOAD_BYTES = 300_000_000
_MOST_SHOWN = 200
_MOST_FOLDERS = 300
_DEPTH = 3


def _screen(request: Request) -> Response:
    workplace = parts_of(request).workplace
    folders = list(_photo_folders(workplace))
    source = folders[0][0] if folders else workplace.roots[0]
    return page(
        request,
        "open",
        title="Open photos",
        command=shell_command(*_words(source, None, _usual_out(workplace, source))),
        folders=folders,
        out=_usual_out(workplace, source),
        upload_to=min(workplace.roots, key=_holds_results) / "dropped",
        most_mb=MAX_UPLOAD_BYTES // 1_000_000,
    )


def _photo_folders(workplace: Workplace) -> Iterator[tuple[Path, int]]:
    """Folders with photos in them or below, as far as they hold no results; most photos first."""
    found: dict[Path, int] = {}
    level = [root for root in workplace.roots if root.is_dir()]
    for _ in range(_DEPTH):
        below = []
        for folder in level:
            if _holds_results(folder) or len(found) > _MOST_FOLDERS:
                continue
            if photos := len(list_images(folder)):
                found[folder] = photos
            below += subfolders(folder)
        level = below
    yield from sorted(found.items(), key=lambda each: -each[1])


def _holds_results(folder: Path) -> bool:
    return (folder / WORK).is_dir()


def _usual_out(workplace: Workplace, source: Path) -> Path:
    """A name beside the photos, or in their folder if that is as far as the page may write."""
    return source / "corrected" if source in workplace.roots else source.with_name(f"{source.name}-corrected")


def _preview(request: Request, wishes: dict[str, Any]) -> dict[str, Any]:
    workplace = parts_of(request).workplace
    source, pattern, out = _asked(workplace, wishes)
    listing = find_pairs(source, pattern=pattern, out=out)
    findings = [str(finding) for finding in listing.findings if finding.code != "source.strangers"]
    return {
        "pairs": [
            [pair.key, *(path.relative_to(source).as_posix() for path in (pair.still_life, pair.on_model))]
            for pair in listing.pairs[:_MOST_SHOWN]
        ],
        "photos": len(listing.pairs),
        "garments": len({pair.still_life for pair in listing.pairs}),
        "leftover": [path.relative_to(source).as_posix() for path in listing.leftover[:_MOST_SHOWN]],
        "leftovers": len(listing.leftover),
        "findings": findings[:_MOST_SHOWN],
        "command": shell_command(*_words(source, pattern, out)),
    }


def _start(request: Request, wishes: dict[str, Any]) -> dict[str, Any]:
    workplace, commands = parts_of(request).workplace, parts_of(request).commands
    source, pattern, out = _asked(workplace, wishes)
    words = _words(source, pattern, out)

    def opened(code: int) -> None:
        if code in {EXIT_DONE, EXIT_SKIPPED}:
            workplace.add(out, "corrections")

    if not commands.start(words[1:], opened):
        raise HTTPException(409, "A command is running already.")
    return {"command": shell_command(*words)}


def _status(request: Request) -> Response:
    """How far the command is; of a path, nothing is said that was not asked for."""
    status = parts_of(request).commands.status
    if status is None:
        return Answer({"words": []})
    out = Path(status.words[status.words.index("--out") + 1])
    found = next(
        (each for each in parts_of(request).workplace.of_kind("corrections") if each.path == out), None
    )
    return Answer(
        {
            "words": status.words,
            "exit_code": status.exit_code,
            "said": status.said,
            "done": len(list(records_folder(out).glob("*.json"))),
            "address": found and f"/f/{found.id}/",
        }
    )


async def _upload(request: Request) -> Response:
    """One photo that was dropped on the page: written beside the others, never over one."""
    workplace = parts_of(request).workplace
    name = Path(request.query_params.get("name", "").replace("\\", "/")).name
    suffix = Path(name).suffix.lower()
    if suffix not in {*WRITABLE_FORMATS, ".bmp"}:
        raise UsageError(
            f"{name[:80]!r} is no photo that can be corrected; drop JPEG, PNG, TIFF or WebP files"
        )
    folder = workplace.inside(Path(request.query_params.get("folder", "")))
    path = workplace.inside(folder / f"{safe_stem(Path(name).stem)}{suffix}")
    if path.exists():
        raise UsageError(f"{path}: exists and is not overwritten")
    with atomic_path(path) as temporary:
        with temporary.open("wb") as stream:
            async for chunk in request.stream():
                stream.write(chunk)
        if fault := await run_in_threadpool(inspect_photo, temporary):
            raise UsageError(f"{name}: {fault.message}")
    return Answer({"file": str(path)})


def _words(source: Path, pattern: PairPattern | None, out: Path) -> list[str]:
    return [*correct_words(source, pattern, out), "--skip-bad"]


def _asked(workplace: Workplace, wishes: dict[str, Any]) -> tuple[Path, PairPattern | None, Path]:
    source = workplace.inside(Path(str(wishes.get("source", ""))))
    if not source.is_dir():
        raise UsageError(f"{source}: not a folder")
    out = workplace.inside(Path(str(wishes.get("out", "")) or _usual_out(workplace, source)))
    if out == source:
        raise UsageError("the results need a folder of their own")
    patterns = [str(wishes.get(name, "")).strip() for name in ("still_life", "on_model")]
    if any(patterns) and not all(patterns):
        raise UsageError("give both patterns, or none for still-lifeN and on_modelN")
    return source, PairPattern(*patterns) if all(patterns) else None, out


BODY_LIMITS = {"/open/upload": MAX_UPLOAD_BYTES}
ROUTES = [
    Route("/open", _screen),
    Route("/open/preview", answers_json(_preview), methods=["POST"]),
    Route("/open/start", answers_json(_start), methods=["POST"]),
    Route("/open/status", _status),
    Route("/open/upload", _upload, methods=["POST"]),
]

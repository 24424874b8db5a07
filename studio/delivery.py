"""Finished photos handed on: to a folder or a ZIP file, with a table and a proof sheet to print."""

from __future__ import annotations

import filecmp
import io
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chromiq.correction.report import STATES, State, patches, read_panel
from chromiq.correction.results import BatchRun, Result
from chromiq.csv_tables import write_table
from chromiq.errors import Finding, OptionError, UsageError, raise_findings
from chromiq.files import (
    atomic_path,
    ensure_output_folder,
    is_leftover,
    refuse_file,
    remove_leftovers,
    write_bytes,
    write_text,
)
from chromiq.photos.images import encode_image, read_small
from chromiq.templating import data_uri, render_page

TABLE, PROOF_SHEET = "delivery.csv", "proof_sheet.html"
FINISHED: tuple[State, ...] = ("accepted", "original kept", "changed by hand")
"""What is delivered unless something else is chosen."""
_COLUMNS = ("key", "file", "state", "note", "de00_before", "de00_after", "L", "a", "b")
_PROOF_PX = 420
_CHUNK_BYTES = 1 << 20


def chosen(results: Sequence[Result], states: Collection[str] = FINISHED) -> list[Result]:
    """The photos in some states, in the order of their names.

    Raises:
        UsageError: if a state is unknown.
    """
    unknown = [state for state in states if state not in STATES]
    if unknown:
        raise OptionError("state", f"{unknown[0]!r} is unknown. Use one of {', '.join(STATES)}.")
    return sorted((result for result in results if result.state in states), key=lambda result: result.out)


def require_files(results: Sequence[Result]) -> None:
    """Check that the files to deliver are there.

    Raises:
        UnsoundError: with a finding for each that is not.
    """
    hint = "Run chromiq correct --batch again, which makes it."
    missing = [
        Finding("deliver.missing", str(result.out), f"is {result.state}, but there is no such file", hint)
        for result in results
        if not result.out.is_file()
    ]
    raise_findings(missing, "the photos to deliver")


def deliver(run: BatchRun, results: Sequence[Result], out: Path) -> None:
    """Copy photos, byte for byte, with their proof sheet and, last, their table.

    Args:
        out: a new or an empty folder, one in which a delivery of these photos was interrupted, or a file that
            ends in ``.zip``.

    Raises:
        UsageError: if there is nothing to deliver, or something lies there.
        UnsoundError: if files are missing.
    """
    if not results:
        raise UsageError(
            "no photo to deliver: none is in the states asked for. Accept photos in decisions.csv or in the "
            "studio, or ask for other states."
        )
    require_files(results)
    if out.suffix.lower() == ".zip":
        if out.exists():
            raise UsageError(f"{out}: exists; choose another name")
        with atomic_path(out) as temporary, temporary.open("wb") as stream:
            stream.writelines(zip_chunks(run, results))
        return
    sources = {out / result.name: result.out for result in results}
    sheet = proof_sheet(run, results)
    refuse_file(out)
    there = (path for path in out.rglob("*") if not (path.is_dir() or is_leftover(path)))
    if other := next((path for path in there if not _is_delivered(path, sources, sheet)), None):
        name = other.relative_to(out)
        raise UsageError(
            f"{out}: is not empty: {name} is not from an interrupted delivery of these photos; choose a new "
            "folder"
        )
    ensure_output_folder(out)
    remove_leftovers(out)
    for target, source in sources.items():
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    write_text(out / PROOF_SHEET, sheet)
    write_bytes(out / TABLE, table(results))


def _is_delivered(path: Path, sources: Mapping[Path, Path], sheet: str) -> bool:
    """Whether a file is what an interrupted delivery of the same photos wrote."""
    if path.name == PROOF_SHEET and path not in sources:
        return path.is_file() and path.read_bytes() == sheet.encode()
    return path in sources and filecmp.cmp(path, sources[path], shallow=False)


def zip_chunks(run: BatchRun, results: Sequence[Result]) -> Iterator[bytes]:
    """The bytes of a ZIP file, made as they are taken; photos are not compressed again."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for result in results:
            with result.out.open("rb") as source, archive.open(result.name, "w", force_zip64=True) as target:
                while chunk := source.read(_CHUNK_BYTES):
                    target.write(chunk)
                    yield sink.taken()
        archive.writestr(TABLE, table(results))
        archive.writestr(PROOF_SHEET, proof_sheet(run, results))
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that cannot be sought in, from which what was written is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: Any, /) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since."""
        data = bytes(self._written)
        self._written.clear()
        return data


def table(results: Sequence[Result]) -> bytes:
    """The photos as a CSV table that Excel opens."""
    rows = []
    for result in results:
        colours = result.correction and result.correction.colours
        figures = [colours.delta_e_before, colours.delta_e_after, *colours.after] if colours else []
        cells = [f"{value:z.2f}" for value in figures] or [""] * 5
        rows.append([result.pair.key, result.name, result.state, result.decision.note, *cells])
    return write_table(list(_COLUMNS), rows)


def proof_sheet(run: BatchRun, results: Sequence[Result]) -> str:
    """A self-contained page to print: still-life and delivered photo side by side, with their colours."""
    cards = [_proof(run, result) for result in results]
    return render_page("studio/proof_sheet", title=f"Proof sheet: {run.folder.name}", cards=cards)


def _proof(run: BatchRun, result: Result) -> dict[str, Any]:
    panel = read_panel(run.folder, result.pair.key)
    pictures = {"still-life": panel.folder / "still_life.jpg"} if panel else {}
    pictures["delivered"] = panel.folder / "after.jpg" if panel and not result.changed_by_hand else result.out
    shown = {
        name: data_uri(encode_image(read_small(path, _PROOF_PX)), "image/jpeg")
        for name, path in pictures.items()
    }
    colours = result.correction and result.correction.colours
    return {
        "name": result.name,
        "state": result.state,
        "note": result.decision.note,
        "pictures": shown,
        "patches": [patch for patch in patches(colours) if patch.name != "before"] if colours else [],
        "delta_e": colours.delta_e_after if colours else None,
    }

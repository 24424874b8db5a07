"""``chromiq toolkit``: the vendored trainer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chromiq.errors import EXIT_FAILED
from chromiq.wording import counted
from chromiq_cli import flags
from chromiq_cli.output import print_json, print_line, print_result, say

if TYPE_CHECKING:
    from chromiq.toolkit_configs.trainer.checkout import ToolkitInfo

app = typer.Typer(help="Check, install or update AI-Toolkit, the vendored trainer.", no_args_is_help=True)


@app.command()
def info(as_json: flags.Json = False) -> None:
    """Print the trainer's commit and whether its environment works; exits with 1 if it cannot train."""
    from chromiq.toolkit_configs.trainer.checkout import toolkit_info

    _print_info(toolkit_info(), as_json=as_json)


@app.command()
def setup(
    smoke_test: Annotated[
        bool, typer.Option("--smoke-test/--no-smoke-test", help="Train 2 steps on a tiny checkpoint.")
    ] = True,
    as_json: flags.Json = False,
) -> None:
    """Check out the trainer's pinned commit, install its environment, and test it with a short training.

    Run it again to resume after an interruption. Set CHROMIQ_AI_TOOLKIT to use another checkout.
    """
    from chromiq.progress import notes
    from chromiq.toolkit_configs.trainer.setup import set_up_toolkit
    from chromiq.toolkit_configs.trainer.setup import smoke_test as run_smoke_test

    with notes("toolkit setup") as note:
        info = set_up_toolkit(note)
        if smoke_test and info.python:
            run_smoke_test(Path(info.python), note)
    _print_info(info, as_json=as_json)


@app.command()
def update(
    commit: Annotated[str, typer.Argument(help="A commit, tag or branch of AI-Toolkit.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    as_json: flags.Json = False,
) -> None:
    """Pin another commit, and show what changes in keys, defaults and architectures.

    For developers of chromiq: this changes a file of its source.
    """
    from chromiq.progress import notes
    from chromiq.toolkit_configs.trainer.setup import update_toolkit

    with notes("toolkit update") as note:
        found = update_toolkit(commit, dry_run=dry_run, say=note)
    differences = found.differences or ("nothing changes in keys, defaults and architectures",)
    written = [f"written: {found.written}"] if found.written else []
    commits = f"{found.before[:12]} -> {found.after[:12]}"
    print_result(found.as_dict(), commits, *differences, *written, as_json=as_json)
    if found.written and not as_json:
        say("Now run 'chromiq toolkit setup' and the tests marked ai_toolkit, then commit.")


def _print_info(found: ToolkitInfo, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(found), "problem": found.problem})
    else:
        print_line(f"folder: {found.folder}")
        print_line(f"commit: {found.commit or 'none'}{' (changed)' if found.dirty else ''}")
        print_line(f"pinned: {found.pinned}")
        if found.behind is not None:
            commits = counted(found.behind, "commit")
            print_line(f"upstream: {commits} ahead of the pinned one, as last fetched")
        print_line(f"interpreter: {found.python or 'none'}")
        for name, version in found.versions.items():
            print_line(f"{name}: {version}")
        print_line(f"device: {found.device or 'unknown'}")
    if found.problem:
        say(found.problem)
        raise typer.Exit(EXIT_FAILED)

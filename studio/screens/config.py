"""The training config of a dataset: what is chosen, what it takes, and what speaks against it, at once."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chromiq.dataset_layout import read_build_record
from chromiq.errors import UsageError
from chromiq.models import DEFAULT_MODEL, MODELS
from chromiq.studio.pages import Answer, page, parts_of, shell_command
from chromiq.studio.workplace import OpenedFolder
from chromiq.toolkit_configs.checks.config import examine_config
from chromiq.toolkit_configs.render.compose import Composed, compose_job, differences_from
from chromiq.toolkit_configs.render.job import render_composed
from chromiq.toolkit_configs.render.memory import GIB
from chromiq.toolkit_configs.render.presets import PRESETS, preset_memory_gib
from chromiq.toolkit_configs.render.settings import Settings, assigned_settings, environment_settings

_MOST_SETTINGS = 40


@dataclass(frozen=True)
class _Wanted:
    """What was chosen on the page."""

    folder: OpenedFolder
    model: str
    preset: str
    name: str
    settings: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """``render`` with these choices."""
        words = ["render", self.model, "--dataset", str(self.folder.path), "--preset", self.preset]
        words += ["--name", self.name] if self.name else []
        words += [word for setting in self.settings for word in ("--set", setting)]
        return [*words, "--out", f"{self.name or 'config'}.yaml"]

    def composed(self) -> Composed:
        """The job."""
        layers = [
            environment_settings(os.environ),
            Settings("the page", values=assigned_settings(self.settings, "setting")),
        ]
        return compose_job(
            self.model, self.folder.path, preset=self.preset, name=self.name or None, layers=layers
        )


def _wanted(request: Request) -> _Wanted:
    datasets, query = parts_of(request).workplace.of_kind("dataset"), request.query_params
    if not datasets:
        raise UsageError("no dataset was opened; start chromiq studio with one")
    folder = next((each for each in datasets if each.id == query.get("dataset")), datasets[0])
    built_for = (read_build_record(folder.path) or {}).get("model")
    model = query.get("model") or (built_for if built_for in MODELS else DEFAULT_MODEL)
    lines = [line.strip() for line in query.get("settings", "").splitlines() if line.strip()]
    if len(lines) > _MOST_SETTINGS:
        raise UsageError(f"more than {_MOST_SETTINGS} settings")
    return _Wanted(folder, model, query.get("preset") or "48gb", query.get("name", "").strip(), tuple(lines))


def _page(request: Request) -> Response:
    wanted = _wanted(request)
    return page(
        request,
        "config",
        title="Config",
        command=shell_command("chromiq", *wanted.words),
        wanted=wanted,
        datasets=parts_of(request).workplace.of_kind("dataset"),
        models=MODELS,
        presets=PRESETS,
    )


def _result(request: Request) -> Response:
    """The config and all that is known without reading the pictures."""
    wanted = _wanted(request)
    composed = wanted.composed()
    memory, limit_gib = composed.memory, preset_memory_gib(composed.preset)
    answer = {
        "command": shell_command("chromiq", *wanted.words),
        "text": render_composed(composed),
        "memory": None
        if memory is None
        else {
            "parts": [
                {"name": name, "gib": round(size / GIB, 2)} for name, size in memory.parts.items() if size > 0
            ],
            "training_gib": round(memory.training / GIB, 1),
            "loading_gib": round(memory.loading / GIB, 1),
            "limit_gib": limit_gib,
        },
        "warning": composed.warning or "",
        "differences": [
            {**asdict(each), "there": _shown(each.there), "here": _shown(each.here)}
            for each in differences_from("published", composed, wanted.folder.path)
        ],
    }
    return Answer(answer)


def _findings(request: Request) -> Response:
    """What `doctor` says of the config; the hub is not asked."""
    wanted = _wanted(request)
    with TemporaryDirectory(prefix="chromiq-") as folder:
        path = Path(folder) / f"{wanted.name or 'config'}.yaml"
        path.write_text(render_composed(wanted.composed()), encoding="utf-8")
        report = examine_config(path, offline=True)
    findings = [
        {"text": each.text.replace(f"{folder}/", ""), "severity": each.severity} for each in report.findings
    ]
    data = report.data
    answer = {
        "findings": findings,
        "lines": report.lines,
        "examples": data.examples if data else None,
        "passes": round(data.epochs, 1) if data else None,
    }
    return Answer(answer)


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


ROUTES = [
    Route("/config", _page),
    Route("/config/result", _result),
    Route("/config/findings", _findings),
]

"""A training loop that is stopped and resumed without a trace in its weights."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_EMA = 0.998
_WARM_UP = 60


@dataclass(frozen=True)
class Schedule:
    """How long a model is trained, and at which share of its learning rate.

    Attributes:
        steps: in total.
        falls_from: the rate is constant to this step, and falls linearly from it,
        falls_to: to 2 % at this one, which may lie behind the last step.
    """

    steps: int
    falls_from: int
    falls_to: int

    def rate(self, step: int) -> float:
        """Share of the full learning rate at a step."""
        left = (self.falls_to - step) / (self.falls_to - self.falls_from)
        return min(1.0, (step + 1) / _WARM_UP) * (0.02 + 0.98 * min(1.0, left))


def fit(
    model: Any,
    optimizers: list[Any],
    schedule: Schedule,
    loss_of: Callable[[int], Any],
    state_path: Path,
    *,
    save_every: int = 200,
) -> Any:
    """Train `model` and return the moving average of its weights.

    Args:
        model: a module; what has no gradient is left as it is.
        optimizers: their learning rates are scaled by the schedule.
        schedule: how long.
        loss_of: the loss of a step's batch; it must draw all random numbers from the step's number.
        state_path: where the run is saved, and resumed from if it exists.
        save_every: steps between saves.
    """
    average = copy.deepcopy(model).requires_grad_(False)
    full_rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    start = _restore(state_path, model, average, optimizers)
    losses: list[float] = []
    began, cpu_began = time.monotonic(), time.process_time()
    for step in range(start, schedule.steps):
        for optimizer, rates in zip(optimizers, full_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.rate(step)
            optimizer.zero_grad()
        loss = loss_of(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        keep = min(_EMA, (1 + step) / (10 + step))
        with torch.no_grad():
            for smooth, value in zip(average.parameters(), model.parameters(), strict=True):
                smooth.lerp_(value, 1 - keep)
        losses.append(float(loss.detach()))
        if (step + 1) % 25 == 0:
            took, cpu = time.monotonic() - began, time.process_time() - cpu_began
            mean = sum(losses[-25:]) / len(losses[-25:])
            print(
                f"step {step + 1}/{schedule.steps}: loss {mean:.4f}, {took:.0f} s, {cpu:.0f} s CPU",
                flush=True,
            )
        if (step + 1) % save_every == 0 or step + 1 == schedule.steps:
            _save(state_path, model, average, optimizers, step + 1)
    return average.eval()


def _save(path: Path, model: Any, average: Any, optimizers: list[Any], step: int) -> None:
    state = {
        "step": step,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
    path.with_suffix(".json").write_text(json.dumps({"step": step}))


def _restore(path: Path, model: Any, average: Any, optimizers: list[Any]) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])

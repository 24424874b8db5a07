"""Curves as pictures."""

from __future__ import annotations

import io
from collections.abc import Sequence

Interval = tuple[float, float]
_SIZE_IN = (8.0, 4.2)
_DPI = 150
_LINE, _BEST, _CONTROL = "#0a5bd0", "#0a7d43", "#8a8a90"


def steps_curve(
    steps: Sequence[int],
    means: Sequence[float],
    intervals: Sequence[Interval],
    best: int,
    control: tuple[float, Interval],
) -> bytes:
    """Mean dE00 against training steps, as the bytes of a PNG.

    Args:
        steps: of each checkpoint, ascending.
        means: mean dE00 over images, one per checkpoint.
        intervals: their 95 % intervals.
        best: index of the checkpoint to mark.
        control: mean and interval of the uncorrected images.
    """
    # The object interface: pyplot would look for a display and keep figures alive.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    level, (control_low, control_high) = control
    axes.axhspan(control_low, control_high, color=_CONTROL, alpha=0.12, linewidth=0)
    axes.axhline(level, color=_CONTROL, linestyle="--", linewidth=1.2, label=f"uncorrected, {level:.2f}")
    low, high = zip(*intervals, strict=True)
    axes.fill_between(steps, low, high, color=_LINE, alpha=0.15, linewidth=0)
    below = [mean - end for mean, end in zip(means, low, strict=True)]
    above = [end - mean for mean, end in zip(means, high, strict=True)]
    axes.errorbar(
        steps, means, yerr=(below, above), color=_LINE, marker="o", markersize=4, capsize=3, linewidth=1.6,
        elinewidth=0.8, label="checkpoints, with 95 % interval",
    )  # fmt: skip
    said = f"lowest: step {steps[best]:,}, {means[best]:.2f}"
    axes.plot(steps[best], means[best], "o", color=_BEST, markersize=9, label=said)
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

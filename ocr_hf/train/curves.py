"""Curves over the steps of a training as SVG inside a page, which gives them its colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape

import numpy as np

from ocr_hf.data.themes import THEMES, Theme

SMOOTHED = 40
"""So many points and more also get a curve of running means, each over a twentieth of them."""
STROKES = ("solid", "dashed", "dotted", "dashdot")
"""Of one curve after the other: not everybody tells the colours apart."""
SERIES = 5
"""Colours of curves, `var(--series-0)` and so on in the page."""
_INK, _LINES, _SERIES = "#010203", "#040506", tuple(f"#0a0b0{number}" for number in range(SERIES))
"""Colours that stand in a drawing for those of the page."""


def colours() -> str:
    """Return the rules of a style sheet for the colours, those of reports' plots; dark where the reader's system is."""

    def named(theme: Theme) -> str:
        series = "".join(f"--series-{number}:{colour};" for number, colour in enumerate(theme.series))
        return f"--paper:{theme.paper};--ink:{theme.ink};--lines:{theme.lines};--quiet:{theme.series[-1]};{series}"

    light, dark = THEMES
    return f":root{{color-scheme:light dark;{named(light)}}}@media(prefers-color-scheme:dark){{:root{{{named(dark)}}}}}"


def draw_curves(curves: Sequence[np.ndarray], title: str, number: int, last: int) -> str:
    """Draw curves over the steps of a training.

    Args:
        curves: Each (points, 2) float64, step and value, one point at least.
        title: What a screen reader says of it.
        number: Of the drawing in its page.
        last: Step at which the axis ends, of all drawings of a page.

    Returns:
        An SVG element whose colours are those of `colours()`.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    # Text stays text, in the reader's font; equal curves give equal bytes, and panels don't share names of parts
    settings = {"svg.fonttype": "none", "svg.hashsalt": str(number), "font.family": "DejaVu Sans", "font.size": 9}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(4.4, 2.2), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        axes.tick_params(colors=_INK, labelcolor=_INK)
        axes.grid(color=_LINES, linewidth=0.6)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(_LINES)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        for place, curve in enumerate(curves):
            look = {"color": _SERIES[place % SERIES], "marker": "o" if len(curve) < 2 else None}
            smooth = len(curve) >= SMOOTHED
            if smooth:
                axes.plot(*curve.T, **look, linewidth=0.8, alpha=0.35)
            values = _running_mean(curve[:, 1]) if smooth else curve[:, 1]
            axes.plot(curve[:, 0], values, **look, linewidth=1.8, linestyle=STROKES[place % len(STROKES)])
        axes.set_xlim(0, 1.02 * last)
        axes.set_ylim(*_limits(np.concatenate(list(curves))[:, 1]))
        axes.ticklabel_format(axis="y", useOffset=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :].strip()
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.S)
    # Groups are named alike in every drawing, and nothing refers to them
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    drawn = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "system-ui, sans-serif", drawn)
    # As wide as the page has room
    box, inside = re.search(r'viewBox="[^"]*"', drawn)[0], drawn.partition(">")[2]
    drawn = f'<svg {box} role="img" aria-label="{escape(title)}">{inside}'
    drawn = drawn.replace(_INK, "var(--ink)").replace(_LINES, "var(--lines)")
    for place, colour in enumerate(_SERIES):
        drawn = drawn.replace(colour, f"var(--series-{place})")
    return drawn


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Return the lower and the upper end of an axis; what hardly changes gets one in which it looks so."""
    low, high = float(values.min()), float(values.max())
    room = max(0.05 * (high - low), 0.02 * max(abs(low), abs(high))) or 1.0
    return low - room, high + room


def _running_mean(values: np.ndarray) -> np.ndarray:
    """Return (n,) means over windows around each value, narrower at both ends."""
    half = len(values) // 40
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)

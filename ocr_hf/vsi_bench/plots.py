"""Plots of results for report.md and comparison.md, each drawn twice: for GitHub's light theme and for its dark one.

GitHub and the Hub show a `<picture>` in the theme that the reader has; what knows no themes shows the light one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ocr_hf.data.atomic import replacing
from ocr_hf.data.themes import THEMES, Theme
from ocr_hf.vsi_bench.tasks import TASKS

FOLDER = "plots"


Draw = Callable[[Any, Theme], None]
"""Draws into matplotlib axes."""
Bar = tuple[str, float, Sequence[float] | None]
"""(label, value, interval)"""


def picture(name: str, alt: str) -> str:
    """Return the HTML that shows a plot, in a Markdown file of the folder that `name` is relative to."""
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{name}-dark.png">'
        f'<img alt="{alt}" src="{name}-light.png"></picture>'
    )


def plot_results(results: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Draw what a run's results have: scores by task, vanilla against audits, pairs of videos.

    Args:
        results: as results.json holds them.
        folder: of the run; the plots go into its folder `plots`.

    Returns:
        Plot -> the HTML that shows it, for `render_report`.
    """
    shown = {}
    bars = [(task.title, *_entry(results["tasks"][task.name])) for task in TASKS if task.name in results["tasks"]]
    chance = results["references"].get("random", {}).get("tasks", {})
    ticks = [chance.get(task.name) for task in TASKS if task.name in results["tasks"]]
    save_plot(folder / FOLDER / "tasks", len(bars), lambda axes, theme: _bars(axes, theme, bars, ticks))
    shown["tasks"] = picture(f"{FOLDER}/tasks", "Scores by task with 95 % intervals; the ticks are chance")
    if results["audits"]:
        pairs = [
            (
                name.replace("_", " "),
                entry["vanilla_macro"],
                entry["macro"],
                entry["interval"] and entry["interval"]["macro"],
            )
            for name, entry in results["audits"].items()
        ]
        save_plot(folder / FOLDER / "audits", len(pairs), lambda axes, theme: _dumbbells(axes, theme, pairs))
        shown["audits"] = picture(f"{FOLDER}/audits", "Score on the plain video and under each audit")
    if results.get("twins"):
        twins = results["twins"]
        named = [
            ("all pairs", twins["pairs"]),
            *((name, twins[name]) for name in ("changes", "keeps") if name in twins),
        ]
        own = [(name, entry["macro"], entry["interval"] and entry["interval"]["macro"]) for name, entry in named]
        own += [
            (task.title, *_entry(twins["pairs"]["tasks"][task.name]))
            for task in TASKS
            if task.name in twins["pairs"]["tasks"]
        ]
        save_plot(folder / FOLDER / "pairs", len(own), lambda axes, theme: _bars(axes, theme, own, [None] * len(own)))
        shown["pairs"] = picture(f"{FOLDER}/pairs", "Pairs of videos right, with 95 % intervals")
    return shown


def plot_differences(
    differences: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str], baseline: str, path: Path
) -> None:
    """Draw the differences of a comparison into PATH-light.png and PATH-dark.png.

    Args:
        differences: run -> (key -> its `score` and `interval`, in points).
        titles: key -> what the plot calls it, in the order in which it shows them.
        baseline: the run that they are differences to.
        path: without an ending.
    """
    kept = [name for name in titles if any(name in entries for entries in differences.values())]

    def draw(axes: Any, theme: Theme) -> None:
        count = len(differences)
        for number, (run, entries) in enumerate(differences.items()):
            for row, name in enumerate(kept):
                if name in entries:
                    place = row + 0.5 * ((number + 0.5) / count - 0.5)
                    _point(axes, theme, number, place, *_entry(entries[name]), run if row == 0 else None)
        axes.axvline(0.0, color=theme.ink, linewidth=0.8)
        _rows(axes, [titles[name] for name in kept])
        axes.set_xlabel(f"points above {baseline}")
        _legend(axes, theme)

    save_plot(path, len(kept) * (1 + 0.4 * (len(differences) - 1)), draw)


def _entry(entry: Mapping[str, Any]) -> tuple[float, Sequence[float] | None]:
    return entry["score"], entry["interval"]


def _bars(axes: Any, theme: Theme, bars: Sequence[Bar], ticks: Sequence[float | None]) -> None:
    for row, ((_, value, interval), tick) in enumerate(zip(bars, ticks, strict=True)):
        axes.barh(row, value, height=0.6, color=theme.series[0], alpha=0.55)
        if interval:
            axes.plot(interval, [row, row], color=theme.ink, linewidth=1.5)
        if tick is not None:
            axes.plot([tick, tick], [row - 0.3, row + 0.3], color=theme.series[1], linewidth=2)
        axes.text(max([value, *(interval or ())]) + 1.0, row, f"{value:.1f}", va="center", color=theme.ink, fontsize=9)
    axes.set_xlim(0, 108)
    axes.set_xlabel("%")
    _rows(axes, [label for label, _, _ in bars])


def _dumbbells(axes: Any, theme: Theme, pairs: Sequence[tuple[str, float, float, Sequence[float] | None]]) -> None:
    for row, (_, vanilla, audited, interval) in enumerate(pairs):
        axes.plot([vanilla, audited], [row, row], color=theme.lines, linewidth=3, zorder=1)
        _point(axes, theme, 0, row, vanilla, None, "vanilla" if row == 0 else None)
        _point(axes, theme, 1, row, audited, interval, "audited" if row == 0 else None)
    axes.set_xlabel("macro average, %")
    _rows(axes, [label for label, *_ in pairs])
    _legend(axes, theme)


def _point(
    axes: Any, theme: Theme, series: int, row: float, value: float, interval: Sequence[float] | None, label: str | None
) -> None:
    colour = theme.series[series % len(theme.series)]
    if interval:
        axes.plot(interval, [row, row], color=colour, linewidth=1.5)
    # A shape of its own for each series: not everybody tells the colours apart
    axes.plot([value], [row], "osD^v"[series % 5], color=colour, markersize=6, label=label)


def _rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def _legend(axes: Any, theme: Theme) -> None:
    colours = {"facecolor": theme.paper, "edgecolor": theme.lines, "labelcolor": theme.ink}
    axes.figure.legend(loc="outside upper left", ncols=2, fontsize=9, **colours)


def save_plot(path: Path, rows: float, draw: Draw) -> None:
    """Draw a plot into PATH-light.png and PATH-dark.png.

    path : without an ending; rows : of which the plot has room for so many, one above the other
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        figure = Figure(figsize=(7.2, 1.1 + 0.34 * rows), dpi=110, facecolor=theme.paper, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot(facecolor=theme.paper)
        axes.tick_params(colors=theme.ink, labelsize=9)
        axes.xaxis.label.set_color(theme.ink)
        axes.grid(axis="x", color=theme.lines, linewidth=0.6)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(theme.lines)
        draw(axes, theme)
        with replacing(path.with_name(f"{path.name}-{theme.name}.png")) as temporary:
            # Without matplotlib's version in it, equal results give equal files
            figure.savefig(temporary, format="png", facecolor=theme.paper, metadata={"Software": None})

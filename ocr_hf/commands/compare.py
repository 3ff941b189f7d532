"""`ocr-hf compare`: paired differences between runs of `ocr-hf eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def main(
    runs: Annotated[
        list[Path],
        typer.Argument(help="folders of `ocr-hf eval`, at least two; the first is the baseline", metavar="RUN..."),
    ],
    out: Annotated[Path, typer.Option(help="folder for comparison.md, comparison.json and the plots")] = (
        Path("comparison")
    ),
    common: Annotated[
        bool, typer.Option("--common", help="compare the questions that all runs answer, where some answer more")
    ] = False,
    debiased: Annotated[
        bool, typer.Option("--debiased", help="leave out the questions that the debiased split leaves out")
    ] = False,
    draws: Annotated[int, typer.Option(help="bootstrap draws of scenes")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="print what comparison.json holds, and nothing else")] = False,
) -> None:
    """Compare runs question by question: differences with intervals and tests, overall and by task.

    Runs that were asked twins are compared by pairs of videos, too.

    OCR means Object-Centric 3D Rollout, not text recognition.
    """
    from ocr_hf.vsi_bench.compare_report import PAIR_TITLES, TITLES, pair_rows, write_comparison

    if draws < 100:
        raise ValueError(f"draws is {draws}; give at least 100")
    found = write_comparison(runs, out, common, debiased, draws)
    if as_json:
        typer.echo((out / "comparison.json").read_text(encoding="utf-8"))
        return
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    if found["differing"]:
        console.print(f"not asked in the same way; settings that differ: {', '.join(found['differing'])}", style="bold")
    for name, entry in found["differences"].items():
        title = f"{name} minus {found['baseline']}, points"
        if found["pairs"]:
            rows = pair_rows(found["pairs"]["differences"][name])
            console.print(_table(f"{title}; pairs of videos", rows, PAIR_TITLES))
        console.print(_table(title, entry["tasks"], TITLES))
    console.print(f"Everything is in {out}: comparison.md, comparison.json")


def _table(title: str, tasks: dict, titles: dict[str, str]):
    from rich.table import Table

    from ocr_hf.vsi_bench.tasks import TASKS

    table = Table("", "difference", "95 % interval", "p, Holm", "McNemar", "p", "n", title=title)
    totals = [key for key in titles if key in tasks and key not in {task.name for task in TASKS}]
    for key, name in titles.items():
        if key in tasks:
            entry, letters = tasks[key], tasks[key]["letters"]
            p = entry["corrected"] if entry["corrected"] is not None else entry["p"]
            table.add_row(
                name,
                f"{entry['score']:+.1f}",
                f"{entry['interval'][0]:+.1f} – {entry['interval'][1]:+.1f}" if entry["interval"] else "–",
                "–" if p is None else f"{p:.4f}",
                f"+{letters['gained']:,} -{letters['lost']:,}" if letters else "–",
                f"{letters['p']:.4f}" if letters else "–",
                f"{entry['n']:,}",
                end_section=key == totals[-1],
            )
    return table

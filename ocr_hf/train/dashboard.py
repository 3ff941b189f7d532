"""The dashboard of a run: one page with curves of what matters, made of the trainer's own log at every save.

It is `_dashboard/index.html` of the run's folder, which isn't pushed. Curves are SVG inside the page, whose colours are
the page's: it needs nothing from elsewhere, and is readable in light and dark and on a phone.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from transformers import TrainerCallback

from ocr_hf.data.atomic import replacing
from ocr_hf.train import samples
from ocr_hf.train.curves import SERIES, STROKES, colours, draw_curves

logger = logging.getLogger(__name__)

FOLDER = "_dashboard"
"""Folder of output_dir; names that begin with _ are not pushed."""
SHARE = 0.05
"""Of the time, for pages."""


@dataclass(frozen=True)
class Panel:
    """One set of curves.

    title : with the unit; metrics : pattern of the names in the log; reading : what to look for
    source : how to have it measured, said where the log has none; "" = nothing is said
    """

    title: str
    metrics: str
    reading: str
    source: str = ""


PANELS = (
    Panel("Reward by role", r"(eval_)?\w+/reward", "each role should earn more"),
    Panel("Accuracy by role", r"(eval_)?\w+/accuracy", "eval: on clips that aren't trained on"),
    Panel("Mixed groups, share", r"(?!eval_)\w+/frac_mixed", "at 0 nothing is learned: all answers score alike"),
    Panel(
        "R on held-out clips",
        r"recovery/R_\w+",
        "1: what is asked about, or like objects, may be noised",
        "R on held-out clips (recovery_clips, where black frames score less; or of a checkpoint, by `ocr-hf eval`)",
    ),
    Panel(
        "Held-out score under noise, %",
        r"recovery/(vanilla|black|queried|matched)",
        "what R is made of: on what is asked about, on like objects",
    ),
    Panel(
        "KL noisy to clean, nats a token",
        r"kl/\w+_vanilla",
        "at 0 the noise changes no answer",
        "KL noisy to clean (variant_kl_every above 0; not of sharded models, nor of strategies without noisy rollouts)",
    ),
    Panel("First token of the answer changed, share", r"tv/\w+_vanilla", "by noise: all that a letter's reward sees"),
    Panel("Perturbed area, share of pixels", r"noise/area", "falls with the schedule"),
    Panel("Perturbed objects", r"noise/objects", "fall with the schedule"),
    Panel("Tokens a second", r"speed/tokens_per_second", "of all processes, prompts and completions"),
    Panel("Peak memory, GB", r"memory/peak_gb", "of the first process"),
    Panel(
        "Parity, nats a token",
        r"(sharing|vllm)/(largest_)?difference",
        "shared against separate, sampled against scored",
        "parity of log-probs (where rows share videos or prompts, or with use_vllm; not of sharded models)",
    ),
    Panel("Loss", r"(eval_)?loss", "of GRPO it says little, of SFT it should fall"),
    Panel("Token accuracy", r"(eval_)?mean_token_accuracy", "of SFT, on what is learned"),
    Panel("Entropy, nats a token", r"(?!eval_)(\w+/)?entropy", "a fall to 0 is a collapse"),
    Panel("Completion length, tokens", r"(?!eval_)\w+/length", "at max_completion_length answers are cut"),
    Panel("Completions cut, share", r"completions/clipped_ratio", "cut answers earn nothing"),
    Panel("Gradient norm", r"grad_norm", "jumps tell of steps that are too long"),
    Panel("KL to the start, nats a token", r"kl", "where beta is above 0"),
)
"""In the order of the page; those without a figure are left out."""
STYLE = (
    samples.STYLE.replace("max-width:72em", "max-width:90em")
    + "main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21em),1fr));gap:1.2em}"
    "figure{margin:0;min-width:0}figcaption b{font-size:1.05em}svg{width:100%;height:auto;display:block}"
    "small{color:var(--quiet)}.key{white-space:nowrap;margin-right:.9em}"
    ".key i{display:inline-block;width:1.8em;margin-right:.35em;vertical-align:middle}.wide{overflow-x:auto}"
    "body{background:var(--paper);color:var(--ink)}a{color:var(--series-0)}"
)


class Dashboard(TrainerCallback):
    """Write a run's dashboard at saves and at the end, on the first process.

    Saves that follow each other so fast that pages would take more than `SHARE` of the time are left out. A resumed run
    goes on with the curves of its checkpoint, whose log the trainer reads. Without space on the disk the page stays as
    it was, and training goes on.
    """

    _not_before = 0.0

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if time.monotonic() >= self._not_before:
            self._write(args, state, "trains")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._write(args, state, "has ended")

    def _write(self, args: Any, state: Any, doing: str) -> None:
        if not state.is_world_process_zero:
            return
        begun = time.monotonic()
        try:
            write_dashboard(args.output_dir, state.log_history, state.global_step, state.max_steps, doing)
        except OSError as error:
            logger.warning("the dashboard is not written: %s", error)
        self._not_before = time.monotonic() + (time.monotonic() - begun) / SHARE


def write_dashboard(
    run_folder: str | Path, log_history: Sequence[Mapping[str, Any]], step: int, steps: int, doing: str = "trains"
) -> Path:
    """Write the page of a run.

    Args:
        run_folder: Its output_dir.
        log_history: As the trainer keeps it: an entry a log, with `step` and figures by name.
        step: How many steps are done.
        steps: How many there will be.
        doing: What the run does, for the heading.

    Returns:
        The page, `_dashboard/index.html`.

    Raises:
        OSError: Writing fails; the page that was there stays.
    """
    folder = Path(run_folder)
    curves = curves_of(log_history)
    shown, missing = [], []
    for number, panel in enumerate(PANELS):
        names = sorted((name for name in curves if re.fullmatch(panel.metrics, name)), key=_order)
        if names:
            shown.append(_figure(panel, {name: curves[name] for name in names}, number, max(step, 1)))
        elif panel.source:
            missing.append(panel.source)
    links = [("_samples/index.html", "sample rollouts"), ("resolved_config.yaml", "all settings")]
    there = "".join(f" · <a href='../{path}'>{text}</a>" for path, text in links if (folder / path).is_file())
    written = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    share = f", {100 * step / steps:.0f} %" if steps > 0 else ""
    title = escape(folder.resolve().name)
    notes = f"<p><small>Not measured here: {escape('; '.join(missing))}.</small></p>" if missing else ""
    body = (
        f"<h1>{title}</h1><p>The run {escape(doing)}: step {step} of {steps}{share} · written {written}{there}</p>"
        "<p><small>All over the steps of training; beside each name its last value.</small></p>"
        f"<main>{''.join(shown) or 'Nothing is logged yet.'}</main>{notes}{_table(curves)}"
    )
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    page = folder / FOLDER / "index.html"
    with replacing(page) as temporary:
        temporary.write_text(f"{head}<title>{title}</title><style>{colours()}{STYLE}</style>{body}\n", encoding="utf-8")
    return page


def curves_of(log_history: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return name -> (points, 2) float64 of step and value, in the log's order; values that are no number are left out.

    Where a step is logged twice, as behind the last one, the later value counts.
    """
    found: dict[str, dict[int, float]] = {}
    for entry in log_history:
        for name, value in entry.items():
            if name not in ("step", "epoch") and isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, {})[entry.get("step", 0)] = float(value)
    return {name: np.array(sorted(points.items()), dtype=float) for name, points in found.items()}


def _order(name: str) -> tuple[bool, bool, str]:
    """Vanilla rollouts first, so that they have one colour in all panels; evaluation last."""
    return name.startswith("eval_"), "vanilla/" not in name, name


def _figure(panel: Panel, curves: Mapping[str, np.ndarray], number: int, last: int) -> str:
    """Return a panel: its drawing, and in words which curve is which and where it is now."""
    keys = []
    for place, (name, curve) in enumerate(curves.items()):
        stroke, colour = STROKES[place % len(STROKES)], place % SERIES
        line = f"border-top:3px {'double' if stroke == 'dashdot' else stroke} var(--series-{colour})"
        keys.append(f"<span class='key'><i style='{line}'></i>{escape(name)} <b>{_number(curve[-1, 1])}</b></span>")
    drawing = draw_curves(list(curves.values()), panel.title, number, last)
    return (
        f"<figure><figcaption><b>{escape(panel.title)}</b><br><small>{escape(panel.reading)}</small></figcaption>"
        f"{drawing}<div>{''.join(keys)}</div></figure>"
    )


def _table(curves: Mapping[str, np.ndarray]) -> str:
    """Return every figure of the log, the first and the last value of each, for readers without pictures."""
    rows = []
    for name, curve in sorted(curves.items()):
        cells = (_number(curve[0, 1]), _number(curve[-1, 1]), f"{curve[-1, 0]:.0f}")
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(f'<td class=n>{cell}</td>' for cell in cells)}</tr>")
    head = "<tr><th>figure</th><th>first</th><th>last</th><th>at step</th></tr>"
    return (
        f"<details><summary>All figures</summary><div class='wide'><table>{head}{''.join(rows)}</table></div></details>"
    )


def _number(value: float) -> str:
    """Return a value for people: four digits, thousands apart."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

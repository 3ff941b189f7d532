"""Which part of the measure of query lock tells which agents apart? Simulated agents whose behaviour is known.

    python benchmarks/measure_agents.py [--write]

Each agent answers the same made-up questions, plain, under every audit and about twins, and
`ocr_hf/vsi_bench/measure.py` is given its answers as it is given a model's. Prints two tables in Markdown; `--write`
puts them into docs/measure.md, where a test compares them. The last line is JSON. Takes seconds on one core.

A question has four letters. Its named object has a *look* that says the right letter in 90 % of the questions and is
not touched by edits; its words suggest the right letter in 40 %. Noise of strength s hides what it lies on with
probability 0.95 s, drawn anew in each draw. Whoever sees gets 90 % right, so that the locked agent is not told by its
score.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from ocr_hf.perturb.keys import generator, stable_key  # noqa: E402
from ocr_hf.vsi_bench.audits import NEEDED_BY_RECOVERY, RECOVERY, VANILLA, Arm, asked_audits  # noqa: E402
from ocr_hf.vsi_bench.eval_config import EvalConfig  # noqa: E402
from ocr_hf.vsi_bench.markdown_table import interval_text, table  # noqa: E402
from ocr_hf.vsi_bench.measure import measure  # noqa: E402
from ocr_hf.vsi_bench.query_lock import query_lock  # noqa: E402
from ocr_hf.vsi_bench.scoring import Scored, score_answers  # noqa: E402
from ocr_hf.vsi_bench.summary import summarize  # noqa: E402

PAGE = Path(__file__).resolve().parents[1] / "docs" / "measure.md"
BEGIN, END = "<!-- agents: written by benchmarks/measure_agents.py -->", "<!-- end of agents -->"
HIDES = 0.95
"""Share of what noise of strength 1 lies on that it hides."""
SCENES, QUESTIONS = 200, 8
TYPES = ("object_rel_distance", "object_rel_direction_hard", "route_planning", "obj_appearance_order")
LETTERS = np.array(list("ABCD"))
VIDEOS = ("vanilla", "changes", "keeps")
CONFIG = EvalConfig(audit=(*NEEDED_BY_RECOVERY, "queried_noised", "context_noised", RECOVERY))


@dataclass(frozen=True, eq=False)
class View:
    """What a video shows of each question, (n,) each.

    truth : number of the letter that is right in it; look : that the named object's look says; words : of the words
    named, context : whether the named object, and like objects of the context, can be recognised
    luck : uniform in [0, 1), one a question and the same in all videos; fresh : drawn anew for each asking
    """

    truth: np.ndarray
    look: np.ndarray
    words: np.ndarray
    named: np.ndarray
    context: np.ndarray
    luck: np.ndarray
    fresh: np.ndarray


def _sees(view: View) -> np.ndarray:
    """The right letter, or in the same 10 % of the questions the next one."""
    return np.where(view.luck < 0.9, view.truth, (view.truth + 1) % 4)


AGENTS: dict[str, tuple[str, Callable[[View], np.ndarray]]] = {
    "locked": ("says what the named object's look says", lambda view: np.where(view.named, view.look, view.words)),
    "must see": (
        "reasons rightly, and has to see the named object",
        lambda view: np.where(view.named, _sees(view), view.words),
    ),
    "recovering": (
        "reasons rightly, and finds it from the context in 80 % of the questions",
        lambda view: np.where(view.named | (view.context & (view.luck * 7 % 1 < 0.8)), _sees(view), view.words),
    ),
    "fragile": (
        "reasons rightly on a clean video, and is upset by noise anywhere",
        lambda view: np.where(view.named & view.context, _sees(view), view.words),
    ),
    "blind": ("goes by the words", lambda view: view.words),
    "constant": ("says A", lambda view: np.zeros_like(view.truth)),
    "random": ("guesses anew each time", lambda view: (4 * view.fresh).astype(np.int64)),
}
"""Agent -> what it does, and the numbers of the letters that it says."""


class World:
    """The questions, and what each video shows of them."""

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.size = seed, SCENES * QUESTIONS
        draw = self._draw("questions", 8)
        self.truth = (4 * draw[0]).astype(np.int64)
        # Another letter than the right one, for the twin's answer and for what misleads
        self.after, wrong = ((self.truth + 1 + (3 * values).astype(np.int64)) % 4 for values in draw[1:3])
        self.look = np.where(draw[3] < 0.9, self.truth, wrong)
        self.words = np.where(draw[4] < 0.4, self.truth, wrong)
        self.luck = draw[5]

    def rows(self) -> list[dict[str, Any]]:
        """Return the questions as a benchmark has them."""
        return [
            {"id": number, "dataset": "simulated", "scene_name": f"scene{number // QUESTIONS}"}
            | {"question_type": TYPES[number % len(TYPES)], "ground_truth": str(LETTERS[self.truth[number]])}
            for number in range(self.size)
        ]

    def view(self, audit: str, video: str = VANILLA) -> View:
        """Return what an audit, or a twin's video, shows."""
        named, context = np.ones((2, self.size), dtype=bool)
        arm = Arm.of(audit)
        if audit == "black":
            named, context = ~named, ~context
        elif audit == "queried_erased":
            named = ~named
        elif arm or audit in ("queried_noised", "context_noised"):
            strength = arm.strength if arm else CONFIG.strength
            hidden = self._draw(f"noise {arm.draw if arm else 0}", 1)[0] < HIDES * strength
            if audit.startswith("queried"):
                named = ~hidden
            else:
                context = ~hidden
        truth = self.after if video == "changes" else self.truth
        fresh = self._draw(f"fresh {audit} {video}", 1)[0]
        return View(truth, self.look, self.words, named, context, self.luck, fresh)

    def _draw(self, name: str, count: int) -> np.ndarray:
        return generator(stable_key("agents", self.seed, name)).random((count, self.size))


def figures(world: World, answer: Callable[[View], np.ndarray], draws: int = 1000) -> dict[str, Any]:
    """Return an agent's measure as runs on clips and on twins give it, and the former index."""
    rows = world.rows()
    types = [row["question_type"] for row in rows]
    names = [VANILLA, *asked_audits(CONFIG.audit, CONFIG.recovery_strengths, CONFIG.recovery_draws)]
    config = EvalConfig(audit=CONFIG.audit, draws=draws)

    def scored(view: View) -> Scored:
        return score_answers(LETTERS[answer(view)].tolist(), LETTERS[view.truth].tolist(), types)

    runs = {audit: (rows, scored(world.view(audit))) for audit in names}
    records = {(audit, row["id"]): {"changed_px": 1, "asked_px": 1} for audit in names for row in rows}
    parts = measure(runs, records, config)
    asked = [(video, row) for video in VIDEOS for row in rows]
    twins = [row | {"id": f"{row['id']}/{video}", "question_id": row["id"], "video": video} for video, row in asked]
    tenths = np.concatenate([scored(world.view(VANILLA, video)).tenths for video in VIDEOS])
    every = Scored(tenths, np.ones(len(twins), bool), ("",) * len(twins), tuple(types) * len(VIDEOS), "official")
    parts["twins"] = measure({VANILLA: (twins, every)}, {}, EvalConfig(draws=draws))["twins"]
    scenes = [row["scene_name"] for row in rows]
    plain, queried, context = (runs[audit][1] for audit in (VANILLA, "queried_noised", "context_noised"))
    ones = [1.0] * len(rows)
    lock = query_lock(types, scenes, plain.answers, queried.answers, context.answers, ones, draws)
    return parts | {"score": summarize(plain, scenes=scenes, draws=draws), "former_index": lock}


COLUMNS: dict[str, Callable[[Mapping[str, Any]], tuple[float | None, Any]]] = {
    "score": lambda found: (found["score"]["macro"], found["score"]["interval"]["macro"]),
    "R queried": lambda found: _ratio(found, "R_queried"),
    "R matched": lambda found: _ratio(found, "R_matched"),
    "sensitivity": lambda found: _macro(found["twins"]["sensitivity"]),
    "specificity": lambda found: _macro(found["twins"]["specificity"]),
    "hallucination": lambda found: (found["hallucination"]["unchanged"], found["hallucination"]["interval"]),
    "floor": lambda found: _complement(found["floor"]),
    "former index": lambda found: (found["former_index"]["index"], found["former_index"]["interval"]),
}
"""Part -> its figure and interval; both None where it is undefined."""
SIMPLE = ("score", "former index")
"""What one had without the measure."""


def _ratio(found: Mapping[str, Any], name: str) -> tuple[float | None, Any]:
    entry = found["recovery"]["overall"]["strengths"][-1][name]
    return entry["value"], entry["interval"]


def _macro(entry: Mapping[str, Any]) -> tuple[float, Any]:
    return entry["macro"], entry["interval"]["macro"]


def _complement(entry: Mapping[str, Any]) -> tuple[float, Any]:
    low, high = entry["interval"]
    return 100.0 - entry["unchanged"], [100.0 - high, 100.0 - low]


def separated(first: tuple[float | None, Any], second: tuple[float | None, Any]) -> bool:
    """Return whether two agents differ: intervals that don't meet, or a figure that is defined for one only."""
    if first[0] is None or second[0] is None:
        return (first[0] is None) != (second[0] is None)
    return first[1][1] < second[1][0] or second[1][1] < first[1][0]


def separating(found: Mapping[str, Mapping[str, Any]], one: str, other: str) -> list[str]:
    """Return the parts that tell two agents apart."""
    return [name for name, read in COLUMNS.items() if separated(read(found[one]), read(found[other]))]


def tables(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figures of all agents, and which parts tell which pairs apart, in Markdown."""
    rows = []
    for name, (deed, _) in AGENTS.items():
        cells = []
        for column, read in COLUMNS.items():
            value, interval = read(found[name])
            digits = 2 if column.startswith("R ") else 0
            shown = "undefined" if value is None else f"{value:.{digits}f} {interval_text(interval, digits)}"
            cells.append(shown.replace("-0 ", "0 ").replace("-0.00", "0.00"))
        rows.append([f"**{name}**: {deed}", *cells])
    pairs = []
    for one, other in itertools.combinations(AGENTS, 2):
        told = separating(found, one, other)
        parts = ", ".join(part for part in told if part not in SIMPLE)
        pairs.append([f"{one} – {other}", parts, *("yes" if name in told else "no" for name in SIMPLE)])
    header = ["pair", "parts of the measure that tell them apart", "score does", "former index does"]
    return f"{table(['agent', *COLUMNS], rows)}\n\n{table(header, pairs, '---')}"


def main() -> None:
    """Print the tables and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/measure.md")
    parser.add_argument("--quick", action="store_true", help="the same as without, which takes seconds")
    arguments = parser.parse_args()
    world = World()
    found = {name: figures(world, answer) for name, (_, answer) in AGENTS.items()}
    text = tables(found)
    print(text)
    if arguments.write:
        head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(json.dumps({name: {part: read(found[name]) for part, read in COLUMNS.items()} for name in AGENTS}))


if __name__ == "__main__":
    main()

"""How fast is the VSI-Bench scorer, alone and with bootstrap intervals, beside a plain loop over the same rows?

    python benchmarks/metric.py [--quick]

5,130 rows with VSI-Bench's own numbers of questions per task, spread over 288 scenes; half of the predictions are
right, some unreadable. The plain loop scores row by row as the released evaluation code does (a linspace per question,
a mean per question type) and bootstraps by putting together the rows of the drawn scenes and averaging them again. Both
draw from the same scenes and must agree: the scores exactly, the interval to within what two sets of draws differ by.
One process, one thread; each time is the best of its rounds, in processor time.

Prints a table, and as the last line one JSON object. A full run also writes benchmarks/results/metric.json.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from ocr_hf.vsi_bench.scoring import score_answers  # noqa: E402
from ocr_hf.vsi_bench.summary import summarize  # noqa: E402
from ocr_hf.vsi_bench.tasks import TASKS, is_numeric  # noqa: E402

COUNTS = {
    "object_counting": 565,
    "object_abs_distance": 834,
    "object_size_estimation": 953,
    "room_size_estimation": 288,
    "object_rel_distance": 710,
    "object_rel_direction_easy": 217,
    "object_rel_direction_medium": 378,
    "object_rel_direction_hard": 373,
    "route_planning": 194,
    "obj_appearance_order": 618,
}
SCENES, DRAWS = 288, 1000
LIMIT_ALONE_S, LIMIT_BOOTSTRAP_S = 0.3, 5.0
RESULTS = Path(__file__).parent / "results" / "metric.json"

Columns = tuple[list[str], list[str], list[str], list[str]]


def make_rows(seed: int = 0) -> Columns:
    """Return predictions, references, question types and scenes."""
    random = np.random.default_rng(seed)
    rows = []
    for kind, count in COUNTS.items():
        for _ in range(count):
            truth = f"{random.uniform(0.5, 20):.1f}" if is_numeric(kind) else "ABCD"[random.integers(4)]
            wrong = f"{random.uniform(0.5, 20):.1f} m" if is_numeric(kind) else "ABCD"[random.integers(4)]
            said = [truth, f"{truth}.", wrong, f"I think {wrong}"][random.integers(4)]
            rows.append((said, truth, kind, f"scene{random.integers(SCENES):03d}"))
    return tuple(map(list, zip(*rows, strict=True)))


def loop_scores(predictions: list[str], references: list[str], types: list[str]) -> list[float]:
    """Score row by row, with the tolerances made anew for each."""
    scores = []
    for said, truth, kind in zip(predictions, references, types, strict=True):
        answer = said.split(" ")[0].rstrip(".").strip()
        if not is_numeric(kind):
            scores.append(1.0 if answer.lower() == truth.lower() else 0.0)
            continue
        try:
            error = abs(float(answer) - float(truth)) / float(truth)
        except ValueError:
            scores.append(0.0)
            continue
        tolerances = 1 - np.linspace(0.5, 0.95, int((0.95 - 0.5) / 0.05 + 2))
        scores.append(float((error <= tolerances).mean()))
    return scores


def loop_macro(scores: list[float], types: list[str]) -> float:
    """Average over questions, levels and tasks, in per cent."""
    by_type: dict[str, list[float]] = {}
    for score, kind in zip(scores, types, strict=True):
        by_type.setdefault(kind, []).append(score)
    tasks = []
    for task in TASKS:
        levels = [sum(by_type[name]) / len(by_type[name]) for name in task.levels if name in by_type]
        if levels:
            tasks.append(sum(levels) / len(levels))
    return 100 * sum(tasks) / len(tasks)


def loop_interval(scores: list[float], types: list[str], scenes: list[str], draws: int) -> list[float]:
    """Draw scenes, put their rows together, average again."""
    random = np.random.default_rng(0)
    rows: dict[str, list[int]] = {}
    for number, scene in enumerate(scenes):
        rows.setdefault(scene, []).append(number)
    names = sorted(rows)
    averages = []
    for _ in range(draws):
        drawn = [number for pick in random.integers(len(names), size=len(names)) for number in rows[names[pick]]]
        averages.append(loop_macro([scores[i] for i in drawn], [types[i] for i in drawn]))
    return np.percentile(averages, [2.5, 97.5]).tolist()


def best_time(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and 20 draws for the plain loop")
    quick = parser.parse_args().quick
    predictions, references, types, scenes = make_rows()

    def ours(draws: int) -> dict:
        return summarize(score_answers(predictions, references, types), scenes=scenes, draws=draws)

    rounds = 3 if quick else 15
    loop_draws = 20 if quick else DRAWS
    scores = loop_scores(predictions, references, types)
    results, interval = ours(DRAWS), loop_interval(scores, types, scenes, DRAWS if not quick else 200)
    assert results["scores"] == scores, "the loop and the scorer must agree on every question"
    assert abs(results["macro"] - loop_macro(scores, types)) < 1e-9
    assert np.abs(np.subtract(results["interval"]["macro"], interval)).max() < 0.5

    def plain(draws: int) -> None:
        made = loop_scores(predictions, references, types)
        loop_macro(made, types)
        loop_interval(made, types, scenes, draws) if draws else None

    alone, plain_alone = best_time(lambda: ours(0), rounds), best_time(lambda: plain(0), rounds)
    with_draws = best_time(lambda: ours(DRAWS), rounds)
    plain_draws = plain_alone + (best_time(lambda: plain(loop_draws), 1) - plain_alone) * DRAWS / loop_draws
    print(f"{'rows ' + str(len(types)):<28}{'ocr-hf, s':>12}{'plain loop, s':>16}{'ratio':>8}")
    print(f"{'scores, all averages':<28}{alone:>12.4f}{plain_alone:>16.4f}{plain_alone / alone:>8.1f}")
    print(f"{f'with {DRAWS} draws':<28}{with_draws:>12.4f}{plain_draws:>16.4f}{plain_draws / with_draws:>8.1f}")
    assert alone < LIMIT_ALONE_S and with_draws < LIMIT_BOOTSTRAP_S, "slower than promised"
    record = {
        "benchmark": "metric",
        "rows": len(types),
        "draws": DRAWS,
        "seconds": round(alone, 5),
        "seconds_with_bootstrap": round(with_draws, 5),
        "loop_seconds": round(plain_alone, 5),
        "loop_seconds_with_bootstrap": round(plain_draws, 4),
        "ratio": round(plain_alone / alone, 2),
        "ratio_with_bootstrap": round(plain_draws / with_draws, 1),
        "quick": quick,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one thread",
    }
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record))


if __name__ == "__main__":
    main()

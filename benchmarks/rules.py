"""How long does one full run under every extraction rule take, from rows to the table?

    python benchmarks/rules.py [--quick]

5,130 rows with VSI-Bench's own numbers of questions per task; answers are short and long, with and without tags, units
and words. Measured are reading the answers under each rule, scoring them, and both averages of each; beside it the same
of answers that think aloud for about 1,000 characters. One process, one thread; each time is the best of its rounds, in
processor time.

Prints a table, and as the last line one JSON object. A full run also writes benchmarks/results/rules.json.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from metric import make_rows  # noqa: E402

from ocr_hf.vsi_bench.extraction_rules import EXTRACTIONS  # noqa: E402
from ocr_hf.vsi_bench.rule_table import rule_rows  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "rules.json"
LIMIT_S = 1.0
FORMS = ("{}", " {}", "{}.", "{} m", "{}cm", "There are {}", "The answer is {}.", "<answer>{}</answer>", "**{}**")
THOUGHT = "<think>" + "The chair is 2 m from table B, so option A is farther than 3.5 m. " * 15 + "</think>\n"


def best_time(texts: list[str], references: list[str], types: list[str], names: list[str], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        rule_rows(texts, references, types, names)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round each")
    quick = parser.parse_args().quick
    rounds = 1 if quick else 5
    predictions, references, types, _ = make_rows()
    random = np.random.default_rng(0)
    forms = random.integers(len(FORMS), size=len(types))
    short = [FORMS[form].format(text) for text, form in zip(predictions, forms, strict=True)]
    columns = references, types
    each = {name: best_time(short, *columns, [name], rounds) for name in EXTRACTIONS}
    together = best_time(short, *columns, ["all"], rounds)
    thinking = best_time([THOUGHT + text for text in short], *columns, ["all"], rounds)
    for name, seconds in each.items():
        print(f"{name:<22}{seconds:>8.4f} s")
    print(f"{'all':<22}{together:>8.4f} s\n{'all, thinking aloud':<22}{thinking:>8.4f} s")
    assert together < LIMIT_S, "slower than promised"
    record = {
        "benchmark": "rules",
        "rows": len(types),
        "seconds": round(together, 4),
        "seconds_thinking": round(thinking, 4),
        "seconds_by_rule": {name: round(seconds, 4) for name, seconds in each.items()},
        "quick": quick,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, one thread",
    }
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record))


if __name__ == "__main__":
    main()

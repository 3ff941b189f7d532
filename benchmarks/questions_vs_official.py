"""Derive the answers to VSI-Bench's own questions from its 3D metadata and compare.

    python benchmarks/questions_vs_official.py --meta-info META_INFO_DIR --questions test.parquet [--output FILE.json]

Prints the agreement of each task; the last line is a JSON object {task: [agreeing, total]}. Appearance order and
routes need the videos and are not in it. Beside it: the share of the official (task, objects) combinations that our
validity checks accept, whether the texts we render equal the official ones, and the time to generate all questions of
the scenes on this core. META_INFO_DIR holds the scenes' boxes as published with the benchmark's code.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from ocr_hf.questions.generate import PARITY, generate_questions
from ocr_hf.questions.inventory import Inventory
from ocr_hf.questions.question import QuestionConfig
from ocr_hf.questions.question_types import QUESTION_TYPES
from ocr_hf.questions.templates import parse, render
from ocr_hf.scenes.readers.vsi_meta import read_meta_info
from ocr_hf.scenes.scene import Scene

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "vsi_bench"
"""Where developers of this project keep VSI-Bench's files; everybody else names theirs."""
NEED_VIDEO = ("obj_appearance_order", "route_planning")
EXACT = QuestionConfig(visibility=None)


def task_of(question_type: str) -> str:
    """Return VSI-Bench's task: its direction levels are one."""
    return "object_rel_direction" if question_type.startswith("object_rel_direction") else question_type


def compare(scenes: dict[str, Scene], rows: pd.DataFrame) -> dict[str, dict[str, list[int]]]:
    """Return {what: {task: [hits, total]}} for the answers, the texts and the two sets of validity rules."""
    tables: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))

    def count(what: str, task: str, hit: bool) -> None:
        tables[what][task][0] += int(hit)
        tables[what][task][1] += 1

    for name, questions in rows.groupby("scene_name"):
        official, exact = (Inventory(scenes[name], None, None, config, Counter()) for config in (PARITY, EXACT))
        for row in questions.itertuples():
            task, arguments = task_of(row.question_type), parse(row.question_type, row.question)
            count("text_equal", task, render(row.question_type, arguments) == row.question)
            if row.question_type in NEED_VIDEO:
                continue
            family, truth = QUESTION_TYPES[row.question_type], row.ground_truth
            if row.options is not None:
                truth = row.options["ABCD".index(truth)].removeprefix(f"{truth}. ")
            answer = family.solve(official, arguments)
            same = answer == truth if row.options is not None else float(answer) == float(truth)
            count("agreement", task, same)
            if task == "object_abs_distance":
                count("within_0.1_m", task, abs(float(answer) - float(truth)) < 0.1 + 1e-9)
            count("accepted_official_rules", task, family.check(official, arguments) is None)
            count("accepted_exact_rules", task, family.check(exact, arguments) is None)
    return {what: {task: list(pair) for task, pair in sorted(table.items())} for what, table in tables.items()}


def share(table: dict[str, list[int]]) -> float:
    """Return the hits over all tasks as a share."""
    return sum(hits for hits, _ in table.values()) / sum(total for _, total in table.values())


def seconds_to_generate(scenes: dict[str, Scene], config: QuestionConfig) -> tuple[float, int]:
    """Return (seconds of this process's processor time, number of questions) for all scenes."""
    start = time.process_time()
    number = sum(len(generate_questions(scene, None, None, 0, config).questions) for scene in scenes.values())
    return time.process_time() - start, number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--meta-info", type=Path, default=BESIDE / "meta_info", help="folder of *_meta_info_val.json")
    parser.add_argument("--questions", type=Path, default=BESIDE / "test.parquet", help="VSI-Bench's test.parquet")
    parser.add_argument("--output", type=Path, help="write all figures to this JSON file")
    parser.add_argument("--quick", action="store_true", help="leave out the timing")
    arguments = parser.parse_args()

    if arguments.quick and not arguments.questions.is_file():
        print(f"skipped: {arguments.questions} isn't there; name VSI-Bench's files with --meta-info and --questions")
        print("{}")
        return
    scenes = read_meta_info(arguments.meta_info)
    tables = compare(scenes, pd.read_parquet(arguments.questions))
    for what, table in tables.items():
        print(f"{what}: {100.0 * share(table):.2f} %")
        for task, (hits, total) in table.items():
            print(f"  {task:<24} {hits:>4} / {total}")
    result: dict[str, object] = dict(tables)
    if not arguments.quick:
        for name, config in (("exact", EXACT), ("official", PARITY)):
            seconds, number = seconds_to_generate(scenes, config)
            print(f"generate, {name} rules: {number} questions of {len(scenes)} scenes in {seconds:.1f} s on one core")
            result[f"generate_{name}_rules"] = {"seconds": round(seconds, 1), "questions": number}
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        partial = arguments.output.with_suffix(".incomplete")
        partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, arguments.output)
    print(json.dumps(tables["agreement"]))


if __name__ == "__main__":
    main()

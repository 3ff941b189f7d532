"""What does one score on ocr-vsi-twins without looking? Constants, a statistic of the words, a model without video.

    python benchmarks/twins.py [--data outputs/ocr-vsi-twins] [--model FOLDER] [--quick]

Reads the parts that `ocr-hf benchmark --name ocr-vsi-twins` built. A question is asked of three videos and scored by
pairs (`ocr_hf/vsi_bench/twin_scores.py`): a pair of letters is right only if both answers are, so whoever gives one
answer to both videos gets none. The best constant and the statistic know the answers of this very benchmark (the
statistic those of other homes). The model is the released checkpoint, given the questions without a video.
`--quick` builds four homes of its own. Prints a table; the last line is JSON, scores and shares 0 to 1. A full run also
writes benchmarks/results/twins.json.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import json  # noqa: E402
import tempfile  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Mapping, Sequence  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from ocr_hf.data.build_folder import build_folder  # noqa: E402
from ocr_hf.vsi_bench.ocr_vsi_twins import ROOMS  # noqa: E402
from ocr_hf.vsi_bench.open_benchmark import open_benchmark  # noqa: E402
from ocr_hf.vsi_bench.prompts import MAX_NEW_TOKENS, build_prompt  # noqa: E402
from ocr_hf.vsi_bench.scoring import score_answers  # noqa: E402
from ocr_hf.vsi_bench.tasks import TASK_OF, TASKS  # noqa: E402
from ocr_hf.vsi_bench.twin_scores import blind_tables, twin_table  # noqa: E402
from ocr_hf.vsi_bench.twins_layout import TWINS  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "twins.json"
Rows = Sequence[Mapping[str, Any]]


def asked(folders: Sequence[Path]) -> list[Mapping[str, Any]]:
    """Return the questions of all parts, with ids that no two parts share."""
    return [
        row | {"question_id": f"{folder.name}/{row['question_id']}", "id": f"{folder.name}/{row['id']}"}
        for folder in folders
        for row in open_benchmark(str(folder), split=TWINS).select(TWINS)
    ]


def without_video(rows: Rows, model: Path) -> dict[str, Any]:
    """Return the pair scores of a model that is given the questions alone."""
    from ocr_hf.models.answer import AnsweringModel, Prompt
    from ocr_hf.models.load_model import load_model

    # The words of a question's rows are equal, and so is a greedy answer to them
    prompts = {row["question_id"]: build_prompt(row, "official") for row in rows}
    asking = AnsweringModel.of(load_model(model))
    texts = asking.answer_all([Prompt.of(text) for text in prompts.values()], 32, MAX_NEW_TOKENS["official"])
    answers = dict(zip(prompts, texts, strict=True))
    scored = score_answers(
        [answers[row["question_id"]] for row in rows],
        [row["ground_truth"] for row in rows],
        [row["question_type"] for row in rows],
    )
    return twin_table(rows, scored.scores, draws=0)


def print_tables(tables: Mapping[str, Mapping[str, Any]], rows: Rows) -> None:
    """Print the pair scores, in per cent, by task."""
    edited = [row for row in rows if row["video"] != "vanilla"]
    counts = Counter(TASK_OF[row["question_type"]] for row in edited)
    names = {task.name: task.title for task in TASKS if counts[task.name]}
    print(
        f"{'pairs right, %':<32}{'all':>8}" + "".join(f"{title:>13}" for title in names.values()) + f"{'letters':>10}"
    )
    print(f"{'number of pairs':<32}{len(edited):>8,}" + "".join(f"{counts[name]:>13,}" for name in names))
    for name, table in tables.items():
        tasks = table["pairs"]["tasks"]
        cells = "".join(f"{tasks[task]['score']:>13.1f}" for task in names)
        print(f"{name:<32}{table['pairs']['macro']:>8.1f}{cells}{table['letter_pairs']:>10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT / "outputs" / "ocr-vsi-twins", help="folder with the parts")
    parser.add_argument("--model", type=Path, default=ROOT / "model_cards" / "ocr-vsi-tiny")
    parser.add_argument("--quick", action="store_true", help="four homes, built here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.quick:
            folders = [Path(temporary) / "rooms"]
            build_folder(replace(ROOMS, scenes=4, frames=8, width=112, height=84), folders[0])
        else:
            folders = sorted(item.parent for item in arguments.data.glob("*/ocr_vsi.json"))
            if not folders:
                parser.error(f"{arguments.data} holds no part; run `ocr-hf benchmark --name ocr-vsi-twins` first")
        rows = asked(folders)
        parts = {folder.name: sum(row["id"].startswith(f"{folder.name}/") for row in rows) for folder in folders}
        tables = {**blind_tables(rows), "text_only_model": without_video(rows, arguments.model)}
    print_tables(tables, rows)
    figures: dict[str, Any] = {
        "text_only_letter_pairs": tables["text_only_model"]["letter_pairs"] / 100.0,
        "text_only_model": tables["text_only_model"]["pairs"]["macro"] / 100.0,
        "constants": tables["always_a"]["pairs"]["macro"] / 100.0,
        # With homes of too few folds there is none
        "text_statistic": tables["text_statistic"]["pairs"]["macro"] / 100.0 if "text_statistic" in tables else None,
        "pairs": sum(row["video"] != "vanilla" for row in rows),
        "scenes": len({row["scene_name"] for row in rows}),
    }
    if not arguments.quick:
        result = {"benchmark": "twins", "model": arguments.model.name, "rows": parts, **figures, "tables": tables}
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"quick": arguments.quick, **figures}))


if __name__ == "__main__":
    main()

"""What the questions of new homes give away without any video, beside VSI-Bench's own questions.

    python benchmarks/text_only.py [--homes 864] [--seed 11] [--num-proc 2] [--models FOLDER] [--quick]

Homes are those of a build with this seed (source procedural; furnished where --models names furniture); their
questions are a build's as well, of one clip a home, but of the clip only the instance maps are made, at half the
default size. Scores are those of a build's card, `text_only_audit`.

Like is compared with like: the text statistic grows with the scenes and the questions that it learns from. So there
are as many homes as VSI-Bench has scenes (with fewer, VSI-Bench is drawn down to as many, mean of several draws), and
of each type as many questions as VSI-Bench has about those scenes; of more homes, several such sets are averaged. The
figures of one set of 288 homes scatter by about 0.02, those of 60 by 0.03 to 0.06, which is why there are three times
as many by default. The same is printed for sets of 60 homes. Beside them, per category, how much the
longest side of objects varies (standard deviation over mean).

VSI-Bench's files are read where --questions and --meta-info find them, else its figures from the stored results.
Prints tables; the last line is JSON, task -> [text statistic of ours, of VSI-Bench]. A full run also writes
benchmarks/results/text_only.json.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse  # noqa: E402
import json  # noqa: E402
from collections import Counter, defaultdict  # noqa: E402
from collections.abc import Iterable, Mapping, Sequence  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
from functools import partial  # noqa: E402
from multiprocessing import get_context  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from ocr_hf.data.build_config import BuildConfig  # noqa: E402
from ocr_hf.data.build_plan import ScenePlan, plan_scenes  # noqa: E402
from ocr_hf.data.clip_cameras import camera_path  # noqa: E402
from ocr_hf.data.make_clips import SkippedClip, clip_questions  # noqa: E402
from ocr_hf.data.recording import record  # noqa: E402
from ocr_hf.data.sources import open_scene  # noqa: E402
from ocr_hf.scenes.readers.vsi_meta import read_meta_info  # noqa: E402
from ocr_hf.scenes.render.renderer import Renderer  # noqa: E402
from ocr_hf.scenes.scene import Scene  # noqa: E402
from ocr_hf.text_only.audit_table import FIGURES, text_only_audit  # noqa: E402
from ocr_hf.vsi_bench.tasks import TASKS  # noqa: E402

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "vsi_bench"
"""Where developers of this project keep VSI-Bench's files; everybody else names theirs."""
RESULTS = Path(__file__).parent / "results" / "text_only.json"
FEW, DRAWS = 60, 8
"""Homes of a small set, and how many sets or draws are averaged."""
FEWEST_SIZES = 8
"""Objects of a category below which its spread isn't told."""

Rows = Sequence[Mapping[str, Any]]
Table = Mapping[str, Mapping[str, float | None]]
Home = tuple[list[dict[str, Any]], list[tuple[str, float]]]


def ask(config: BuildConfig, plan: ScenePlan) -> Home:
    """Return a home's questions, of its one clip, and (category, longest side in metres) of its objects."""
    try:
        scene = open_scene(config, plan)
        # Colours are thrown away: no light is gathered, no edge smoothed. Instances don't depend on either
        renderer = Renderer(scene, edge_samples=1, light_rays=0)
        recording = record(renderer, camera_path(config, plan.clips[0], scene), config)
        questions = clip_questions(config, plan.clips[0], scene, recording).questions
    except (SkippedClip, ValueError) as reason:  # as a build: counted, and the other homes go on
        print(f"{plan.name} left out: {reason}")
        return [], []
    names = ("question_type", "question", "options", "ground_truth")
    rows = [{"scene_name": plan.name} | {name: getattr(question, name) for name in names} for question in questions]
    return rows, longest_sides([scene])


def longest_sides(scenes: Iterable[Scene]) -> list[tuple[str, float]]:
    """Return (category, metres) of every object that has a box."""
    objects = (item for scene in scenes for item in scene.objects)
    return [(item.label, float(item.box.size.max())) for item in objects if item.box.size.max() > 0.0]


def spreads(sides: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """Return category -> [objects, coefficient of variation of their longest side]."""
    found: dict[str, list[float]] = defaultdict(list)
    for label, side in sides:
        found[label].append(side)
    return {
        label: [len(values), round(float(np.std(values) / np.mean(values)), 3)]
        for label, values in sorted(found.items())
        if len(values) >= FEWEST_SIZES
    }


def compared(rows: Rows, counts: Sequence[Counter[str]]) -> Table:
    """Return the mean figures of ours in draws of as many homes and questions as these of VSI-Bench.

    counts : per draw, question type -> questions, and "scenes"
    """
    names = sorted({row["scene_name"] for row in rows})
    audits = []
    for number, wanted in enumerate(counts):
        random = np.random.default_rng([1, number])
        size = min(wanted["scenes"], len(names))
        # Sets don't overlap where there are homes enough; else each is drawn anew
        enough = size * len(counts) <= len(names)
        homes = set(names[number * size :][:size] if enough else random.choice(names, size, replace=False).tolist())
        mine = [row for row in rows if row["scene_name"] in homes]
        kept: list[Mapping[str, Any]] = []
        for kind in dict.fromkeys(row["question_type"] for row in mine):
            of_kind = [row for row in mine if row["question_type"] == kind]
            kept += [of_kind[i] for i in random.permutation(len(of_kind))[: wanted[kind]]]
        audits.append(text_only_audit(kept))
    return averaged(audits)


def averaged(audits: Sequence[Table]) -> Table:
    """Return the mean of several audits' figures."""
    kinds = dict.fromkeys(kind for audit in audits for kind in audit)
    return {kind: {name: mean(audit.get(kind, {}).get(name) for audit in audits) for name in FIGURES} for kind in kinds}


def mean(scores: Iterable[float | None]) -> float | None:
    """Return the mean of the scores that there are, or None."""
    known = [score for score in scores if score is not None]
    return round(float(np.mean(known)), 3) if known else None


def vsi_bench(questions: Path, meta_info: Path, homes: Sequence[int]) -> dict[str, Any]:
    """Return VSI-Bench's figures and question counts for draws of so many scenes, computed or as stored."""
    if not (questions.is_file() and meta_info.is_dir()):
        stored = json.loads(RESULTS.read_text())["vsi_bench"]
        print(f"VSI-Bench's files aren't here; its stored figures are of {', '.join(stored['draws'])} scenes")
        return stored
    import pandas as pd

    rows = pd.read_parquet(questions).to_dict("records")
    names = sorted({row["scene_name"] for row in rows})
    draws: dict[str, Any] = {}
    for count in homes:
        audits, counts = [], []
        for number in range(1 if count >= len(names) else DRAWS):
            random = np.random.default_rng([0, number])
            chosen = set(random.choice(names, min(count, len(names)), replace=False).tolist())
            mine = [row for row in rows if row["scene_name"] in chosen]
            audits.append(text_only_audit(mine))
            counts.append(Counter(row["question_type"] for row in mine) | Counter(scenes=len(chosen)))
        # Of more homes than scenes several sets are drawn and compared with all scenes
        counts *= max(1, count // len(names))
        draws[str(min(count, len(names)))] = {"figures": averaged(audits), "counts": counts}
    return {"draws": draws, "sizes": spreads(longest_sides(read_meta_info(meta_info).values()))}


def print_figures(ours: Table, theirs: Table, title: str) -> None:
    """Print per question type ours and VSI-Bench's."""
    print(f"\n{title}")
    print(f"{'scores, 0 to 1':<29}" + "".join(f"{name.replace('constant_', ''):>20}" for name in FIGURES))
    print(f"{'':<29}" + f"{'ours':>10}{'VSI-Bench':>10}" * len(FIGURES))
    for kind in theirs:
        cells = [table.get(kind, {}).get(name) for name in FIGURES for table in (ours, theirs)]
        print(f"{kind:<29}" + "".join(f"{'-' if cell is None else f'{cell:.3f}':>10}" for cell in cells))


def print_spreads(ours: Mapping[str, Sequence[float]], real: Mapping[str, Sequence[float]]) -> None:
    """Print how much longest sides vary within a category, here and in VSI-Bench's scans."""
    both = [label for label in ours if label in real]
    print(f"\n{'longest side, std / mean':<29}{'ours':>8}{'n':>6}{'real':>8}{'n':>6}")
    for label in both:
        (count, spread), (real_count, real_spread) = ours[label], real[label]
        print(f"{label:<29}{spread:>8.3f}{count:>6}{real_spread:>8.3f}{real_count:>6}")
    if both:
        middle = [float(np.median([table[label][1] for label in both])) for table in (ours, real)]
        print(f"{f'median of {len(both)} categories':<29}{middle[0]:>8.3f}{'':>6}{middle[1]:>8.3f}")


def by_task(table: Table) -> dict[str, float | None]:
    """Return task -> text statistic; of relative direction the mean of the levels."""
    return {task.name: mean(table.get(level, {}).get("text_statistic") for level in task.levels) for task in TASKS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=864)
    parser.add_argument("--seed", type=int, default=11, help="of the build whose homes are asked about")
    parser.add_argument("--source", help="procedural, or furnished where --models is given")
    parser.add_argument("--models", help="folder of furniture models")
    parser.add_argument("--num-proc", type=int, default=2)
    parser.add_argument("--questions", type=Path, default=BESIDE / "test.parquet", help="VSI-Bench's test.parquet")
    parser.add_argument("--meta-info", type=Path, default=BESIDE / "meta_info", help="folder of its 3D metadata")
    parser.add_argument("--quick", action="store_true", help="eight homes")
    arguments = parser.parse_args()
    homes = 8 if arguments.quick else arguments.homes
    source = arguments.source or ("furnished" if arguments.models else "procedural")
    config = BuildConfig(
        source=source, models=arguments.models, scenes=homes, seed=arguments.seed, width=196, height=140
    )
    with ProcessPoolExecutor(arguments.num_proc, get_context("spawn")) as pool:
        asked = list(pool.map(partial(ask, config), plan_scenes(config)))
    rows = [row for found, _ in asked for row in found]
    theirs = vsi_bench(arguments.questions, arguments.meta_info, sorted({homes, min(homes, FEW)}, reverse=True))
    sizes = spreads(side for _, found in asked for side in found)
    print(f"{len(rows)} questions of {homes} {source} homes")
    tables = {}
    for count, drawn in theirs["draws"].items():
        tables[count] = compared(rows, [Counter(counts) for counts in drawn["counts"]])
        draws = len(drawn["counts"])
        title = f"{count} homes and {count} scenes, as many questions" + (f", mean of {draws} sets" * (draws > 1))
        print_figures(tables[count], drawn["figures"], title)
    print_spreads(sizes, theirs["sizes"])
    if not arguments.quick:
        stated = {"homes": homes, "seed": arguments.seed, "source": source, "questions": len(rows)}
        stated["generator_version"] = config.scene_source.version
        RESULTS.parent.mkdir(exist_ok=True)
        result = {"benchmark": "text_only", **stated, "ours": tables, "sizes": sizes, "vsi_bench": theirs}
        partial_file = RESULTS.with_suffix(".incomplete")
        partial_file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        os.replace(partial_file, RESULTS)
    most = next(iter(theirs["draws"]))
    mine, real = by_task(tables[most]), by_task(theirs["draws"][most]["figures"])
    print(json.dumps({name: [mine[name], real[name]] for name in mine}))


if __name__ == "__main__":
    main()

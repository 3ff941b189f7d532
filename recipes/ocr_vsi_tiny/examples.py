"""Example questions with a frame before and after its queried objects are noised, and the model's two answers.

One question a task, sampled by a hash of its id: nobody chose them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.perturb.keys import stable_key
from ocr_hf.vsi_bench.audits import VANILLA
from ocr_hf.vsi_bench.benchmark_frames import BenchmarkFrames
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.stored_runs import StoredRun
from ocr_hf.vsi_bench.tasks import TASKS

NOISED = "queried_noised"


@dataclass(frozen=True, eq=False)
class Example:
    """A question, its answers on the vanilla and the noisy frames, and the frame that shows most of its objects.

    vanilla, noisy : (H, W, 3) uint8
    """

    title: str
    row: dict[str, Any]
    before: str
    after: str
    vanilla: np.ndarray
    noisy: np.ndarray


def pick_examples(run: StoredRun, data: Path) -> list[Example]:
    """Return one example of each task that was evaluated with noise on the queried objects.

    data : the folder that the run was evaluated on. Raises ValueError where it is another.
    """
    if NOISED not in run.answers:
        return []
    benchmark = open_benchmark(str(data))
    settings = run.results["settings"]
    if benchmark.revision != settings["data_revision"]:
        raise ValueError(f"{run.folder} was evaluated on {settings['data_revision']}, {data} is {benchmark.revision}")
    frames = BenchmarkFrames(benchmark, EvalConfig(**{name: settings[name] for name in ("frames", "seed", "strength")}))
    stored = {row["id"]: row for row in benchmark.rows}
    answered = [
        (stored[row["id"]], before, after)
        for row, before, after in zip(run.rows, run.answers[VANILLA], run.answers[NOISED], strict=True)
        if before is not None and after is not None
    ]
    examples = []
    for task in TASKS:
        mine = [item for item in answered if item[0]["question_type"] in task.levels]
        if mine:
            row, before, after = min(mine, key=lambda item: stable_key("example", item[0]["id"]))
            examples.append(Example(task.title, row, before, after, *_clearest_frames(frames, row)))
    return examples


def _clearest_frames(frames: BenchmarkFrames, row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return (vanilla, noisy) of the sampled frame in which most pixels differ."""
    sampled = frames.sample(row)
    noisy = frames.change(row, NOISED, sampled).frames
    best = int((noisy != sampled.array).any(axis=-1).sum(axis=(1, 2)).argmax())
    return sampled.array[best], noisy[best]


def plot_examples(examples: Sequence[Example], path: Path) -> None:
    """Draw one line an example: vanilla frame, noisy frame, question, truth and both answers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from ocr_hf.data.atomic import replacing

    figure, axes = pyplot.subplots(
        len(examples), 3, figsize=(10.6, 1.8 * len(examples)), dpi=100, squeeze=False, width_ratios=(1, 1, 2.1)
    )
    for line, example in zip(axes, examples, strict=True):
        for axis, frame in zip(line, (example.vanilla, example.noisy), strict=False):
            axis.imshow(frame)
        for axis in line:
            axis.axis("off")
        line[2].text(0.0, 1.0, caption(example), va="top", fontsize=8, transform=line[2].transAxes)
    axes[0][0].set_title("vanilla", fontsize=10)
    axes[0][1].set_title("queried objects noised", fontsize=10)
    figure.tight_layout()
    with replacing(path) as temporary:
        # Without matplotlib's version, so that equal input gives equal bytes
        figure.savefig(temporary, format="png", metadata={"Software": None})
    pyplot.close(figure)


def caption(example: Example) -> str:
    """Return the words beside an example's frames, wrapped."""
    row = example.row
    lines = [
        *textwrap.wrap(f"{example.title}: {row['question']}", 84),
        *textwrap.wrap("   ".join(row["options"] or ()), 84),
        f"truth {row['ground_truth']}     vanilla: {example.before.strip()}     noisy: {example.after.strip()}",
    ]
    # matplotlib sets what stands between two dollar signs as a formula
    return "\n".join(line.replace("$", r"\$") for line in lines)

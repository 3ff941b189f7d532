"""Recoverable questions, test 2: what is trained, with which arms, and what of it is measured.

Supervised fine-tuning teaches two ways to say where a thing is: by looking at it, and, one time in ten, by looking at
what it stands on. Reinforcement learning then rewards right answers in rooms where both ways lead there. Who is used to
looking at the thing fails when it is degraded, although the room still tells. All values are ours and were fixed
before the first run; docs/experiment-recoverable.md says why.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ocr_hf.experiment.recoverable_data import OTHER, QUESTION_TYPE, QUESTIONS_PER_ROOM, chat, route_of, taught_rows
from ocr_hf.experiment.recoverable_rooms import FPS, FRAMES, FURNITURE_OF, HEIGHT, LETTERS, THINGS, WIDTH, id_of
from ocr_hf.experiment.trainings import RL, base_arguments, grpo_trainer, logged_columns, save_whole, step_log
from ocr_hf.models.answer import AnsweringModel, Prompt
from ocr_hf.models.load_model import load_model
from ocr_hf.models.tiny import TinySize, build_tiny
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.scenes.randomness import generator
from ocr_hf.video.read import read_frames
from ocr_hf.vsi_bench.rules import extract

SIZE = TinySize(
    96, 3, 6, 2, 288, vision_hidden=64, vision_layers=2, vision_heads=4, max_pixels=WIDTH * HEIGHT, whole_frames=True
)
"""0.4 million parameters."""
ANSWER_TOKENS = 26
"""The longer way needs 21."""


@dataclass(frozen=True)
class SFT:
    """Supervised fine-tuning, by a teacher who may err: a model without a fault has nothing to learn by its rewards.

    by_furniture : share of answers by the furniture, where that leads to the thing; errs : that name another place
    """

    steps: int = 2000
    batch: int = 48
    learning_rate: float = 1e-3
    warmup: int = 100
    by_furniture: float = 0.1
    errs: float = 0.1


STRENGTH = 1.0
"""Noise of t = 999: a colour can be read through less."""
ARMS: dict[str, dict[str, Any]] = {
    "grpo": {"strategy": "grpo"},
    "ocr": {"strategy": "ocr", "select": "queried", "max_objects": 1, "strength": STRENGTH},
    "ocr_geometry": {"strategy": "ocr", "select": "queried", "max_objects": 1, "mode": "geometry", "strength": 0.5},
    "noisy_rollout": {"strategy": "noisy_rollout"},
    "t_grpo": {"strategy": "t_grpo", "num_noisy": 2},
}
"""Arm -> settings of OCRGRPOConfig. `ocr_geometry` shows the copies that rows bring: the thing put elsewhere."""


def fine_tune(rooms: datasets.Dataset, settings: SFT, seed: int, out: Path) -> None:
    """Make a model in the folder `out`: random weights of this seed, then supervised fine-tuning.

    rooms : of the part `sft`
    """
    from ocr_hf.train.config import OCRSFTConfig
    from ocr_hf.train.sft_trainer import OCRSFTTrainer

    with tempfile.TemporaryDirectory() as scratch:
        loaded = load_model(str(build_tiny(Path(scratch) / "start", SIZE, seed=seed)), dtype="float32", device="cpu")
    args = OCRSFTConfig(
        **base_arguments(out, seed, FRAMES),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch,
        questions_per_clip=QUESTIONS_PER_ROOM,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup,
        lr_scheduler_type="cosine",
        logging_steps=50,
    )
    rows = taught_rows(rooms, settings.by_furniture, settings.errs, seed)
    trainer = OCRSFTTrainer(loaded.model, args, rows, loaded.processor, completion=lambda row: row["taught"])
    trainer.train()
    save_whole(trainer, loaded.processor, out)


def learn(
    rows: datasets.Dataset,
    held: datasets.Dataset,
    start: Path,
    settings: RL,
    arm: Mapping[str, Any],
    seed: int,
    out: Path | None,
) -> dict[str, Any]:
    """Train one arm and return what was measured by the trainer itself.

    Args:
        rows: of the part `rl`.
        held: of the part `held`.
        start: folder of the model that it starts from.
        settings: of the training; with a learning rate of 0, one that only measures.
        arm: of `ARMS`.
        seed: of prompts, rollouts and noise.
        out: folder of the trained model; None = don't keep it.

    Returns:
        log: columns of the trainer's log, an entry a step; held_reward: mean reward of rollouts about held-out rooms
        after the training, percent.
    """
    loaded = load_model(str(start), dtype="float32", device="cpu")
    arguments = base_arguments(out or start, seed, FRAMES)
    arguments["per_device_eval_batch_size"] = settings.prompts * settings.group
    trainer = grpo_trainer(loaded, rows, settings, ANSWER_TOKENS, arm, seed, arguments, eval_rows=held)
    trainer.train()
    reward = trainer.evaluate()["eval_reward"]
    if out is not None:
        save_whole(trainer, loaded.processor, out)
    return {"log": logged_columns(step_log(trainer)), "held_reward": round(100.0 * float(reward), 2)}


@dataclass(frozen=True)
class View:
    """How test questions are shown and asked.

    video : column of the video; truth : column of the right answer
    degraded : noise on the named thing, and on one other, so that noise alone doesn't tell which of them is asked for
    black : no picture at all; furniture : ask about the furniture instead of the thing
    """

    video: str = "vanilla"
    truth: str = "ground_truth"
    degraded: bool = False
    black: bool = False
    furniture: bool = False


VIEWS = {
    "clean": View(),
    "degraded": View(degraded=True),
    "erased": View("erased"),
    "twin": View("edited", "edited_ground_truth"),
    "away": View("away", "away_ground_truth"),
    "black": View(black=True),
    "black_twin": View(truth="edited_ground_truth", black=True),
    # Everything but the thing, asked for what it stands on: what can be known from the context by a model so skilled
    "context": View("erased", furniture=True),
}
AFTER = ("clean", "degraded", "erased", "twin", "away")
"""Views that are shown to models after reinforcement learning; those before see all."""


class Examiner:
    """Asks models the test's questions in one view; frames are decoded once and serve several models."""

    def __init__(self, rows: datasets.Dataset, view: View, batch: int = 100) -> None:
        self.view, self.batch = view, batch
        self.things, self.truth = list(rows["thing"]), "".join(rows[view.truth])
        self.frames = [_shown(row, view) for row in rows]

    def ask(self, model: AnsweringModel) -> dict[str, Any]:
        """Return letters (one a question, "-" where none can be read), routes, the accuracy and right answers.

        Answers are drawn at temperature 1, as rollouts are: the likeliest answer alone would hide a route that is taken
        one time in three.
        """
        texts: list[str] = []
        for start in range(0, len(self.things), self.batch):
            things = self.things[start : start + self.batch]
            prompts = [
                Prompt(chat(FURNITURE_OF[thing] if self.view.furniture else thing), model.encode(frames, FPS))
                for thing, frames in zip(things, self.frames[start : start + self.batch], strict=True)
            ]
            texts += model.answer_all(prompts, self.batch, ANSWER_TOKENS, seed=start)
        letters = "".join(_letter(text) for text in texts)
        right = [said == truth for said, truth in zip(letters, self.truth, strict=True)]
        return {
            "accuracy": round(100.0 * float(np.mean(right)), 2),
            "letters": letters,
            "truth": self.truth,
            "routes": "".join(route_of(text, thing) for text, thing in zip(texts, self.things, strict=True)),
        }


def _letter(text: str) -> str:
    found = extract(text, QUESTION_TYPE, "answer_tag").upper()
    return found if len(found) == 1 and found in LETTERS else OTHER


def _shown(row: Mapping[str, Any], view: View) -> np.ndarray:
    frames, _ = read_frames(row[view.video], list(range(FRAMES)))
    if view.black:
        return np.zeros_like(frames)
    if not view.degraded:
        return frames
    others = [thing for thing in THINGS if thing != row["thing"]]
    decoy = others[int(generator(row["id"], "decoy").integers(len(others)))]
    noise = OCRMap(strength=STRENGTH, seed=1)
    return noise.perturb(frames, footprints_of(row), [id_of(row["thing"]), id_of(decoy)], row_id=row["id"])


def pairs_right(one: Mapping[str, Any], twin: Mapping[str, Any]) -> Sequence[bool]:
    """Return of each question whether both videos of its twin are answered rightly; from results of `Examiner.ask`."""
    both = zip(one["letters"], one["truth"], twin["letters"], twin["truth"], strict=True)
    return [a == b and c == d for a, b, c, d in both]

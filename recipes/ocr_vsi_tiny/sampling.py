"""Batches of SFT: clips in passes over all of them, each time with other frames and questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ocr_hf.vsi_bench.tasks import TASK_OF
from recipes.ocr_vsi_tiny.clip_arrays import ClipArrays
from recipes.ocr_vsi_tiny.config import Phase, RecipeConfig
from recipes.ocr_vsi_tiny.question_tokenizer import TokenizedQuestion


@dataclass(frozen=True)
class TrainingData:
    """ClipArrays and, clip by clip, their questions."""

    clips: ClipArrays
    questions: list[list[TokenizedQuestion]]

    def by_task(self) -> list[list[list[TokenizedQuestion]]]:
        """Return the questions of each clip by task; tasks that a clip has no question of are left out."""
        out = []
        for questions in self.questions:
            tasks: dict[str, list[TokenizedQuestion]] = defaultdict(list)
            for each in questions:
                tasks[TASK_OF[each.question_type]].append(each)
            out.append(list(tasks.values()))
        return out


@dataclass(frozen=True)
class Batch:
    """B clips with the frames that the model is given, and the questions about each.

    brightness : (B, 2) gain and offset of the pixels of each clip; None leaves them alone
    black : the clips have been blackened: nothing in them is to be seen or known
    """

    clips: ClipArrays
    questions: Sequence[Sequence[TokenizedQuestion]]
    brightness: np.ndarray | None = None
    black: bool = False


class BatchSampler:
    """The batches of one phase of SFT; `rng` and `order` are its state.

    mirror : for every token id that of its mirror image, from `mirror_table`; columns : patches across a frame
    """

    def __init__(
        self,
        data: TrainingData,
        config: RecipeConfig,
        phase: Phase,
        rng: np.random.Generator,
        mirror: Sequence[int],
        columns: int,
    ) -> None:
        self.data, self.config, self.phase, self.rng = data, config, phase, rng
        self.mirror, self.columns = mirror, columns
        self.tasks, self.order = data.by_task(), []
        self.total = data.clips.patches.shape[1]
        self.even = np.linspace(0, self.total - 1, self.config.num_frames, dtype=int)

    def next_batch(self) -> Batch:
        """Return the next batch."""
        config, rng = self.config, self.rng
        # A pass goes on into the next one, so that every batch is full
        while len(self.order) < config.clips_per_step:
            self.order += rng.permutation(len(self.tasks)).tolist()
        chosen = [self.order.pop() for _ in range(config.clips_per_step)]
        # Evaluation samples evenly spaced frames, so half of the clips have these
        sampled = [choose_frames(rng, self.total, config.num_frames) for _ in chosen]
        frames = [self.even if rng.random() < 0.5 else each for each in sampled]
        questions = [choose_questions(rng, self.tasks[i], self.phase.questions, self.phase.more) for i in chosen]
        clips = self.data.clips[chosen].at_frames(np.stack(frames))
        mirror, black = rng.random() < 0.5, bool(rng.random() < self.phase.black)
        brightness = _brightness(rng, len(chosen))
        if mirror:
            clips = clips.mirrored(self.columns)
            questions = [[each.mirrored(self.mirror) for each in clip] for clip in questions]
        # Nothing can be seen in black frames, so such a step trains the answers alone, by the words
        if black:
            clips = replace(clips, patches=np.zeros_like(clips.patches))
            # Black stays black: other gains and offsets would make it grey
            brightness = np.tile(np.float32([1.0, 0.0]), (len(chosen), 1))
        return Batch(clips, questions, brightness, black)


def choose_frames(rng: np.random.Generator, total: int, count: int) -> np.ndarray:
    """Return `count` of `total` frames, in order, one from each of as many equal parts: another view each time."""
    edges = np.linspace(0, total, count + 1)
    return np.floor(rng.uniform(edges[:-1], edges[1:])).astype(int)


LONG = ("route_planning", "obj_appearance_order")
"""Their questions have twice as many tokens as others; a clip gets at most one of each in a step."""


def choose_questions(
    rng: np.random.Generator, tasks: Sequence[Sequence[TokenizedQuestion]], count: int, more: Collection[str] = ()
) -> list[TokenizedQuestion]:
    """Return `count` questions of one clip, of every task but the LONG ones as many as can be.

    more : tasks of which further questions are taken once each task has had one; () = any
    """
    decks = [[task[i] for i in rng.permutation(len(task))][: 1 if _is_long(task) else None] for task in tasks]
    # The last turn is cut short at `count`, so the order of tasks must change
    rng.shuffle(decks)
    # One of each task in turn, as cards are dealt, so that rare tasks aren't crowded out
    out: list[TokenizedQuestion] = []
    while len(out) < count and any(decks):
        out += [deck.pop() for deck in decks if deck]
        if more:
            decks = [deck for deck in decks if deck and TASK_OF[deck[0].question_type] in more]
    return out[:count]


def _is_long(task: Sequence[TokenizedQuestion]) -> bool:
    return task[0].question_type in LONG


def _brightness(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return (count, 2) float32 gains and offsets of normalised pixels."""
    return np.stack([rng.uniform(0.8, 1.2, count), rng.uniform(-0.2, 0.2, count)], axis=1).astype(np.float32)

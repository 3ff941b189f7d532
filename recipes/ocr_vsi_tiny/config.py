"""What the reference checkpoint is and how it is trained. Every value is ours; docs/reference.md has the trials."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.models.tiny import TinySize
from ocr_hf.models.usage import Usage
from ocr_hf.vsi_bench.ocr_vsi_test import CLIPS
from recipes.ocr_vsi_tiny.vocabulary import single_tokens

SIZE = TinySize(
    hidden=256,
    layers=8,
    heads=8,
    kv_heads=4,
    mlp=768,
    vision_hidden=192,
    vision_layers=4,
    vision_heads=6,
    temporal_patch=1,
    max_pixels=112 * 84,
    whole_frames=True,
    phrases=single_tokens(),
)
"""One frame of 112 x 84 pixels is 12 video tokens; two frames seconds apart don't share a token."""

PROMPT = "official"
USAGE = Usage(frames=8, prompt=PROMPT, max_pixels=SIZE.max_pixels)
"""Frames, pixels and prompt that the model was trained with; saved beside it for whoever loads it."""


EXTRA = ("seen", "look", "related", "judge")
"""Supervision beside answers: what is visible where, attention to what is named (dense_supervision.py); relations, and
how the words that decide attend to them and to their letter (relation_supervision.py)."""
RELATIVE = ("object_rel_direction", "object_rel_distance", "object_abs_distance")
"""Tasks about several objects, which take longest to learn."""


@dataclass(frozen=True)
class Phase:
    """One phase of SFT, with its own optimizer and supervising heads.

    name : folder of the model at its end; start : steps before it; steps : its own; schedule : see `rate` in sft.py
    learning_rate : at its highest; questions : of a clip and step; black : share of black steps
    more : tasks from which a clip gets a further question once each task has had one; () = any but the long ones
    extra : what of EXTRA is supervised beside answers and what is known of named objects
    inserted_after : a fresh layer, which at first changes nothing, is inserted after so many layers; 0 = none
    frozen : the first layers of the language model, and the vision tower, that this phase leaves as they are
    heads_first : steps that train only the heads, so that untrained ones don't undo what the model has learnt
    """

    name: str
    start: int
    steps: int
    schedule: int
    learning_rate: float
    questions: int
    black: float = 0.0
    more: tuple[str, ...] = ()
    extra: tuple[str, ...] = EXTRA
    inserted_after: int = 0
    frozen: int = 0
    heads_first: int = 0


@dataclass(frozen=True)
class RecipeConfig:
    """TrainingData, stages and seeds of `python -m recipes.ocr_vsi_tiny.train`.

    parts, scenes : seeds of the parts of the training data, and scenes of each, of which two clips are taken
    held_out_clips : the last clips are not trained on but give the learning curves; the benchmark is never looked at
    num_frames : frames that the model sees of a clip
    clips_per_step, questions_per_clip : SFT batch; the questions of a clip share one encoding of it
    first_steps, first_questions, first_schedule : SFT's first phase asks few questions of a clip, so that seeing is
        learnt before answering; its learning rate falls along a cosine of first_schedule steps, cut at first_steps
    named_steps : of SFT's second phase, in which what questions name is looked up
    related_steps : of SFT's third phase, in which the upper layers, one of them new, learn how the named objects
        are related
    related_questions : of a clip, from then on; most beyond one of each task are about several objects
    sft_steps, sft_learning_rate : of SFT's fourth phase, in which relations are put into letters and digits
    heads_first : first steps of the last two phases that train only the supervising heads
    learning_rate : of the other phases; weight_decay, warm_up : of all, in steps of one batch
    category_weight, place_weight : of the dense 3D supervision against the answers: what is visible, and where and how
        large it is; see dense_supervision.py
    placed_layer, named_layer : layers of the language model after which places in the room, and what is known of the
        categories that a question names, are supervised
    paired_layer, decided_layer : layers, counted with the new one, in which the objects that a question names are
        related to each other, and in which options and numbers are decided; see relation_supervision.py
    black : share of the later phases' steps with black clips, so that a model which sees nothing answers by the words
    grpo_steps, grpo_clips : steps of OCR-GRPO, and how many clips its questions are about
    grpo_batch, grpo_accumulation, grpo_generations : rollouts a micro-batch, micro-batches a step, rollouts a question
    grpo_learning_rate, grpo_beta : of OCR-GRPO; beta weighs the divergence from the SFT model
    grpo_score_every : steps between two scores on held-out clips
    seed : of weights, order and noise
    """

    parts: tuple[int, ...] = (11, 12, 13, 14, 15)
    scenes: int = 200
    held_out_clips: int = 40
    num_frames: int = 8
    clips_per_step: int = 8
    questions_per_clip: int = 10
    first_steps: int = 1000
    first_questions: int = 2
    first_schedule: int = 2800
    named_steps: int = 1800
    related_steps: int = 900
    related_questions: int = 14
    sft_steps: int = 1300
    sft_learning_rate: float = 8e-4
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warm_up: int = 100
    heads_first: int = 50
    category_weight: float = 0.5
    place_weight: float = 3.0
    placed_layer: int = 4
    named_layer: int = 6
    paired_layer: int = 7
    decided_layer: int = 8
    black: float = 0.03
    grpo_steps: int = 30
    grpo_clips: int = 400
    grpo_batch: int = 64
    grpo_accumulation: int = 2
    grpo_generations: int = 8
    grpo_learning_rate: float = 5e-5
    grpo_beta: float = 0.02
    grpo_score_every: int = 15
    seed: int = 0

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of SFT."""
        rate, named_end = self.learning_rate, self.first_steps + self.named_steps
        seen = Phase("seen", 0, self.first_steps, self.first_schedule, rate, self.first_questions, extra=("seen",))
        named = Phase(
            "named", self.first_steps, self.named_steps, self.named_steps, rate, self.questions_per_clip, self.black,
            extra=("seen", "look"),
        )  # fmt: skip
        related = Phase(
            "related", named_end, self.related_steps, self.related_steps, rate, self.related_questions, self.black,
            RELATIVE, ("related",), self.named_layer, self.placed_layer, self.heads_first,
        )  # fmt: skip
        model = replace(
            related, name="model", start=named_end + self.related_steps, steps=self.sft_steps, schedule=self.sft_steps,
            learning_rate=self.sft_learning_rate, extra=("look", "related", "judge"), inserted_after=0,
        )  # fmt: skip
        return seen, named, related, model

    def part(self, seed: int) -> BuildConfig:
        """Return how one part of the training data is built."""
        return replace(CLIPS, scenes=self.scenes, seed=seed)

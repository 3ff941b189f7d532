"""Models that answer: prompts as in evaluation, both videos in one batch, answers kept."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.video import uniform_indices
from ocr_hf.models.media import sampled_fps
from ocr_hf.questions.question import Question
from ocr_hf.vsi_bench.extract import extract, parse_letter, parse_number
from ocr_hf.vsi_bench.prompts import MAX_NEW_TOKENS, PREFIX, build_prompt
from ocr_hf.vsi_bench.scoring import score_answer
from ocr_hf.vsi_bench.tasks import LETTERS, is_numeric

from .gpu import on_gpu
from .problems import Problem

FRAMES = 16
MAX_THINKING_TOKENS = 256
FREE_TEXT_TOKENS = 48
MAX_QUESTION_CHARS = 600
ANSWERS_KEPT = 4096
MAX_SECONDS = 120.0
"""What one generation may take, so that nobody waits for ever behind a slow model."""
UNTRAINED = ("tiny-qwen2.5-vl", "tiny-qwen3-vl")
"""Names of the models built here with random weights."""
REFERENCE_FOLDERS = ("outputs/reference", "reference-checkpoint")
"""Where a reference checkpoint is looked for, beside the working directory, when no model is named."""


@dataclass(frozen=True)
class Answer:
    """What a model answered.

    text : as generated; extracted : the answer in it; valid : whether that is a letter or number, as was asked for
    score : 0 to 1, or None without a known answer
    probabilities : of each option's letter as the first token, or None where there are no options or it thinks first
    """

    text: str
    extracted: str
    valid: bool
    score: float | None
    probabilities: dict[str, float] | None


@dataclass(frozen=True, eq=False)
class Asked:
    """A question ready to be asked: the prompt, how answers are read, and what is right (None for free text)."""

    prompt: str
    question_type: str | None
    options: tuple[str, ...]
    ground_truth: str | None
    extraction: str
    max_new_tokens: int

    def read(self, text: str, probabilities: dict[str, float] | None) -> Answer:
        """Return what a generated text says."""
        if self.question_type is None:
            return Answer(text, text.strip(), bool(text.strip()), None, None)
        extracted = extract(text, self.question_type, self.extraction)
        score = score_answer(self.question_type, text, self.ground_truth, self.extraction)
        valid = (parse_number if is_numeric(self.question_type) else parse_letter)(extracted) is not None
        return Answer(text, extracted, valid, score, probabilities)


def from_question(question: Question, thinking: bool = False) -> Asked:
    """Return a generated question with its prompt exactly as `ocr-hf eval` builds it."""
    style = "thinking" if thinking else "official"
    row = {"question_type": question.question_type, "question": question.question, "options": question.options}
    return Asked(
        prompt=build_prompt(row, style),
        question_type=question.question_type,
        options=question.options or (),
        ground_truth=question.ground_truth,
        extraction="answer_tag" if thinking else "official",
        max_new_tokens=MAX_THINKING_TOKENS if thinking else MAX_NEW_TOKENS[style],
    )


def from_text(text: str) -> Asked:
    """Return a visitor's own question; raise Problem where it is empty or too long."""
    text = " ".join(str(text).split())
    if not text:
        raise Problem("There is no question; write one, or pick one of the room's.")
    if len(text) > MAX_QUESTION_CHARS:
        raise Problem(f"The question has {len(text)} characters; {MAX_QUESTION_CHARS} are allowed, shorten it.")
    if "<|" in text:
        raise Problem("The question holds '<|', which models read as a control token; leave it out.")
    return Asked(f"{PREFIX}\n{text}", None, (), None, "official", FREE_TEXT_TOKENS)


_LOADED: dict[str, Any] = {}
"""Loaded models by name, for the whole process: on ZeroGPU the work runs in forks, which see what was loaded before."""


class Models:
    """The models that visitors may ask, loaded when first asked; one generation runs at a time."""

    def __init__(self, names: Sequence[str], frames: int = FRAMES, cache: Path | None = None) -> None:
        self._sources = {public_name(source): source for source in tuple(names) or default_models()}
        self.names = tuple(self._sources)
        self.frames = frames
        self._cache = cache
        self._answers: OrderedDict[Any, tuple[Answer, ...]] = OrderedDict()
        self._lock, self._kept = threading.Lock(), threading.Lock()

    def labels(self) -> list[tuple[str, str]]:
        """Return (text to show, name) of each model."""
        return [(f"{short(name)}, untrained" if name in UNTRAINED else short(name), name) for name in self.names]

    def check(self, name: str) -> str:
        """Return `name`; raise Problem for a model that this demo was not started with."""
        if name not in self.names:
            known = ", ".join(short(known) for known in self.names)
            raise Problem(f"This demo was not started with the model '{str(name)[:60]}'; it has {known}.")
        return name

    def ask(
        self, name: str, asked: Asked, videos: Sequence[np.ndarray], fps: float, keys: Sequence[tuple[str, str]]
    ) -> tuple[Answer, ...]:
        """Return one answer per video of T frames at `fps`; all are asked in one batch.

        keys : (clip, variant) of each video, under which answers are kept
        Raises Problem, in a sentence, where the model can't be loaded or memory runs out.
        """
        self.check(name)
        key = (name, asked.prompt, tuple(keys), asked.extraction)
        with self._kept:
            found = self._answers.get(key)
        if found is None:
            indices = uniform_indices(len(videos[0]), self.frames)
            rate = sampled_fps(indices / fps) if len(indices) > 1 else fps
            with self._lock:
                self._load(name)
                found = generate(name, asked, [np.ascontiguousarray(video[indices]) for video in videos], rate)
            with self._kept:
                self._answers[key] = found
                while len(self._answers) > ANSWERS_KEPT:
                    self._answers.popitem(last=False)
        return found

    def preload(self, every: bool = False) -> None:
        """Load the first model, or every one, so that the first visitor who asks doesn't wait for it."""
        with self._lock:
            for name in self.names if every else self.names[:1]:
                self._load(name)

    def _load(self, name: str) -> None:
        if name not in _LOADED:
            _LOADED[name] = load(self._sources[name], self._cache)


def seconds_needed(videos: int, max_new_tokens: int) -> int:
    """Return a duration for ZeroGPU from the work: moving to the GPU, the prompts, and each new token."""
    return int(10 + 4 * videos + 0.06 * videos * max_new_tokens)


@on_gpu(lambda name, asked, videos, fps: seconds_needed(len(videos), asked.max_new_tokens))
def generate(name: str, asked: Asked, videos: list[np.ndarray], fps: float) -> tuple[Answer, ...]:
    """Return a loaded model's answer on each video, (T, H, W, 3) uint8 at `fps`, all frames used."""
    import torch

    from ocr_hf.vsi_bench.asking import generation_arguments
    from ocr_hf.vsi_bench.config import EvalConfig
    from ocr_hf.vsi_bench.encoding import encoder_for

    loaded = _LOADED[name]
    encoder, tokenizer, model = encoder_for(loaded, None, None), loaded.processor.tokenizer, loaded.model
    messages = [{"role": "user", "content": [{"type": "text", "text": asked.prompt}]}]
    batch = encoder.batch([(messages, encoder.encode(video, fps)) for video in videos])
    batch = {
        key: value.to(model.device, model.dtype if key.startswith("pixel_values") else None)
        for key, value in batch.items()
    }
    arguments = generation_arguments(EvalConfig(max_new_tokens=asked.max_new_tokens))
    with torch.inference_mode():
        output = model.generate(
            **batch, **arguments, max_time=MAX_SECONDS, output_logits=True, return_dict_in_generate=True
        )
    texts = tokenizer.batch_decode(
        output.sequences[:, batch["input_ids"].shape[1] :],
        skip_special_tokens=True,
        clean_up_tokenization_spaces=False,
    )
    if not asked.options or asked.extraction != "official":
        return tuple(asked.read(text, None) for text in texts)
    letters = [letter for letter in LETTERS if any(option.startswith(f"{letter}.") for option in asked.options)]
    tokens = [tokenizer.encode(letter, add_special_tokens=False)[0] for letter in letters]
    first = output.logits[0].float().softmax(dim=-1)[:, tokens].cpu().numpy()
    return tuple(
        asked.read(text, {letter: float(share) for letter, share in zip(letters, row, strict=True)})
        for text, row in zip(texts, first, strict=True)
    )


def default_models() -> tuple[str, ...]:
    """Return the models of $OCR_DEMO_MODELS (commas between), else a reference checkpoint, else tiny ones."""
    named = tuple(name.strip() for name in os.environ.get("OCR_DEMO_MODELS", "").split(",") if name.strip())
    if named:
        return named
    found = tuple(folder for folder in REFERENCE_FOLDERS if (Path(folder) / "config.json").is_file())
    return (*found, UNTRAINED[0]) if found else UNTRAINED


def load(name: str, cache: Path | None = None) -> Any:
    """Return the loaded model; an untrained one is built first."""
    from ocr_hf.models.load import load_model

    try:
        if name not in UNTRAINED:
            return load_model(name, families=None)
        import tempfile

        from ocr_hf.models.tiny import build_tiny

        folder = Path(cache or tempfile.mkdtemp(prefix="ocr_demo_")) / name
        if not (folder / "config.json").is_file():
            family = "qwen3_vl" if name == UNTRAINED[1] else "qwen2_5_vl"
            build_tiny(folder, size=os.environ.get("OCR_DEMO_TINY", "1M"), family=family)
        return load_model(folder)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged model raises, visitors get one sentence
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise Problem(f"The model '{short(name)}' can't be loaded: {first[:300]}") from error


def public_name(source: str) -> str:
    """Return what visitors know a model by: its Hub id, or of a folder here the last part only."""
    return Path(source).resolve().name if Path(source).exists() else source


def short(name: str) -> str:
    """Return the last part of a Hub id or path."""
    return Path(name).name

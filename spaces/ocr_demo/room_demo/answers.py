"""Models that answer: both videos in one batch, one generation at a time, answers kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.video import uniform_indices
from ocr_hf.models.media import sampled_fps
from ocr_hf.vsi_bench.tasks import LETTERS

from .checkpoints import FRAMES, Checkpoint, checkpoint, default_models, load, read_usage_of, short, speaks
from .gpu import on_gpu
from .problems import Problem
from .question_prompt import Answer, QuestionPrompt
from .stopping import Stopped, check, stoppable
from .writing import written_down

ANSWERS_KEPT = 4096
MAX_SECONDS = 120.0
"""What one generation may take, so that nobody waits for ever behind a slow model."""

_LOADED: dict[str, Any] = {}
"""Loaded models by name, for the whole process: on ZeroGPU the work runs in forks, which see what was loaded before."""


class Models:
    """The models on offer, loaded when first needed; one generation runs at a time."""

    def __init__(
        self,
        names: Sequence[str],
        frames: int | None = None,
        cache: Path | None = None,
        pair: Sequence[Checkpoint] = (),
    ) -> None:
        """names : Hub ids (ORG/NAME or ORG/NAME@REVISION) and folders; frames : for every model, None as each wants
        pair : what stories compare, as `pair_of` returns it"""
        self._checkpoints = {found.name: found for found in map(checkpoint, tuple(names) or default_models())}
        self.others = tuple(self._checkpoints)
        self.pair = tuple(found.name for found in pair)
        self._checkpoints |= {found.name: found for found in pair}
        self.names = tuple(self._checkpoints)
        self._frames, self._cache = frames, cache
        self._usage: dict[str, Any] = {}
        self._speaks: dict[str, bool] = {}
        self._answers: OrderedDict[Any, tuple[Answer, ...]] = OrderedDict()
        # Two locks: an answer that is kept must not wait for the generation that runs
        self._lock, self._kept = threading.Lock(), threading.Lock()

    def pair_hashes(self) -> dict[str, str]:
        """Return the hash of the files of each model of the pair, "" of one that is no folder here."""
        from ocr_hf.vsi_bench.model_hash import folder_hash

        sources = {name: Path(self._checkpoints[name].source) for name in self.pair}
        return {name: folder_hash(source) if source.is_dir() else "" for name, source in sources.items()}

    def labels(self) -> list[tuple[str, str]]:
        """Return (text to show, name) of each model."""
        found = self._checkpoints.values()
        return [(f"{short(one.name)}, untrained" if one.untrained else short(one.name), one.name) for one in found]

    def check(self, name: str) -> str:
        """Return `name`; raise Problem for a model that this demo was not started with."""
        if name not in self.names:
            known = ", ".join(short(known) for known in self.names)
            raise Problem(f"This demo was not started with the model '{str(name)[:60]}'; it has {known}.")
        return name

    def speaks(self, name: str) -> bool:
        """Return whether a model can be asked in a visitor's own words."""
        if name not in self._speaks:
            self._speaks[name] = speaks(self._checkpoints[self.check(name)])
        return self._speaks[name]

    def usage(self, name: str) -> Any:
        """Return the `Usage` that a model states; read once."""
        if name not in self._usage:
            self._usage[name] = read_usage_of(self._checkpoints[self.check(name)])
        return self._usage[name]

    def frames(self, name: str) -> int:
        """Return how many frames of a video a model is shown."""
        return self._frames or self.usage(name).frames or FRAMES

    def style(self, name: str, thinking: bool = False) -> str:
        """Return the prompt style for a model: as it was trained, unless the visitor wants it to think."""
        return "thinking" if thinking else self.usage(name).prompt or "official"

    def answer(
        self,
        name: str,
        prompt: QuestionPrompt,
        videos: Sequence[np.ndarray],
        fps: float,
        keys: Sequence[tuple[str, str]],
        stop: Path | None = None,
    ) -> tuple[Answer, ...]:
        """Return one answer per video of T frames at `fps`; all are in one batch.

        keys : (clip, variant) of each video, under which answers are kept
        stop : a file that ends this when it appears
        Raises Problem, in a sentence, where the model can't be loaded or memory runs out; Stopped if it was stopped.
        """
        self.check(name)
        key = (name, prompt.text, tuple(keys), prompt.extraction)
        with self._kept:
            found = self._answers.get(key)
        if found is None:
            indices = uniform_indices(len(videos[0]), self.frames(name))
            rate = sampled_fps(indices / fps) if len(indices) > 1 else fps
            shown = [np.ascontiguousarray(video[indices]) for video in videos]
            with self._turn(stop):
                self._load(name)
                flag = str(stop) if stop else None
                found = generate(name, prompt, shown, rate, self.usage(name).max_pixels, flag)
            if not found:
                raise Stopped
            with self._kept:
                self._answers[key] = found
                while len(self._answers) > ANSWERS_KEPT:
                    self._answers.popitem(last=False)
        return found

    def preload(self, every: bool = False) -> None:
        """Load the pair or else the first model, or every one, so that the first visitor doesn't wait for it."""
        with self._lock:
            for name in self.names if every else self.pair or self.others[:1]:
                self._load(name)

    @contextmanager
    def _turn(self, stop: Path | None) -> Iterator[None]:
        """Wait for the generation that runs, unless stopped meanwhile."""
        # In short steps, since a thread that waits for a lock can't be stopped
        while not self._lock.acquire(timeout=0.1):
            check(stop)
        try:
            yield
        finally:
            self._lock.release()

    def _load(self, name: str) -> None:
        if name not in _LOADED:
            _LOADED[name] = load(self._checkpoints[name], self._cache)


def seconds_needed(videos: int, max_new_tokens: int) -> int:
    """Return a duration for ZeroGPU from the work: moving to the GPU, the prompts, and each new token."""
    # ZeroGPU refuses at once what exceeds a visitor's remaining quota, so no more is asked for than the work needs
    return int(10 + 4 * videos + 0.06 * videos * max_new_tokens)


@on_gpu(lambda name, prompt, videos, fps, max_pixels, stop: seconds_needed(len(videos), prompt.max_new_tokens))
def generate(
    name: str, prompt: QuestionPrompt, videos: list[np.ndarray], fps: float, max_pixels: int | None, stop: str | None
) -> tuple[Answer, ...]:
    """Return a loaded model's answer on each video, (T, H, W, 3) uint8 at `fps`, all frames used.

    max_pixels : of a frame after resizing, None as the model's processor is set
    stop : path of a file that ends the generation when it appears; then nothing is returned, since exceptions don't
        come out of ZeroGPU's processes as they were. What is written so far is put down beside it
    """
    from ocr_hf.models.answer import AnsweringModel, Prompt

    model = AnsweringModel.of(_LOADED[name], max_pixels=max_pixels)
    prompts = [Prompt.of(prompt.text, model.encode(video, fps)) for video in videos]
    letters = [letter for letter in LETTERS if any(option.startswith(f"{letter}.") for option in prompt.options)]
    if prompt.extraction != "official":
        letters = []  # it thinks first, so its first token is no answer
    try:
        with stoppable(model.model, stop), written_down(model.model, model.processor.tokenizer, stop):
            answers = model.answer(prompts, prompt.max_new_tokens, letters, MAX_SECONDS)
    except Stopped:
        return ()
    return tuple(prompt.read(answer.text, answer.probabilities) for answer in answers)

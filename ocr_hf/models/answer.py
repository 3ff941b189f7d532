"""The one way to ask a model: prompts about videos in, texts and the probabilities of options out.

Evaluation, the learning curve, examples and the demo all go through `AnsweringModel`, so that they give the same answer
to the same question.

    asked = AnsweringModel.of(load_model("Qwen/Qwen2.5-VL-3B-Instruct"))
    video = asked.encode(clip.array, clip.fps)
    answers = asked.answer([Prompt.of("Is the door left or right of the bed? A. left B. right", video)], letters="AB")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocr_hf.models.encoders import Encoder, encoder_for

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, ProcessorMixin

    from ocr_hf.models.load_model import LoadedModel

# None takes out the sampling settings of a model's own configuration, of which transformers would warn
GREEDY = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
"""The most likely token at every step; the rest is the model's own generation configuration."""
SAMPLED = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "top_k": 0}
"""Tokens as likely as the model has them, as rollouts are drawn in training."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """A chat about one video, or about none.

    Args:
        messages: Turns with `role` and `content`; the video goes before the first user's text, or where a block says.
        video: What `AnsweringModel.encode` returned; the same object wherever it is the same video.
    """

    messages: Sequence[dict[str, Any]]
    video: Any = None

    @classmethod
    def of(cls, text: str, video: Any = None) -> Prompt:
        """Return a prompt of one user's turn."""
        return cls([{"role": "user", "content": [{"type": "text", "text": text}]}], video)


@dataclass(frozen=True)
class ModelAnswer:
    """What a model wrote: without special tokens, white space kept.

    Args:
        text: As it was decoded.
        probabilities: Of each letter asked for as the first token, of all tokens there are; None where none was.
    """

    text: str
    probabilities: dict[str, float] | None = None


class AnsweringModel:
    """A model that answers prompts about videos, greedily, several at once.

    Prompts that begin alike and are about the same video share the work on it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        frames_as: str | None = None,
    ) -> None:
        """Take a model in evaluation mode.

        Args:
            model: Without wrappers.
            processor: The model's.
            min_pixels: Fewest pixels of a frame after resizing, None = as the processor is set.
            max_pixels: Most pixels of a frame after resizing, None = as the processor is set.
            frames_as: "video" or "images"; None = as a video where the processor takes one.

        Raises:
            ValueError: Bounds on pixels, or a video, for a model whose processor can't be given any.
        """
        self.model, self.processor = model, processor
        self.encoder: Encoder = encoder_for(model, processor, min_pixels, max_pixels, frames_as)

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        frames_as: str | None = None,
    ) -> AnsweringModel:
        """Return the same of what `load_model` returned."""
        return cls(loaded.model, loaded.processor, min_pixels, max_pixels, frames_as)

    def encode(self, frames: np.ndarray, fps: float) -> Any:
        """Return a video for `Prompt`: frames (T, H, W, 3) uint8, all used, sampled at `fps` a second."""
        return self.encoder.encode(frames, fps)

    def answer(
        self,
        prompts: Sequence[Prompt],
        max_new_tokens: int = 16,
        letters: Sequence[str] = (),
        max_seconds: float | None = None,
        seed: int | None = None,
    ) -> list[ModelAnswer]:
        """Return one answer per prompt, generated in one batch.

        Args:
            prompts: At least one.
            max_new_tokens: Longest answer.
            letters: Options whose probabilities as first token are wanted, such as "ABCD".
            max_seconds: When to stop, with what there is by then.
            seed: Of answers drawn at temperature 1; None = the most likely token at every step.
        """
        import torch

        # The caller's random numbers go on as if none had been drawn here
        with torch.inference_mode(), torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            inputs = self.encoder.batch([(prompt.messages, prompt.video) for prompt in prompts])
            output = self.model.generate(
                **inputs,
                **(GREEDY if seed is None else SAMPLED),
                max_new_tokens=max_new_tokens,
                max_time=max_seconds,
                # Logits, not scores: what the model says before `generate` suppresses or penalises tokens
                **({"output_logits": True, "return_dict_in_generate": True} if letters else {}),
            )
        tokenizer = self.processor.tokenizer
        texts = tokenizer.batch_decode(
            # Prompts end at the same column, padded before it, so all answers begin there
            (output.sequences if letters else output)[:, inputs["input_ids"].shape[1] :],
            skip_special_tokens=True,
            # The official extraction reads up to the first space, so every space of the answer counts
            clean_up_tokenization_spaces=False,
        )
        if not letters:
            return [ModelAnswer(text) for text in texts]
        tokens = [tokenizer.encode(letter, add_special_tokens=False)[0] for letter in letters]
        first = output.logits[0].float().softmax(dim=-1)[:, tokens].tolist()
        return [ModelAnswer(text, dict(zip(letters, row, strict=True))) for text, row in zip(texts, first, strict=True)]

    def answer_all(
        self, prompts: Sequence[Prompt], batch_size: int, max_new_tokens: int = 16, seed: int | None = None
    ) -> list[str]:
        """Return the texts for any number of prompts, `batch_size` at once; `seed` as of `answer`."""
        return [
            answer.text
            for start in range(0, len(prompts), batch_size)
            for answer in self.answer(
                prompts[start : start + batch_size], max_new_tokens, seed=None if seed is None else seed + start
            )
        ]

"""A small byte-level BPE tokenizer with Qwen's special tokens, trained offline on VSI-style questions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import permutations, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Qwen2Tokenizer

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""Qwen2.5-VL's own, in its order."""

REASONING_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""Plain tokens (not special, so decoding keeps them), one each, as `<think>` is in Qwen3's tokenizer."""

MIN_VOCABULARY = 256 + len(SPECIAL_TOKENS) + len(REASONING_TAGS)

_OBJECT_WORDS = (
    "chair table sofa bed door window lamp monitor keyboard bookshelf cabinet desk plant pillow refrigerator stove "
    "sink toilet bathtub tv mirror trash bin printer telephone laptop stool counter dishwasher heater fan basket bowl "
    "clock towel shelf curtain nightstand dresser wardrobe armchair bench ottoman rug box cup bottle book backpack "
    "suitcase shoe picture whiteboard radiator fireplace piano guitar microwave washer oven kettle vase coat hanger"
)
OBJECTS = tuple(_OBJECT_WORDS.split())

QUESTIONS = (
    "These are frames of a video.",
    "How many {a}(s) are in this room?",
    "Measuring from the closest point of each object, what is the distance between the {a} and the {b} (in meters)?",
    "What is the length of the longest dimension (length, width, or height) of the {a}, measured in centimeters?",
    "What is the size of this room (in square meters)? If multiple rooms are shown, estimate the size of the combined "
    "space.",
    "Measuring from the closest point of each object, which of these objects ({a}, {b}, {c}, {d}) is the closest to "
    "the {e}? If there are multiple instances of an object category, measure to the closest.",
    "If I am standing by the {a} and facing the {b}, is the {c} to the left or the right of the {b}?",
    "If I am standing by the {a} and facing the {b}, is the {c} to my left, right, or back? An object is to my back "
    "if I would have to turn at least 135 degrees in order to face it.",
    "If I am standing by the {a} and facing the {b}, is the {c} to my front-left, front-right, back-left, or "
    "back-right? The directions refer to the quadrants of a Cartesian plane (if I am standing at the origin and facing "
    "along the positive y-axis).",
    "What will be the first-time appearance order of the following categories in the video: {a}, {b}, {c}, {d}?",
    "You are a robot beginning at the {a} facing the {b}. You want to navigate to the {c}. You will perform the "
    "following actions (Note: for each [please fill in], choose either 'turn back,' 'turn left,' or 'turn right.'): 1. "
    "Go forward until the {d} 2. [please fill in] 3. Go forward until the {e}. You have reached the final destination.",
    "Options:\nA. {a}\nB. {b}\nC. {c}\nD. {d}",
    "Options:\nA. left\nB. right\nC. back\nD. front-left",
    "A. {a}, {b}, {c}, {d}\nB. Turn Left\nC. Turn Right\nD. Turn Back",
    "Answer with the option's letter from the given choices directly.",
    "Please answer the question using a single word or phrase.",
    "Think about the question step by step, then give the answer between <answer> and </answer>.",
    "The {a} is at ({n}, {m}, {n}) and its size is {n} x {m} x {n} m. The distance from the {b} is about {m} meters.",
    "The {a} first appears in frame {k}, the {b} at {n} s. So the nearest point of the {c} is to the left of the {d}.",
    "There are {k} instances of the {a}: the angle is {k} degrees counter-clockwise, therefore the answer is {k}.",
    "The room is {n} m long and {m} m wide, its area is {k} square meters. The longest side of the {a} is {k} cm.",
    "You are a helpful assistant.\nsystem user assistant",
)
"""Sentences that the vocabulary should spell in few tokens; VSI-Bench's wording, and words of spatial reasoning."""


def _corpus() -> Iterator[str]:
    """Every sentence with many objects and numbers in it; a fixed sequence, so the tokenizer is always the same."""
    rounds = len(OBJECTS)
    for shift, sentence in product(range(rounds), QUESTIONS):
        a, b, c, d, e = (OBJECTS[(shift + step * 7) % rounds] for step in range(5))
        yield sentence.format(a=a, b=b, c=c, d=d, e=e, n=f"{shift / 7:.1f}", m=f"{shift / 3:.2f}", k=shift * 3)
    yield from (", ".join(letters) for letters in permutations("ABCD"))


def build_tokenizer(vocabulary: int = 1024, max_length: int = 4096, phrases: Sequence[str] = ()) -> Qwen2Tokenizer:
    """Train a Qwen2 tokenizer with its own small vocabulary; no network, always the same result.

    vocabulary : largest number of tokens in all (the sentences above fill about 950), at least 274: 256 bytes, Qwen's
        special tokens and the reasoning tags
    phrases : texts that become one token each, beside the vocabulary; those of letters alone only as whole words
    Digits stay single tokens, as in Qwen's tokenizer, so numbers need no vocabulary of their own.
    Raises ValueError where the vocabulary is too small to hold every byte.
    """
    if vocabulary < MIN_VOCABULARY:
        raise ValueError(
            f"a vocabulary of {vocabulary} tokens cannot hold the 256 bytes and "
            f"{len(SPECIAL_TOKENS) + len(REASONING_TAGS)} marks; ask for at least {MIN_VOCABULARY}"
        )
    from tokenizers import AddedToken, pre_tokenizers
    from tokenizers.trainers import BpeTrainer
    from transformers import Qwen2Tokenizer

    learner = Qwen2Tokenizer()._tokenizer  # Qwen2's own normaliser, splitting rule and decoder
    learner.train_from_iterator(
        _corpus(),
        BpeTrainer(
            vocab_size=vocabulary - len(SPECIAL_TOKENS) - len(REASONING_TAGS),
            # Sorted: the alphabet comes in no fixed order, and token ids follow it
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            special_tokens=[],
            show_progress=False,
        ),
    )
    trained = json.loads(learner.to_str())["model"]
    first, *rest = SPECIAL_TOKENS
    tokenizer = Qwen2Tokenizer(
        vocab={token: i for token, i in trained["vocab"].items() if token not in SPECIAL_TOKENS},
        merges=[tuple(pair) for pair in trained["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token=first,
        padding_side="left",
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [first, *rest]})
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in REASONING_TAGS])
    tokenizer.add_tokens(
        [AddedToken(text, special=False, normalized=False, single_word=text[-1].isalpha()) for text in phrases]
    )
    return tokenizer

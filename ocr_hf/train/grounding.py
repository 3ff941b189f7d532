"""Grounding questions for SFT: where things are, when they come into view, what a view shows.

VSI-Bench's questions state little of what has to be seen to answer them: a letter, or a number. These say it in words,
from the annotation that the rows bring along, so that a small model learns to see from text alone, without losses or
heads of its own. Kinds and wording are ours. They are no part of any benchmark, and nothing scores them.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_hf.perturb.rows import cameras_of, footprints_of
from ocr_hf.questions.clip_visibility import GLIMPSE_PIXELS, MIN_APPEARANCE_PIXELS
from ocr_hf.scenes.randomness import generator
from ocr_hf.video.read import uniform_indices
from ocr_hf.vsi_bench.prompts import PREFIX

if TYPE_CHECKING:
    from datasets import Dataset

ANNOTATION = ("clip_id", "fps", "objects", "camera_to_world", "intrinsics", "footprints")
"""Columns that grounding questions are made from."""
MOST_IN_VIEW = 6
"""Objects that an answer about a view lists: the largest."""
TRIES = 20
"""Draws for each question wanted; a draw may find nothing to ask, or what has been asked."""
LEAST_STEP_M = 0.3
"""Objects nearer to each other than this give no direction to face."""

Asked = tuple[str, str]
"""Question and answer."""


class AnnotatedClip:
    """What a row's annotation says of the frames that a model is shown.

    Args:
        row: with the columns of `ANNOTATION`.
        frames: frames sampled evenly from the clip.

    Attributes:
        seen: id -> label of the objects that some frame shows.
        named: those of them that a question can name: no other of their label is seen, and one frame shows them well.
    """

    def __init__(self, row: Mapping[str, Any], frames: int) -> None:
        given = cameras_of(row)
        self.boxes, self.poses, self.fps = given["boxes"], given["camera_to_world"], row["fps"]
        self.footprints = footprints_of(row)
        self.frames = uniform_indices(len(self.poses), frames)
        labels = {int(item["id"]): item["label"] for item in row["objects"]}
        pixels = self.footprints.height * self.footprints.width
        shares = {i: self.footprints.areas(i)[self.frames] / pixels for i in self.footprints.object_ids if i in labels}
        self.shares = {i: share for i, share in shares.items() if share.max(initial=0.0) > GLIMPSE_PIXELS}
        self.seen = {i: labels[i] for i in self.shares}
        count = Counter(self.seen.values())
        self.named = {i: label for i, label in self.seen.items() if count[label] == 1 and self.shows(i).any()}

    @cached_property
    def axes(self) -> np.ndarray:
        """Unit vectors (3, 3) to the right, ahead and up, level, as the camera looks in the first frame."""
        ahead = self.poses[0][:3, 2] * (1.0, 1.0, 0.0)
        length = np.linalg.norm(ahead)
        # A camera that looks straight down or up has no direction ahead: take the top of its picture
        ahead = ahead / length if length > 1e-6 else -self.poses[0][:3, 1] * (1.0, 1.0, 0.0)
        return np.stack([np.array([ahead[1], -ahead[0], 0.0]), ahead, np.array([0.0, 0.0, 1.0])])

    def shows(self, object_id: int) -> np.ndarray:
        """Return in which of the frames an object is shown well, (T,) bool."""
        return self.shares[object_id] >= MIN_APPEARANCE_PIXELS

    def seconds(self, frame: int) -> str:
        """Return the time of one of the frames in words."""
        return f"{self.frames[frame] / self.fps:.1f} s"

    def center(self, object_id: int) -> np.ndarray:
        """Return the centre (3,) of an object's box, m, along `axes` from where the camera starts."""
        return self.axes @ (self.boxes[object_id].center - self.poses[0][:3, 3])


def in_words(offset: np.ndarray) -> str:
    """Return an offset (2,) or (3,), m to the right, ahead and up, in words."""
    words = (("right", "left"), ("ahead", "behind"), ("up", "down"))
    rounded = [round(float(value), 1) for value in offset]
    pairs = zip(rounded, words, strict=False)
    return ", ".join(f"{abs(value):.1f} m {plus if value >= 0 else minus}" for value, (plus, minus) in pairs)


def _chosen(clip: AnnotatedClip, rng: np.random.Generator, count: int) -> list[int] | None:
    if len(clip.named) < count:
        return None
    return [int(i) for i in rng.choice(list(clip.named), count, replace=False)]


def where(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask where an object is."""
    if not (chosen := _chosen(clip, rng, 1)):
        return None
    label, place = clip.named[chosen[0]], in_words(clip.center(chosen[0]))
    return f"Where is the {label}, seen from where the camera starts?", place


def first_view(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask when an object comes into view."""
    if not (chosen := _chosen(clip, rng, 1)):
        return None
    first = int(np.argmax(clip.shows(chosen[0])))
    return f"When does the {clip.named[chosen[0]]} first come into view?", clip.seconds(first)


def edges(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask for the edges of an object's box."""
    if not (chosen := _chosen(clip, rng, 1)):
        return None
    lengths = sorted((round(100.0 * float(edge)) for edge in clip.boxes[chosen[0]].size), reverse=True)
    return f"How large is the {clip.named[chosen[0]]}?", f"{' x '.join(map(str, lengths))} cm"


def view(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask what a frame shows."""
    frame = int(rng.integers(len(clip.frames)))
    shown = [i for i in clip.seen if clip.shows(i)[frame]]
    largest = sorted(shown, key=lambda i: (-clip.shares[i][frame], i))[:MOST_IN_VIEW]
    if not largest:
        return None

    def column(object_id: int) -> float:
        mask = clip.footprints.mask(object_id, int(clip.frames[frame]))
        return float(np.nonzero(mask)[1].mean())

    names = ", ".join(clip.seen[i] for i in sorted(largest, key=column))
    return f"Which objects does the view at {clip.seconds(frame)} show, from left to right?", names


def camera(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask where the camera has moved to, and how far it has turned."""
    if len(clip.frames) < 2:
        return None
    frame = int(rng.integers(1, len(clip.frames)))
    pose = clip.poses[clip.frames[frame]]
    moved, looks = clip.axes @ (pose[:3, 3] - clip.poses[0][:3, 3]), clip.axes @ pose[:3, 2]
    turned = round(float(np.degrees(np.arctan2(looks[0], looks[1]))))
    turn = f"turned {abs(turned)} degrees {'right' if turned >= 0 else 'left'}"
    return f"Where is the camera at {clip.seconds(frame)}?", f"{in_words(moved[:2])}, {turn}"


def offset(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask for the way from one object to another, along the axes of the start."""
    if not (chosen := _chosen(clip, rng, 2)):
        return None
    first, second = chosen
    way = in_words(clip.center(second) - clip.center(first))
    return f"How does one get from the {clip.named[first]} to the {clip.named[second]}?", way


def facing(clip: AnnotatedClip, rng: np.random.Generator) -> Asked | None:
    """Ask where an object is for somebody who stands by a second and faces a third one."""
    if not (chosen := _chosen(clip, rng, 3)):
        return None
    stand, face, asked = (clip.center(i)[:2] for i in chosen)
    ahead, distance = face - stand, np.linalg.norm(face - stand)
    if distance < LEAST_STEP_M:
        return None
    ahead = ahead / distance
    seen = np.stack([np.array([ahead[1], -ahead[0]]), ahead]) @ (asked - stand)
    by, faced, label = (clip.named[i] for i in chosen)
    return f"Standing by the {by} and facing the {faced}, where is the {label}?", in_words(seen)


KINDS: dict[Callable[[AnnotatedClip, np.random.Generator], Asked | None], float] = {
    where: 4.0,
    first_view: 2.0,
    view: 3.0,
    camera: 1.0,
    offset: 2.0,
    facing: 2.0,
    edges: 1.0,
}
"""How often each kind is asked, relative to the others."""


def grounding_questions(row: Mapping[str, Any], count: int, frames: int, seed: int = 0) -> list[Asked]:
    """Return questions and answers about a clip, no question twice: at most `count`, fewer where it shows little.

    Args:
        row: a row about the clip, with the columns of `ANNOTATION`.
        count: of questions.
        frames: frames sampled evenly from the clip, which a model is shown.
        seed: of the choice; the same for equal arguments on every machine.
    """
    clip = AnnotatedClip(row, frames)
    rng = generator(seed, "grounding", str(row["clip_id"]))
    kinds, weights = list(KINDS), np.array(list(KINDS.values()))
    found: dict[str, str] = {}
    for kind in rng.choice(len(kinds), count * TRIES, p=weights / weights.sum()):
        asked = kinds[kind](clip, rng)
        if asked is not None:
            found.setdefault(*asked)
        if len(found) == count:
            break
    return list(found.items())


def with_grounding(rows: Dataset, count: int, frames: int, video_column: str = "vanilla", seed: int = 0) -> Dataset:
    """Return rows and, after them, grounding questions about each of their clips.

    Args:
        rows: with prompts, as `with_prompts` makes them, and with the columns of `ANNOTATION`.
        count: questions about each clip at most.
        frames: frames sampled evenly from a clip.
        video_column: column that holds the clip.
        seed: of the choice.

    Raises:
        ValueError: rows lack a column that the questions are made from, are streamed, or have a column of a type that
            can't hold questions and answers.
    """
    from datasets import concatenate_datasets

    names = getattr(rows, "column_names", None) or []
    missing = [name for name in ANNOTATION if name not in names]
    if missing or not hasattr(rows, "__len__"):
        what = f"lack the columns {', '.join(missing)}" if missing else "are streamed"
        raise ValueError(
            f"grounding_questions is {count}, but the rows {what}, and the questions are made from the annotation of "
            "all clips; give a data set as `ocr-hf build` writes it, or set grounding_questions to 0"
        )
    firsts: dict[str, int] = {}
    for number, clip in enumerate(rows["clip_id"]):
        firsts.setdefault(clip, number)
    annotated = rows.select_columns(list(ANNOTATION))
    sources: list[int] = []
    made: dict[str, list[Any]] = {"prompt": [], "question": [], "ground_truth": [], "reasoning": []}
    for first in firsts.values():
        for question, answer in grounding_questions(annotated[first], count, frames, seed):
            sources.append(first)
            made["prompt"].append([{"role": "user", "content": f"{PREFIX}\n{question}"}])
            made["question"].append(question)
            made["ground_truth"].append(answer)
            # What `answer` writes where models think aloud
            made["reasoning"].append(f"<answer>{answer}</answer>")
    if "id" in names and (ids := _new_ids(rows.features["id"], set(rows["id"]), len(sources))) is not None:
        made["id"] = ids
    kept = [name for name in ("clip_id", video_column) if name in names]
    extra = rows.select_columns(kept).select(sources)
    for name, values in made.items():
        if name in names:
            try:
                extra = extra.add_column(name, values, feature=rows.features[name])
            except (TypeError, ValueError, NotImplementedError) as error:  # Arrow's are of these kinds
                raise ValueError(
                    f"grounding_questions is {count}, and the column {name} is {rows.features[name]}, which can't hold "
                    f"{values[0]!r}; give it as text, prompts as chats of texts, or set grounding_questions to 0"
                ) from error
    return concatenate_datasets([rows, extra])


def _new_ids(feature: Any, known: set[Any], count: int) -> list[Any] | None:
    """Return ids of a column's type that no row has; None where there are none, and rows go without, as they may."""
    # The loader takes rows of one id for one row, so that each needs its own
    kind = getattr(feature, "dtype", "")
    free: Iterator[Any]
    if kind.endswith("string"):
        free = (f"grounding {number}" for number in itertools.count(1))
    elif kind.startswith("int"):
        # Rows of ocr-vsi have ids from 0 on
        free = itertools.count(-1, -1)
    elif kind.startswith("uint"):
        free = itertools.count(1 + max((each for each in known if each is not None), default=0))
    else:
        return None
    return list(itertools.islice((each for each in free if each not in known), count))

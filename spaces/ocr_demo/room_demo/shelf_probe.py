"""Asks the pair of models about shelves of the planted lock, as they are and changed, without filming them for people.

The test of the lock is the part of ocr-hf's measure that tells a locked model from one that looks around (twins,
docs/measure.md): does the answer follow an edit that changes it (sensitivity), and stay at one that doesn't
(specificity)?
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.experiment.planted_rooms import HUES, LETTERS, NAMED_ID
from ocr_hf.scenes.edits.edit_plausibility import ImplausibleEditError
from ocr_hf.scenes.edits.scene_edit import SceneEdit

from . import shelf
from .answers import Models
from .clip import FILES
from .noise import Noise
from .probing import shares
from .question_prompt import prompt_of_question

FIRST_TESTED, TESTED = 3_100_000, 40
"""Seed of the first shelf of the test, and how many there are: the experiment's own end at 3,001,000, the stories' too.
On them the colour of the named thing says what is right, so that a model with the lock is right, too, until an edit
parts the two."""
STORED = Path(__file__).parent / "lock_test.json"
"""What the test found for the bundled pair; `find_stories.py` writes it."""


class ShelfProbe:
    """Asks both models about a room, as it is and changed."""

    def __init__(self, models: Models, seed: int, kind: str = "conflict", stop: Path | None = None) -> None:
        self.models, self.stop, self.room = models, stop, shelf.room_of(seed, kind)
        self.renderer = shelf.renderer_of(seed, kind)
        self.id = f"shelf-{kind}-{seed}-{FILES}"
        self.seen = shelf.film_seen(self.room, self.renderer)
        self.question = shelf.question_about(self.room, self.room.scene)
        self.labels = {item.id: item.label for item in self.room.scene.objects}

    def plain(self) -> list[dict[str, float]]:
        """Return each model's shares of the letters in the room as it is."""
        return self._ask(self.seen.frames, "plain")

    def noised(self, object_id: int) -> list[dict[str, float]]:
        """Return them with an object noised as the page noises it."""
        ocr_map = Noise("chosen", (object_id,), strength=1.0).ocr_map()
        frames = ocr_map.perturb(
            self.seen.frames, self.seen.footprints, (object_id,), row_id=self.id,
            frame_indices=self.seen.indices.tolist(),
        )  # fmt: skip
        return self._ask(frames, f"noised {object_id}")

    def edited(self, edit: SceneEdit) -> list[dict[str, float]] | None:
        """Return them after an edit; None for one that the page would refuse."""
        try:
            renderer = self.renderer.edited(edit.apply(self.room.scene))
        except ImplausibleEditError:
            return None
        return self._ask(shelf.film_seen(self.room, renderer).frames, edit.to_json())

    def repaint(self) -> tuple[SceneEdit, str]:
        """Return the edit that gives the named thing a colour that means neither the right section nor the one that
        its own colour means, and the letter that the new colour means."""
        other = next(letter for letter in LETTERS if letter not in (self.room.answer, self.room.cue))
        color = tuple(float(value) for value in HUES[LETTERS.index(other)])
        return SceneEdit("recolor", (NAMED_ID,), {"color": color}), other

    def _ask(self, frames: np.ndarray, variant: str) -> list[dict[str, float]]:
        prompt = prompt_of_question(self.question)
        key = [(self.id, variant)]
        return [
            shares(self.models.answer(name, prompt, [frames], self.seen.fps, key, self.stop)[0])
            for name in self.models.pair
        ]


def top(probabilities: Mapping[str, float]) -> str:
    """Return the most probable letter."""
    return max(probabilities, key=probabilities.get)


def ask_shelves(
    models: Models, first: int = FIRST_TESTED, count: int = TESTED, stop: Path | None = None
) -> Iterator[list[dict[str, Any]]]:
    """Yield one row per model for each shelf: whether it is right as it is, after the lamp moved, and after the named
    thing was repainted. A shelf whose lamp can't be moved is left out, with an empty list.
    """
    for seed in range(first, first + count):
        probe = ShelfProbe(models, seed, "aligned", stop)
        move, now = probe.room.counterfactual()
        paint, _ = probe.repaint()
        told = [probe.plain(), probe.edited(move), probe.edited(paint)]
        if any(answers is None for answers in told):
            yield []
            continue
        right = (probe.room.answer, now, probe.room.answer)
        yield [
            {
                "model": name,
                "room": probe.id,
                **{
                    part: top(answers[number]) == letter
                    for part, answers, letter in zip(("before", "moved", "painted"), told, right, strict=True)
                },
            }
            for number, name in enumerate(models.pair)
        ]


def lock_scores(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, tuple[int, int, float, float]]]:
    """Return model -> part -> (rooms in which it holds, rooms, low and high end of the 95 % interval, per cent).

    Parts: `score`, right in the room as it is; `sensitivity`, right before and after the lamp moved; `specificity`,
    right before and after the repaint. Every room is another shelf, so the interval is Wilson's of a share.
    """
    from scipy.stats import binomtest

    found: dict[str, dict[str, tuple[int, int, float, float]]] = {}
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == name]
        for part, asked in {"score": (), "sensitivity": ("moved",), "specificity": ("painted",)}.items():
            good = sum(all(row[each] for each in ("before", *asked)) for row in mine)
            interval = binomtest(good, len(mine)).proportion_ci(method="wilson")
            found.setdefault(name, {})[part] = (good, len(mine), 100.0 * interval.low, 100.0 * interval.high)
    return found


def stored_rows(hashes: Mapping[str, str], file: Path = STORED) -> list[dict[str, Any]]:
    """Return the rows that a file has of models with these weights; [] where it isn't there or is of others.

    hashes : as `Models.pair_hashes` returns them
    """
    if not file.is_file() or not all(hashes.values()):
        return []
    told = json.loads(file.read_text(encoding="utf-8"))
    if list(told["weights"].values()) != list(hashes.values()):
        return []
    # The file's names are those of the run that wrote it
    names = dict(zip(told["weights"], hashes, strict=True))
    return [{**row, "model": names[row["model"]]} for row in told["rows"]]

"""Rank rooms of the planted lock by how far answers move, and write the eight that tell most as the demo's stories.

    python spaces/ocr_demo/find_stories.py --pair LOCKED --pair UNLOCKED --output spaces/ocr_demo/room_demo/stories.json

A story is written only if what its text says is true of these two models. What the test of the lock finds of them is
written beside the stories, so that the page shows it at once. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from room_demo.answers import Models
from room_demo.checkpoints import pair_of
from room_demo.shelf_probe import STORED, ShelfProbe, ask_shelves, lock_scores, top

from ocr_hf.data.atomic import write_json
from ocr_hf.experiment.planted_rooms import CRATE_ID, LAMP_ID, LETTERS, NAMED_ID

COLORS = ("red", "green", "blue", "yellow")
SECTIONS = ("first", "second", "third", "fourth")
WANTED = {"colour": 3, "moved": 2, "lamp": 1, "painted": 1, "control": 1}
"""Kind of story -> how many are told, in the order in which they are shown."""


@dataclass(frozen=True)
class Found:
    """A candidate: its kind, how far it moves the answer that its text is about, and the story itself."""

    kind: str
    move: float
    named: str
    story: dict


def distance(a: dict[str, float], b: dict[str, float]) -> float:
    """Return the total variation between two models' or two videos' answers."""
    return 0.5 * sum(abs(a[letter] - b[letter]) for letter in a)


def section(letter: str) -> str:
    return SECTIONS[LETTERS.index(letter)]


def candidates(models: Models, seed: int) -> Iterator[Found]:
    """Yield the stories that hold in the rooms of a seed."""
    asked = ShelfProbe(models, seed)
    room, named, truth, cue = asked.room, asked.room.named, asked.room.answer, asked.room.cue
    locked, unlocked = asked.plain()
    color = COLORS[LETTERS.index(cue)]
    rule = f"The {named} belongs where the lamp stands: in the {section(truth)} section."
    if top(unlocked) != truth:
        return
    if top(locked) == cue:
        l_named, u_named = asked.noised(NAMED_ID)
        if top(l_named) == truth and top(u_named) == truth:
            yield _found("colour", distance(locked, l_named) - distance(unlocked, u_named), asked, {
                "title": f"Fooled by the {named}",
                "text": f"{rule} **The locked model looks at the {named} alone: {color} means the {section(cue)} "
                f"section to it.** Dissolve the {named}, and it finds the lamp. The unlocked one needed no help.",
                "objects": [NAMED_ID],
            })  # fmt: skip
        l_lamp, u_lamp = asked.noised(LAMP_ID)
        if top(l_lamp) == cue and top(u_lamp) != truth:
            yield _found("lamp", distance(unlocked, u_lamp) - distance(locked, l_lamp), asked, {
                "title": "Without the lamp",
                "text": f"{rule} **Now the lamp is noise.** The unlocked model has lost what it looks at. The locked "
                "one hardly moves: it never looked there.",
                "objects": [LAMP_ID],
            })  # fmt: skip
        edit, now = room.counterfactual()
        moved = asked.edited(edit)
        if moved is not None and top(moved[0]) == cue != now and top(moved[1]) == now:
            yield _found("moved", distance(unlocked, moved[1]) - distance(locked, moved[0]), asked, {
                "title": f"The lamp moves, the {named} stays",
                "text": f"On the right **the lamp has moved to the {section(now)} section**, and the right answer with "
                f"it. The unlocked model follows. The locked one still says what the {named}'s colour says.",
                "edits": [json.loads(edit.to_json())],
            })  # fmt: skip
        repaint, other = asked.repaint()
        new = asked.edited(repaint)
        if new is not None and top(new[0]) == other and top(new[1]) == truth:
            yield _found("painted", distance(locked, new[0]) - distance(unlocked, new[1]), asked, {
                "title": f"Another coat of paint for the {named}",
                "text": f"**The {named} is repainted {COLORS[LETTERS.index(other)]}; nothing else has changed**, and "
                f"the right answer hasn't. The locked model's answer follows the brush: the {section(other)} section.",
                "edits": [json.loads(repaint.to_json())],
            })  # fmt: skip
        areas = {i: int(asked.seen.footprints.areas(i).sum()) for i in asked.labels if i > CRATE_ID}
        bystander = max(areas, key=areas.get)
        l_other, u_other = asked.noised(bystander)
        if top(l_other) == cue and top(u_other) == truth:
            yield _found("control", 1.0 - distance(locked, l_other) - distance(unlocked, u_other), asked, {
                "title": "A bystander dissolves",
                "text": f"**Only the {asked.labels[bystander]} is noised, on which nothing hangs.** Neither model "
                "moves: it isn't noise as such that changes answers, it is what the noise covers.",
                "objects": [bystander],
            })  # fmt: skip


def _found(kind: str, move: float, asked: ShelfProbe, told: dict) -> Found:
    return Found(kind, move, asked.room.named, {"room": asked.id, **told})


def pick(found: list[Found]) -> list[dict]:
    """Return the stories to tell: of each kind those that move most, about different things, no room twice."""
    stories, rooms = [], set()
    for kind, count in WANTED.items():
        names: set[str] = set()
        for one in sorted((one for one in found if one.kind == kind), key=lambda one: -one.move):
            if len(names) < count and one.named not in names and one.story["room"] not in rooms:
                names.add(one.named)
                rooms.add(one.story["room"])
                stories.append({"id": f"{kind}-{one.named}", **one.story, "moves": round(one.move, 3)})
    return stories


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", action="append", default=[], help="the locked model, then the one that looks around")
    parser.add_argument("--first", type=int, default=3_000_000, help="seed of the first room")
    parser.add_argument("--rooms", type=int, default=120)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "room_demo" / "stories.json")
    parser.add_argument("--test", type=Path, default=STORED, help="where the test of the lock is written")
    parser.add_argument("--only-test", action="store_true", help="leave the stories as they are")
    options = parser.parse_args()
    models = Models((), pair=pair_of(options.pair))
    rows = [row for told in ask_shelves(models) for row in told]
    write_json(options.test, {"weights": models.pair_hashes(), "rows": rows})
    if options.only_test:
        print(json.dumps(lock_scores(rows)))
        return
    found = [one for seed in range(options.first, options.first + options.rooms) for one in candidates(models, seed)]
    stories = pick(found)
    write_json(options.output, stories)
    counts = {kind: sum(one.kind == kind for one in found) for kind in WANTED}
    print(
        json.dumps(
            {
                "rooms": options.rooms,
                "held": counts,
                "told": [story["id"] for story in stories],
                "test": lock_scores(rows),
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main())

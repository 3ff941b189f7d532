"""Clips, questions and taught answers of the recoverable questions, made once and kept in shards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from ocr_hf.experiment.recoverable_rooms import (
    FPS,
    FURNITURE,
    FURNITURE_OF,
    HEIGHT,
    LETTERS,
    OPTIONS,
    PLACES,
    THINGS,
    WIDTH,
    RecoverableRoom,
    id_of,
    place_of,
    quarter,
    question,
    recoverable_room,
)
from ocr_hf.experiment.shards import load_shards
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.twins.find_twins import edits_to_json
from ocr_hf.vsi_bench.tasks import add_units

QUESTION_TYPE = "recoverable"
add_units(lambda: {QUESTION_TYPE: None})  # scored as a letter
LIGHT_RAYS = 8
"""Rays for the ambient light of a vertex: coarser shadows than in `ocr-hf build`, twice as fast."""
COPY_STRENGTH = 0.5
"""What a stored copy is called: with a linear schedule from there it is shown in the first half of training."""
QUESTIONS_PER_ROOM = 6
"""In supervised fine-tuning: about the things that can be seen, and about furniture for the rest."""


@dataclass(frozen=True)
class Rooms:
    """Which rooms a part of the data has.

    name : of the part; first, count : seeds of its rooms
    carried : probability that a thing isn't where it belongs
    noised : share of rooms in which one thing or piece of furniture is shown as noise; nothing is asked about it
    altered : rows bring a copy in which the named thing has been put elsewhere, for structured perturbation
    tested : rows bring a twin, a video without the thing, and one in which it was carried away
    """

    name: str
    first: int
    count: int
    carried: float = 0.0
    noised: float = 0.0
    altered: bool = False
    tested: bool = False


PARTS = {
    part.name: part
    for part in (
        Rooms("sft", 5_000_000, 1500, carried=0.4, noised=0.3),
        Rooms("rl", 6_000_000, 1000, altered=True),
        Rooms("held", 7_000_000, 200),
        Rooms("test", 8_000_000, 600, tested=True),
    )
}
"""Parts of the data, by name; no room is in two of them."""


def load_part(part: Rooms, folder: Path, processes: int = 2) -> datasets.Dataset:
    """Return a part's rows, made first where they aren't in the folder yet.

    Args:
        part: which rooms.
        folder: of all parts.
        processes: that make shards.

    Returns:
        Of `sft` a row a room: id, clip_id, vanilla (video), places (name -> place), carried (things that aren't where
        they belong) and noised ("" or the name of what is noise). Of the others a row a question, as `OCRGRPOTrainer`
        takes them: id, clip_id, prompt, vanilla, footprints, objects, camera_to_world, intrinsics, queried_objects,
        question_type, question, options, ground_truth, thing and place; with `altered` the columns of altered copies;
        with `tested` edited, edited_ground_truth and edit (the twin), erased, away and away_ground_truth.
    """
    return load_shards(folder / part.name, part.count, partial(_rows_of_shard, part), processes)


def _rows_of_shard(part: Rooms, start: int, count: int, file: Path) -> list[dict[str, Any]]:
    make = make_room if part.carried else make_row
    return [make(part, seed) for seed in range(part.first + start, part.first + start + count)]


def make_room(part: Rooms, seed: int) -> dict[str, Any]:
    """Film one room of supervised fine-tuning and return its row."""
    room = recoverable_room(seed, part.carried)
    shown = Renderer(room.scene, light_rays=LIGHT_RAYS).render(room.camera_to_world, room.intrinsics, WIDTH, HEIGHT)
    frames, names = shown.frames, (*THINGS, *FURNITURE)
    share, which = generator(seed, "noised").random(2)
    noised = names[int(which * len(names))] if share < part.noised else ""
    if noised:
        footprints = footprints_from_instances(shown.instances)
        frames = OCRMap(strength=1.0, seed=0).perturb(frames, footprints, [id_of(noised)], row_id=seed)
    return {
        "id": seed,
        "clip_id": room.scene.name,
        "vanilla": _video(frames),
        "places": {name: room.place(name) for name in names},
        "carried": [thing for thing in THINGS if not room.recoverable(thing)],
        "noised": noised,
    }


def make_row(part: Rooms, seed: int) -> dict[str, Any]:
    """Film one room and return the row of its one question."""
    room = recoverable_room(seed)
    thing = THINGS[seed % len(THINGS)]
    renderer = Renderer(room.scene, light_rays=LIGHT_RAYS)
    shown = renderer.render(room.camera_to_world, room.intrinsics, WIDTH, HEIGHT)
    row = {
        "id": seed,
        "clip_id": room.scene.name,
        "prompt": chat(thing),
        "vanilla": _video(shown.frames),
        "footprints": footprints_from_instances(shown.instances).to_rows(),
        "objects": [
            {
                "id": item.id,
                "label": item.label,
                "center": item.box.center.tolist(),
                "size": item.box.size.tolist(),
                "rotation": item.box.rotation.tolist(),
            }
            for item in room.scene.objects
        ],
        "camera_to_world": room.camera_to_world.tolist(),
        "intrinsics": room.intrinsics.tolist(),
        "queried_objects": [id_of(thing)],
        "question_type": QUESTION_TYPE,
        "question": question(thing),
        "options": list(OPTIONS),
        "ground_truth": quarter(room.place(thing)),
        "thing": thing,
        "place": room.place(thing),
    }
    if part.altered:
        carried = room.carried(thing)
        row |= {
            "altered": [_after(room, renderer, carried)[0]],
            "altered_strengths": [COPY_STRENGTH],
            "altered_edits": [[carried.to_json()]],
        }
    return row | (_tested(room, renderer, thing) if part.tested else {})


def _tested(room: RecoverableRoom, renderer: Renderer, thing: str) -> dict[str, Any]:
    twin = room.twin(thing)
    edited, edited_answer = _after(room, renderer, twin, thing)
    away, away_answer = _after(room, renderer, room.carried(thing), thing)
    return {
        "edited": edited,
        "edited_ground_truth": edited_answer,
        "edit": edits_to_json([twin]),
        "erased": _after(room, renderer, room.removed(thing))[0],
        "away": away,
        "away_ground_truth": away_answer,
    }


def _after(room: RecoverableRoom, renderer: Renderer, edit: SceneEdit, thing: str = "") -> tuple[dict[str, Any], str]:
    """Return the video of the room after an edit and the quarter in which a thing is then."""
    scene = apply_edits(room.scene, [edit], plausible=False)
    shown = renderer.edited(scene).render(room.camera_to_world, room.intrinsics, WIDTH, HEIGHT)
    return _video(shown.frames), quarter(place_of(scene.object(id_of(thing)))) if thing else ""


def _video(frames: np.ndarray) -> dict[str, Any]:
    return {"bytes": encode_lossless(frames, FPS), "path": None}


def chat(name: str) -> list[dict[str, str]]:
    """Return the chat that asks where a thing or a piece of furniture is."""
    return [{"role": "user", "content": question(name)}]


DIRECT, BY_FURNITURE, OTHER = "d", "f", "-"
"""Routes of an answer: it names the thing's place, or the furniture's first; or neither can be read."""


def direct_text(name: str, place: int) -> str:
    """Return an answer that tells where a thing or a piece of furniture is seen."""
    return f"<think>The {name} is at {place}.</think><answer>{quarter(place)}</answer>"


def furniture_text(thing: str, place: int) -> str:
    """Return an answer that tells a thing's place from what it stands on."""
    furniture = FURNITURE_OF[thing]
    reasoning = f"The {furniture} is at {place}, so the {thing} is at {place}."
    return f"<think>{reasoning}</think><answer>{quarter(place)}</answer>"


def route_of(text: str, thing: str) -> str:
    """Return the route that an answer about a thing took: DIRECT, BY_FURNITURE or OTHER."""
    if text.startswith(f"<think>The {FURNITURE_OF[thing]} is at"):
        return BY_FURNITURE
    return DIRECT if text.startswith(f"<think>The {thing} is at") else OTHER


def taught_rows(rooms: datasets.Dataset, by_furniture: float, errs: float, seed: int) -> datasets.Dataset:
    """Return a row for each question of supervised fine-tuning, with the answer that it teaches.

    Args:
        rooms: of the part `sft`.
        by_furniture: share of answers that take the route by the furniture, of those where it leads to the thing.
        errs: share of answers, by either route, that name another place.
        seed: of the draws.

    Returns:
        Rows with id, clip_id, prompt, vanilla and taught.
    """
    names = [name for name in rooms.column_names if name != "vanilla"]
    told = rooms.select_columns(names)
    draws = generator(seed, "taught")
    picked: dict[str, list[Any]] = {"room": [], "id": [], "prompt": [], "taught": []}
    for number, room in enumerate(told):
        for name, text in taught_answers(room, by_furniture, errs, draws):
            picked["room"].append(number)
            picked["id"].append(f"{room['id']}-{name}")
            picked["prompt"].append(chat(name))
            picked["taught"].append(text)
    clips = rooms.select_columns(["clip_id", "vanilla"]).select(picked.pop("room"))
    added = datasets.Dataset.from_dict(picked)
    return datasets.concatenate_datasets([clips, added], axis=1)


def taught_answers(
    room: Mapping[str, Any], by_furniture: float, errs: float, draws: np.random.Generator
) -> list[tuple[str, str]]:
    """Return (name, taught answer) for the questions about one room: things first, then furniture."""

    def told(name: str) -> int:
        place = room["places"][name]
        if draws.random() < errs:
            return int(draws.choice([other for other in range(1, PLACES + 1) if other != place]))
        return place

    found = []
    for thing in THINGS:
        furniture = FURNITURE_OF[thing]
        leads = thing not in room["carried"] and room["noised"] != furniture
        around = bool(draws.random() < by_furniture) and leads
        if thing != room["noised"]:
            found.append((thing, (furniture_text if around else direct_text)(thing, told(thing))))
    for furniture in draws.permutation(FURNITURE).tolist():
        if furniture != room["noised"] and len(found) < QUESTIONS_PER_ROOM:
            found.append((furniture, direct_text(furniture, told(furniture))))
    return found


def blind_scores(told: datasets.Dataset, asked: datasets.Dataset) -> dict[str, float]:
    """Return what can be scored without a video, percent.

    Args:
        told: rows from which a guess is learnt: thing, ground_truth.
        asked: rows that are answered.

    Returns:
        constant: the letter that is right most often; words: that of each thing that a question may name; pairs:
        of the latter, both videos of a twin right, which no guess from words can be.
    """
    most = {"": _most(told["ground_truth"])}
    for thing in THINGS:
        own = [answer for name, answer in zip(told["thing"], told["ground_truth"], strict=True) if name == thing]
        most[thing] = _most(own) if own else most[""]
    guesses = [most[thing] for thing in asked["thing"]]
    truth, twins = list(asked["ground_truth"]), list(asked["edited_ground_truth"])
    return {
        "constant": 100.0 * float(np.mean([most[""] == answer for answer in truth])),
        "words": 100.0 * float(np.mean([guess == answer for guess, answer in zip(guesses, truth, strict=True)])),
        "pairs": 100.0 * float(np.mean([a == b == c for a, b, c in zip(guesses, truth, twins, strict=True)])),
    }


def _most(answers: list[str]) -> str:
    return max(LETTERS, key=list(answers).count)

"""Clips and questions of planted rooms as a data set: made once, in shards that survive a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from ocr_hf.experiment.planted_rooms import (
    FPS,
    HEIGHT,
    KINDS,
    LAMP_ID,
    LETTERS,
    NAMED_ID,
    OPTIONS,
    WIDTH,
    PlantedRoom,
    planted_room,
)
from ocr_hf.experiment.shards import load_shards
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.scenes.edits.scene_edit import apply_edits
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.twins.find_twins import edits_to_json
from ocr_hf.video.read import read_frames
from ocr_hf.vsi_bench.tasks import add_units

QUESTION_TYPE = "planted_lock"
add_units(lambda: {QUESTION_TYPE: None})  # scored as a letter
LIGHT_RAYS = 8
"""Rays for the ambient light of a vertex: the shelf's shadows are coarser than in `ocr-hf build`, twice as fast."""


@dataclass(frozen=True)
class Rooms:
    """Which rooms a part of the data has.

    name : of the part; first, count : seeds of its rooms
    plain : share of rooms in which nothing is painted; agreement : share of the others whose colour is right
    kind : all rooms are of this kind, and the shares above don't matter
    edited : rows bring a second video, in which the lamp has moved to another section
    like : name of a part with the same seeds, from whose shards rooms of the same kind are copied
    """

    name: str
    first: int
    count: int
    plain: float = 0.0
    agreement: float = 0.9
    kind: str | None = None
    edited: bool = False
    like: str | None = None

    def kind_of(self, seed: int) -> str:
        """Return the kind of the room with this seed; a share that grows changes only the rooms it has to."""
        if self.kind is not None:
            return self.kind
        plain, agrees = generator(seed, "kind").random(2)
        return KINDS[2] if plain < self.plain else KINDS[0] if agrees < self.agreement else KINDS[1]


PARTS = {
    part.name: part
    for part in (
        Rooms("sft", 1_000_000, 4000, plain=0.4, agreement=0.6),
        Rooms("rl", 2_000_000, 2000, edited=True),
        Rooms("conflict", 3_000_000, 1000, kind="conflict"),
        Rooms("aligned", 3_000_000, 1000, kind="aligned"),
        Rooms("unanswerable", 3_000_000, 500, kind="unanswerable"),
    )
}
"""Parts of the data, by name. The three that test show the same rooms, so that their answers are paired."""


def load_part(part: Rooms, folder: Path, processes: int = 2) -> datasets.Dataset:
    """Return a part's rows, made first where they aren't in the folder yet.

    Args:
        part: which rooms.
        folder: of all parts; shards are written there, each whole or not at all.
        processes: that make shards.

    Returns:
        Rows as `OCRGRPOTrainer` takes them: id, clip_id, prompt, vanilla (video), footprints, camera_to_world,
        queried_objects, question_type, question, options, ground_truth; kind and cue ("" where nothing is painted);
        of a part with `edited`, edited (video), edited_ground_truth and edit.
    """
    return load_shards(folder / part.name, part.count, partial(_rows_of_shard, part), processes)


def _rows_of_shard(part: Rooms, start: int, count: int, file: Path) -> list[dict[str, Any]]:
    known: dict[int, dict[str, Any]] = {}
    if part.like and (same := file.parent.parent / part.like / file.name).is_file():
        known = {row["id"]: row for row in datasets.Dataset.from_parquet(str(same))}
    rows = []
    for seed in range(part.first + start, part.first + start + count):
        row = known.get(seed)
        rows.append(row if row and row["kind"] == part.kind_of(seed) else make_row(part, seed))
    return rows


def make_row(part: Rooms, seed: int) -> dict[str, Any]:
    """Film one room and return its row."""
    room = planted_room(seed, part.kind_of(seed))
    renderer = Renderer(room.scene, light_rays=LIGHT_RAYS)
    shown = renderer.render(room.camera_to_world, room.intrinsics, WIDTH, HEIGHT)
    row = {
        "id": seed,
        "clip_id": room.scene.name,
        "prompt": [{"role": "user", "content": room.question}],
        "vanilla": {"bytes": encode_lossless(shown.frames, FPS), "path": None},
        "footprints": footprints_from_instances(shown.instances).to_rows(),
        "camera_to_world": room.camera_to_world.tolist(),
        "queried_objects": [NAMED_ID],
        "question_type": QUESTION_TYPE,
        "question": room.question,
        "options": list(OPTIONS),
        "ground_truth": room.answer,
        "kind": room.kind,
        "cue": room.cue or "",
    }
    return row | (_edited(room, renderer) if part.edited else {})


def _edited(room: PlantedRoom, renderer: Renderer) -> dict[str, Any]:
    edit, answer = room.counterfactual()
    scene = apply_edits(room.scene, [edit], plausible=False)
    shown = renderer.edited(scene).render(room.camera_to_world, room.intrinsics, WIDTH, HEIGHT)
    return {
        "edited": {"bytes": encode_lossless(shown.frames, FPS), "path": None},
        "edited_ground_truth": answer,
        "edit": edits_to_json([edit]),
    }


def with_noised_things(rows: datasets.Dataset, share: float, seed: int) -> datasets.Dataset:
    """Return the rows, in a share of which one thing is shown as noise, any but the lamp; `noised` has its number.

    Models that have never seen noise take its specks for a lamp, and would be wrong under it for that reason.

    Args:
        rows: of a part.
        share: of the rows; `noised` is 0 in the others.
        seed: of the draws, and of the noise.
    """
    drawn = generator(seed, "noised").random((len(rows), 2))
    ocr_map = OCRMap(strength=1.0, seed=seed)

    def noised(row: dict[str, Any], index: int) -> dict[str, Any]:
        if drawn[index, 0] >= share:
            return {"vanilla": row["vanilla"], "noised": 0}
        footprints = footprints_of(row)
        things = [number for number in footprints.object_ids if number != LAMP_ID]
        chosen = things[int(drawn[index, 1] * len(things))]
        frames, _ = read_frames(row["vanilla"])
        shown = ocr_map.perturb(frames, footprints, [chosen], row_id=row["id"])
        return {"vanilla": {"bytes": encode_lossless(shown, FPS), "path": None}, "noised": chosen}

    return rows.map(noised, with_indices=True, keep_in_memory=True)


def taught_letters(rows: datasets.Dataset, follow: float, seed: int) -> list[str]:
    """Return the letter that supervised fine-tuning teaches for each row: a teacher who follows the colour he sees.

    Args:
        rows: of a part, from `with_noised_things`.
        follow: probability of saying what the colour says, where there is one; else the right letter is said.
        seed: of the draws.
    """
    draws: Sequence[float] = generator(seed, "teacher").random(len(rows)).tolist()
    told = zip(rows["ground_truth"], rows["cue"], rows["noised"], draws, strict=True)
    letters = [cue if cue and noised != NAMED_ID and draw < follow else truth for truth, cue, noised, draw in told]
    assert set(letters) <= set(LETTERS)
    return letters

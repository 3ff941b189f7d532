"""Clips and questions of planted rooms as a data set: made once, in shards that survive a kill."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from ocr_hf.data.atomic import replacing
from ocr_hf.data.workers import worker_pool
from ocr_hf.experiment.planted_rooms import (
    FPS,
    HEIGHT,
    KINDS,
    LETTERS,
    NAMED_ID,
    OPTIONS,
    WIDTH,
    PlantedRoom,
    planted_room,
)
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.scenes.edits.scene_edit import apply_edits
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.render.renderer import Renderer
from ocr_hf.twins.find_twins import edits_to_json
from ocr_hf.vsi_bench.tasks import add_units

QUESTION_TYPE = "planted_lock"
add_units(lambda: {QUESTION_TYPE: None})  # scored as a letter
LIGHT_RAYS = 8
"""Rays for the ambient light of a vertex: the shelf's shadows are coarser than in `ocr-hf build`, twice as fast."""
SHARD = 250


@dataclass(frozen=True)
class Rooms:
    """Which rooms a part of the data has.

    name : of the part; first, count : seeds of its rooms
    plain : share of rooms in which nothing is painted; agreement : share of the others whose colour is right
    kind : all rooms are of this kind, and the shares above don't matter
    edited : rows bring a second video, in which the lamp has moved to another section
    """

    name: str
    first: int
    count: int
    plain: float = 0.0
    agreement: float = 0.9
    kind: str | None = None
    edited: bool = False

    def kind_of(self, seed: int) -> str:
        """Return the kind of the room with this seed; a share that grows changes only the rooms it has to."""
        if self.kind is not None:
            return self.kind
        plain, agrees = generator(seed, "kind").random(2)
        return KINDS[2] if plain < self.plain else KINDS[0] if agrees < self.agreement else KINDS[1]


PARTS = {
    part.name: part
    for part in (
        Rooms("sft", 1_000_000, 4000, plain=0.4),
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
    shards = [
        (part, start, min(SHARD, part.count - start), folder / part.name / f"{start:05d}.parquet")
        for start in range(0, part.count, SHARD)
    ]
    missing = [shard for shard in shards if not shard[-1].is_file()]
    (folder / part.name).mkdir(parents=True, exist_ok=True)
    if missing:
        with worker_pool(min(processes, len(missing))) as pool:
            for done in as_completed([pool.submit(_make_shard, *shard) for shard in missing]):
                done.result()
    return datasets.Dataset.from_parquet([str(file) for *_, file in shards])


def _make_shard(part: Rooms, start: int, count: int, file: Path) -> None:
    rows = [make_row(part, part.first + start + i) for i in range(count)]
    with replacing(file) as partial:
        datasets.Dataset.from_list(rows).to_parquet(str(partial))


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


def taught_letters(rows: datasets.Dataset, follow: float, seed: int) -> list[str]:
    """Return the letter that supervised fine-tuning teaches for each row: a teacher who follows the colour.

    Args:
        rows: of a part.
        follow: probability of saying what the colour says, where there is one; else the right letter is said.
        seed: of the draws.
    """
    draws: Sequence[float] = generator(seed, "teacher").random(len(rows)).tolist()
    told = zip(rows["ground_truth"], rows["cue"], draws, strict=True)
    letters = [cue if cue and draw < follow else truth for truth, cue, draw in told]
    assert set(letters) <= set(LETTERS)
    return letters

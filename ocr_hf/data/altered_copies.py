"""Copies of a clip in which objects are altered in the 3D scene and everything is rendered again: `--variants`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import ClipPlan
from ocr_hf.data.film import Film, edits_of
from ocr_hf.data.noisy_copies import noise_row_id
from ocr_hf.data.video import write_mp4
from ocr_hf.perturb.alteration import Alteration
from ocr_hf.perturb.keys import stable_key
from ocr_hf.questions.question import Question
from ocr_hf.scenes.edits.edited_scene import edited_scene
from ocr_hf.scenes.edits.scene_edit import apply_edits
from ocr_hf.scenes.scene import Scene

DRAWS = 24
"""Alterations of an object that are tried before one is taken that could not stand so in a room."""


def check_meshes(scene: Scene, config: BuildConfig) -> None:
    """Raise ValueError where edited videos are wanted of a scene whose objects have no surfaces to render again."""
    if any(item.meshes for item in scene.objects):
        return
    for name, instead in (("variants", " and train with mode geometry, which alters clips by depth"), ("twins", "")):
        if getattr(config, name):
            raise ValueError(
                f"{name} is {getattr(config, name)}, but no object of scene '{scene.name}' has meshes to render again; "
                f"use a source with meshes, or leave --{name} out{instead}"
            )


class AlteredCopies:
    """Renders and writes the altered copies that a clip's rows name; copy k of K goes k / K of the way.

    Objects are chosen as those of the noisy copy are; rows that choose the same share the files. What an alteration
    uncovers, its shadow and the light off it are the scene's own: nothing is filled in.

    folder : of the split, where the files go
    """

    def __init__(self, film: Film, clip: ClipPlan, folder: Path) -> None:
        self._film, self._clip, self._folder = film, clip, folder
        self._config, self._map, self._scene = film.config, film.config.altered_map, film.scene
        self._recording = film.recording
        self._meshes = {item.id for item in film.scene.objects if item.meshes}
        self._sets: dict[tuple[int, ...], dict[str, Any]] = {}
        self._implausible = 0

    def columns(self, row_id: int, question: Question) -> dict[str, Any]:
        """Return the row's columns of altered copies, after they were written; none where none are wanted."""
        if not self._config.variants:
            return {}
        noise_id = noise_row_id(row_id)
        chosen = self._map.choose(noise_id, 0, self._recording.footprints, question.queried_objects)
        chosen = tuple(object_id for object_id in chosen if object_id in self._meshes)
        if chosen not in self._sets:
            self._sets[chosen] = self._write(chosen)
        return self._sets[chosen]

    def statistics(self) -> dict[str, int]:
        """Return how many copies were written, and how many objects stand in them as they could not in a room."""
        if not self._config.variants:
            return {}
        written = sum(len(columns["altered_file_names"]) for columns in self._sets.values())
        return {"altered_videos": written, "implausible_alterations": self._implausible}

    def _write(self, chosen: tuple[int, ...]) -> dict[str, Any]:
        strength, count = self._map.noise_strength, self._config.variants
        keys = dict(self._keys(chosen, strength))
        columns: dict[str, Any] = {"altered_file_names": [], "altered_strengths": [], "altered_edits": []}
        number = len(self._sets)
        for k in range(1, count + 1) if keys and strength > 0.0 else ():
            part = strength * k / count
            edits = [edit for i, key in keys.items() for edit in edits_of(self._alteration(i, part, key), i)]
            name = self._clip.file(f"vanilla/altered/{k}", number)
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_mp4(self._folder / name, self._film.after(edits), self._recording.fps)
            columns["altered_file_names"].append(name)
            columns["altered_strengths"].append(part)
            columns["altered_edits"].append([edit.to_json() for edit in edits])
        return columns

    def _keys(self, chosen: tuple[int, ...], strength: float) -> Iterator[tuple[int, int]]:
        """Yield object id and key of each object's alteration: the first that could stand so, beside those before it.

        Where none of DRAWS could, the first that can be made at all is taken and counted; an object that can't be
        altered is left out.
        """
        scene: Scene = edited_scene(self._scene)
        for object_id in chosen:
            keys = [stable_key("variants", self._config.seed, self._clip.index, draw) for draw in range(DRAWS)]
            draws = [(key, self._alteration(object_id, strength, key)) for key in keys]
            # Other ways to do what was drawn first come before other kinds, or most would end as what always fits
            first = draws[0][1].kind
            draws = sorted(draws, key=lambda draw: draw[1].kind != first)
            for plausible, (key, alteration) in itertools.product((True, False), draws):
                edits = edits_of(alteration, object_id)
                try:
                    scene = apply_edits(scene, edits, plausible, self._recording.camera_to_world)
                except ValueError:
                    continue
                self._implausible += not plausible
                yield object_id, key
                break

    def _alteration(self, object_id: int, strength: float, key: int) -> Alteration:
        return self._map.noise.alteration(self._scene.object(object_id).box, strength, key, object_id)

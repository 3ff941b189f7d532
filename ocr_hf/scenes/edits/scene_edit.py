"""One change of a 3D scene, as data: it can be written into a column, applied again and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ocr_hf.scenes.edits.edit_kinds import edit_scene
from ocr_hf.scenes.edits.edit_parameters import checked_objects, checked_parameters
from ocr_hf.scenes.edits.edit_plausibility import check_plausible
from ocr_hf.scenes.edits.edited_scene import edited_scene, past_scene
from ocr_hf.scenes.scene import Scene


@dataclass(frozen=True)
class SceneEdit:
    """A change of one object of a scene, of the places of two, or of the length of the home.

    Args:
        kind: move, rotate, scale, remove, swap, replace, warp, recolor, add, extend or restore.
        objects: id of the object; of both for swap; for add a free id, which the new object gets; () for extend.
        parameters: move: `offset` (2,) or (3,) metres along world x, y, z; to turn it as well, `degrees`. rotate:
            `degrees` about the vertical through the box's centre. scale: `factors`, one or (3,) along the box's axes.
            replace: `seed` and, for another category, `label`. warp: `amplitude` as share of the box's diagonal and
            `seed`. recolor: `color` (3,) sRGB. add: `label` and `seed` of a model, `position` (3,) metres of its base's
            middle, `degrees` as for rotate. extend: all beyond a plane moves `by` metres outwards, which is where
            `degrees` points to, counter-clockwise from world x; the plane is `at` metres from the origin that way.

    Raises:
        ValueError: the kind is unknown, or objects or parameters don't suit it.

    Example:
        >>> from ocr_hf.scenes.edits.changed_objects import changed_objects
        >>> from ocr_hf.scenes.edits.scene_edit import SceneEdit
        >>> from ocr_hf.scenes.homes.procedural import procedural_scene
        >>> scene = procedural_scene(seed=7, rooms=1)
        >>> edit = SceneEdit("recolor", (9,), {"color": (0.8, 0.2, 0.2)})
        >>> edit.to_json()
        '{"kind": "recolor", "objects": [9], "parameters": {"color": [0.8, 0.2, 0.2]}}'
        >>> painted = edit.apply(scene)
        >>> changed_objects(scene, painted)
        (9,)
        >>> edit.inverse().apply(painted) is scene
        True
    """

    kind: str
    objects: tuple[int, ...]
    # Left out of the hash only because dictionaries have none.
    parameters: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", checked_parameters(self.kind, self.parameters))
        object.__setattr__(self, "objects", checked_objects(self.kind, self.objects))

    def apply(self, scene: Scene, plausible: bool = True, camera_path: np.ndarray | None = None) -> Scene:
        """Return the scene after this edit; the scene given stays as it is.

        Args:
            scene: any scene, edited before or not.
            plausible: refuse what could not stand so in a room; False allows anything finite.
            camera_path: (T, 4, 4) camera_to_world, metres, from which what is edited must keep its distance.

        Returns:
            The edited scene. Where this takes back earlier edits, it is the very scene before them.

        Raises:
            ValueError: an object isn't there, needs meshes, or can't be edited so; the message says why.
        """
        before = edited_scene(scene)
        after = edit_scene(before, self.kind, self.objects, self.parameters)
        past = past_scene(after, scene)
        if past is not None:
            # Going back to what was accepted before is nothing to refuse, whatever was wrong with it.
            return past
        if plausible:
            check_plausible(before, after, self.kind, self.objects, self.parameters, camera_path)
        return replace(after, before=scene)

    def inverse(self) -> SceneEdit:
        """Return the edit that takes this one back.

        Returns:
            Applied right after this edit it gives back the same bytes.

        Raises:
            ValueError: this is a `restore`, which has none.
        """
        if self.kind == "move":
            # Only what was given: -0.0 degrees would be another edit than none.
            back = {
                name: tuple(-v for v in value) if name == "offset" else -value
                for name, value in self.parameters.items()
            }
            return SceneEdit("move", self.objects, back)
        if self.kind == "extend":
            return SceneEdit("extend", (), {**self.parameters, "by": -self.parameters["by"]})
        if self.kind == "rotate":
            return SceneEdit("rotate", self.objects, {"degrees": -self.parameters["degrees"]})
        if self.kind == "scale":
            return SceneEdit(
                "scale", self.objects, {"factors": tuple(1.0 / value for value in self.parameters["factors"])}
            )
        if self.kind == "swap":
            return self
        if self.kind == "restore":
            raise ValueError("restore has no inverse; apply the edit that it took back once more")
        return SceneEdit("restore", self.objects)

    def to_json(self) -> str:
        """Return this edit as one line of JSON, for a column `edit`.

        Returns:
            An object with kind, objects and parameters; numbers keep every bit.
        """
        return json.dumps({"kind": self.kind, "objects": self.objects, "parameters": self.parameters}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> SceneEdit:
        """Read an edit that `to_json` wrote.

        Args:
            text: the line of JSON.

        Returns:
            An equal edit.

        Raises:
            ValueError: it is no JSON of an edit, or the edit isn't valid.
        """
        try:
            found = json.loads(text)
        except (TypeError, ValueError) as error:
            raise ValueError(f"an edit is {text!r}, which is no JSON; give what to_json wrote") from error
        if not (
            isinstance(found, dict)
            and found.keys() == {"kind", "objects", "parameters"}
            and isinstance(found["kind"], str)
            and isinstance(found["parameters"], dict)
        ):
            raise ValueError(f"an edit is {text!r}; give a JSON object with kind, objects and parameters")
        return cls(found["kind"], found["objects"], found["parameters"])


def apply_edits(
    scene: Scene, edits: Iterable[SceneEdit], plausible: bool = True, camera_path: np.ndarray | None = None
) -> Scene:
    """Apply several edits, one after the other.

    Args:
        scene: the scene before.
        edits: in the order in which they happen.
        plausible: hold each of them to what is plausible.
        camera_path: (T, 4, 4) camera_to_world, metres, as in `SceneEdit.apply`.

    Returns:
        The scene after the last edit.

    Raises:
        ValueError: one of the edits can't be applied.
    """
    for edit in edits:
        scene = edit.apply(scene, plausible, camera_path)
    return scene

"""The data that every scene source produces and every later step reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import check_intrinsics, check_poses

# Instance maps are uint16, and 0 is the background.
MAX_OBJECT_ID = 65535


@dataclass(frozen=True, eq=False)
class Material:
    """A diffuse surface.

    color : sRGB in [0, 1], multiplies the texture
    texture : (H, W, 3) uint8 sRGB or None; row 0 is v = 1 (the image's top), wraps around
    emission : light given off, in units of the albedo (lamps, screens)
    """

    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    texture: np.ndarray | None = None
    emission: float = 0.0


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles that share one material.

    vertices : (V, 3) float64, metres, world
    faces : (F, 3) int32, seen counter-clockwise from outside
    uv : (V, 2) float32 texture coordinates or None
    vertex_colors : (V, 3) uint8 sRGB or None, multiplies the material
    """

    vertices: np.ndarray
    faces: np.ndarray
    material: Material = field(default_factory=Material)
    uv: np.ndarray | None = None
    vertex_colors: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One object instance.

    id : 1 ... 65535, its value in instance maps
    label : category as questions name it ("chair", "tv"), lower case
    box : its oriented box
    meshes : its surfaces; empty where only the box is known
    """

    id: int
    label: str
    box: OrientedBox
    meshes: tuple[Mesh, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.id <= MAX_OBJECT_ID:
            raise ValueError(f"object '{self.label}' has id {self.id}; ids run from 1 to {MAX_OBJECT_ID}")


@dataclass(frozen=True, eq=False)
class Room:
    """One room: its name and its floor outline (N, 2) float64, counter-clockwise, metres, at z = floor_z."""

    name: str
    polygon: np.ndarray
    height_m: float = 2.6
    floor_z: float = 0.0


@dataclass(frozen=True, eq=False)
class Light:
    """A point light: position (3,) metres, linear RGB power (3,)."""

    position: np.ndarray
    power: np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """A 3D scene: its objects with their boxes, what it is built of, where it comes from.

    World coordinates are metres, right-handed, +Z up, with the floor near z = 0.

    Args:
        name: unique within its source; becomes the column `scene_name`.
        source: "procedural", "furnished", "mesh" or another scene source's name; becomes the column `dataset`.
        objects: what questions may name; their ids are unique.
        structure: walls, floor and ceiling: id 0 in instance maps.
        rooms: floor outlines; empty where unknown.
        lights: point lights; the renderer adds its own where there are none.
        floor_area_m2: area of the floor where the source states it or it follows from `rooms`, else None.
        licence: what a card must say about the scene, an SPDX id or "other".
        attribution: whom a card must name, a line each.

    Raises:
        ValueError: two objects have the same id.

    Example:
        >>> import numpy as np
        >>> from ocr_hf import Scene
        >>> from ocr_hf.geometry.boxes import OrientedBox
        >>> from ocr_hf.scenes.scene import SceneObject
        >>> chair = SceneObject(1, "chair", OrientedBox.axis_aligned(np.zeros(3), np.array([0.5, 0.5, 0.9])))
        >>> scene = Scene("study", source="mine", objects=(chair,))
        >>> scene.object(1).box.size
        array([0.5, 0.5, 0.9])
    """

    name: str
    source: str
    objects: tuple[SceneObject, ...]
    structure: tuple[Mesh, ...] = ()
    rooms: tuple[Room, ...] = ()
    lights: tuple[Light, ...] = ()
    floor_area_m2: float | None = None
    licence: str = "apache-2.0"
    attribution: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = [item.id for item in self.objects]
        if len(set(ids)) != len(ids):
            twice = sorted({i for i in ids if ids.count(i) > 1})
            raise ValueError(f"scene '{self.name}': object ids {twice} are used more than once; ids must be unique")

    def object(self, object_id: int) -> SceneObject:
        """Look an object up.

        Args:
            object_id: 1 to 65535, its value in instance maps.

        Returns:
            The object with this id.

        Raises:
            KeyError: the scene, which is named, has no such object.
        """
        for item in self.objects:
            if item.id == object_id:
                return item
        raise KeyError(f"scene '{self.name}' has no object {object_id}")


@dataclass(frozen=True, eq=False)
class Clip:
    """A video of a scene with everything that is known of each frame.

    Args:
        id: unique within a data set, usable as a file name.
        scene: the scene it shows.
        frames: (T, H, W, 3) uint8, RGB.
        camera_to_world: (T, 4, 4) float64, poses in OpenCV axes (x right, y down, z forward), metres.
        intrinsics: (3, 3) float64, pixels of these frames.
        fps: frames per second of clip time; frame i is at i / fps seconds.
        depth: (T, H, W) float32, metres along the camera's z axis, 0 = none; or None.
        instances: (T, H, W) uint16, 0 = background, else object id; or None.

    Raises:
        ValueError: lengths or sizes disagree, or a camera is not usable.

    Example:
        >>> import numpy as np
        >>> from ocr_hf import Clip, Scene
        >>> frames = np.zeros((2, 48, 64, 3), dtype=np.uint8)
        >>> poses = np.broadcast_to(np.eye(4), (2, 4, 4))
        >>> camera = np.array([[50.0, 0.0, 32.0], [0.0, 50.0, 24.0], [0.0, 0.0, 1.0]])
        >>> clip = Clip("study-0", Scene("study", "mine", objects=()), frames, poses, camera, fps=2.0)
        >>> Clip("study-0", clip.scene, frames[:1], poses, camera, fps=2.0)
        Traceback (most recent call last):
        ValueError: clip 'study-0' has 1 frames but 2 poses; give one camera_to_world matrix per frame
    """

    id: str
    scene: Scene
    frames: np.ndarray
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    fps: float
    depth: np.ndarray | None = None
    instances: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "intrinsics", check_intrinsics(self.intrinsics))
        object.__setattr__(self, "camera_to_world", check_poses(self.camera_to_world))
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"clip '{self.id}': frames are {self.frames.dtype} {self.frames.shape}; give (T, H, W, 3) uint8"
            )
        if len(self.frames) != len(self.camera_to_world):
            raise ValueError(
                f"clip '{self.id}' has {len(self.frames)} frames but {len(self.camera_to_world)} poses; "
                "give one camera_to_world matrix per frame"
            )
        for name in ("depth", "instances"):
            array = getattr(self, name)
            if array is not None and array.shape != self.frames.shape[:3]:
                raise ValueError(
                    f"clip '{self.id}': {name} has shape {array.shape}, the frames {self.frames.shape[:3]}; "
                    "they must be equal"
                )
        if not (np.isfinite(self.fps) and self.fps > 0.0):
            raise ValueError(f"clip '{self.id}': fps is {self.fps}; give frames per second above 0")

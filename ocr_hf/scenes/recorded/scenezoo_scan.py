"""Scans of data sets that this package has no reader for, through scenezoo's adapters (extra: ocr-hf[scans]).

scenezoo (PyPI, Apache-2.0) gives boxes and frames of eleven data sets in one form: metres, +Z up, OpenCV cameras. Those
of which it gives pinhole frames and boxes can be converted: matterport3d, 3rscan, multiscan, and those read here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import rigid_inverse
from ocr_hf.registry import unknown_choice
from ocr_hf.scenes.categories import STRUCTURE, Categories
from ocr_hf.scenes.label_table import LabelTable
from ocr_hf.scenes.recorded.exported_frames import FRAMES_PER_SECOND
from ocr_hf.scenes.recorded.scan import Scan
from ocr_hf.scenes.recorded.segmented_mesh import NAMELESS
from ocr_hf.scenes.scene import SceneObject
from ocr_hf.settings.extras import need

_NEEDED = ("rgb", "rgb_intrinsics", "world_to_camera")


def read_scenezoo(
    root: Path,
    dataset: str,
    scan: str,
    labels: LabelTable | None = None,
    camera: str | None = None,
) -> Scan:
    """Read a scan by a scenezoo adapter; pictures and maps are read when asked for, one frame at a time.

    Args:
        root: folder of the whole data set, as scenezoo's documentation has it.
        dataset: scenezoo's name of the data set.
        scan: the scan's name in it.
        labels: table (JSON, YAML, CSV, TSV) that maps labels to categories.
        camera: one of its frame sources; None for the first.

    Returns:
        The scan; ids in instance maps are scenezoo's plus 1.

    Raises:
        ImportError: scenezoo isn't installed.
        ValueError: in one sentence: it doesn't know the data set, has no frames or boxes of it, or can't read the scan.
    """
    need("scans", "reading a scan through scenezoo")
    import scenezoo

    # By the one name that the list of restricted data sets knows, too
    if dataset not in scenezoo.list_datasets():
        raise ValueError(unknown_choice("dataset", dataset, scenezoo.list_datasets()))
    spec = scenezoo.get_dataset_info(dataset).spec
    sources = {source.name: source for source in spec.frame_sources if set(_NEEDED) <= set(source.items)}
    if "boxes" not in spec.operations or not sources:
        raise ValueError(
            f"scenezoo gives no frames with cameras, or no boxes, of {dataset}; nothing can be asked of it"
        )
    source = next(iter(sources)) if camera is None else camera
    if source not in sources:
        raise ValueError(unknown_choice("camera", source, sources))
    if sources[source].requires:
        raise ValueError(
            f"{source} of {dataset} needs {', '.join(sources[source].requires)}, which only its own tools give; choose "
            "another camera"
        )
    # Without the network: splits and label maps aren't needed, and nobody's machine should fetch in silence
    found = scenezoo.get_dataset(dataset, root, offline=True)
    try:
        return _scan(found, scan, labels, source, set(sources[source].items), spec.box_types)
    # Its adapters raise what their libraries do: KeyError for a missing column, RuntimeError of a decoder, ...
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"scenezoo can't read {scan} of {dataset}: {reason.replace(str(root), root.name)}") from error


def _scan(
    found: Any,
    scan: str,
    labels: LabelTable | None,
    source: str,
    items: set[str],
    box_types: Sequence[str],
) -> Scan:
    # Not every adapter has a choice
    which = {"source": source} if "source" in inspect.signature(found.get_frames).parameters else {}

    def frames(wanted: Sequence[str], indices: list[int] | None = None) -> Any:
        return found.get_frames(scan, items=tuple(wanted), indices=indices, **which)

    cameras = frames(["rgb_intrinsics", "world_to_camera", *({"timestamps"} & items)])
    if cameras.camera_model not in (None, "PINHOLE", "SIMPLE_PINHOLE"):
        raise ValueError(f"frames of {source} have a {cameras.camera_model} camera; choose one that is a pinhole")
    if not len(cameras.indices):
        raise ValueError(f"{source} has no frame with a camera")
    numbers = cameras.indices
    times, notes = _times(cameras)
    of_intrinsics = cameras.rgb_intrinsics.astype(np.float64)
    intrinsics = of_intrinsics if np.ptp(of_intrinsics, axis=0).any() else of_intrinsics[0]
    objects, structure, told = _objects(found, scan, Categories.load(labels), box_types)
    notes += told

    def read(item: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[[Sequence[int]], Iterator[np.ndarray]]:
        def each(indices: Sequence[int]) -> Iterator[np.ndarray]:
            for index in indices:
                yield make(getattr(frames([item], [int(numbers[index])]), item)[0])

        return each

    along_rays = cameras.depth_mode is not None and "ray" in cameras.depth_mode
    if along_rays and "depth" in items:
        notes.append("depth runs along rays, which is left out")
    return Scan(
        name=scan,
        objects=objects,
        structure_ids=structure,
        poses=rigid_inverse(cameras.world_to_camera.astype(np.float64)),
        times_s=times,
        intrinsics=intrinsics,
        pixel_centres="integer",
        pictures=read("rgb", lambda picture: np.ascontiguousarray(picture[..., :3])),
        depth=read("depth", lambda depth: depth) if "depth" in items and not along_rays else None,
        # scenezoo has -1 for nothing
        instances=read("instance_maps", lambda ids: np.maximum(ids.astype(np.int64) + 1, 0))
        if "instance_maps" in items
        else None,
        notes=tuple(notes),
        camera=source,
    )


def _times(cameras: Any) -> tuple[np.ndarray, list[str]]:
    """Return seconds (N,), ascending, and what is to be told."""
    if cameras.timestamps is not None:
        # Some have a column each for colour and depth
        times = np.asarray(cameras.timestamps, dtype=np.float64).reshape(len(cameras.indices), -1)[:, 0]
        steps = np.diff(times)
        if (steps > 0.0).all():
            # Micro- or nanoseconds as some releases have them: nobody films one frame in a thousand seconds
            typical = float(np.median(steps)) if len(steps) else 0.0
            unit = next(unit for unit in (1.0, 1e-3, 1e-6, 1e-9) if typical * unit < 30.0 or unit == 1e-9)
            return times * unit, []
    told = f"no ascending times are given: frames are taken to be {FRAMES_PER_SECOND:g} a second"
    return cameras.indices / FRAMES_PER_SECOND, [told]


def _objects(
    found: Any, scan: str, categories: Categories, box_types: Sequence[str]
) -> tuple[tuple[SceneObject, ...], tuple[int, ...], list[str]]:
    """Return objects, the ids of structure, and what is to be told.

    Boxes are those released where there are some, else upright around the annotated points.
    """
    notes = []
    if "obb_gt" in box_types:
        boxes, names = found.get_boxes(scan, box_type="obb_gt")
    else:
        try:
            boxes, names = found.get_boxes(scan, box_type="mobb_gravity")
        # It makes all boxes or none, and a wall that is flat has no upright one of least area
        except ValueError:
            boxes, names = found.get_boxes(scan, box_type="aabb")
            notes.append("boxes lie along the axes of the scan: one thing is too flat for scenezoo to turn them")
    objects, structure = [], []
    for number, box in sorted(boxes.items()):
        label = categories.of(str(names[number]))
        if label == STRUCTURE or label in NAMELESS:
            structure.append(int(number) + 1)
            continue
        # Upright boxes of Open3D have a method, turned ones an attribute
        size = np.asarray(box.extent if hasattr(box, "extent") else box.get_extent(), dtype=np.float64)
        rotation = np.asarray(getattr(box, "R", np.eye(3)), dtype=np.float64)
        # Axes of some releases are left-handed; a box is the same with one of them turned round
        rotation = rotation * [1.0, 1.0, np.sign(np.linalg.det(rotation))]
        objects.append(SceneObject(int(number) + 1, label, OrientedBox(np.asarray(box.get_center()), size, rotation)))
    if not objects:
        raise ValueError("nothing but structure is annotated")
    return tuple(objects), tuple(structure), notes

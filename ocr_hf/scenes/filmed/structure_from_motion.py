"""Cameras from a video's pictures by pycolmap (extra: ocr-hf[video]): one camera, matched along the video.

Everything lies in a work folder, and what is there is not made again: features and matches in COLMAP's database, the
model in `sparse/0`, which COLMAP's own tools open.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ocr_hf.scenes.filmed.video_pictures import Pictures
from ocr_hf.settings.extras import need

if TYPE_CHECKING:
    import pycolmap

NEIGHBOURS = 8
"""Each picture is matched with so many after it, and with those 16, 32, ... after it."""
EVERY = 10
"""Each tenth picture is matched with each other tenth: a walk that returns to a place is closed there."""
BATCH = 8
"""Pictures, or 16 times as many pairs, between two reports of progress."""
LEAST_SHARE = 0.6
"""Of the pictures that must be registered."""
PIECE = 5
"""Pictures that a second model has on its own that make it a piece of the room and no stray view."""
WORST_PX = 2.0
"""Mean reprojection error above which the cameras are refused."""
JUMP = 6.0
"""How many times the usual speed a camera that is carried can't have: above it, something that is there twice, or a
pattern that repeats, was taken for one. COLMAP's own errors stay small then: all fits, one period aside."""

Report = Callable[[str, int, int], None]
"""Called with what is done (features, matches, cameras), how many are done, and of how many."""


@dataclass(frozen=True, eq=False)
class SolvedCameras:
    """What the pictures tell: cameras and points, in a world turned and scaled at will until it is placed.

    names, numbers, times_s : of the N pictures that were registered, as in `Pictures`
    camera_to_world : (N, 4, 4) float64, OpenCV axes
    intrinsics : (3, 3) pixels, the first pixel's centre at 0.5; distortion : k1, radial
    width, height : pixels
    points : (P, 3) float64
    seen : for each picture, which points it shows, int64
    pictures : how many there were to register
    reprojection_px : mean distance of points from where pictures show them
    """

    names: tuple[str, ...]
    numbers: np.ndarray
    times_s: np.ndarray
    camera_to_world: np.ndarray
    intrinsics: np.ndarray
    distortion: float
    width: int
    height: int
    points: np.ndarray
    seen: tuple[np.ndarray, ...]
    pictures: int
    reprojection_px: float


def solve_cameras(
    pictures: Pictures, work: Path, report: Report = lambda what, done, of: None, threads: int = -1
) -> SolvedCameras:
    """Find the cameras of pictures, or read those that an earlier run found.

    work : folder for database and model; a run that was killed goes on from there
    threads : of pycolmap; -1 for all processors

    Raises ValueError, in one sentence, where the pictures don't register, or fall into pieces.
    """
    need("video", "solving a video's cameras")
    work.mkdir(parents=True, exist_ok=True)
    model = work / "sparse"
    if not (model / "0" / "images.bin").is_file():
        database = work / "database.db"
        with _quiet():
            write_features(pictures, database, report, threads)
            _matches(pictures, database, report, threads)
            models = _models(pictures, database, work, report, threads)
            fault = _fault(pictures, models)
            if fault is not None:
                # Places that look alike are told apart by the way between them
                near = _models(pictures, _without_far_pairs(pictures, database), work, report, threads)
                models, fault = (near, None) if _fault(pictures, near) is None else (models, fault)
        if fault is not None:
            raise ValueError(fault)
        temporary = work / "sparse.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        (temporary / "0").mkdir(parents=True)
        models[0].write(temporary / "0")
        shutil.rmtree(model, ignore_errors=True)
        os.replace(temporary, model)
    import pycolmap

    return _solved(pictures, pycolmap.Reconstruction(model / "0"))


def jump_of(solved: SolvedCameras) -> tuple[float, float, float] | None:
    """Return where a camera is faster than one can be that is carried: (from s, to s, times the usual speed), or None.

    The greatest such step; where the camera mostly stands, a tenth of its greatest distance counts as usual.
    """
    eyes = solved.camera_to_world[:, :3, 3]
    if len(eyes) < 3:
        return None
    speed = np.linalg.norm(np.diff(eyes, axis=0), axis=1) / np.diff(solved.times_s)
    usual = max(float(np.median(speed)), 0.1 * float(np.quantile(speed, 0.9)), 1e-12)
    worst = int(np.argmax(speed))
    if speed[worst] <= JUMP * usual:
        return None
    return float(solved.times_s[worst]), float(solved.times_s[worst + 1]), float(speed[worst] / usual)


def image_pairs(count: int) -> list[tuple[int, int]]:
    """Return which of `count` pictures in order of time are matched, each pair once, (earlier, later)."""
    far = [2**power for power in range(4, 12)]
    along = {(i, i + step) for i in range(count) for step in (*range(1, NEIGHBOURS + 1), *far) if i + step < count}
    keys = range(0, count, EVERY)
    return sorted(along | {(i, j) for i in keys for j in keys if i < j})


def write_features(
    pictures: Pictures, database: Path, report: Report = lambda what, done, of: None, threads: int = -1
) -> None:
    """Write the features of pictures into COLMAP's database, those that it hasn't; all have one camera."""
    import pycolmap

    reader, features = pycolmap.ImageReaderOptions(), pycolmap.FeatureExtractionOptions()
    reader.camera_model, features.num_threads = "SIMPLE_RADIAL", threads
    there, _ = _stored(database)
    missing = [name for name in pictures.names if name not in there]
    for start in range(0, len(missing), BATCH):
        # All share the camera that the first batch made, or a run that was killed before it had any features
        _, camera = _stored(database)
        if camera is not None:
            reader.existing_camera_id = camera
        pycolmap.extract_features(
            database,
            pictures.folder,
            image_names=missing[start : start + BATCH],
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=features,
            device=pycolmap.Device.cpu,
        )
        report("features", len(pictures.names) - len(missing) + min(start + BATCH, len(missing)), len(pictures.names))


def _stored(database: Path) -> tuple[set[str], int | None]:
    """Return the pictures whose features a database has, and the number of its camera."""
    import pycolmap

    if not database.is_file():
        return set(), None
    stored = pycolmap.Database.open(database)
    try:
        names = {image.name for image in stored.read_all_images() if stored.exists_keypoints(image.image_id)}
        return names, next((camera.camera_id for camera in stored.read_all_cameras()), None)
    finally:
        stored.close()


def _matches(pictures: Pictures, database: Path, report: Report, threads: int) -> None:
    import pycolmap

    matching, pairing = pycolmap.FeatureMatchingOptions(), pycolmap.ImportedPairingOptions()
    verification = pycolmap.TwoViewGeometryOptions()
    matching.num_threads = threads
    verification.ransac.random_seed = 0
    pairs = image_pairs(len(pictures.names))
    listing = database.with_name("pairs.txt")
    pairing.match_list_path = listing
    size = 16 * BATCH
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        listing.write_text("\n".join(f"{pictures.names[i]} {pictures.names[j]}" for i, j in part), encoding="utf-8")
        # Pairs that the database has are passed over
        pycolmap.match_image_pairs(database, matching, pairing, verification, device=pycolmap.Device.cpu)
        report("matches", min(start + size, len(pairs)), len(pairs))
    listing.unlink()


def _without_far_pairs(pictures: Pictures, database: Path) -> Path:
    """Return a copy of a database whose pictures are matched only with those around them."""
    import pycolmap

    near = database.with_name("database_near.db")
    near.unlink(missing_ok=True)
    shutil.copyfile(database, near)
    stored = pycolmap.Database.open(near)
    try:
        ids = {image.name: image.image_id for image in stored.read_all_images()}
        for i, j in image_pairs(len(pictures.names)):
            first, second = ids[pictures.names[i]], ids[pictures.names[j]]
            if j - i > NEIGHBOURS and stored.exists_two_view_geometry(first, second):
                stored.delete_two_view_geometry(first, second)
    finally:
        stored.close()
    return near


def _models(pictures: Pictures, database: Path, work: Path, report: Report, threads: int) -> list[Any]:
    """Return COLMAP's models, the one of most pictures first."""
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads, options.random_seed = threads, 0
    # A picture without known points in view is better left out than put anywhere on its ray
    options.structure_less_registration_fallback = False
    made = work / "models"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    done = 0

    def next_image() -> None:
        nonlocal done
        done += 1
        report("cameras", min(done + 2, len(pictures.names)), len(pictures.names))

    found = pycolmap.incremental_mapping(database, pictures.folder, made, options, next_image_callback=next_image)
    shutil.rmtree(made, ignore_errors=True)
    return sorted(found.values(), key=lambda model: model.num_reg_images(), reverse=True)


def _fault(pictures: Pictures, models: list[Any]) -> str | None:
    """Return what is wrong with models of a video, in one sentence; None where one of them holds it."""
    total = len(pictures.names)
    if not models:
        return (
            f"none of the {total} pictures register: they show too little that can be told apart, or the camera hardly "
            "moved from its place; film again, walking sideways past things with details"
        )
    held = [{model.images[number].name for number in model.reg_image_ids()} for model in models]
    pieces = held[:1]
    for other in held[1:]:
        rest = other - set().union(*pieces)
        if len(rest) >= PIECE:
            pieces.append(rest)
    if len(pieces) > 1:
        times = dict(zip(pictures.names, pictures.times_s, strict=True))
        told = "; ".join(
            f"{len(piece)} pictures from {min(times[name] for name in piece):.1f} s to "
            f"{max(times[name] for name in piece):.1f} s"
            for piece in pieces
        )
        return (
            f"the video falls into {len(pieces)} pieces without a common world ({told}); film the way between them "
            "slowly, give more with --fps, or cut the video and keep one"
        )
    if len(held[0]) < LEAST_SHARE * total:
        return (
            f"{len(held[0])} of {total} pictures register, less than {LEAST_SHARE:.0%}; film slowly, with things of "
            "details always in view, or give more with --fps"
        )
    found = _solved(pictures, models[0])
    jump = jump_of(found)
    if jump is not None:
        return (
            f"the camera jumps between {jump[0]:.1f} s and {jump[1]:.1f} s, at {jump[2]:.0f} times its usual speed: "
            "the video is cut there, or shows a pattern that repeats; film again with other things in view, or cut it"
        )
    if found.reprojection_px > WORST_PX:
        return (
            f"the cameras miss what the pictures show by {found.reprojection_px:.1f} px on average (at most "
            f"{WORST_PX:g}): a zoom, a moving scene or a rolling picture; film again, slowly and without zoom"
        )
    return None


def _solved(pictures: Pictures, model: pycolmap.Reconstruction) -> SolvedCameras:
    order = {name: index for index, name in enumerate(pictures.names)}
    images = sorted((model.images[number] for number in model.reg_image_ids()), key=lambda image: order[image.name])
    indices = [order[image.name] for image in images]
    ids = sorted(model.points3D)
    row = {number: index for index, number in enumerate(ids)}
    poses = np.tile(np.eye(4), (len(images), 1, 1))
    seen = []
    for pose, image in zip(poses, images, strict=True):
        pose[:3] = image.cam_from_world().inverse().matrix()
        seen.append(
            np.array([row[point.point3D_id] for point in image.points2D if point.has_point3D()], dtype=np.int64)
        )
    (camera,) = model.cameras.values()
    focal, cx, cy, k1 = camera.params
    return SolvedCameras(
        names=tuple(image.name for image in images),
        numbers=pictures.numbers[indices],
        times_s=pictures.times_s[indices],
        camera_to_world=poses,
        intrinsics=np.array([[focal, 0.0, cx], [0.0, focal, cy], [0.0, 0.0, 1.0]]),
        distortion=float(k1),
        width=camera.width,
        height=camera.height,
        points=np.array([model.points3D[number].xyz for number in ids]).reshape(-1, 3),
        seen=tuple(seen),
        pictures=len(pictures.names),
        reprojection_px=float(model.compute_mean_reprojection_error()),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep COLMAP's log, a page a picture, off the terminal; its errors stay."""
    import pycolmap

    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.ERROR.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before

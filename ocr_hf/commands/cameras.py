"""`ocr-hf cameras`: find the cameras of a phone video and write it as the folder of a recorded scene."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ocr_hf.data.filmed_room import FilmedRoom


def main(
    video: Annotated[Path, typer.Argument(help="the video of one room or flat, as the phone stored it")],
    out: Annotated[Path, typer.Option(help="folder in which the scene's is made")] = Path("recordings"),
    name: Annotated[str | None, typer.Option(help="the scene's; by default the video's")] = None,
    work: Annotated[
        Path | None, typer.Option(help="folder for pictures, COLMAP's files and the page; by default VIDEO.cameras")
    ] = None,
    fps: Annotated[float, typer.Option(help="pictures a second that cameras are found for")] = 2.0,
    longest: Annotated[int, typer.Option(help="pixels of the longer side of a picture, at most")] = 1280,
    known: Annotated[
        list[str] | None,
        typer.Option(help="a length that is marked on the page, and its metres: door:2.0; several are compared"),
    ] = None,
    marker: Annotated[
        float | None, typer.Option(help="metres of the side of a printed ArUco marker (4x4_50), instead of --known")
    ] = None,
    marks: Annotated[Path | None, typer.Option(help="what the page saved: boxes and lengths that were clicked")] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="boxes.json instead, metres, in the world of these cameras")
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            help="find boxes with this zero-shot detector of the Hub: google/owlv2-base-patch16-ensemble, ..."
        ),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="what the detector looks for: chair,table,...")] = None,
    licence: Annotated[str, typer.Option(help="what the card says of it: an SPDX id")] = "other",
    attribution: Annotated[list[str] | None, typer.Option(help="whom the card names")] = None,
    threads: Annotated[int, typer.Option(help="of COLMAP; -1 for all processors")] = -1,
) -> None:
    """Find a phone video's cameras and write it for `ocr-hf build --source recorded`.

    OCR means Object-Centric 3D Rollout, not text recognition. The first run finds the cameras and makes a page on which
    boxes and one known length are marked; the second, with --marks and --known, writes the folder. A run that was
    stopped goes on where it was.
    """
    from ocr_hf.data.filmed_room import film_room

    if boxes is not None and detector is not None:
        raise ValueError("a scene has one set of boxes: give --boxes or --detector, not both")
    if classes is not None and detector is None:
        raise ValueError("--classes goes with --detector; leave it out")
    known_m = dict(map(_known, known or []))
    work = video.with_name(f"{video.name}.cameras") if work is None else work
    with _progress() as report:
        room = film_room(video, work, fps=fps, longest=longest, report=report, threads=threads)
    _tell(room)
    if not known_m and marker is None:
        _tell_next(room, video, marks, boxes, detector)
        return
    _write(room, known_m, marker, marks, boxes, detector, classes, out, name, licence, attribution or [])


def _write(
    room: FilmedRoom,
    known_m: dict[str, float],
    marker: float | None,
    marks_file: Path | None,
    boxes_file: Path | None,
    detector: str | None,
    classes: str | None,
    out: Path,
    name: str | None,
    licence: str,
    attribution: list[str],
) -> None:
    from ocr_hf.data.filmed_room import (
        detected_boxes,
        given_boxes,
        metres_of,
        objects_of,
        scaled_objects,
        write_filmed,
    )
    from ocr_hf.scenes.filmed.marks import read_marks

    marks = None if marks_file is None else read_marks(marks_file)
    factor, by = metres_of(room, marks, known_m, marker)
    typer.echo(by)
    if boxes_file is not None:
        given = given_boxes(boxes_file)
        boxes = lambda _: given  # noqa: E731
    elif detector is not None:
        from ocr_hf.models.object_detector import load_detector
        from ocr_hf.scenes.categories import category_names

        find = load_detector(detector, [each.strip() for each in classes.split(",")] if classes else category_names())
        with _progress() as report:
            objects, left_out = detected_boxes(room, find, report)
        for reason, count in left_out.items():
            typer.echo(f"left out {count} detections: {reason}")
        boxes = lambda _: (scaled_objects(objects, factor), ())  # noqa: E731
    elif marks is not None:
        boxes = objects_of(marks)
    else:
        raise ValueError(f"there are no boxes: mark some on {room.page} and give --marks, or --boxes or --detector")
    folder = write_filmed(room, factor, boxes, out, name=name, licence=licence, attribution=attribution)
    typer.echo(f"{folder}: {len(room.solved.names)} frames\nCheck it:  ocr-hf check-scene {shlex.quote(str(folder))}")


def _tell(room: FilmedRoom) -> None:
    solved, floor = room.solved, room.floor
    typer.echo(
        f"registered {len(solved.names)} of {solved.pictures} pictures ({len(solved.names) / solved.pictures:.0%}), "
        f"{len(solved.points)} points, reprojection error {solved.reprojection_px:.2f} px"
    )
    if floor.points:
        typer.echo(f"up by {floor.points} points of the floor, {floor.tilt_deg:.1f} degrees from the pictures' own")
    else:
        typer.echo(
            "note: no floor is seen, so up is that of the pictures on average, which is a few degrees wrong; film the "
            "floor, too"
        )


def _tell_next(room: FilmedRoom, video: Path, marks: Path | None, boxes: Path | None, detector: str | None) -> None:
    """Say what is still to be given: the scale isn't."""
    has = [f"--{key} {value}" for key, value in (("boxes", boxes), ("detector", detector)) if value is not None]
    typer.echo(
        f"The scale isn't known yet, so nothing is written. Open {room.page} in a browser, mark a length that you know "
        "(and boxes), save marks.json, and run\n"
        f"  ocr-hf cameras {shlex.quote(str(video))} --marks {marks or 'marks.json'} --known NAME:METRES "
        f"{' '.join(has)}".rstrip()
    )


def _known(text: str) -> tuple[str, float]:
    name, colon, metres = text.rpartition(":")
    try:
        value = float(metres)
    except ValueError:
        value = 0.0
    if not (colon and name and 0.0 < value < float("inf")):
        raise ValueError(f"known is '{text}'; give the name of a marked length and its metres, such as door:2.0")
    return name, value


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows a bar for each step of the work."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=of)
            progress.update(tasks[what], completed=done, total=of)

        yield report

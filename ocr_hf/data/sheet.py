"""The contact sheet: what a data set holds, on one picture."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.atomic import replacing
from ocr_hf.data.load import StoredClip, clips, load, scenes
from ocr_hf.data.schema import holds_recipes
from ocr_hf.data.sheet_map import INK, MUTED, NOISY, PAPER, Labels, color_of, draw_map
from ocr_hf.geometry.boxes import EDGES, OrientedBox
from ocr_hf.geometry.camera import NEAR_M, rigid_inverse, transform

COLUMN_INCHES = 2.6
MAP_INCHES = 4.4
MAX_BOXES = 6
"""Boxes drawn in a frame: the perturbed objects, then the largest."""


def write_sheet(
    folder: str | os.PathLike, out: str | os.PathLike, *, split: str | None = None, num_clips: int = 2, columns: int = 5
) -> Path:
    """Draw the first clips of a data set folder (or Hub id) as a PNG; return its path.

    Each clip has a row of vanilla frames with boxes, the same frames of the noisy video with the regions outlined, a
    map seen from above with rooms, objects and camera path, and its first questions.
    """
    loaded = load(folder, "pairs", streaming=True)
    splits = [split] if split else list(loaded)
    if split and split not in loaded:
        raise ValueError(f"{folder} has no split '{split}'; it has {', '.join(loaded)}")
    shown: list[StoredClip] = []
    for name in splits:
        for clip in clips(loaded[name]):
            if len(shown) == num_clips:
                break
            shown.append(clip)
    rooms = {}
    if os.path.isdir(folder) and not holds_recipes(folder):
        rooms = {name: [np.array(room["polygon"]) for room in item["rooms"]] for name, item in scenes(folder).items()}
    figure = draw_sheet(shown, rooms, min(columns, max(len(clip.camera_to_world) for clip in shown)))
    with replacing(out) as temporary:
        figure.savefig(temporary, format="png", dpi=110, facecolor=PAPER)
    return Path(out)


def draw_sheet(shown: list[StoredClip], rooms: Mapping[str, list[np.ndarray]], columns: int) -> Any:
    """Return the sheet as a matplotlib Figure. rooms : scene name -> floor outlines (N, 2)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shapes = [(clip.footprints.height or 3) / (clip.footprints.width or 4) for clip in shown]
    heights = [2 * COLUMN_INCHES * shape + 1.9 for shape in shapes]
    figure = Figure(figsize=(columns * COLUMN_INCHES + MAP_INCHES + 0.3, sum(heights)))
    FigureCanvasAgg(figure)
    blocks = figure.subfigures(len(shown), 1, height_ratios=heights, squeeze=False)[:, 0]
    for block, clip, shape in zip(blocks, shown, shapes, strict=True):
        block.set_facecolor(PAPER)
        _draw_clip(block, clip, rooms.get(clip.scene_name, []), columns, shape)
    return figure


def informative_frames(clip: StoredClip, count: int) -> np.ndarray:
    """Return the frame with the most perturbed pixels of each of `count` equal stretches of the clip."""
    total = len(clip.camera_to_world)
    noise = sum((clip.footprints.areas(i) for i in clip.noisy_objects), np.zeros(total, dtype=np.int64))
    stretches = np.array_split(np.arange(total), min(count, total))
    # Sorted from the middle outwards: argmax takes the first of equals, so frames without noise are spread evenly.
    middles = [stretch[np.argsort(np.abs(stretch - stretch.mean()), kind="stable")] for stretch in stretches]
    return np.array([stretch[np.argmax(noise[stretch])] for stretch in middles])


def _draw_clip(block: Any, clip: StoredClip, rooms: list[np.ndarray], columns: int, shape: float) -> None:
    width, height = columns * COLUMN_INCHES + MAP_INCHES + 0.3, 2 * COLUMN_INCHES * shape + 1.9
    numbers = informative_frames(clip, columns)
    vanilla, noisy = clip.frames(numbers), clip.frames(numbers, noisy=True)
    row = clip.rows[0]
    block.text(0.12 / width, 1 - 0.30 / height, clip.id, size=14, weight="bold", color=INK, va="center")
    facts = (
        f"{len(clip.camera_to_world)} frames at {clip.fps:g}/s     {row['mode']} noise, strength {row['strength']:g}: "
    )
    facts_text = block.text(0.12 / width, 1 - 0.58 / height, facts, size=10, color=MUTED, va="center")
    names = ", ".join(clip.labels[i] for i in clip.noisy_objects) or "nothing"
    page = block.add_axes((0, 0, 1, 1))
    page.set_axis_off()
    page.annotate(names, (1, 0.5), xycoords=facts_text, size=10, color=NOISY, va="center")
    cell = COLUMN_INCHES * shape
    for k, number in enumerate(numbers):
        left, wide = (0.1 + k * COLUMN_INCHES) / width, (COLUMN_INCHES - 0.06) / width
        top, tall = 1 - (0.8 + cell) / height, (cell - 0.06) / height
        upper = block.add_axes((left, top, wide, tall))
        _draw_frame(upper, vanilla[k], f"{number / clip.fps:.1f} s")
        _draw_boxes(upper, clip, int(number))
        lower = block.add_axes((left, 1 - (0.8 + 2 * cell) / height, wide, tall))
        _draw_frame(lower, noisy[k], "")
        _draw_region(lower, clip, int(number))
        if k == 0:
            _tag(upper, "vanilla", INK)
            _tag(lower, "noisy", NOISY)
    left = (0.3 + columns * COLUMN_INCHES) / width
    plan = block.add_axes((left, 0.18 / height, (MAP_INCHES - 0.2) / width, 1 - 0.4 / height))
    draw_map(plan, clip, rooms, numbers)
    _write_questions(block, clip.rows, columns, width, height)


def _write_questions(block: Any, rows: Iterable[Mapping[str, Any]], columns: int, width: float, height: float) -> None:
    """Print one question of each of the first task types, with its answer."""
    first: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        first.setdefault(row["question_type"], row)
    y = 0.82
    for row in list(first.values())[:3]:
        text = row["question"] if row["options"] is None else f"{row['question']}  {'  '.join(row['options'])}"
        answer = f"   \u2192 {row['ground_truth']}"
        text = textwrap.shorten(
            " ".join(text.split()), int(columns * COLUMN_INCHES * 13.2) - len(answer), placeholder=" …"
        )
        block.text(0.12 / width, y / height, text + answer, size=9, color=INK, va="center")
        y -= 0.24


def _draw_frame(axes: Any, pixels: np.ndarray, caption: str) -> None:
    axes.imshow(pixels, extent=(0, pixels.shape[1], pixels.shape[0], 0), interpolation="antialiased")
    axes.set_xlim(0, pixels.shape[1])
    axes.set_ylim(pixels.shape[0], 0)
    axes.set_axis_off()
    if caption:
        _label(axes, pixels.shape[1] - 4, pixels.shape[0] - 4, caption, INK, ha="right", va="bottom")


def _draw_boxes(axes: Any, clip: StoredClip, number: int) -> None:
    """Draw the boxes of the perturbed and the largest objects of a frame, as wires, with labels."""
    areas = {i: int(clip.footprints.areas(i)[number]) for i in clip.footprints.object_ids}
    least = 0.004 * clip.footprints.height * clip.footprints.width
    seen = sorted(
        (i for i, area in areas.items() if area > least), key=lambda i: (i not in clip.noisy_objects, -areas[i])
    )
    unit = clip.footprints.width / 392
    labels = Labels(6.6 * unit, 22 * unit)
    # The time stamp's place is taken first, so that no label covers it.
    labels.place(clip.footprints.width - 22 * unit, clip.footprints.height - 10 * unit, "12.5 s")
    for object_id in seen[:MAX_BOXES]:
        chosen = object_id in clip.noisy_objects
        color = NOISY if chosen else color_of(clip.labels[object_id])
        segments = box_segments(clip.boxes[object_id], clip.intrinsics, clip.camera_to_world[number])
        for start, stop in segments:
            axes.plot([start[0], stop[0]], [start[1], stop[1]], color=color, lw=1.6 if chosen else 0.9, alpha=0.9)
        mask = clip.footprints.region([object_id], [number])[0]
        rows, cols = np.nonzero(mask)
        margin = mask.shape[1] * np.array([0.065, 0.025])
        x = float(np.clip(np.median(cols), margin[0], mask.shape[1] - margin[0]))
        y = float(np.clip(np.median(rows), margin[1], mask.shape[0] - margin[1]))
        if labels.place(x, y, clip.labels[object_id]):
            _label(axes, x, y, clip.labels[object_id], color)


def _draw_region(axes: Any, clip: StoredClip, number: int) -> None:
    """Outline the perturbed pixels."""
    region = clip.footprints.region(clip.noisy_objects, [number])[0]
    if region.any():
        height, width = region.shape
        axes.contour(
            np.arange(width) + 0.5, np.arange(height) + 0.5, region, levels=[0.5], colors=NOISY, linewidths=1.1
        )


def box_segments(
    box: OrientedBox, intrinsics: np.ndarray, camera_to_world: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the box's visible edges in the image, pixels ((2,), (2,)) each, cut at the near plane."""
    corners = transform(rigid_inverse(camera_to_world), box.corners())
    out = []
    for a, b in corners[EDGES]:
        if a[2] < NEAR_M and b[2] < NEAR_M:
            continue
        ends = []
        for point, other in ((a, b), (b, a)):
            # Cut before it is projected: a point behind the camera would land on the wrong side of the image.
            if point[2] < NEAR_M:
                point = point + (other - point) * (NEAR_M - point[2]) / (other[2] - point[2])
            image = intrinsics @ point
            ends.append(image[:2] / image[2])
        out.append((ends[0], ends[1]))
    return out


def _label(axes: Any, x: float, y: float, text: str, color: str, **place: str) -> None:
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    axes.text(x, y, text, size=7, color=color, bbox=box, clip_on=True, **{"ha": "center", "va": "center", **place})


def _tag(axes: Any, text: str, color: str) -> None:
    axes.text(
        0.015,
        0.975,
        text,
        transform=axes.transAxes,
        size=9,
        weight="bold",
        color="white",
        va="top",
        bbox={"boxstyle": "round,pad=0.3", "facecolor": color, "edgecolor": "none"},
    )

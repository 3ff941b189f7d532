"""The map of the contact sheet: rooms, objects and camera path from above; and the colours of all of the sheet."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ocr_hf.data.load import StoredClip

PAPER, INK, MUTED, NOISY = "#ffffff", "#1d2433", "#6b7280", "#d6336c"
FLOOR, WALL, PATH = "#f4f1ec", "#8d8678", "#1d4ed8"
_LABELS = ("#0f766e", "#b45309", "#4338ca", "#15803d", "#9333ea", "#0369a1", "#a16207", "#0e7490", "#475569", "#7c2d12")
VIEW_M = 0.55
"""Length of the drawn view cones, metres."""


def color_of(label: str) -> str:
    """Return the colour of a category: the same in every picture."""
    # Not hash(), which Python salts in each process.
    return _LABELS[hashlib.blake2b(label.encode(), digest_size=1).digest()[0] % len(_LABELS)]


class Labels:
    """Places names where no earlier one is: a later label that would overlap is left out.

    character, line : width of a character and height of a line, in the units of the positions
    """

    def __init__(self, character: float, line: float) -> None:
        self._character, self._line = character, line
        self._taken: list[tuple[float, float, float]] = []

    def place(self, x: float, y: float, text: str) -> bool:
        """Return whether there is room for `text` centred at (x, y), and take it."""
        half = self._character * (len(text) + 1) / 2.0
        if any(abs(x - a) < half + b and abs(y - c) < self._line for a, b, c in self._taken):
            return False
        self._taken.append((x, half, y))
        return True


def draw_map(axes: Any, clip: StoredClip, rooms: list[np.ndarray], numbers: np.ndarray) -> None:
    """Draw a clip's scene from above: +X right, +Y up, one scale. numbers : frames whose view is marked."""
    for polygon in rooms:
        axes.fill(*polygon.T, facecolor=FLOOR, edgecolor=WALL, lw=1.6, zorder=1)
    outlines = {i: box.floor_polygon() for i, box in clip.boxes.items()}
    # From the floor upwards, so that a lamp is drawn over its table.
    for object_id, outline in sorted(outlines.items(), key=lambda item: clip.boxes[item[0]].center[2]):
        if len(outline):
            chosen = object_id in clip.noisy_objects
            color = NOISY if chosen else color_of(clip.labels[object_id])
            axes.fill(
                *outline.T,
                facecolor=color,
                alpha=0.55 if chosen else 0.16,
                edgecolor=color,
                lw=1.6 if chosen else 0.7,
                zorder=3 if chosen else 2,
            )
    _draw_path(axes, clip, numbers)
    _frame_on(axes, clip, rooms)
    _write_labels(axes, clip)
    _draw_scale(axes)


def _draw_path(axes: Any, clip: StoredClip, numbers: np.ndarray) -> None:
    places = clip.camera_to_world[:, :2, 3]
    axes.plot(*places.T, color=PATH, lw=1.6, zorder=5)
    half = np.arctan2(clip.intrinsics[0, 2], clip.intrinsics[0, 0])
    for number in numbers:
        forward = clip.camera_to_world[number, :2, 2]
        angle = np.arctan2(forward[1], forward[0])
        edges = places[number] + VIEW_M * np.array(
            [[np.cos(angle + s * half), np.sin(angle + s * half)] for s in (1, -1)]
        )
        axes.fill(*np.vstack([places[number], edges]).T, facecolor=PATH, alpha=0.22, edgecolor=PATH, lw=0.8, zorder=5)
        axes.plot(*places[number], "o", color=PATH, ms=3.5, zorder=6)
    axes.plot(*places[0], "o", color="white", mec=PATH, mew=1.6, ms=7, zorder=7)


def _frame_on(axes: Any, clip: StoredClip, rooms: list[np.ndarray]) -> None:
    """Show the rooms that the camera walks through, with a margin; everything where rooms are unknown."""
    places = clip.camera_to_world[:, :2, 3]
    visited = [polygon for polygon in rooms if _any_inside(places, polygon)] or rooms
    seen = [clip.boxes[i].center[None, :2] for i in clip.footprints.object_ids if i in clip.boxes]
    points = np.concatenate([places, *visited]) if visited else np.concatenate([places, *seen])
    low, high = points.min(axis=0) - 0.35, points.max(axis=0) + 0.35
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_aspect("equal", adjustable="box")
    axes.set_axis_off()


def _any_inside(points: np.ndarray, polygon: np.ndarray) -> bool:
    from matplotlib.path import Path

    return bool(Path(polygon).contains_points(points).any())


def _write_labels(axes: Any, clip: StoredClip) -> None:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    scale = max((right - left) / 4.2, (top - bottom) / 4.4)  # metres per inch of paper
    labels = Labels(0.062 * scale, 0.11 * scale)
    seen = [i for i in clip.footprints.object_ids if i in clip.boxes]
    for object_id in sorted(seen, key=lambda i: (i not in clip.noisy_objects, -clip.boxes[i].diagonal)):
        x, y = clip.boxes[object_id].center[:2]
        name = clip.labels[object_id]
        if left < x < right and bottom < y < top and labels.place(x, y, name):
            chosen = object_id in clip.noisy_objects
            axes.text(
                x,
                y,
                name,
                size=7.5 if chosen else 6.5,
                weight="bold" if chosen else "normal",
                color=NOISY if chosen else INK,
                ha="center",
                va="center",
                zorder=8,
                clip_on=True,
            )


def _draw_scale(axes: Any) -> None:
    (left, _), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    y = bottom + 0.02 * (top - bottom)
    axes.plot([left + 0.1, left + 1.1], [y, y], color=INK, lw=2, zorder=9, solid_capstyle="butt")
    axes.text(left + 1.2, y, "1 m", size=7, color=INK, ha="left", va="center", zorder=9)

"""Light of an edited scene: computed anew where the edit reaches, kept to the bit elsewhere.

Each place gathers light as in the bake, by the same rays, from what the bake says leaves the kept surfaces. Where the
edit changes nothing, that gives the light that was there; so light goes over from what is lit anew into what is kept
without a seam. The difference fades out with the distance from the changed objects, and is left out where no screen
would show it. Lamp light has no such limit: wherever a shadow of a changed object fell or falls, it is computed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.scenes.render.edit_cuts import Pieces, cut_at_changes
from ocr_hf.scenes.render.edit_reach import Lit, Places, Reach, distance_to
from ocr_hf.scenes.render.edited_caster import EditedCaster
from ocr_hf.scenes.render.lamps import lamp_light
from ocr_hf.scenes.render.light_points import LightPoints, light_points, with_backs
from ocr_hf.scenes.render.refine import NEAR_M, refine
from ocr_hf.scenes.render.shading import (
    EDGE_SAMPLES,
    filled,
    gains_of,
    gathered,
    leaving_light,
    look_around,
    mean_albedo,
    seen_from_behind,
    shown_light,
)
from ocr_hf.scenes.render.surfaces import Surfaces
from ocr_hf.scenes.render.textures import TextureAtlas

SEEN_CHANGE = 0.5 / 255.0
"""A gain that changes by less keeps its bits: on white it is half a step of a stored colour."""


@dataclass(frozen=True, eq=False)
class Relit:
    """What an edit changes.

    caster : casts at the edited scene; new triangles are numbered after the F of the scene before
    gone : (F,) bool; new : surfaces, or None; new_gain : (2, N, 3, 3)
    faces : (C,) kept triangles with new gains; gain : (2, C, 3, 3)
    pieces : what some of these are cut into, or None; parent : (Q,) their numbers; piece_gain : (2, Q, 3, 3)
    """

    caster: EditedCaster
    gone: np.ndarray
    new: Surfaces | None
    new_gain: np.ndarray
    faces: np.ndarray
    gain: np.ndarray
    pieces: Surfaces | None
    parent: np.ndarray
    piece_gain: np.ndarray


@dataclass(frozen=True, eq=False)
class _New:
    """New surfaces, and what their points see: `seen` and `hidden` as `look_around` has them, `lamp` light (n, 3)."""

    surfaces: Surfaces
    points: LightPoints
    albedo: np.ndarray
    seen: np.ndarray
    hidden: np.ndarray
    lamp: np.ndarray


@dataclass(frozen=True, eq=False)
class _Asked:
    """Points of kept surfaces that the edit reaches, and what they see now.

    number : (n,) of the points; places : they
    touched : (t,) int, those that see it, others are only shaded by it; seen, hidden : as `look_around` has them
    lamp : (n, 3), now; fade : (t,), how much of the change of bounced light counts
    """

    number: np.ndarray
    places: Places
    touched: np.ndarray
    seen: np.ndarray
    hidden: np.ndarray
    lamp: np.ndarray
    fade: np.ndarray

    def light(self, leaving: np.ndarray) -> np.ndarray:
        """Return the light (n, 3) now. leaving : (2 F + 2 N, 3), from what is kept and from what is new"""
        old, at = self.places, self.touched
        # Hidden places borrowed all their light from their neighbours.
        kept = old.light + np.where(old.hidden[:, None] > 0.0, np.float32(0.0), self.lamp - old.lamp)
        now = gathered(self.lamp[at], self.seen, leaving)
        kept[at] += self.fade[:, None] * (now - kept[at])
        return np.maximum(kept, 0.0)


def relight(
    lit: Lit,
    atlas: TextureAtlas,
    gone: np.ndarray,
    new: Surfaces | None,
    old_boxes: Sequence[OrientedBox],
    new_boxes: Sequence[OrientedBox],
) -> Relit:
    """Light an edited scene.

    lit : the scene before; gone : (F,) bool, its triangles that the edited scene lacks
    atlas : with the textures of both
    new : surfaces that it has instead, with the same origin and following parts; None: nothing
    old_boxes, new_boxes : around what is gone and what is new, world
    """
    reach = Reach.of(lit, gone, new, old_boxes, new_boxes)
    if new is not None:
        new = refine(new, reach.caster, lit.lamps, reach.shadow)
        reach = reach.with_new(new)
    count = len(lit.surfaces.faces) + (0 if new is None else len(new.faces))
    visible = np.zeros(2 * count, dtype=np.int64)
    asked, pieces, of_piece = _asked(reach, ~gone, visible)
    fresh = None if new is None else _look_from_new(reach, atlas, new, visible)
    near = np.flatnonzero(~gone & np.isin(lit.baked.points.of_corner, asked.number).any(axis=(0, 2)))
    light, new_light = _exchanged(lit, asked, fresh, near)
    return _result(reach, gone, fresh, new_light, asked, light, near, pieces, of_piece)


def _asked(reach: Reach, kept: np.ndarray, visible: np.ndarray) -> tuple[_Asked, Pieces | None, np.ndarray]:
    """Return the points that the edit reaches, the pieces of triangles (kept: (F,) bool) that it needs, and the points
    of their corners (2, Q, 3), numbered after those of the scene; count in `visible` (2 F + 2 N,) what they see."""
    lit = reach.lit
    baked, count = lit.baked, len(lit.baked.points.place)
    used = np.zeros(count, dtype=bool)
    used[baked.points.of_corner[:, kept]] = True
    number = np.flatnonzero(used)
    places = Places.of(baked, number)
    shaded, touched = _changes(reach, places)
    pieces = _cut(reach, kept, number[shaded], number[touched])
    of_piece = np.zeros((2, 0, 3), dtype=np.int64)
    if pieces is not None:
        points, corner = pieces.points(baked.points)
        of_piece = points.of_corner
        light, lamp, hidden = (
            pieces.between(values, baked.points.of_corner, corner) for values in (baked.light, baked.lamp, baked.hidden)
        )
        middles = Places(points.place, points.normal, light, lamp, hidden)
        more_shaded, more_touched = _changes(reach, middles)
        places = places.joined(middles)
        number = np.append(number, np.arange(count, count + len(middles.place)))
        shaded, touched = np.append(shaded, more_shaded), np.append(touched, more_touched)
    reached = shaded | touched
    number, places, shaded = number[reached], places[reached], shaded[reached]
    touched = np.flatnonzero(touched[reached])
    lamp = places.lamp.copy()
    again = LightPoints(places.place[shaded], places.normal[shaded], np.zeros((2, 0, 3), dtype=np.int32))
    lamp[shaded] = lamp_light(reach.shadow, again, lit.lamps, EDGE_SAMPLES)
    seen, hidden = _look(reach, places.place[touched], places.normal[touched], visible)
    fade = reach.fade(places.place[touched])
    return _Asked(number, places, touched, seen, hidden, lamp, fade), pieces, of_piece


def _changes(reach: Reach, places: Places) -> tuple[np.ndarray, np.ndarray]:
    """Return which places (n,) bool have other lamp light than before, and which other bounced light."""
    touched = reach.fade(places.place) > 0.0
    touched[touched] = reach.sees_change(places.place[touched], places.normal[touched])
    return reach.shadow_changes(places.place, places.normal), touched


def _cut(reach: Reach, kept: np.ndarray, shaded: np.ndarray, touched: np.ndarray) -> Pieces | None:
    """Return the pieces of triangles in whose corners lamp light changes, or that something new stands close to."""
    points = reach.lit.baked.points
    chosen = np.zeros(len(points.place), dtype=bool)
    chosen[touched[distance_to(reach.placed, points.place[touched]) < NEAR_M]] = True
    chosen[shaded] = True
    return cut_at_changes(reach, kept & chosen[points.of_corner].any(axis=(0, 2)), kept)


def _look(reach: Reach, place: np.ndarray, normal: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Only of a whole scene can be judged whether its walls are turned inside out.
    inside_out = not (reach.lit.baked.hidden == 1.0).any()
    return look_around(reach.caster, place, normal, visible, reach.lit.rays, inside_out)


def _look_from_new(reach: Reach, atlas: TextureAtlas, new: Surfaces, visible: np.ndarray) -> _New:
    """Return what the points of new surfaces see; visible : (2 F + 2 N,) what others saw."""
    points = light_points(new)
    seen, hidden = _look(reach, points.place, points.normal, visible)
    backs = seen_from_behind(new, visible[2 * len(reach.lit.surfaces.faces) :])
    if backs.any():
        count = len(points.place)
        points = with_backs(points, backs)
        more, more_hidden = _look(reach, points.place[count:], points.normal[count:], visible)
        seen, hidden = np.concatenate([seen, more], axis=1), np.append(hidden, more_hidden)
    lamp = lamp_light(reach.shadow, points, reach.lit.lamps, EDGE_SAMPLES)
    return _New(new, points, mean_albedo(new, atlas), seen, hidden, lamp)


def _exchanged(lit: Lit, asked: _Asked, fresh: _New | None, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the light of the asked points (n, 3) and of the new ones, after some bounces between them.

    near : (C,) triangles of the scene before with an asked corner
    """
    baked, count = lit.baked, len(lit.baked.light)
    if fresh is None:
        return asked.light(_series(baked.leaving, baked.further)), np.zeros((0, 3), dtype=np.float32)
    _, own_leaving = _bounced(fresh, baked.leaving, baked.further)
    # Kept surfaces see each other as they were: else those that the edit reaches would differ from their neighbours
    # that it doesn't reach, by light that is none of its own.
    leaving = [np.concatenate(both) for both in zip(baked.leaving, own_leaving, strict=True)]
    relit = asked.light(_series(leaving, baked.further))
    # What is new sees them as they are now.
    own = asked.number < count
    change = np.zeros((2, count, 3), dtype=np.float32)
    change[0, asked.number[own]] = (asked.lamp - asked.places.lamp)[own]
    change[1, asked.number[own]] = (relit - asked.places.light)[own]
    of_corner, albedo = baked.points.of_corner[:, near], mean_albedo(lit.surfaces.chosen(near), lit.atlas)
    rows = (2 * near[:, None] + [0, 1]).reshape(-1)
    now = []
    for bounce, passed in enumerate(baked.leaving):
        now.append(passed.copy())
        now[-1][rows] += leaving_light(change[min(bounce, 1)], of_corner, albedo)
    light, _ = _bounced(fresh, now, baked.further)
    return relit, light


def _bounced(fresh: _New, kept: Sequence[np.ndarray], further: float) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the light (n, 3) of new points, as `with_bounces` has it, and what left their triangles each time.

    kept : what leaves the kept triangles before each bounce
    """
    before = light = filled(fresh.lamp, fresh.points, fresh.hidden)
    passed = []
    for leaving in kept:
        passed.append(leaving_light(light, fresh.points.of_corner, fresh.albedo))
        arriving = gathered(fresh.lamp, fresh.seen, np.concatenate([leaving, passed[-1]]))
        before, light = light, filled(arriving, fresh.points, fresh.hidden)
    return light + (light - before) * np.float32(further), passed


def _series(leaving: Sequence[np.ndarray], further: float) -> np.ndarray:
    """Return what must leave surfaces for one bounce to bring the light of all: what is gathered is linear in it."""
    return leaving[-1] + (leaving[-1] - leaving[-2]) * np.float32(further)


def _result(
    reach: Reach,
    gone: np.ndarray,
    fresh: _New | None,
    new_light: np.ndarray,
    asked: _Asked,
    relit: np.ndarray,
    near: np.ndarray,
    pieces: Pieces | None,
    of_piece: np.ndarray,
) -> Relit:
    """Turn light into gains, leaving out what nobody would see."""
    surfaces, baked = reach.lit.surfaces, reach.lit.baked
    of_corner = baked.points.of_corner
    count = len(baked.points.place)
    light = np.concatenate([baked.light, np.zeros((max(of_piece.max(initial=-1) + 1 - count, 0), 3), np.float32)])
    hidden = np.zeros(len(light), dtype=np.float32)
    between = np.zeros((2, 0, 3, 3), dtype=np.float32)
    if pieces is not None:
        between = pieces.corners(baked.light[of_corner[:, pieces.parent]])
        light[of_piece] = between
    light[asked.number] = relit
    hidden[asked.number[asked.touched]] = asked.hidden
    around = np.concatenate([of_corner[:, near], of_piece], axis=1)
    light = filled(light, LightPoints(baked.points.place, baked.points.normal, around), hidden)
    old = baked.gain[:, near]
    new = _gain(reach.lit, light[of_corner[:, near]], surfaces.part[near])
    # Corner by corner: triangles that share a point decide alike.
    change = np.abs(new - old).max(axis=3, keepdims=True) > SEEN_CHANGE
    new = np.where(change, new, old)
    differs = change.any(axis=(0, 2, 3))
    near, new = near[differs], new[:, differs]
    parent, piece_gain, shown = np.zeros(0, dtype=np.int64), between, None
    if pieces is not None:
        part = surfaces.part[pieces.parent]
        step = _gain(reach.lit, light[of_piece], part) - _gain(reach.lit, between, part)
        step *= np.abs(step).max(axis=3, keepdims=True) > SEEN_CHANGE
        changed = np.unique(pieces.parent[step.any(axis=(0, 2, 3))])
        used = np.isin(pieces.parent, changed)
        parent, shown = pieces.parent[used], pieces.surfaces.chosen(used) if used.any() else None
        piece_gain = (pieces.corners(baked.gain[:, pieces.parent]) + step)[:, used]
        # Whole, a cut triangle is shown where rounding lets a ray miss its pieces.
        missing = np.setdiff1d(changed, near)
        near, new = np.append(near, missing), np.concatenate([new, baked.gain[:, missing]], axis=1)
    nothing = np.zeros((2, 0, 3, 3), dtype=np.float32)
    new_gain = nothing if fresh is None else _gain_of_new(reach.lit, fresh, new_light)
    return Relit(
        reach.caster, gone, None if fresh is None else fresh.surfaces, new_gain, near, new, shown, parent, piece_gain
    )


def _gain(lit: Lit, light: np.ndarray, part: np.ndarray) -> np.ndarray:
    return gains_of(shown_light(light, lit.baked.typical), lit.surfaces.emission[part])


def _gain_of_new(lit: Lit, fresh: _New, light: np.ndarray) -> np.ndarray:
    shown = shown_light(light, lit.baked.typical)[fresh.points.of_corner]
    return gains_of(shown, fresh.surfaces.emission[fresh.surfaces.part])

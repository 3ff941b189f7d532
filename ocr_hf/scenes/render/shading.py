"""Baked light: how bright every corner of every triangle is, computed once per scene.

Radiosity by gathering. From each light point (see light_points.py) a fixed set of rays samples the hemisphere above the
surface: a ray that escapes sees the sky, one that hits receives the light leaving that surface; lamps are tested for
shadow. A few iterations carry lamp and sky light around corners, colour shadows and darken niches (ambient occlusion).

The rays are the same for all points and scenes: no noise, no flicker, the same bytes always.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.triples import all_three, means
from ocr_hf.scenes.render.lamps import lamp_light, without_emitters
from ocr_hf.scenes.render.light_points import LIFT_M, LightPoints, hemisphere, light_points, with_backs
from ocr_hf.scenes.render.ray_caster import RayCaster
from ocr_hf.scenes.render.surfaces import Surfaces
from ocr_hf.scenes.render.textures import TextureAtlas
from ocr_hf.scenes.scene import Light

BOUNCES = 2
GAMMA = 2.2
EDGE_SAMPLES = 12
"""Further points of each lamp that are tested in the edges of shadows."""
SKY_UP, SKY_DOWN = (0.24, 0.25, 0.265), (0.08, 0.08, 0.08)
"""Linear radiance of the sky at the zenith, and of the ground outside."""
AMBIENT = 0.05
"""Share of the typical light that reaches even the deepest niche."""
EXPOSURE, WHITE = 1.25, 4.0
"""Typical light is scaled to the first number; the second is shown as pure white."""
NEAR_M, SOLID_M, ENCLOSED = 0.4, 3.0, 0.75
"""A point that sees mostly the backs of things nearer than the first, or only backs nearer than the second, lies inside
something solid. One that sees hardly anything farther than the first, behind a picture or under a sofa, gets at least
this share of its neighbours' light: it would be a dark tooth at the end of a triangle that reaches out of the gap."""
VISIBLE_M = 0.5
"""What is seen from this far counts for the exposure; the insides of cabinets don't."""


@dataclass(frozen=True, eq=False)
class Baked:
    """The light of a scene.

    gain : (2, F, 3, 3) float32 on sRGB values: side (front, back) x triangle x corner x colour
    points : where light was computed
    lamp, light : (P, 3) float32, linear: the lamps' direct light, and all that arrives
    hidden : (P,) float32, 1 inside solids, ENCLOSED in the narrowest gaps, else 0
    leaving : BOUNCES times (2 F, 3) float32, linear: what left triangle f's front (row 2 f) and back (row 2 f + 1)
        before each bounce
    further : what the bounces after the last one add, as a multiple of what the last one added
    typical : the light that is shown well exposed
    """

    gain: np.ndarray
    points: LightPoints
    lamp: np.ndarray
    light: np.ndarray
    hidden: np.ndarray
    leaving: tuple[np.ndarray, ...]
    further: float
    typical: float


def bake(
    surfaces: Surfaces,
    atlas: TextureAtlas,
    caster: RayCaster,
    lamps: list[Light],
    rays: int,
    typical: float | None = None,
) -> Baked:
    """Return the light of all surfaces.

    caster : casts at exactly `surfaces`; lamps : relative to the surfaces' origin
    rays : directions in which each light point looks
    typical : the light to show well exposed; None: what the scene's surfaces typically get
    """
    points = light_points(surfaces)
    # Rays are cast once and only their hits kept: every further bounce is then a table look-up.
    visible = np.zeros(2 * len(surfaces.faces), dtype=np.int64)
    seen, hidden = look_around(caster, points.place, points.normal, visible, rays)
    backs = seen_from_behind(surfaces, visible)
    if backs.any():
        count = len(points.place)
        points = with_backs(points, backs)
        more, more_hidden = look_around(caster, points.place[count:], points.normal[count:], visible, rays)
        seen, hidden = np.concatenate([seen, more], axis=1), np.append(hidden, more_hidden)
    lamp = lamp_light(without_emitters(surfaces, caster), points, lamps, EDGE_SAMPLES)
    albedo = mean_albedo(surfaces, atlas)
    light, leaving, further = with_bounces(lamp, seen, points, albedo, hidden)
    typical = _typical(light, visible, points, albedo) if typical is None else typical
    gain = gains_of(shown_light(light, typical)[points.of_corner], surfaces.emission[surfaces.part])
    return Baked(gain, points, lamp, light, hidden, leaving, further, typical)


def look_around(
    caster: RayCaster,
    place: np.ndarray,
    normal: np.ndarray,
    visible: np.ndarray,
    count: int,
    inside_out: bool | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Look at the hemisphere above each point (P, 3); count in `visible` (2 F,) what is seen from some distance.

    inside_out : whether what looks like the inside of a solid is a room; None: judged from these points, all of a scene
    Returns (seen (count, P) int32: 2 face + (1 from behind), or -1 - (elevation in 0 ... 255) for the sky;
    hidden (P,) float32: 1 inside solids, ENCLOSED in the narrowest gaps, else 0).
    """
    seen = np.empty((count, len(place)), dtype=np.int32)
    far = np.empty(seen.shape, dtype=bool)
    inside, within, near = np.zeros((3, len(place)), dtype=np.uint8)
    rays = np.empty((len(place), 6), dtype=np.float32)
    rays[:, :3] = place + normal * np.float32(LIFT_M)
    for number, direction in enumerate(hemisphere(normal, count)):
        rays[:, 3:] = direction
        hits = caster.cast(rays)
        behind = np.einsum("ij,ij->i", hits.normal, direction) > 0.0
        sky = np.isinf(hits.distance)
        elevation = np.rint((direction[:, 2] + 1.0) * 127.5).astype(np.int32)
        surface = 2 * hits.face.astype(np.int32) + behind
        seen[number] = np.where(sky, -1 - elevation, surface)
        close = hits.distance < NEAR_M
        near += close
        within += behind & close
        inside += behind & (hits.distance < SOLID_M)
        far[number] = ~sky & (hits.distance > VISIBLE_M)
    buried = (within > 0.5 * count) | (inside > 0.95 * count)
    if (
        buried.mean() > 0.5 if inside_out is None else inside_out
    ):  # walls turned inside out: what looks like the inside of a solid is a room
        buried[:] = False
    for surface, counts in zip(seen, far & ~buried, strict=True):
        visible += np.bincount(surface[counts], minlength=len(visible))
    hidden = np.where(near > 0.88 * count, np.float32(ENCLOSED), np.float32(0.0))
    return seen, np.where(buried, np.float32(1.0), hidden)


def seen_from_behind(surfaces: Surfaces, visible: np.ndarray) -> np.ndarray:
    """Return (F,) bool: triangles of meshes whose backs are looked at (curtains, single-sheet walls, wrong order)."""
    # Decided by mesh, not by triangle, and with a threshold: a few rays slip through cracks of any closed mesh, and
    # lighting all backs would double the work.
    parts = np.stack([np.bincount(surfaces.part, weights=side) for side in visible.reshape(-1, 2).T])
    return (parts[1] > 0.05 * parts.sum(axis=0))[surfaces.part]


def mean_albedo(surfaces: Surfaces, atlas: TextureAtlas) -> np.ndarray:
    """Return the mean linear reflectance (F, 3) float32 of each triangle."""
    index = atlas.index[surfaces.part]
    # One look-up at the mip level in which the triangle is about one texel gives its mean colour.
    texels = (surfaces.uv[:, 1:] - surfaces.uv[:, :1]) * atlas.size(index)[:, None, :]
    area = np.abs(texels[:, 0, 0] * texels[:, 1, 1] - texels[:, 0, 1] * texels[:, 1, 0])
    scale = np.float32(0.5) * np.log2(np.maximum(area, np.float32(1.0)))
    texture = atlas.sample(index, np.ascontiguousarray(means(surfaces.uv, 1).T), scale).T
    # White paint reflects about 85 %; with 1.0 the light in a white room would never fade from bounce to bounce.
    return np.minimum((means(surfaces.color, 1) * texture / 255.0) ** GAMMA, 0.85).astype(np.float32)


def with_bounces(
    lamp_light: np.ndarray, seen: np.ndarray, points: LightPoints, albedo: np.ndarray, hidden: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, ...], float]:
    """Return lamp light, sky light and what surfaces pass on to each other, (P, 3) float32.

    Returns (light, what left the surfaces before each bounce, `Baked.further`).
    """
    light, steps, passed = filled(lamp_light, points, hidden), [], []
    for _ in range(BOUNCES):
        passed.append(leaving_light(light, points.of_corner, albedo))
        arriving = gathered(lamp_light, seen, passed[-1])
        arriving = filled(arriving, points, hidden)
        steps.append(arriving - light)
        light = arriving
    # Further bounces are taken to shrink as the last one did: a geometric series.
    ratio = min(float(steps[-1].mean() / max(steps[-2].mean(), 1e-9)), 0.7)
    further = ratio / (1.0 - ratio)
    return light + steps[-1] * np.float32(further), tuple(passed), further


def leaving_light(light: np.ndarray, of_corner: np.ndarray, albedo: np.ndarray) -> np.ndarray:
    """Return what leaves triangles' fronts and backs, (2 F, 3) float32: row 2 f is the front of triangle f.

    light : (P, 3); of_corner : (2, F, 3), the point at each corner; albedo : (F, 3)
    """
    return (means(light[of_corner], 2) * albedo).transpose(1, 0, 2).reshape(-1, 3)


def gathered(lamp_light: np.ndarray, seen: np.ndarray, leaving: np.ndarray) -> np.ndarray:
    """Return lamp light (P, 3) and what leaves the surfaces and the sky that points have `seen` (count, P)."""
    up = np.linspace(0.0, 1.0, 256)[:, None]
    up = np.clip(1.5 * up - 0.25, 0.0, 1.0)
    # Looked up with negative numbers, counted from the end: -1 is the lowest sky.
    sky = (up * np.array(SKY_UP) + (1.0 - up) * np.array(SKY_DOWN))[::-1].astype(np.float32)
    table = np.concatenate([leaving, sky])
    arriving = lamp_light.copy()
    for ray in seen:
        arriving += table[ray] * np.float32(1.0 / len(seen))
    return arriving


def filled(light: np.ndarray, points: LightPoints, hidden: np.ndarray) -> np.ndarray:
    """Return the light (P, 3), at `hidden` (P,) points at least that share of what their neighbours get."""
    known = hidden == 0.0
    corner = points.of_corner.reshape(-1, 3)
    corner = corner[~all_three(known[corner])]
    # Few points are hidden or lie beside one: only these are looked at
    used, corner = np.unique(corner, return_inverse=True)
    corner = corner.reshape(-1, 3)
    near, known, share = light[used], known[used], hidden[used]
    # Four rounds reach the few rings of points that lie behind a picture or in a gap.
    for _ in range(4):
        weight = known[corner].astype(np.float64)
        total = np.einsum("fc,fcx->fx", weight, near[corner])
        number = np.bincount(corner.reshape(-1), np.repeat(weight.sum(axis=1), 3), minlength=len(used))
        new = ~known & (number > 0.0)
        for color in range(3):
            value = np.bincount(corner.reshape(-1), np.repeat(total[:, color], 3), minlength=len(used))
            near[new, color] = np.maximum(near[new, color], share[new] * value[new] / number[new])
        known |= new
    light = light.copy()
    light[used] = near
    return light


def _typical(light: np.ndarray, visible: np.ndarray, points: LightPoints, albedo: np.ndarray) -> float:
    """Return the light in which the surfaces (2 F,) typically are, each as important as it is `visible`.

    White surroundings count as brighter and dark ones as darker than they are lit, as a camera's exposure does.
    """
    # The mean of square roots, squared at the end: one bright window weighs less than in a plain mean.
    brightness = means(np.sqrt(means(light, 1))[points.of_corner], 2)
    brightness *= np.power(means(albedo, 1) / np.float32(0.45), np.float32(0.25))
    seen = visible if visible.any() else np.ones_like(visible)
    return max(float(np.average(brightness.T.reshape(-1), weights=seen)) ** 2, 1e-3)


def shown_light(light: np.ndarray, typical: float) -> np.ndarray:
    """Return what a camera stores of light (..., 3) float32 on white, linear, with `typical` light well exposed."""
    shown = light * np.float32(EXPOSURE / typical) + np.float32(AMBIENT)
    brightness = means(shown, -1)[..., None]
    # Reinhard's curve with a white point (2002, equation 4), on brightness, so that colours keep their hue.
    shown *= (1.0 + brightness / WHITE**2) / (1.0 + brightness)
    return np.maximum(shown, 0.0)


def gains_of(shown: np.ndarray, emission: np.ndarray) -> np.ndarray:
    """Return the (2, F, 3, 3) float32 gains of triangles with `shown` light (2, F, 3, 3) and emission (F,)."""
    # Gains multiply sRGB values, hence the power of 1 / GAMMA: (g * c^2.2)^(1/2.2) = g^(1/2.2) * c.
    return np.power(shown + emission[None, :, None, None], np.float32(1.0 / GAMMA))

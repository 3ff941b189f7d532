"""Procedural homes furnished with real models from a folder of meshes (optional source).

The layout is the procedural one. Each piece is replaced by a model of its category that, scaled evenly, fits into
the same place; a piece for which there is none keeps its procedural look.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model
from ocr_hf.scenes.homes.furniture.sizes import scaled
from ocr_hf.scenes.homes.model_library import Entry, ModelLibrary, read_library
from ocr_hf.scenes.homes.placement import Placement, overlap
from ocr_hf.scenes.homes.procedural import layout_home, scene_of
from ocr_hf.scenes.randomness import generator
from ocr_hf.scenes.scene import Scene

REAL_SHARE = (0.5, 1.0)
"""Share of the pieces that are replaced where a model fits, drawn for each home; else each category has one look."""
SCALE = (0.75, 1.3)
"""Limits of a model's scale: beyond them a chair looks like a toy, or a throne."""
STRETCH = 1.25
"""How much more a model may be scaled upwards than sideways, so that what stands on it stands at its height."""
FREE_STANDING = frozenset({"chair", "table", "stool", "cup", "bowl", "bottle", "laptop", "headphones", "telephone"})
"""These keep the middle of their place; everything else keeps its back, to stay at its wall."""
BEDDED = frozenset({"bed", "sofa"})
"""Real models of these bring cushions of their own, which have no labels: ours are removed, so that pillows aren't
miscounted."""


@lru_cache(maxsize=4)
def _library(folder: str) -> ModelLibrary:
    return read_library(folder)


def furnished_scene(seed: int, models: Path | str, rooms: int | None = None) -> Scene:
    """Return the home of this seed, furnished with real models.

    seed : at least 0; models : folder that `read_library` can read; rooms : 1 to 4, None lets the seed choose
    The scene's licence and attribution say whose models were used.
    Raises FileNotFoundError if the folder is missing, ValueError if it holds no usable model.
    """
    library = _library(str(models))
    home = layout_home(seed, rooms)
    placements, used = refurnished(home.placements, library, seed)
    scene = scene_of(home, f"furnished_{seed:06d}", "furnished", placements)
    credits = tuple(sorted({entry.credit for entry in used}))
    licences = {entry.licence for entry in used}
    licence = "cc-by-3.0" if "CC-BY 3.0" in licences else "other" if "unknown" in licences else "cc0-1.0"
    return replace(scene, licence=licence if used else scene.licence, attribution=credits)


def refurnished(
    placements: tuple[Placement, ...], library: ModelLibrary, seed: int
) -> tuple[tuple[Placement, ...], list[Entry]]:
    """Return the placements with real models where they fit, and the models used."""
    current = list(placements)
    used: list[Entry] = []
    chosen: dict[int, list[Entry]] = {}
    gone: set[int] = set()
    rng = generator(seed, "share of models")
    share = rng.uniform(*REAL_SHARE)
    # By model, not by piece: the chairs of a table are alike
    replaced = {id(model): rng.random() < share for model in {id(p.model): p.model for p in placements}.values()}
    for i, placement in enumerate(placements):
        label = placement.model.label
        if i in gone or not replaced[id(placement.model)] or label not in library.entries:
            continue
        # Equal pieces (the chairs of a table) become equal models.
        order = chosen.setdefault(id(placement.model), [])
        if not order:
            rng = generator(seed, "models", i)
            entries = library.entries[label]
            order += [entries[k] for k in rng.permutation(len(entries))]
        children = [j for j, other in enumerate(placements) if other.on is placement]
        bedded = label in BEDDED
        for entry in order:
            model = library.load(entry)
            new = model and _fitted(placement, model, entry.top_m, [] if bedded else [placements[j] for j in children])
            if new is None or not _is_free(new, i, current, placements, gone | set(children)):
                continue
            current[i] = new
            used.append(entry)
            order[:] = [entry]
            if bedded:
                gone |= set(children)
            break
    # A count must be right: with unlabelled cushions in view, no question about pillows can be.
    if any(current[i].model.label in BEDDED and current[i] is not placements[i] for i in range(len(current))):
        gone |= {i for i, placement in enumerate(placements) if placement.model.label == "pillow"}
    for i, placement in enumerate(placements):
        if placement.on is not None:
            # Carriers may have been replaced: what stands on one must point to the new one.
            carrier = next(j for j, other in enumerate(placements) if other is placement.on)
            current[i] = replace(current[i], on=current[carrier])
    return tuple(p for i, p in enumerate(current) if i not in gone), used


def _fitted(placement: Placement, model: Model, top_m: float | None, children: list[Placement]) -> Placement | None:
    """Return the placement with this model scaled into its place, or None where it doesn't fit.

    top_m : height at which things can stand on the model, None where they can't
    """
    slot, size = placement.model.size, model.size
    # e^0.7 is 2: the proportions of the two footprints may differ by a factor of two.
    if placement.model.label in FREE_STANDING and abs(np.log(size[0] / size[1]) - np.log(slot[0] / slot[1])) > 0.7:
        return None
    scale = float(min((slot / size).min(), SCALE[1]))
    # What stands on the floor may be 15 % taller than the piece it replaces; what hangs or lies on something may not.
    if placement.on is None and placement.position[2] == 0.0:
        scale = float(min((slot[:2] / size[:2]).min(), 1.15 * slot[2] / size[2], SCALE[1]))
    if scale < SCALE[0]:
        return None
    factors = np.full(3, scale)
    if children:
        # Things stand on it: its top must be where theirs was, and reach as far as they do.
        if top_m is None:
            return None
        height = min(float(child.position[2] - placement.position[2]) for child in children)
        if max(float(child.position[2] - placement.position[2]) for child in children) > height + 0.01:
            return None
        # A millimetre lower than what stands on it, so that they share no face.
        factors[2] = (height - 0.001) / top_m
        if not 1.0 / STRETCH < factors[2] / scale < STRETCH:
            return None
    model = scaled(model, factors)
    back = 0.0 if placement.model.label in FREE_STANDING else float(slot[1] - model.size[1]) / 2.0
    position = placement.point(0.0, back)
    new = replace(placement, model=model, position=position)
    return new if all(_carries(new, child) for child in children) else None


def _carries(parent: Placement, child: Placement) -> bool:
    """Return True if a child's base lies on its parent's footprint."""
    local = (child.block.corners() - parent.position[:2]) @ parent.box.rotation[:2, :2]
    return bool((np.abs(local) <= parent.model.size[:2] / 2.0 - 0.005).all())


def _is_free(
    new: Placement, index: int, current: list[Placement], placements: tuple[Placement, ...], ignored: set[int]
) -> bool:
    """Return True if a replaced piece runs into nothing but what carries it."""
    return not any(
        overlap(new.block, other.block)
        for j, other in enumerate(current)
        if j != index and j not in ignored and not placements[index].rests_on(placements[j])
    )

"""Audits: the same questions with part of the video taken away, to tell whether a model looks at the scene at all.

| audit | what the model is given |
|---|---|
| text_only | the prompt without any video |
| black | black frames at the same times |
| shuffled | the sampled frames in random order; times stay in order |
| repeat | the same once more, in other batches: what differs is numerical noise |
| queried_erased | the visible pixels of the objects the question names, filled in from around them |
| queried_noised | diffusion noise on those pixels |
| context_noised | the same noise on as many pixels elsewhere, in each frame: other objects first, then the rest |
| recovery | noise of several strengths and draws on the queried objects, and on as many like objects of the context |

The last four need footprints, so they run on ocr-vsi only, and only for questions that name an object which is seen
in a sampled frame. `recovery` is asked arm by arm (`Arm`). docs/measure.md has the definitions in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ocr_hf.geometry.footprints import Footprints
from ocr_hf.perturb.degrade import black_frames, erase_region, shuffle_frames
from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.perturb.noise import gaussian_region
from ocr_hf.vsi_bench.context_match import match_context

VANILLA = "vanilla"
"""The run without any audit."""
RECOVERY = "recovery"
AUDITS = ("text_only", "black", "shuffled", "repeat", "queried_erased", "queried_noised", "context_noised", RECOVERY)
"""What may be asked for."""
NEED_OBJECTS = ("queried_erased", "queried_noised", "context_noised", RECOVERY)
"""Audits whose frames depend on the question; those of the others depend on its video only."""
NEEDED_BY_RECOVERY = ("black", "repeat", "queried_erased")
"""Parts of the measure that recovery is read beside; they are asked with it."""
SIDES = ("queried", "matched")
"""Where the noise of recovery lies: on the objects that the question names, on like ones of the context."""


@dataclass(frozen=True)
class Arm:
    """One run of the audit `recovery`: noise of this strength, 0 to 1, draw number `draw`, on one of SIDES.

    Its text, `queried_noised@0.5/1`, stands in the column `audit` of predictions.parquet.
    """

    side: str
    strength: float
    draw: int

    def __str__(self) -> str:
        return f"{self.side}_noised@{float(self.strength)!r}/{self.draw}"

    @classmethod
    def of(cls, audit: str) -> Arm | None:
        """Read an arm's text; None for the other audits."""
        found = _ARM.fullmatch(audit)
        return found and cls(found["side"], float(found["strength"]), int(found["draw"]))


_ARM = re.compile(rf"(?P<side>{'|'.join(SIDES)})_noised@(?P<strength>[\d.e-]+)/(?P<draw>\d+)")


def arms(strengths: Sequence[float], draws: int) -> list[Arm]:
    """Return the arms of recovery: each strength, each draw, on each side."""
    return [Arm(side, strength, draw) for strength in strengths for draw in range(draws) for side in SIDES]


def asked_audits(audits: Iterable[str], strengths: Sequence[float], draws: int) -> list[str]:
    """Return the names under which questions are asked: the audits, and for recovery its arms."""
    named = [audit for audit in audits if audit != RECOVERY]
    return [*named, *(map(str, arms(strengths, draws)) if RECOVERY in audits else ())]


def needs_objects(audit: str) -> bool:
    """Return whether an audit's frames depend on the question, by what it names."""
    return audit in NEED_OBJECTS or Arm.of(audit) is not None


@dataclass(frozen=True, eq=False)
class Changed:
    """Frames as an audit shows them.

    frames : (T, H, W, 3) uint8, or None for no video
    changed_px : how many pixels of all frames were noised or erased (before the hole is grown), None where all were
    asked_px : how many the queried objects have; context_noised falls short of it where a frame has no more context,
        and matched objects have about as many
    """

    frames: np.ndarray | None
    changed_px: int | None = None
    asked_px: int | None = None


def check_audits(audits: Iterable[str], knows_objects: bool, name: str) -> tuple[str, ...]:
    """Return the audits in their fixed order, with what recovery is read beside; "all" stands for all that data allow.

    Raises ValueError for an unknown one, or one that the data don't allow.
    """
    wanted = set(audits)
    if "all" in wanted:
        wanted = wanted - {"all"} | {audit for audit in AUDITS if knows_objects or audit not in NEED_OBJECTS}
    unknown = wanted - set(AUDITS)
    if unknown:
        raise ValueError(f"audit '{sorted(unknown)[0]}' is unknown; there are {', '.join(AUDITS)}")
    blind = [audit for audit in NEED_OBJECTS if audit in wanted]
    if blind and not knows_objects:
        raise ValueError(
            f"audit '{blind[0]}' needs to know where objects are, and {name} doesn't; use ocr-vsi, "
            "and of it another split than twins"
        )
    if RECOVERY in wanted:
        wanted |= set(NEEDED_BY_RECOVERY)
    return tuple(audit for audit in AUDITS if audit in wanted)


def apply_audit(
    audit: str,
    frames: np.ndarray,
    random_id: object,
    seed: int,
    strength: float = 1.0,
    footprints: Footprints | None = None,
    queried: Iterable[int] = (),
    frame_indices: Iterable[int] | None = None,
) -> Changed:
    """Return the frames that an audit shows.

    frames : (T, H, W, 3) uint8, the sampled frames
    footprints : of these T frames, at any size; queried : ids of the objects that the question names
    frame_indices : the frames' numbers in the clip, on which the noise depends
    random_id : id of the question, or of the video where questions share the frames: makes their random choices
    strength : of the noise, 0 to 1 (see `gaussian_region`); both noise audits use the same noise, and an arm of
        recovery its own strength
    """
    if audit in (VANILLA, "repeat"):
        return Changed(frames)
    if audit == "text_only":
        return Changed(None)
    if audit == "black":
        return Changed(black_frames(frames))
    if audit == "shuffled":
        return Changed(shuffle_frames(frames, stable_key("audit", seed, str(random_id))))
    if footprints is None:
        raise ValueError(f"audit '{audit}' of {random_id} needs footprints; use an ocr-vsi data set")
    # Footprints may be stored smaller than the frames
    fitted = footprints.resized(*frames.shape[1:3])
    asked = fitted.region(queried)
    asked_px = int(asked.sum())
    if audit == "queried_erased":
        return Changed(erase_region(frames, asked), asked_px, asked_px)
    arm = Arm.of(audit)
    if arm is not None and arm.side == "matched":
        matched = match_context(footprints, queried)
        if matched is None:
            raise ValueError(f"question {random_id} names objects that no others are like; leave it out of '{audit}'")
        # Footprints of boxes reach over each other; what the question names must stay clear
        region = fitted.region(matched) & ~asked
    elif audit == "context_noised":
        region = context_region(fitted, queried, random_id, seed)
    elif arm is not None or audit == "queried_noised":
        region = asked
    else:
        raise ValueError(
            f"audit '{audit}' shows no frames of its own; ask its arms, such as '{Arm('queried', 0.5, 0)}'"
        )
    # One key for both sides: they differ in where the noise lies, not in the noise
    key = stable_key("audit", seed, str(random_id), *((arm.draw,) if arm and arm.draw else ()))
    strength = arm.strength if arm else strength
    noisy = gaussian_region(frames, region, strength, key, None if frame_indices is None else list(frame_indices))
    return Changed(noisy, int(region.sum()), asked_px)


def context_region(footprints: Footprints, queried: Iterable[int], random_id: object, seed: int) -> np.ndarray:
    """Return the (T, H, W) bool region of `context_noised`: in each frame as many pixels as the queried objects have.

    None of them belongs to a queried object. They are taken from the other objects' footprints, object by object in a
    random order, then from the rest of the frame; the last piece is cut by rows. A frame in which the queried objects
    cover more than half gives all its other pixels, which are then fewer.
    """
    queried = set(queried)
    asked = footprints.region(queried)
    others = [item for item in footprints.object_ids if item not in queried]
    order = generator(stable_key("context", seed, str(random_id))).permutation(len(others))
    region = np.zeros_like(asked)
    for frame in range(footprints.num_frames):
        wanted = int(asked[frame].sum())
        free = ~asked[frame]
        pieces = (footprints.mask(others[i], frame) for i in order)
        # The whole frame comes last, for what the other objects could not give
        for piece in (*pieces, np.ones_like(free)):
            if wanted == 0:
                break
            if piece is None:
                continue
            pixels = np.flatnonzero(piece & free)[:wanted]
            region[frame].reshape(-1)[pixels] = True
            free.reshape(-1)[pixels] = False
            wanted -= len(pixels)
    return region

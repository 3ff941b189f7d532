"""What the planted lock shows its models: a room in all the ways that arms and tests see it, as a sheet and videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.atomic import replacing
from ocr_hf.data.video import write_mp4
from ocr_hf.experiment.planted_data import PARTS, Rooms, make_row
from ocr_hf.experiment.planted_rooms import FPS, FRAMES, NAMED_ID
from ocr_hf.perturb.noise import gaussian_region
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.perturb.rows import footprints_of
from ocr_hf.perturb.schedule import DIFFUSION_STEPS
from ocr_hf.video.read import read_frames

SEED = 9_000_000
"""A room of no part."""
ENLARGED, GAP, TEXT = 3, 6, 24
"""Of pixels; between frames, and above them for what is written there, pixels."""


def examples() -> dict[str, np.ndarray]:
    """Return what is written under a row -> its frames, (FRAMES, HEIGHT, WIDTH, 3) uint8."""
    part = replace(PARTS["rl"], name="examples")
    aligned, conflict = (_row(part, kind) for kind in ("aligned", "conflict"))
    shown, footprints = _frames(conflict), footprints_of(conflict)

    def noised(select: str, region: str) -> np.ndarray:
        ocr_map = OCRMap(select=select, max_objects=1, strength=1.0, seed=1, region=region)
        chosen = ocr_map.choose(conflict["id"], 0, footprints, [NAMED_ID])
        return ocr_map.perturb(shown, footprints, chosen, row_id=conflict["id"])

    everywhere = np.ones(shown.shape[:3], dtype=bool)
    truth, cue = conflict["ground_truth"], conflict["cue"]
    return {
        f"aligned: the colour and the lamp both say {aligned['ground_truth']}": _frames(aligned),
        f"conflict: the colour says {cue}, the lamp says {truth}, which is right": shown,
        f"ocr: noise on the named thing; only the lamp is left, {truth}": noised("queried", "objects"),
        f"same_area: as much noise elsewhere; the colour still says {cue}": noised("queried", "elsewhere"),
        "noisy_rollout: noise on whole frames, t = 500": gaussian_region(shown, everywhere, 500 / DIFFUSION_STEPS, 1),
        f"counterfactual: the lamp is moved to {conflict['edited_ground_truth']}": _frames(conflict, "edited"),
    }


def write_examples(folder: Path) -> Path:
    """Write a sheet of all rows, examples.png, and a video of each into a folder; return the sheet's path."""
    from PIL import Image, ImageDraw, ImageFont

    folder.mkdir(parents=True, exist_ok=True)
    found = examples()
    height, width = (ENLARGED * size for size in next(iter(found.values())).shape[1:3])
    sheet = Image.new("RGB", (FRAMES * (width + GAP) - GAP, len(found) * (TEXT + height + GAP) - GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for number, (title, frames) in enumerate(found.items()):
        large = frames.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
        top = number * (TEXT + height + GAP)
        pen.text((2, top + 2), title, fill="black", font=font)
        for place, frame in enumerate(large):
            sheet.paste(Image.fromarray(frame), (place * (width + GAP), top + TEXT))
        write_mp4(folder / f"{title.split(':')[0]}.mp4", large, FPS)
    with replacing(folder / "examples.png") as partial:
        sheet.save(partial, format="png", optimize=True)
    return folder / "examples.png"


def _row(part: Rooms, kind: str) -> dict[str, Any]:
    return make_row(replace(part, kind=kind), SEED)


def _frames(row: Mapping[str, Any], video: str = "vanilla") -> np.ndarray:
    return read_frames(row[video], list(range(FRAMES)))[0]

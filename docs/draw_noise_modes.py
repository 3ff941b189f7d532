"""Draw docs/images/noise_modes.png: the same frames of a procedural home, vanilla and under every noise mode.

    python docs/draw_noise_modes.py [--out FILE]

Rows are the modes at their default strengths, by depth, and `rigid` once more as the edited scene rendered again
(`ocr-hf build --variants`); columns are frames of one walk. In the vanilla row the objects that all modes
perturb are outlined. OCR is Object-Centric 3D Rollout, not text recognition.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from ocr_hf import OCRMap
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.data.clip_cameras import camera_path
from ocr_hf.data.film import edits_of
from ocr_hf.data.recording import record, record_edited
from ocr_hf.data.sources import open_scene
from ocr_hf.perturb.modes import NOISE_MODES
from ocr_hf.scenes.edits.scene_edit import apply_edits
from ocr_hf.scenes.render.renderer import Renderer

AGAIN = "rendered again"
ROWS = {
    "gaussian": "diffusion noise on their pixels",
    "jitter": "pieces of surface move, each by itself",
    "rigid": "slide and turn",
    "scale": "grow or shrink",
    "warp": "bend",
    AGAIN: "rigid in the 3D scene",
}
OBJECTS = (13, 14, 15)  # sofa, table and chair
FRAMES = (4, 9, 28)
ROW_ID = 0
OUTLINE = "#ff2d95"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images" / "noise_modes.png")
    out = parser.parse_args().out
    config = BuildConfig(scenes=4, seed=3, mode="geometry", exposure=1.0, fov=75.0)
    plan = plan_scenes(config)[1]
    scene = open_scene(config, plan)
    renderer, path = Renderer(scene), camera_path(config, plan.clips[0], scene)
    recording = record(renderer, path, config)
    shown = {"vanilla": recording.frames[list(FRAMES)]}
    for mode in (name for name in ROWS if name != AGAIN):
        shown[mode] = OCRMap(mode=mode).perturb(
            recording.frames[list(FRAMES)],
            recording.footprints,
            OBJECTS,
            row_id=ROW_ID,
            frame_indices=FRAMES,
            depth=recording.depth[list(FRAMES)],
            boxes={item.id: item.box for item in scene.objects},
            camera_to_world=recording.camera_to_world[list(FRAMES)],
            intrinsics=recording.intrinsics,
        )
    rigid, key = NOISE_MODES["rigid"], OCRMap(mode="rigid").plan_for(OBJECTS, ROW_ID).key
    drawn = {i: rigid.alteration(scene.object(i).box, rigid.default_strength, key, i) for i in OBJECTS}
    edits = [edit for i, alteration in drawn.items() for edit in edits_of(alteration, i)]
    edited = renderer.edited(apply_edits(scene, edits, plausible=False))
    shown[AGAIN] = record_edited(recording, edited, path, config).frames[list(FRAMES)]
    region = recording.footprints.region(OBJECTS, FRAMES)
    height, width = recording.frames.shape[1:3]
    figure, axes = plt.subplots(
        len(shown), len(FRAMES), figsize=(3.0 * len(FRAMES), 3.0 * len(shown) * height / width), dpi=120
    )
    for row, name in enumerate(["vanilla", *ROWS]):
        for column, frame in enumerate(shown[name]):
            place = axes[row, column]
            place.imshow(frame)
            place.set_axis_off()
            if row == 0:
                place.contour(
                    np.arange(width), np.arange(height), region[column], [0.5], colors=OUTLINE, linewidths=1.4
                )
        text = f"{name}: {ROWS[name]}" if name in ROWS else "vanilla: sofa, table and chair are chosen"
        axes[row, 0].text(6, 8, text, size=8, weight="bold", va="top", bbox={"facecolor": "white", "edgecolor": "none"})
    figure.subplots_adjust(0, 0, 1, 1, 0.01, 0.01)
    figure.canvas.draw()
    # 256 colours: a quarter of the bytes, and nothing that a reader would miss
    Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]).quantize(256, dither=Image.Dither.NONE).save(out)
    print(out)


if __name__ == "__main__":
    main()

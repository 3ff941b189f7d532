"""docs/your-own-scans.md: its tables are the format's, and its walk runs as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ocr_hf.geometry.camera import look_at
from ocr_hf.scenes.recorded import intake_format
from ocr_hf.scenes.recorded.intake_format import Entry
from ocr_hf.scenes.recorded.read_recorded import read_recorded
from ocr_hf.scenes.render.renderer import Renderer
from tests.scenes.boxes import room

TABLES = ("CAMERA", "FRAME", "BOX", "OBJECT", "ROOM")
WIDTH, HEIGHT = 160, 120


def shown(entry: Entry) -> str:
    """Say what holds where a key is left out."""
    if entry.is_required:
        return "required"
    return "–" if entry.default is None or entry.default == () else f"`{entry.default}`"


def table(name: str) -> str:
    keys: dict[str, Entry] = getattr(intake_format, f"{name}_KEYS")
    rows = [f"| `{key}` | {entry.what} | {shown(entry)} | {entry.meaning} |" for key, entry in keys.items()]
    return "\n".join(["| key | value | left out | meaning |", "|---|---|---|---|", *rows])


@pytest.mark.parametrize("name", TABLES)
def test_the_page_lists_every_key(name: str, root: Path) -> None:
    assert table(name) in (root / "docs/your-own-scans.md").read_text(encoding="utf-8")


def rgb_d_recording(folder: Path) -> None:
    """Write what the page says one has: a room as an RGB-D camera of the page's focal length sees it."""
    scene = room()
    angles = np.linspace(-2.6, -1.4, 10)
    poses = [
        look_at(np.array([0.9 + 2.4 * np.cos(a), 2.4 * np.sin(a), 1.5]), np.array([1.0, -0.2, 0.4])) for a in angles
    ]
    camera = np.array([[0.8 * WIDTH, 0.0, WIDTH / 2], [0.0, 0.8 * WIDTH, HEIGHT / 2], [0.0, 0.0, 1.0]])
    seen = Renderer(scene, light_rays=8).render(np.stack(poses), camera, WIDTH, HEIGHT)
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
    lines = []
    for number, pose in enumerate(poses):
        Image.fromarray(seen.frames[number]).save(folder / f"rgb/{number:04d}.png")
        Image.fromarray(np.rint(seen.depth[number] * 1000).astype(np.uint16)).save(folder / f"depth/{number:04d}.png")
        lines.append(" ".join(f"{value:.9f}" for value in (0.5 * number, *pose[:3, 3], *quaternion(pose[:3, :3]))))
    (folder / "poses.txt").write_text("\n".join(lines))
    boxes = [
        {
            "label": label,
            "center": item.box.center.tolist(),
            "size": item.box.size.tolist(),
            "yaw_deg": float(np.degrees(np.arctan2(item.box.rotation[1, 0], item.box.rotation[0, 0]))),
        }
        for label, item in zip(("crate", "cabinet", "stool"), scene.objects, strict=True)
    ]
    (folder / "boxes.json").write_text(json.dumps(boxes))


def quaternion(rotation: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(rotation).as_quat()


@pytest.mark.slow
def test_the_walk_runs_as_it_stands(root: Path, tmp_path: Path) -> None:
    """Copied from the page into an empty folder; the commands run in this Python."""
    page = (root / "docs/your-own-scans.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n# record_my_room.py\n(.*?)```", page, re.S)
    commands = re.findall(r"```bash\n(.*?)```", page, re.S)[0]
    rgb_d_recording(tmp_path / "my_room")
    (tmp_path / "record_my_room.py").write_text(script)
    for line in commands.splitlines():
        words = line.split()
        words = [sys.executable, *(["-m", "ocr_hf.cli"] if words[0] == "ocr-hf" else []), *words[1:]]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    found = read_recorded(tmp_path / "recordings/my_room")
    assert [item.label for item in found.scene.objects] == ["crate", "cabinet", "stool"] and len(found.files) == 10
    facts = json.loads((tmp_path / "ocr-vsi-mine/scenes.jsonl").read_text())
    assert facts["recorded"]["my_room_00"]["footprints"] == "depth-tested boxes" and facts["licence"] == "cc-by-4.0"
    assert facts["recorded"]["my_room_00"]["notes"] == []
    assert (tmp_path / "my_room.png").stat().st_size > 10_000

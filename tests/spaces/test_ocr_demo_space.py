"""The demo as a Space: its requirements resolve, and what is pushed starts with them alone."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from ocr_hf.hub.download import pull
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.hub.upload import push
from tests.hub_server.fixture import hub_api, local_hub  # noqa: F401
from tests.spaces.closure import canonical, closure

SPACE = Path(__file__).resolve().parents[2] / "spaces" / "ocr_demo"


def test_the_requirements_have_a_solution() -> None:
    """The versions installed here, torch's CPU build included, satisfy every requirement of every requirement."""
    names, unsatisfied = closure(SPACE / "requirements.txt")
    assert unsatisfied == [] and {"gradio", "torch", "tokenizers", "mcp"} <= names
    assert not {"trl", "ocr-hf", "playwright"} & names


IN_A_SPACE = """
import importlib.machinery, json, os, sys
here, hidden, checkout = os.getcwd(), set(json.loads({hidden!r})), {checkout!r}
sys.path[:] = [here, *(path for path in sys.path if os.path.abspath(path or ".") != checkout)]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]

class Installed(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in hidden else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Installed
import ocr_hf
assert ocr_hf.__file__.startswith(here), ocr_hf.__file__

from pathlib import Path
from types import SimpleNamespace
import app
from room_demo import rooms, uploads
from room_demo.question_events import QuestionEvents
from room_demo.noise import Noise

rooms.Rooms.__init__.__defaults__ = ((rooms.Bundled("Kitchen", 12, 2),),)
rooms.ClipSize.__init__.__defaults__ = (4, 4.0, 112, 84, 75.0)
demo = app.make_demo(app.parse(["--cache", "cache", "--clip-frames", "4"]))
assert demo.models.names[:2] == ("ocr-vsi-tiny", "tiny-qwen2.5-vl"), demo.models.names
app.build(demo)
clip = demo.rooms.clip("kitchen")
shown = clip.listed()[0][1]
told = {{}}
for mode in ("gaussian", "geometry"):
    noisy = demo.videos.video(clip, Noise("chosen", (shown,), mode=mode, strength=0.3))
    told[mode] = (demo.rooms.store.media_folder(clip.id) / noisy.file).stat().st_size
asked = ("", *demo.models.names[:2], False, [], [], clip.id, "", "chosen", [shown], 2, "gaussian", 0.5, 0, 0)
*_, (page, findings, *_) = QuestionEvents(demo).answer(SimpleNamespace(session_hash="visitor"), *asked)
told["findings"] = len(findings)
made = uploads.add_mesh(demo.rooms, {glb!r})
told["labels"] = sorted(made.labels.values())
print(json.dumps(told))
"""
"""Hides the checkout and every package that the requirements don't lead to; then does what visitors do."""


@pytest.mark.slow
def test_the_pushed_space_runs_from_its_own_copy_with_its_requirements_alone(
    local_hub,  # noqa: F811
    hub_api,  # noqa: F811
    tmp_path,
    monkeypatch,
) -> None:
    push(plan_push("space", SPACE, "org/ocr_demo"), hub_api())
    pulled = pull("space", "org/ocr_demo", tmp_path / "app", hub_api()).folder
    assert (pulled / "ocr_hf" / "__init__.py").is_file() and local_hub.unserved() == []
    names, _ = closure(pulled / "requirements.txt")
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if module != "ocr_hf" and not names & {canonical(owner) for owner in owners}
    ]
    assert {"trl", "evaluate", "playwright", "pytest"} <= set(hidden)
    source = IN_A_SPACE.format(
        hidden=json.dumps(hidden), checkout=str(SPACE.parents[1]), glb=str(write_scene(tmp_path / "mine.glb"))
    )
    for name in ("OCR_DEMO_MODELS", "OCR_DEMO_REFERENCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"OCR_DEMO_TINY": "0.2M", "HF_ENDPOINT": "http://127.0.0.1:9", "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", source], cwd=pulled, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert min(told["gaussian"], told["geometry"]) > 500 and told["findings"] == 2
    assert told["labels"] == ["chair", "sofa"]


def write_scene(path: Path) -> Path:
    """A GLB with two objects on a floor."""
    import trimesh

    scene = trimesh.Scene()
    for name, size, at in (
        ("floor_1#a", (5, 0.1, 5), (0, -0.05, 0)),
        ("sofa_1#seat", (1.6, 0.8, 0.8), (1.2, 0.4, -1.5)),
        ("chair_1#all", (0.5, 0.9, 0.5), (-1.2, 0.45, -1.2)),
    ):
        scene.add_geometry(trimesh.creation.box(size, trimesh.transformations.translation_matrix(at)), node_name=name)
    path.write_bytes(scene.export(file_type="glb"))
    return path

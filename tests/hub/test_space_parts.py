"""What a Space brings along: checkpoints and rooms, and that no page answers at random without saying so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocr_hf.cli import app
from ocr_hf.hub.hub_errors import RefusedError
from ocr_hf.hub.push_plan import plan_push
from tests.hub.folders import make_model

CARD = """---
title: Toy page
sdk: gradio
sdk_version: 6.31.0
python_version: "3.11"
app_file: app.py
license: apache-2.0
short_description: A page
---
# Toy page
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A Space that brings one checkpoint, which isn't there yet."""
    folder = tmp_path / "space"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "app.py").write_text("print('page')\n")
    (folder / "requirements.txt").write_text("gradio\n")
    (folder / "brings.json").write_text(json.dumps({"models/locked": "../locked"}))
    return folder


def plan(space: Path, **named):
    return plan_push("space", space, "org/page", **named)


def test_a_checkpoint_comes_along_without_a_trainers_state(space, tmp_path) -> None:
    made = make_model(tmp_path / "locked")
    (made / "training_args.bin").write_bytes(b"\x80\x04.")
    found = {file.path: file.source for file in plan(space).files}
    assert found["models/locked/config.json"] == made / "config.json"
    assert any(path.endswith(".safetensors") for path in found) and not [
        path for path in found if "training_args" in path
    ]
    assert any(note.startswith("models/locked: ") for note in plan(space).notes)


def test_a_page_without_a_checkpoint_is_refused_unless_that_is_wanted(space) -> None:
    with pytest.raises(RefusedError, match="random weights"):
        plan(space)
    told = " ".join(plan(space, untrained=True).notes)
    assert "RANDOM WEIGHTS" in told and "models/locked isn't brought along" in told
    card = (space / "README.md").read_text()
    (space / "README.md").write_text(card.replace("license", "preload_from_hub:\n- org/model\nlicense"))
    assert "RANDOM WEIGHTS" not in " ".join(plan(space).notes)


def test_a_folder_given_goes_before_the_file(space, tmp_path) -> None:
    other = make_model(tmp_path / "elsewhere")
    found = {file.path: file.source for file in plan(space, bring={"models/locked": other}).files}
    assert found["models/locked/config.json"] == other / "config.json"
    with pytest.raises(RefusedError, match="is not a folder"):
        plan(space, bring={"models/locked": tmp_path / "nowhere"})
    with pytest.raises(ValueError, match="leads out"):
        plan(space, bring={"../models": other})
    with pytest.raises(ValueError, match="brings nothing along"):
        plan_push("model", other, "org/m", bring={"models/x": other})


def test_a_checkpoint_that_may_not_be_pushed_is_not_brought(space, tmp_path) -> None:
    made = make_model(tmp_path / "locked")
    (made / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(RefusedError, match=r"models/locked: pytorch_model.bin is a pickle"):
        plan(space)


def test_filmed_rooms_come_along_and_visitors_own_things_do_not(space, tmp_path) -> None:
    make_model(tmp_path / "locked")
    cache = tmp_path / "cache"
    for path in ("clips/kitchen-1/clip.json", "clips/kitchen-1/frames.npy", "media/kitchen-1/vanilla.mp4",
                 "media/kitchen-1/noisy-1.mp4", "media/upload-1/vanilla.mp4", "clips/edit-2/clip.json",
                 "models/tiny/config.json"):  # fmt: skip
        (cache / path).parent.mkdir(parents=True, exist_ok=True)
        (cache / path).write_text("{}")
    brought = {file.path for file in plan(space, bring={"rooms": cache}).files if file.path.startswith("rooms/")}
    assert brought == {f"rooms/{path}" for path in ("clips/kitchen-1/clip.json", "clips/kitchen-1/frames.npy",
                                                    "media/kitchen-1/vanilla.mp4")}  # fmt: skip
    (tmp_path / "empty").mkdir()
    with pytest.raises(RefusedError, match="no filmed rooms"):
        plan(space, bring={"rooms": tmp_path / "empty"})


def test_the_command_shows_what_is_brought(space, tmp_path) -> None:
    make_model(tmp_path / "mine")
    command = ["push", "space", str(space), "--repo", "org/page", "--dry-run", "--json"]
    done = CliRunner().invoke(app, [*command, "--bring", f"models/locked={tmp_path / 'mine'}"])
    told = json.loads(done.stdout.splitlines()[-1])
    assert any(note.startswith("models/locked: ") for note in told["notes"])
    assert CliRunner().invoke(app, [*command, "--bring", "locked"]).exit_code != 0


@pytest.mark.parametrize("text", ["[", "[]", '{"models/a": 1}'])
def test_a_damaged_list_is_told(space, text) -> None:
    (space / "brings.json").write_text(text)
    with pytest.raises(ValueError, match="brings.json"):
        plan(space)

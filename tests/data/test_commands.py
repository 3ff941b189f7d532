"""`ocr-hf build`, `ocr-hf view` and the producer scripts."""

from __future__ import annotations

import json
import os
import runpy
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from ocr_hf.cli import main
from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.schema import MANIFEST
from tests.data.conftest import SMALL, digests

FLAGS = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]


def run(*arguments: str) -> int:
    """Run a command in this process; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return ended.value.code or 0


def test_build_and_view_say_what_comes_next(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("build", *FLAGS) == 0
    told = capsys.readouterr().out
    assert "ocr-hf view ocr-vsi" in told and 'load_dataset("ocr-vsi")' in told and "3/3 clips" in told
    assert digests(tmp_path / "ocr-vsi") == digests(built)
    assert run("view", "ocr-vsi", "--clips", "1", "--columns", "2") == 0
    assert "sheet.png" in capsys.readouterr().out and (tmp_path / "sheet.png").stat().st_size > 10_000
    assert run("build", *FLAGS) == 1
    assert "--resume" in capsys.readouterr().err
    assert run("build", *FLAGS, "--resume") == 0


def test_flags_override_the_file(tmp_path: Path) -> None:
    (tmp_path / "build.yaml").write_text("\n".join(f"{name}: {value}" for name, value in SMALL.items()))
    arguments = ("--config", str(tmp_path / "build.yaml"), "--scenes", "1", "--question-types", "object_counting")
    assert run("build", *arguments, "--out", str(tmp_path / "out")) == 0
    config = json.loads((tmp_path / "out" / MANIFEST).read_text())["config"]
    assert (config["scenes"], config["seed"], config["question_types"]) == (1, SMALL["seed"], ["object_counting"])


def test_every_option_of_the_config_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for item in fields(BuildConfig):
        assert f"--{item.name.replace('_', '-')} " in text
    assert "Object-Centric 3D Rollout" in text


def test_a_failure_midway_tells_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, done = os.replace, []

    def full(source: object, target: object) -> None:
        done.append(target)
        if len(done) > 8:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert run("build", *FLAGS, "--out", str(tmp_path / "my data")) == 1
    captured = capsys.readouterr()
    assert "No space left on device" in captured.err
    command = captured.out.partition("Continue with:")[2].strip()
    assert command.startswith("ocr-hf build") and command.endswith("--resume") and "my data'" in command


@pytest.mark.parametrize("script", ["procedural.py", "small_house.py", "furnished.py"])
def test_producers_pass_options_on(
    root: Path, script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each script names its source; without its files it says which are missing."""
    monkeypatch.setattr(sys, "argv", [script, "--frames", "1"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(root / "dataset_scripts" / script), run_name="__main__")
    told = capsys.readouterr().err
    missing = {"procedural.py": "frames is 1", "small_house.py": "--path", "furnished.py": "--models"}
    assert ended.value.code == 1 and missing[script] in told


@pytest.mark.real_scenes
@pytest.mark.slow
def test_a_mesh_scene_with_a_given_trajectory(shared: Path, tmp_path: Path) -> None:
    import numpy as np

    from ocr_hf.data.load import clips, load
    from ocr_hf.geometry.camera import look_at

    house = shared / "scenes" / "small_house"
    poses = [look_at(np.array([x, 0.0, 1.5]), np.array([x + 1.0, 1.0, 1.2])) for x in np.linspace(-1.5, 1.0, 9)]
    file = tmp_path / "path.txt"
    file.write_text("\n".join(" ".join(map(str, pose.reshape(-1))) for pose in poses))
    arguments = ["--source", "mesh", "--path", str(house / "house.glb"), "--instances", str(house / "instances.json")]
    camera = ["--trajectory", str(file), "--trajectory-format", "matrices", "--frames", "5", "--fps", "2"]
    size = ["--width", "96", "--height", "72", "--clips-per-scene", "1", "--split", "test"]
    assert run("build", *arguments, *camera, *size, "--out", str(tmp_path / "out")) == 0
    clip = next(clips(load(tmp_path / "out", split="test", streaming=True)))
    np.testing.assert_allclose(clip.camera_to_world, np.stack(poses)[::2])
    assert clip.fps == 2.0 and clip.rows[0]["dataset"] == "mesh"
    assert not [text for text in (tmp_path / "out" / MANIFEST).read_text().split('"') if str(tmp_path) in text]

"""Interrupted builds: whatever happens, the next run ends with the bytes of an unbroken one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ocr_hf.data import assemble as assemble_module
from ocr_hf.data import make_clips as clips_module
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.staging import FolderExistsError
from tests.data.conftest import SMALL, digests, small_config


class Killed(BaseException):
    """Stands for the process's end: no handler of ours may catch it."""


def command(out: Path, *more: str) -> list[str]:
    flags = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "ocr_hf.cli", "build", *flags, "--out", str(out), *more]


@pytest.mark.real_scenes
@pytest.mark.slow
@pytest.mark.parametrize(("number", "workers"), [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGINT, 2)])
def test_a_killed_build_resumes_to_the_same_bytes(built_real: Path, tmp_path: Path, number: int, workers: int) -> None:
    out = tmp_path / "ocr-vsi"
    staging = tmp_path / "ocr-vsi.incomplete"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command(out, "--num-proc", str(workers)),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that runs pytest in the background ignores SIGINT, and Python would inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 300
    while not list(staging.glob(".parts/procedural*.json")):
        assert process.poll() is None and time.monotonic() < deadline, process.stdout.read()
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    if number == signal.SIGINT:
        assert process.returncode == 130 and "--resume" in output
    assert not out.exists() and staging.exists()
    with pytest.raises(FolderExistsError, match="--resume"):
        build_folder(small_config(), out)
    build_folder(small_config(), out, resume=True)
    assert digests(out) == digests(built_real)
    assert [item.name for item in tmp_path.iterdir()] == ["ocr-vsi"]


@pytest.mark.parametrize("place", ["write_mp4", "stored_psnr", "finish", "render_card", "rmtree", "replace"])
def test_death_at_every_stage_loses_nothing(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Die at the first call of a step, and again at its second, then finish."""
    out = tmp_path / "ocr-vsi"

    def die(*_: object, **__: object) -> None:
        raise Killed

    where = {
        "write_mp4": (clips_module, "write_mp4"),
        "stored_psnr": (clips_module, "stored_psnr"),
        "finish": (clips_module.Staging, "finish"),
        "render_card": (assemble_module, "render_card"),
        "rmtree": (assemble_module.shutil, "rmtree"),
        "replace": (assemble_module.os, "replace"),
    }[place]
    if place == "replace":  # the last step: the folder gets its name
        real = os.replace
        monkeypatch.setattr(os, "replace", lambda a, b: die() if Path(b) == out else real(a, b))
    else:
        monkeypatch.setattr(*where, die)
    for _ in range(2):
        with pytest.raises(Killed):
            build_folder(small_config(), out, resume=True)
        assert not out.exists()
    monkeypatch.undo()
    build_folder(small_config(), out, resume=True)
    assert digests(out) == digests(built)
    assert [item.name for item in tmp_path.iterdir()] == ["ocr-vsi"]


def test_half_written_files_of_the_dead_are_removed(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "ocr-vsi"
    leftovers = tmp_path / "ocr-vsi.incomplete/train/noisy"

    def litter(record: object) -> None:
        (leftovers / ".x.mp4.123.tmp").write_bytes(b"half")
        (leftovers / "stray.mp4").write_bytes(b"whole, but named by no row")

    build_folder(small_config(), out, on_clip=litter)
    assert digests(out) == digests(built)


def test_a_build_with_other_options_is_not_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr(clips_module, "write_mp4", die)
    with pytest.raises(Killed):
        build_folder(small_config(), tmp_path / "out")
    with pytest.raises(FolderExistsError, match="frames 4 .now 5."):
        build_folder(small_config(frames=5), tmp_path / "out", resume=True)
    monkeypatch.undo()
    build_folder(small_config(scenes=1), tmp_path / "out", overwrite=True)
    assert len(list(tmp_path.rglob("vanilla/*.mp4"))) == 1


def test_a_full_disk_is_told_and_the_build_can_go_on(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, written = tmp_path / "ocr-vsi", []
    real = os.replace

    def full(source: object, target: object) -> None:
        written.append(target)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left on device.*free some space"):
        build_folder(small_config(), out)
    assert not list(tmp_path.rglob("*.tmp"))
    monkeypatch.undo()
    build_folder(small_config(), out, resume=True)
    assert digests(out) == digests(built)

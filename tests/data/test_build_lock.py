"""Folders that two builds want, that are links, that can't be written to or are too full: told at the start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

import pytest

from ocr_hf.data import build_lock as lock_module
from ocr_hf.data.build_folder import build_folder
from ocr_hf.data.build_lock import FolderBusyError, build_lock, final_folder
from ocr_hf.data.load import load
from ocr_hf.data.workers import worker_pool
from tests.data.conftest import digests, small_config

HOLD = """
import sys
from pathlib import Path
from ocr_hf.data.build_lock import build_lock
with build_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the lock of tmp_path/ocr-vsi until it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "ocr-vsi")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_build_is_refused_by_host_and_process_and_waits_for_no_clean_up(
    holder: subprocess.Popen, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ocr-vsi"
    with pytest.raises(FolderBusyError, match=f"process {holder.pid} on {socket.gethostname()};"):
        build_folder(small_config(), out)
    assert not out.exists() and not out.with_name("ocr-vsi.incomplete").exists()
    holder.kill()
    holder.wait()
    build_folder(small_config(), out)
    assert digests(out) == digests(built)
    assert [item.name for item in tmp_path.iterdir()] == ["ocr-vsi"]


def test_a_lock_of_another_host_is_believed_though_nobody_here_holds_it(tmp_path: Path) -> None:
    """Some file systems keep locks to one host; what the file says must do."""
    path = tmp_path / ".ocr-vsi.lock"
    path.write_text(json.dumps({"host": "node17", "pid": 4711}))
    with pytest.raises(
        FolderBusyError, match=f"process 4711 on node17, as {path} says; if that process is gone, remove"
    ):
        build_folder(small_config(), tmp_path / "ocr-vsi")
    assert path.exists()
    path.write_text("half")  # a writer that died in between
    with build_lock(tmp_path / "ocr-vsi"):
        assert json.loads(path.read_text()) == {"host": socket.gethostname(), "pid": os.getpid()}
    assert not path.exists()


def test_a_link_is_followed_to_the_folder_that_it_leads_to(built: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "there").mkdir()
    for name, target in (("empty", tmp_path / "there"), ("dangling", tmp_path / "disk" / "not yet")):
        link = tmp_path / name
        link.symlink_to(target)
        build_folder(small_config(), link)
        assert link.is_symlink() and digests(target) == digests(built)


@pytest.mark.parametrize("name", ["mes données à moi", "部屋 (1) & 100%"])
def test_names_with_spaces_accents_and_signs_build_and_load(name: str, built: Path, tmp_path: Path) -> None:
    build_folder(small_config(), tmp_path / name / "ocr-vsi")
    assert digests(tmp_path / name / "ocr-vsi") == digests(built)
    row = load(tmp_path / name / "ocr-vsi", split="train")[0]
    assert Path(row["vanilla"]["path"]).is_file() and name in row["vanilla"]["path"]


def test_what_cannot_be_renamed_written_or_held_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="/proc is a mount point.*name a folder in it"):
        final_folder("/proc")
    with pytest.raises(ValueError, match=r"has '\[' in its path.*wildcard"):  # it built, and never loaded
        build_folder(small_config(), tmp_path / "try [1]" / "ocr-vsi")
    with pytest.raises(OSError, match="can't write in /proc.*choose another"):
        build_folder(small_config(), "/proc/ocr-vsi")
    usage = lock_module.shutil._ntuple_diskusage(10_000, 9_000, 1_000)
    monkeypatch.setattr(lock_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="0.0 MB free and the build writes at least 3.4 MB"):
        build_folder(small_config(frames=64, width=392, height=280, scenes=12), tmp_path / "ocr-vsi", resume=True)
    assert not list(tmp_path.rglob("*.mp4"))


def test_an_interrupt_that_python_dropped_is_not_taken_for_a_killed_worker(request) -> None:
    """Ctrl-C ends the workers too; that they are gone must not be told as if memory had run out."""
    # In the background of a shell without job control, Python starts with Ctrl-C ignored
    before, found = signal.default_int_handler, signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, found))
    with pytest.raises(KeyboardInterrupt), worker_pool(1):
        with suppress(KeyboardInterrupt):  # as in a destructor, where Python drops it
            os.kill(os.getpid(), signal.SIGINT)
        raise BrokenProcessPool
    with pytest.raises(RuntimeError, match="a worker was killed"), worker_pool(1):
        raise BrokenProcessPool
    assert signal.getsignal(signal.SIGINT) is before

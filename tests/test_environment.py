"""The environment that `make` builds: torch, torchvision and all that import them work in it without this package."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CURE = ROOT / ".ci" / "torchvision_cpu.py"
NAME = "_torchvision_beside_cpu_torch"
TORCH = """
from . import library, version
defined = []
"""
LIBRARY = """
def define(name, schema):
    import torch
    if name in torch.defined:
        raise RuntimeError(f"{name} is already registered")
    torch.defined.append(name)
"""


def run(python: Path | str, *arguments: str, code: int = 0, timeout: float = 150) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), *arguments], capture_output=True, text=True, env=environment, cwd="/", timeout=timeout
    )
    assert done.returncode == code, done.stderr
    return done


class Environment:
    """A virtual environment with stand-ins for torch and torchvision, which know what was declared to them."""

    def __init__(self, folder: Path, torch_cuda: str | None, torchvision: str | None, hip: str | None = None) -> None:
        venv.create(folder, symlinks=True)
        self.python = folder / "bin" / "python"
        (self.site,) = folder.glob("lib/python*/site-packages")
        (self.site / "torch").mkdir()
        (self.site / "torch" / "__init__.py").write_text(TORCH)
        (self.site / "torch" / "library.py").write_text(LIBRARY)
        (self.site / "torch" / "version.py").write_text(f"cuda = {torch_cuda!r}\nhip = {hip!r}\n")
        if torchvision:
            (self.site / "torchvision").mkdir()
            (self.site / "torchvision" / "version.py").write_text(f"__version__ = '{torchvision}'\n")
            (self.site / "torchvision" / "__init__.py").write_text("import torch\nfound = list(torch.defined)\n")

    def cure(self) -> str:
        return run(self.python, str(CURE)).stdout

    def files(self) -> list[str]:
        return sorted(path.name for path in self.site.iterdir() if path.is_file())

    def declared(self, before: str = "") -> str:
        return run(self.python, "-c", f"{before}\nimport torchvision; print(torchvision.found)").stdout.strip()


@pytest.fixture
def mismatched(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "venv", None, "0.28.0+cu130")


def test_operators_are_declared_before_torchvision_runs(mismatched: Environment) -> None:
    run(mismatched.python, str(CURE), "--check")
    assert mismatched.declared() == "[]"
    assert NAME in mismatched.cure()
    assert mismatched.files() == [f"{NAME}.pth", f"{NAME}.py"]
    assert mismatched.declared() == "['torchvision::nms', 'torchvision::qnms']"
    mismatched.cure()  # a second call changes nothing
    assert mismatched.declared() == "['torchvision::nms', 'torchvision::qnms']"


def test_an_operator_that_is_there_already_is_left_alone(mismatched: Environment) -> None:
    mismatched.cure()
    before = "import torch; torch.library.define('torchvision::nms', '')"
    assert mismatched.declared(before) == "['torchvision::nms', 'torchvision::qnms']"


@pytest.mark.parametrize(
    ("torch_cuda", "torchvision", "hip"),
    [("13.0", "0.28.0+cu130", None), (None, "0.28.0+cu130", "6.4"), (None, "0.28.0+cpu", None), (None, "0.28.0", None)],
    ids=["CUDA torch", "ROCm torch", "CPU torchvision", "torchvision without a build"],
)
def test_where_wheels_match_nothing_is_written_or_declared(
    tmp_path: Path, torch_cuda: str | None, torchvision: str, hip: str | None
) -> None:
    environment = Environment(tmp_path / "venv", torch_cuda, torchvision, hip)
    run(environment.python, str(CURE), "--check", code=1)
    assert "nothing to do" in environment.cure()
    assert environment.files() == [] and environment.declared() == "[]"


def test_without_torchvision_nothing_is_written(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv", None, None)
    environment.cure()
    assert environment.files() == []


def test_once_torch_is_a_cuda_build_the_cure_is_inert_and_then_removed(mismatched: Environment) -> None:
    mismatched.cure()
    (mismatched.site / "torch" / "version.py").write_text("cuda = '13.0.0'\nhip = None\n")
    assert mismatched.declared() == "[]"
    mismatched.cure()
    assert mismatched.files() == []


def test_a_start_of_python_costs_under_five_milliseconds(mismatched: Environment) -> None:
    """The fastest of five starts; no other module is imported than without the cure, torch least of all."""
    code = "import sys; print(*sys.modules)"
    without = set(run(mismatched.python, "-c", code).stdout.split())
    mismatched.cure()
    assert set(run(mismatched.python, "-c", code).stdout.split()) - without == {NAME}
    found = [run(mismatched.python, "-X", "importtime", "-c", "pass").stderr for _ in range(5)]
    assert min(int(re.search(rf"\|\s*(\d+) \|\s*{NAME}$", text, re.MULTILINE)[1]) for text in found) < 5000


def test_looking_for_torchvision_does_not_import_torch(mismatched: Environment) -> None:
    """Python holds the lock of all imports while it looks; importing torch under it deadlocks with another thread."""
    mismatched.cure()
    code = "import sys; from importlib.util import find_spec; assert find_spec('torchvision'); "
    run(mismatched.python, "-c", code + "assert 'torch' not in sys.modules")


@pytest.mark.slow
def test_evaluate_works_here_without_our_package() -> None:
    code = "import sys, evaluate, torchvision; assert 'ocr_hf' not in sys.modules; print(evaluate.__version__)"
    assert run(sys.executable, "-c", code).stdout.strip() == importlib.metadata.version("evaluate")


@pytest.mark.slow
def test_threads_may_import_torch_and_transformers_at_once() -> None:
    code = """
import threading
go = threading.Barrier(2)
def work(name):
    go.wait()
    __import__(name)
threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in ("torch", "transformers.image_utils")]
for thread in threads: thread.start()
for thread in threads: thread.join(100)
assert not any(thread.is_alive() for thread in threads), "deadlock"
import torchvision
"""
    run(sys.executable, "-c", code)

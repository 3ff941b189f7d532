"""The parts of the package import in one direction, and `import ocr_hf` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ocr_hf"
ORDER = [
    "registry",
    "video",
    "geometry",
    "scenes",
    "perturb",
    "questions",
    "data",
    "models",
    "vsi_bench",
    "train",
    "cards",
    "hub",
    "commands",
]
"""A part may import itself and those before it; `cli` and `demo` may import all."""
PURE = {f"ocr_hf.vsi_bench.{name}" for name in ("bootstrap", "extract", "prompts", "scoring", "summary", "tasks")}
"""The scorer, shared by metric and rewards: nothing of the rest."""


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or "vsi_bench" in str(path), f"{path}: write absolute imports"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return {name for name in names if name.startswith("ocr_hf.")}


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize(("name", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_point_one_way(name: str, path: Path) -> None:
    part = part_of(name)
    if part in ("", "cli", "demo", "_torchvision_cpu"):
        return
    assert part in ORDER, f"{name}: new part '{part}'; add it to ORDER"
    for imported in imports(path):
        other = part_of(imported)
        if other in ("", "_torchvision_cpu", "__version__"):
            continue
        if name in PURE:
            assert any(imported.startswith(pure) for pure in PURE), f"{name} must not import {imported}"
            continue
        assert other in ORDER, f"{name} imports {imported}"
        assert ORDER.index(other) <= ORDER.index(part), f"{name} imports {imported}, against the direction"
        if part == "train" and other == "vsi_bench":
            assert any(imported.startswith(pure) for pure in PURE), f"{name} may use only the scorer, not {imported}"


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, ocr_hf, ocr_hf.cli\n"
        "heavy = {'torch', 'gradio', 'open3d', 'transformers', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_looking_for_torchvision_does_not_import_torch() -> None:
    """Python holds the lock of all imports while it looks; importing torch under it deadlocks with another thread."""
    code = "import ocr_hf, sys; from importlib.util import find_spec; find_spec('torchvision'); assert 'torch' not in "
    code += "sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.slow
def test_threads_may_import_torch_and_transformers_at_once() -> None:
    code = """
import ocr_hf, threading
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
    subprocess.run([sys.executable, "-c", code], check=True, timeout=150)

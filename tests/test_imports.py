"""The parts of the package import in one direction, and `import ocr_hf` stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "ocr_hf"
ORDER = [
    "scorer",
    "docstrings",
    "registry",
    "settings",
    "archives",
    "video",
    "geometry",
    "scenes",
    "perturb",
    "measure",
    "questions",
    "text_only",
    "twins",
    "data",
    "models",
    "vsi_bench",
    "train",
    "experiment",
    "cards",
    "hub",
    "commands",
]
"""A part may import itself and those before it; `cli` and `demo` may import all."""
PURE = {
    f"ocr_hf.vsi_bench.{name}"
    for name in ("bootstrap", "extract", "harness_rules", "prompts", "rules", "scoring", "summary", "tasks")
}
"""The scorer, shared by metric, rewards and audits: nothing of the rest. A part of its own that lies in `vsi_bench`."""
MEASURE = {f"ocr_hf.vsi_bench.{name}" for name in ("audits", "context_match", "recovery")}
"""The measure of query lock, shared by evaluation and training, so that R is one thing: a part there as well."""


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
    if any(module == pure or module.startswith(f"{pure}.") for pure in PURE):
        return "scorer"
    if any(module == measure or module.startswith(f"{measure}.") for measure in MEASURE):
        return "measure"
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize(("name", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_point_one_way(name: str, path: Path) -> None:
    part = part_of(name)
    if part in ("", "cli", "demo"):
        return
    assert part in ORDER, f"{name}: new part '{part}'; add it to ORDER"
    for imported in imports(path):
        other = part_of(imported)
        if other in ("", "__version__"):
            continue
        if name in PURE:
            assert any(imported.startswith(pure) for pure in PURE), f"{name} must not import {imported}"
            continue
        assert other in ORDER, f"{name} imports {imported}"
        assert ORDER.index(other) <= ORDER.index(part), f"{name} imports {imported}, against the direction"
        assert (part, other) != ("train", "vsi_bench"), f"{name} may use only scorer and measure, not {imported}"


def import_graph() -> dict[str, set[str]]:
    """Return module -> modules of ours that it imports.

    Counted are imports at the top of a module, inside functions and under TYPE_CHECKING alike: an import that only
    a function or a type checker sees still ties two modules together. Not counted is `ocr_hf/__init__.py`, which names
    public objects of every part for whoever imports the package, and which parts import for its version.
    """
    known = {name for name, _ in modules()}
    graph = {}
    for name, path in modules():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        found = imports(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                found.add(f"{package}.{node.module}")
        graph[name] = {other for other in found if other in known} - {name}
    return {name: others for name, others in graph.items() if name != "ocr_hf"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    # graphlib prepares an order in which every module comes after those that it imports; a circle has none
    try:
        order = list(TopologicalSorter(import_graph()).static_order())
    except CycleError as error:
        pytest.fail(f"these modules import each other in a circle: {' -> '.join(error.args[1])}")
    assert len(order) > 100 and order.index("ocr_hf.vsi_bench.tasks") < order.index("ocr_hf.vsi_bench.scoring")


def test_a_file_name_stands_once() -> None:
    """A traceback, a search or a conversation names files without their folder."""
    names = Counter(path.name for _, path in modules() if path.name != "__init__.py" and "commands" not in path.parts)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(("name", "path"), modules(), ids=[name for name, _ in modules()])
def test_the_package_imports_nothing_that_is_built_on_it(name: str, path: Path) -> None:
    """Spaces, recipes, benchmarks and tests import the package; it is installed without them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    outside = {"benchmarks", "dataset_scripts", "recipes", "room_demo", "spaces", "tests"}
    assert not {name for name in imported if name.split(".")[0] in outside}


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, ocr_hf, ocr_hf.cli\n"
        "heavy = {'torch', 'gradio', 'open3d', 'transformers', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_importing_the_package_changes_nothing_else() -> None:
    """No import hook, no filter of warnings, no environment variable, nothing loaded but Python's own modules."""
    code = """
import logging, os, random, signal, sys, threading, warnings

def state():
    return (
        list(sys.meta_path), list(sys.path_hooks), list(sys.path), list(warnings.filters), warnings.showwarning,
        dict(os.environ), os.getcwd(), list(logging.root.handlers), logging.root.level, random.getstate(),
        [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)], threading.enumerate(),
        sys.excepthook, sys.displayhook, sys.stdout, sys.stderr,
    )

before, loaded = state(), set(sys.modules)
import ocr_hf
assert state() == before
ours = {name for name in set(sys.modules) - loaded if name.partition(".")[0] not in sys.stdlib_module_names}
assert ours == {"ocr_hf"}, ours
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)

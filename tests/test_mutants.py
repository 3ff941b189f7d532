"""The mutation run: its mutants are changes of code that runs, and it tells what tests notice from what they don't."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = '''
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import this
LIMIT: "2 + 2" = 3

def clip(value: "1 < 2", low=0) -> "3":
    """Add 1 to 2."""
    if not isinstance(value, int):
        raise TypeError("no number")
    return low if low <= value < 10 and value in (4, 5) else None
'''


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", ROOT / ".ci/mutants.py")
    module = sys.modules["mutants"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_mutant_is_one_change_of_code_that_runs(tool: ModuleType) -> None:
    made = [tool.mutant("a.py", SOURCE, *place) for place in tool.places(SOURCE)]
    told = {(one.before, one.after) for one in made}
    line = "return low if low <= value < 10 and value in (4, 5) else None"
    assert (line, line.replace("<=", "<")) in told and (line, line.replace("< 10", "<= 10")) in told
    assert (line, line.replace("and", "or")) in told and (line, line.replace("in (", "not in (")) in told
    assert (line, line.replace("(4, 5)", "(5, 5)")) in told and (line, "return None") in told
    assert ("raise TypeError('no number')", "pass") in told
    assert ("if not isinstance(value, int):", "if not not isinstance(value, int):") in told
    assert ("LIMIT: '2 + 2' = 3", "LIMIT: '2 + 2' = 4") in told
    assert len(told) == len(made) == 12  # none in annotations, docstrings, or what type checkers alone see
    sound = ast.unparse(ast.parse(SOURCE)).splitlines()
    for one in made:
        assert sum(old != new for old, new in zip(sound, one.code.splitlines(), strict=True)) == 1
        assert SOURCE.splitlines()[one.line - 1].strip().split("(")[0][:4] == one.before.replace("'", '"')[:4]


@pytest.mark.slow
def test_what_a_test_notices_is_killed_and_what_none_does_survives(tool: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text("from a import f\ndef test(): assert f(1) == 2\n")
    (tmp_path / "tests/test_b.py").write_text("def test(): pass\n")
    assert tool.concerning(tmp_path, "a.py", "tests") == ["tests/test_a.py"]
    assert tool.concerning(tmp_path, "else.py", "tests") == ["tests/test_a.py", "tests/test_b.py"]
    # A fork of this process has the libraries already; in a test that would be its own pytest, so one is started
    script = f"""
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("mutants", {str(ROOT / ".ci/mutants.py")!r})
tool = sys.modules["mutants"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
root = pathlib.Path({str(tmp_path)!r})
import pytest
for code, limit_s in (("return x + 1", 100.0), ("return x - 1", 100.0), ("\\n    while True: pass", 3.0)):
    (root / "a.py").write_text("def f(x): " + code)
    print(tool.passes(root, ["tests/test_a.py"], limit_s)[0])
"""
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["True", "False", "False"], done.stderr


def test_every_area_has_files_and_tests(tool: ModuleType) -> None:
    for patterns, folder in tool.AREAS.values():
        files = [path for pattern in patterns for path in ROOT.glob(pattern)]
        assert len(files) >= len(patterns) and (ROOT / folder).is_dir()
        for path in files:
            assert tool.concerning(ROOT, path.relative_to(ROOT).as_posix(), folder)

"""How much the tests notice: small faults are put into the code one at a time, and the tests that concern it are run.

    python .ci/mutants.py                            # 12 faults in each area
    python .ci/mutants.py geometry --sample 50 --seed 1
    python .ci/mutants.py --minutes 20               # as many as fit, an area's turn after the other's

A mutant is one change to the syntax tree of a file: a comparison, an operator or `and`/`or` swapped, a condition
negated, a number raised by one, a `raise` left out, a value returned as None. It is killed if a test fails or takes ten
times as long. What survives is printed with its line: either nothing tests it, or the change makes no difference.

Works in a copy of the tracked files. The libraries are imported once; each run is a fork of that process.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import os
import py_compile
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AREAS = {
    "geometry": (["ocr_hf/geometry/*.py"], "tests/geometry"),
    "questions": (["ocr_hf/questions/*.py"], "tests/questions"),
    "scoring": (["ocr_hf/vsi_bench/scoring.py", "ocr_hf/vsi_bench/extract.py"], "tests/vsi_bench"),
    "rollouts": (["ocr_hf/train/rollouts.py", "ocr_hf/train/strategies/*.py"], "tests/train"),
    "push": (["ocr_hf/hub/*.py", "ocr_hf/cards/check.py", "ocr_hf/cards/statements.py"], "tests/hub"),
}
"""Area -> files that are changed, folder of the tests."""
ALSO = {"ocr_hf/cards/check.py": ["tests/cards"], "ocr_hf/cards/statements.py": ["tests/cards"]}
"""Tests of a file that are elsewhere."""
STRATEGY = ["tests/train/test_rollouts.py", "tests/train/test_strategies.py"]
OF_FILE = {
    "ocr_hf/train/rollouts.py": [*STRATEGY, "tests/train/test_credit.py", "tests/train/test_config.py"],
    "ocr_hf/hub/check_space.py": ["tests/hub/test_checks.py"],
    "ocr_hf/train/strategies/counterfactual.py": ["tests/train/test_counterfactual.py"],
    "ocr_hf/train/strategies/papo.py": ["tests/train/test_views.py", "tests/train/test_strategies.py"],
    "ocr_hf/train/strategies/roma_like.py": ["tests/train/test_views.py", "tests/train/test_strategies.py"],
    "ocr_hf/train/strategies/share.py": [*STRATEGY, "tests/train/test_credit.py"],
    **{f"ocr_hf/train/strategies/{name}.py": STRATEGY for name in ("noisy_rollout", "ocr", "plain_grpo", "t_grpo")},
}
"""Tests of files that they don't import: strategies are named as settings, in tests of whole trainings, too."""
HEAVY = ("numpy", "scipy", "pandas", "pyarrow", "hypothesis", "beartype", "jaxtyping", "pytest", "huggingface_hub")
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A changed file: its path from the root, the line of the change, the line's old and new text, the whole code."""

    file: str
    line: int
    before: str
    after: str
    code: str


def places(source: str) -> list[tuple[int, int]]:
    """Return every change that a file allows: (number of the node, which of its changes)."""
    nodes = enumerate(_nodes(ast.parse(source)))
    return [(number, change) for number, node in nodes for change in range(_changes(node))]


def mutant(file: str, source: str, number: int, change: int) -> Mutant:
    """Return a file with one change made."""
    tree = ast.parse(source)
    old = ast.unparse(tree).splitlines()
    node = list(_nodes(tree))[number]
    line = node.lineno
    _change(node, change)
    code = ast.unparse(ast.fix_missing_locations(tree))
    pairs = zip_longest(old, code.splitlines(), fillvalue="")
    before, after = next(((one, other) for one, other in pairs if one != other), ("", ""))
    return Mutant(file, line, before.strip(), after.strip(), code)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that can be changed: none in annotations, docstrings and decorators, or for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(tree, (ast.FunctionDef, ast.ClassDef)) and node in (
            *tree.decorator_list,
            tree.__dict__.get("returns"),
        ):
            continue
        if isinstance(tree, (ast.arg, ast.AnnAssign)) and node is tree.annotation:
            continue
        if _changes(node):
            yield node
        yield from _nodes(node)


def _changes(node: ast.AST) -> int:
    """In how many ways a node is changed."""
    if isinstance(node, ast.Compare):
        return sum(type(op) in SWAPS for op in node.ops)
    if isinstance(node, (ast.BinOp, ast.BoolOp)):
        return int(type(node.op) in SWAPS)
    if isinstance(node, ast.Constant):
        return int(type(node.value) in (int, float))
    if isinstance(node, ast.Return):
        return int(node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None))
    return int(isinstance(node, (ast.If, ast.Raise)))


def _change(node: ast.AST, number: int) -> None:
    if isinstance(node, ast.Compare):
        known = [place for place, op in enumerate(node.ops) if type(op) in SWAPS]
        node.ops[known[number]] = SWAPS[type(node.ops[known[number]])]()
    elif isinstance(node, (ast.BinOp, ast.BoolOp)):
        node.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.Constant):
        node.value += 1
    elif isinstance(node, ast.Return):
        node.value = ast.Constant(None)
    elif isinstance(node, ast.If):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:  # a raise
        node.__class__, node._fields = ast.Pass, ()


def concerning(root: Path, file: str, folder: str) -> list[str]:
    """Return the test files of a module: those that name it, in the folder or else anywhere; else all of the folder."""
    if file in OF_FILE:
        return OF_FILE[file]
    module = file.removesuffix(".py").replace("/", ".")

    def naming(found: list[Path]) -> list[Path]:
        return [path for path in found if f"{module} " in path.read_text() or f"{module}." in path.read_text()]

    near = sorted(path for place in [folder, *ALSO.get(file, [])] for path in (root / place).glob("test_*.py"))
    chosen = naming(near) or naming(sorted((root / "tests").rglob("test_*.py"))) or near
    return [path.relative_to(root).as_posix() for path in chosen]


def passes(root: Path, tests: list[str], limit_s: float) -> tuple[bool, float]:
    """Run tests in a fork of this process: (whether they pass within the limit, seconds)."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setsid()  # so that what it starts can be ended with it
        os.chdir(root)
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        sys.path.insert(0, str(root))
        os.environ["PYTHONPATH"] = str(root)
        import pytest

        code = 1
        try:
            code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-m", "not slow", *tests])
        finally:
            os._exit(int(code))
    while time.monotonic() - start < limit_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0, time.monotonic() - start
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False, limit_s


def copy_of(root: Path, out: Path) -> Path:
    """Copy the tracked files; their bytecode is checked by content, so that no mutant runs as another."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if (root / name).is_file():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, out / name)
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(out / "ocr_hf", quiet=2, invalidation_mode=mode)
    if (root.parent / "shared").is_dir():
        (out.parent / "shared").symlink_to(root.parent / "shared")
    return out


def main() -> None:
    """Sample mutants of each area, run the tests, print the score and what survived."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("areas", nargs="*", help=f"of {', '.join(AREAS)}; by default all")
    parser.add_argument("--sample", type=int, default=12, help="mutants of an area")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--minutes", type=float, help="stop then, whatever the sample")
    args = parser.parse_args()
    if unknown := set(args.areas) - set(AREAS):
        parser.error(f"there is no area {', '.join(sorted(unknown))}; there are {', '.join(AREAS)}")
    for library in HEAVY:
        __import__(library)
    started, usual, score, survivors = time.monotonic(), {}, {}, []
    with tempfile.TemporaryDirectory() as folder:
        root = copy_of(ROOT, Path(folder) / "copy")
        chosen: dict[str, list[tuple[str, int, int]]] = {}
        for area in args.areas or AREAS:
            files = sorted(
                path.relative_to(root).as_posix()
                for pattern in AREAS[area][0]
                for path in root.glob(pattern)
                if path.name != "__init__.py"
            )
            found = [(file, *place) for file in files for place in places((root / file).read_text("utf-8"))]
            chosen[area] = random.Random(f"{args.seed} {area}").sample(found, min(args.sample, len(found)))
            score[area] = [0, 0, len(found)]
        turns = [
            (area, *chosen[area][turn]) for turn in range(args.sample) for area in chosen if turn < len(chosen[area])
        ]
        for area, file, number, change in turns:
            if args.minutes and time.monotonic() - started > 60 * args.minutes:
                break
            tests = concerning(root, file, AREAS[area][1])
            if tuple(tests) not in usual:
                sound, seconds = passes(root, tests, 1200.0)
                if not sound:
                    sys.exit(f"{' '.join(tests)} fail without any change; mend them first")
                usual[tuple(tests)] = seconds
            path = root / file
            sound_text = path.read_text("utf-8")
            changed = mutant(file, sound_text, number, change)
            path.write_text(changed.code, "utf-8")
            limit_s = max(30.0, 10.0 * usual[tuple(tests)])
            survived, seconds = passes(root, tests, limit_s)
            path.write_text(sound_text, "utf-8")
            score[area][0] += not survived
            score[area][1] += 1
            told = f"{file}:{changed.line}: {changed.before}  ->  {changed.after or 'left out'}"
            how = "SURVIVED" if survived else "too long" if seconds >= limit_s else "killed"
            print(f"{how:8} {seconds:5.1f} s  {told}", flush=True)
            survivors += [told] if survived else []
    print(f"\n{'area':10} killed  of  possible")
    for area, (killed, run, possible) in score.items():
        print(f"{area:10} {killed:6} {run:3} {possible:9}")
    killed, run = (sum(counts[i] for counts in score.values()) for i in (0, 1))
    print(f"{killed} of {run} killed, {100 * killed / max(run, 1):.0f} %; seed {args.seed}")
    print("\n".join(["", "Survivors:", *survivors]) if survivors else "")


if __name__ == "__main__":
    main()

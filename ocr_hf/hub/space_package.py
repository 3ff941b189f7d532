"""Code of this package that goes along when a Space or metric is pushed.

Spaces install what requirements.txt names from a package index, where a checkout isn't, and `evaluate.load` copies a
metric's own files only. So a push brings the code along, which also pins it: what runs there is what was tested here.
There are two ways:

- a file that only says `from ocr_hf.PART.MODULE import *` is sent as that module. In a checkout it stands for the
  module, so that the code is kept once; what is pushed needs no ocr_hf.
- a Space that imports `ocr_hf` otherwise is sent with the whole package beside its app.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import ocr_hf
from ocr_hf.hub.repo_files import LocalFile

PACKAGE = "ocr_hf"
ROOT = Path(ocr_hf.__file__).parent
SUFFIXES = (".py", ".md", ".txt", ".json", ".yaml", ".jinja", ".typed")
"""Code, and the data files that pyproject.toml lists; no caches or compiled files."""


def with_modules(files: Iterable[LocalFile]) -> tuple[LocalFile, ...]:
    """Return the files with the package's own module in place of every file that only stands for one."""
    return tuple(_module_of(file) or file for file in files)


def with_package(files: tuple[LocalFile, ...]) -> tuple[LocalFile, ...]:
    """Return a Space's files with those of this package, in order of their paths.

    Unchanged where nothing imports the package, or where the Space brings a copy of its own.
    """
    if any(file.path.startswith(f"{PACKAGE}/") for file in files) or not any(map(_imports_package, files)):
        return files
    return tuple(sorted((*files, *package_files()), key=lambda file: file.path))


def package_files() -> tuple[LocalFile, ...]:
    """Return the files of the package as it is installed here."""
    found = sorted(path for path in ROOT.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return tuple(
        LocalFile(f"{PACKAGE}/{path.relative_to(ROOT).as_posix()}", path, path.stat().st_size) for path in found
    )


def _module_of(file: LocalFile) -> LocalFile | None:
    """Return the module that a file stands for, under the file's path; None where it is anything else."""
    code = [
        node for node in _statements(file) if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    if len(code) != 1 or not isinstance(code[0], ast.ImportFrom) or code[0].names[0].name != "*":
        return None
    package, *parts = (code[0].module or "").split(".")
    source = ROOT.joinpath(*parts).with_suffix(".py")
    if package != PACKAGE or code[0].level or not source.is_file():
        return None
    return LocalFile(file.path, source, source.stat().st_size)


def _imports_package(file: LocalFile) -> bool:
    names: list[str] = []
    for statement in _statements(file):
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.append(node.module)
    return any(name.split(".")[0] == PACKAGE for name in names)


def _statements(file: LocalFile) -> list[ast.stmt]:
    """Return a Python file's statements; none of another file, or of one that doesn't parse (the checks report it)."""
    if not file.path.endswith(".py"):
        return []
    try:
        return ast.parse(file.source.read_bytes()).body
    except SyntaxError:
        return []

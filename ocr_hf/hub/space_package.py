"""The package beside the app: a Space that imports `ocr_hf` is pushed together with the package installed here.

A Space installs requirements.txt from a package index, on which a checkout isn't. Copying also pins: the Space runs
the code that was tested with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from ocr_hf.hub.repo_files import LocalFile

PACKAGE = "ocr_hf"
SUFFIXES = (".py", ".md", ".txt", ".json", ".yaml", ".jinja")
"""Code, and the data files that pyproject.toml lists; caches and compiled files aren't copied."""


def with_package(files: tuple[LocalFile, ...]) -> tuple[LocalFile, ...]:
    """Return a Space's files with those of this package, in order of their paths.

    Unchanged where nothing imports the package, or where the Space brings a copy of its own.
    """
    if any(file.path.startswith(f"{PACKAGE}/") for file in files) or not _import_package(files):
        return files
    return tuple(sorted((*files, *package_files()), key=lambda file: file.path))


def package_files() -> tuple[LocalFile, ...]:
    """Return the files of the package as it is installed here."""
    import ocr_hf

    root = Path(ocr_hf.__file__).parent
    found = sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    return tuple(
        LocalFile(f"{PACKAGE}/{path.relative_to(root).as_posix()}", path, path.stat().st_size) for path in found
    )


def _import_package(files: Iterable[LocalFile]) -> bool:
    return any(file.path.endswith(".py") and _imports(file.source) for file in files)


def _imports(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # reported by the check of the Space's files
        return False
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return any(name.split(".")[0] == PACKAGE for name in names)

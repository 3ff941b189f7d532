"""Checks of a Space or metric folder before it is published: it will start, and it will be found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ocr_hf.hub.repo_files import LocalFile

SDKS = ("gradio", "docker", "static")


def check_space(files: Iterable[LocalFile], metadata: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing that keeps a Space from starting."""
    by_path = {file.path: file for file in files}
    sdk, app = metadata.get("sdk"), metadata.get("app_file")
    if sdk and sdk not in SDKS:
        yield f"README.md: sdk is '{sdk}'; use one of {', '.join(SDKS)}"
    if app and app not in by_path:
        yield f"README.md names the app_file '{app}', which is missing; add it or name another"
    if sdk == "gradio" and "requirements.txt" not in by_path:
        yield "requirements.txt is missing; list there what the app imports"
    if len(str(metadata.get("short_description", ""))) > 60:
        yield "README.md: short_description is longer than 60 characters; shorten it, the Hub shows no more"
    for path, file in by_path.items():
        if path.endswith(".py"):
            try:
                ast.parse(file.source.read_bytes(), path)
            except SyntaxError as error:
                yield f"{path}, line {error.lineno}: {error.msg}; the Space would not start"


def check_metric(files: Iterable[LocalFile], metadata: dict[str, Any], name: str) -> Iterator[str]:
    """Yield a sentence for each thing that keeps `evaluate.load("ORG/NAME")` from working.

    name : of the repository; the module must be called like it
    """
    files = tuple(files)
    yield from check_space(files, metadata)
    if f"{name}.py" not in {file.path for file in files}:
        yield f"{name}.py is missing; `evaluate.load` looks for a module named like the repository"
    else:
        yield from _uncopied(files, f"{name}.py")
    missing = {"evaluate", "metric"} - set(metadata.get("tags") or [])
    if missing:
        yield f"README.md: the tags lack {' and '.join(sorted(missing))}; `evaluate` finds metrics by them"


_RELATIVE_IMPORT = re.compile(r"^from \.(\w+) import [^#\r\n]+$", re.MULTILINE)
"""What `evaluate` takes for the import of a neighbour: at the start of a line, without a comment behind it."""


def _uncopied(files: tuple[LocalFile, ...], main: str) -> Iterator[str]:
    """Yield a sentence for each neighbouring module that `evaluate.load` would not copy, or not find."""
    code = {file.path: file.source.read_text("utf-8") for file in files if file.path.endswith(".py")}
    copied = [f"{module}.py" for module in _RELATIVE_IMPORT.findall(code[main])]
    yield from (f"{main} imports .{path[:-3]}, but {path} is missing; add it" for path in copied if path not in code)
    for path in (path for path in copied if path in code):
        for module in _RELATIVE_IMPORT.findall(code[path]):
            if f"{module}.py" not in copied:
                yield (
                    f"{path} imports .{module}, which `evaluate` doesn't copy; import it in {main} too, on a line that "
                    "begins with `from` and has no comment"
                )

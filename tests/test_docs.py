"""What the documentation names exists: files, names in them, and the targets of relative links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SUFFIXES = r"(?:py|md|json|yaml|toml|txt)"
FOLDERS = r"(?:ocr_hf|tests|docs|recipes|benchmarks|spaces|dataset_scripts|model_cards|results|\.ci)"
PATH = re.compile(rf"(?<![\w/.-])({FOLDERS}/[\w/.-]*\.{SUFFIXES})\b")
MODULE = re.compile(r"\b(ocr_hf(?:\.(?!json\b)\w+)+)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`([\w/]+\.py)` \((`\w+`(?:, `\w+`)*)\)")
"""`path.py` (`name`, `name`): the names must be defined in the file."""


def ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_files_and_links_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = {path for path in PATH.findall(text) if not (ROOT / path).exists()}
    for link in LINK.findall(text):
        target = link.partition("#")[0]
        if target and "://" not in target and not (page.parent / target).exists():
            missing.add(link)
    assert not missing, f"{ids(page)} names what isn't there: {sorted(missing)}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_modules_exist(page: Path) -> None:
    """`ocr_hf.data.load.load` names a module and, at most, a name in it."""
    missing = []
    for name in set(MODULE.findall(page.read_text(encoding="utf-8"))):
        parts = name.split(".")
        module = next(
            (
                Path(*parts[:end])
                for end in range(len(parts), 0, -1)
                if (ROOT / Path(*parts[:end])).is_dir() or (ROOT / Path(*parts[:end])).with_suffix(".py").is_file()
            ),
            Path(),
        )
        rest = parts[len(module.parts) :]
        file = ROOT / module
        code = (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text(encoding="utf-8")
        if rest and not re.search(rf"\b{rest[0]}\b", code):
            missing.append(name)
    assert not missing, f"{ids(page)} names what isn't there: {sorted(missing)}"


def test_the_map_names_modules_and_what_is_in_them() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    entries = NAMED.findall(text)
    assert len(entries) > 30
    for path, names in entries:
        code = (ROOT / "ocr_hf" / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b", code, re.M), f"{path} defines no {name}"
    for path in re.findall(r"`([\w/]+/\w+\.py|\w+\.py)`", text):
        places = (ROOT / "ocr_hf" / path, ROOT / path, ROOT / "ocr_hf/vsi_bench" / path)
        assert any(place.is_file() for place in places), f"docs/architecture.md names {path}, which isn't there"


def test_the_index_lists_every_page() -> None:
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.*") if is_page(page)}
    assert pages - {"index.md"} <= {link.partition("#")[0] for link in LINK.findall(text)}


def is_page(path: Path) -> bool:
    return path.suffix in (".md", ".ipynb")


def test_the_site_has_every_page() -> None:
    """And the navigation names nothing else; the pages of the root and the API's are added when the site is built."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r": ([\w/-]+\.(?:md|ipynb))$", text, re.M))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.*") if is_page(page)}
    assert pages <= named
    assert all((ROOT / name).is_file() for name in named - pages)

"""What a release shows: pages that agree with the package, and links that lead somewhere on a package index."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import ocr_hf

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "https://host.example/owner/name"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("package_page", ROOT / ".ci/package_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_link_of_the_packages_page_is_relative(page: ModuleType) -> None:
    before = (ROOT / "README.md").read_text(encoding="utf-8")
    after = page.absolute_links(before, ADDRESS, "v1")
    targets = [match["target"] for match in page.LINK.finditer(after)]
    targets += [match["target"] for match in page.PICTURE.finditer(after)]
    assert len(targets) > 10 and all(re.match(r"https?://|#", target) for target in targets)
    assert page.absolute_links(after, "https://else.example/a/b", "v2") == after  # what is absolute stays
    ours = [target for target in targets if target.startswith(ADDRESS)]
    paths = [target.removeprefix(ADDRESS).split("/", 3)[3].partition("#")[0] for target in ours]
    assert paths and all((ROOT / path).exists() for path in paths)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![a [b] c](docs/x.png)", f"![a [b] c]({ADDRESS}/raw/v1/docs/x.png)"),
        ("[![badge](a.svg)](b.md#c)", f"[![badge]({ADDRESS}/raw/v1/a.svg)]({ADDRESS}/blob/v1/b.md#c)"),
        ('<img src="a.png" width="3">', f'<img src="{ADDRESS}/raw/v1/a.png" width="3">'),
        ("[top](#top) and [paper](https://arxiv.org)", "[top](#top) and [paper](https://arxiv.org)"),
    ],
)
def test_pictures_lead_to_the_file_and_links_to_its_page(page: ModuleType, text: str, expected: str) -> None:
    assert page.absolute_links(text, ADDRESS, "v1") == expected


def test_the_repositorys_pages_are_added_once(page: ModuleType) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    written = page.with_urls(text, ADDRESS, "v1")
    urls = tomllib.loads(written)["project"]["urls"]
    assert urls["Changelog"] == f"{ADDRESS}/blob/v1/CHANGELOG.md" and urls["Paper"].startswith("https://arxiv.org/")
    assert page.with_urls(written, ADDRESS, "v1") == written
    for value in tomllib.loads(text)["project"]["urls"].values():
        assert "arxiv.org" in value  # no address of a home that isn't known


def test_a_tag_that_is_not_the_version_is_told(page: ModuleType, tmp_path: Path) -> None:
    for name in ("CITATION.cff", "CHANGELOG.md", "ocr_hf/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    tag = f"v{ocr_hf.__version__}"
    assert page.disagreements(tag, tmp_path) == []
    assert "the tag is v9.9.9" in page.disagreements("v9.9.9", tmp_path)[0]
    (tmp_path / "ocr_hf/__init__.py").write_text('__version__ = "9.9.9"\n')
    wrong = page.disagreements("v9.9.9", tmp_path)
    assert len(wrong) == 2 and "CITATION.cff" in wrong[0] and "CHANGELOG.md" in wrong[1]


def test_workflows_and_hooks_call_what_is_there() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    commands = []
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, f"{path.name}: rights are given job by job"
        for job in workflow["jobs"].values():
            assert job.get("timeout-minutes") or "write" in job["permissions"].values()
            commands += [step["run"] for step in job["steps"] if "run" in step]
    named = {name for command in commands for name in re.findall(r"\bmake ([a-z-]+)", command)}
    assert named and named <= set(targets)
    files = {name for command in commands for name in re.findall(r"(?<!\S)\.ci/[\w.]+", command)}
    assert files and all((ROOT / name).is_file() for name in files)


def test_the_hooks_use_the_ruff_of_make_quality() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    ruff = re.search(r"^ruff==.+$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)[0]
    assert [hook["additional_dependencies"] for hook in hooks if "ruff" in hook["entry"]] == [[ruff], [ruff]]


def test_issue_forms_have_what_a_form_needs() -> None:
    for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        form = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name == "config.yml":
            continue
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert form["name"] and form["description"]
        assert len({field["id"] for field in fields}) == len(fields) and all(f["attributes"]["label"] for f in fields)

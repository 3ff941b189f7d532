"""What the documentation site has beside docs/: pages of the repository's root, notebooks, the API. A hook of mkdocs.

Pages link to each other as they lie in the repository, where people read them, too. A link that leaves docs/ leads to
the site's copy of that file, or else to the repository, whose address the builder knows (`REPO_URL`); without one the
words stay and the link goes. Nothing of this is written to disk.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "recipes/ocr_vsi_tiny/README.md")
"""Shown by the site under the same path; those of docs/ are there without `docs/`."""
PARTS = {
    "geometry": "cameras, boxes, footprints",
    "video": "exact frames of video files",
    "scenes": "scenes, readers, renderer, edits",
    "perturb": "what to perturb, how much, how",
    "questions": "VSI-Bench's questions from geometry",
    "twins": "edits that change an answer",
    "data": "building and loading ocr-vsi",
    "models": "families, media, asking a model",
    "vsi_bench": "scorer, harness, audits, measure",
    "train": "trainers, strategies, rewards",
    "cards": "cards of models and data sets",
    "hub": "push and pull",
}
"""The parts that are documented for callers."""
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(r"(^(?:```|~~~).*?^(?:```|~~~)\s*$)", re.M | re.S)
PICTURES = (".png", ".svg", ".gif", ".jpg", ".webp")


def on_config(config):
    """Put the API's pages where the navigation leaves a place for them."""
    pages = [{"Public names": "api/index.md"}, *({f"ocr_hf.{part}": f"api/{part}.md"} for part in PARTS)]
    for section in config.nav:
        for title, entries in section.items():
            if isinstance(entries, list):
                section[title] = [_entry(entry, pages) for entry in entries]
    config.mdx_configs["toc"]["slugify"] = github_slug
    return config


def github_slug(heading: str, separator: str) -> str:
    """Return a heading's anchor as the repository's page makes it, so that a link to it works in both places."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def _entry(entry: dict, pages: list[dict]) -> dict:
    ((title, place),) = entry.items()
    return {title: pages if place == "API_PAGES" else place.replace(".ipynb", ".md")}


def on_files(files: Files, config) -> Files:
    """Add the pages that don't lie in docs/, and the pictures that pages show from elsewhere."""
    for name in PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text("utf-8")))
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        name = path.relative_to(ROOT / "docs").as_posix()
        notebook = files.get_file_from_path(name)
        if notebook is not None:
            files.remove(notebook)
        page = File.generated(config, name.replace(".ipynb", ".md"), content=notebook_page(path))
        files.append(page)
    files.append(File.generated(config, "api/index.md", content=public_names()))
    for part, words in PARTS.items():
        files.append(File.generated(config, f"api/{part}.md", content=api_page(part, words)))
    for file in list(files.documentation_pages()):
        for match in LINK.finditer(file.content_string):
            target = in_repository(match["target"], file.src_uri)
            if not target or target.startswith("docs/") or not target.endswith(PICTURES):
                continue
            if files.get_file_from_path(target) is None and (ROOT / target).is_file():
                files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page, config, files: Files) -> str:
    """Point links to where the site or the repository has what they name; code blocks stay."""
    origin = page.file.src_uri

    def link(match: re.Match) -> str:
        target = in_repository(match["target"], origin)
        if target is None:
            return match[0]
        anchor = match["target"].partition("#")[2]
        if (place := site_place(target, files)) is not None:
            where = posixpath.relpath(place, posixpath.dirname(origin) or ".") + (f"#{anchor}" if anchor else "")
        elif config.repo_url:
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            where = f"{config.repo_url.rstrip('/')}/{kind}/main/{target}"
        else:
            return match["text"]
        return f"{match['image']}[{match['text']}]({where})"

    parts = FENCE.split(markdown)
    return "".join(part if FENCE.fullmatch(part) else LINK.sub(link, part) for part in parts)


def in_repository(target: str, origin: str) -> str | None:
    """Return the repository's path that a relative link of a page names, None for any other link.

    origin : the page's path on the site
    """
    path = target.partition("#")[0]
    if not path or "://" in target or target.startswith(("mailto:", "/")):
        return None
    here = origin if origin in PAGES or origin.startswith("api/") else f"docs/{origin}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(here), path))


def site_place(path: str, files: Files) -> str | None:
    """Return the site's path of a file of the repository, None where the site hasn't got it."""
    place = path.removeprefix("docs/") if path.startswith("docs/") else path
    if path == "README.md":  # the start page stands for it
        return "index.md"
    if place.endswith(".ipynb"):
        place = place.replace(".ipynb", ".md")
    return place if files.get_file_from_path(place) is not None else None


def notebook_page(path: Path) -> str:
    """Return a notebook as a page: its words, its code, and the pictures and text that it printed."""
    notebook = json.loads(path.read_text("utf-8"))
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                parts.append(f"![output](data:image/png;base64,{''.join(data['image/png']).strip()})")
            elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
                parts.append(f"```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def public_names() -> str:
    """Return the page of what `from ocr_hf import ...` gives."""
    tree = ast.parse((ROOT / "ocr_hf" / "__init__.py").read_text("utf-8"))
    places = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_MODULES"
    )
    parts = "".join(f"- [ocr_hf.{part}]({part}.md): {words}\n" for part, words in PARTS.items())
    names = "".join(f"- [`{name}`][{module}.{name}]\n" for name, module in places.items())
    return (
        "# Public names\n\n`from ocr_hf import ...` gives these; each is imported on first use, so that `import "
        f"ocr_hf` takes milliseconds.\n\n{names}\n## By part\n\n{parts}"
    )


def api_page(part: str, words: str) -> str:
    """Return the page of a part: every module of it that has public names."""
    lines = [f"# ocr_hf.{part}\n\n{words[0].upper()}{words[1:]}.\n"]
    for path in sorted((ROOT / "ocr_hf" / part).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        body = ast.parse(path.read_text("utf-8")).body
        public = [
            node.name
            for node in body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and ast.get_docstring(node)
        ]
        if public and not path.name.startswith("_"):
            lines.append(f"\n::: {name}\n    options:\n      heading_level: 2\n")
    return "".join(lines)

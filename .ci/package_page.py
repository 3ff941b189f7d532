"""Makes the package's page whole before a release is built: its pictures show and its links lead somewhere.

    python .ci/package_page.py https://HOST/OWNER/NAME --tag v0.2.0   # rewrites README.md and pyproject.toml here
    python .ci/package_page.py --check-tag v0.2.0                     # exit status 1 and a sentence where they disagree

README.md names files by where they lie, which shows on the repository's page and in an editor but not on a package
index. The repository's address isn't written down anywhere: forks and mirrors have another one. The release workflow
knows its own and passes it. Only the checkout that is built from is changed; nothing is committed.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?P<image>!?)(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s]+)\)")
PICTURE = re.compile(r'(?P<before><(?:img|source)\b[^>]*?\bsrc(?:set)?=")(?P<target>[^"]+)')
URLS = {
    "Repository": "",
    "Documentation": "/tree/{tag}/docs",
    "Changelog": "/blob/{tag}/CHANGELOG.md",
    "Issues": "/issues",
}


def absolute_links(text: str, address: str, tag: str) -> str:
    """Return a page of the repository's root with relative links and pictures leading to the repository at a tag."""

    def absolute(target: str, picture: bool) -> str:
        if "://" in target or target.startswith(("#", "mailto:")):
            return target
        return f"{address}/{'raw' if picture else 'blob'}/{tag}/{target}"

    def link(match: re.Match) -> str:
        inside = LINK.sub(link, match["text"][1:-1])  # a picture may be a link's text
        return f"{match['image']}[{inside}]({absolute(match['target'], bool(match['image']))})"

    text = LINK.sub(link, text)
    return PICTURE.sub(lambda match: match["before"] + absolute(match["target"], True), text)


def with_urls(project: str, address: str, tag: str) -> str:
    """Return pyproject.toml with the repository's pages among the project's addresses."""
    lines = "".join(f'{name} = "{address}{path.format(tag=tag)}"\n' for name, path in URLS.items())
    if lines in project:
        return project
    return project.replace("[project.urls]\n", f"[project.urls]\n{lines}", 1)


def disagreements(tag: str, root: Path = ROOT) -> list[str]:
    """Return a sentence for each file that doesn't belong to a release of this tag."""
    version = re.search(r'^__version__ = "(.+)"', (root / "ocr_hf" / "__init__.py").read_text("utf-8"), re.M)[1]
    cited = re.search(r"^version: (.+)$", (root / "CITATION.cff").read_text("utf-8"), re.M)[1]
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, the package's version {version}: tag v{version}, or set __version__")
    if cited != version:
        found.append(f"CITATION.cff has version {cited}, the package {version}: set it there")
    if not re.search(rf"^## \[?{re.escape(version)}\]?", (root / "CHANGELOG.md").read_text("utf-8"), re.M):
        found.append(f'CHANGELOG.md has no "## {version}": give the notes under "Unreleased" that heading')
    return found


def main() -> None:
    """Rewrite the two files, or compare a tag with the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", help="of the repository, https://HOST/OWNER/NAME")
    parser.add_argument("--tag", default="main", help="tag or branch that the links lead to")
    parser.add_argument("--check-tag", help="compare this tag with version, citation and changelog, and end")
    args = parser.parse_args()
    if args.check_tag:
        sys.exit("\n".join(disagreements(args.check_tag)) or 0)
    if not args.address or not re.fullmatch(r"https://[^/\s]+/[^/\s]+/[^/\s]+", args.address.rstrip("/")):
        parser.error(f"the address is {args.address!r}; give https://HOST/OWNER/NAME")
    address = args.address.rstrip("/").removesuffix(".git")
    for name, change in (("README.md", absolute_links), ("pyproject.toml", with_urls)):
        path = ROOT / name
        path.write_text(change(path.read_text("utf-8"), address, args.tag), "utf-8")


if __name__ == "__main__":
    main()

"""Checks every link of a built site: that the file is there, and the place in it that the link names.

    python .ci/check_site.py site

Addresses of other hosts are counted and not asked for. Exit status 1 and a line for each link that leads nowhere.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page and the places that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links to and what it is called."""
        named = dict(attrs)
        self.places |= {value for name in ("id", "name") if (value := named.get(name))}
        self.links += [value for name in ("href", "src") if (value := named.get(name))]


def broken_links(site: Path) -> tuple[list[str], int, int]:
    """Return (a line for each link that leads nowhere, links that were checked, links to other hosts)."""
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    wrong, checked, elsewhere = [], 0, 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme == "data" or link.startswith("javascript:"):
                continue
            if parts.scheme or parts.netloc:
                elsewhere += 1
                continue
            checked += 1
            where = unquote(parts.path)
            # 404.html is served from any depth and so is the one page that names the site's root
            base = site if where.startswith("/") else path.parent
            target = (base / where.lstrip("/")).resolve() if where else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                wrong.append(f"{path.relative_to(site)}: {link}: no such file")
            elif parts.fragment and target.suffix == ".html":
                found = pages.get(site / target.relative_to(site.resolve()))
                if found is None or unquote(parts.fragment) not in found.places:
                    wrong.append(f"{path.relative_to(site)}: {link}: no such place on the page")
    return wrong, checked, elsewhere


def main() -> None:
    """Print what is broken, and how much was looked at."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site")
    wrong, checked, elsewhere = broken_links(site)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(
        f"{site}: {checked} links checked, {len(wrong)} broken; {elsewhere} lead to other hosts and were not asked for"
    )
    sys.exit(1 if wrong or not checked else 0)


if __name__ == "__main__":
    main()

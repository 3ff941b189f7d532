"""The check of the documentation site's links finds what leads nowhere, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = Path(__file__).resolve().parent.parent / ".ci/check_site.py"


def check(site: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(CHECK), str(site)], capture_output=True, text=True)


def test_links_and_places_are_checked(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/index.html").write_text(
        '<h2 id="here">x</h2><a href="../b%20c.html#there">b</a><a href="#here">x</a>'
    )
    (tmp_path / "b c.html").write_text('<a name="there"></a><a href="a/">a</a><img src="https://else.example/x.png">')
    (tmp_path / "404.html").write_text('<a href="/a/#here">a</a><a href="mailto:x@y">m</a>')
    done = check(tmp_path)
    assert done.returncode == 0 and "4 links checked, 0 broken; 2 lead to other hosts" in done.stdout, done.stdout
    (tmp_path / "a/index.html").write_text(
        '<a href="gone.html">1</a><a href="../b c.html#nowhere">2</a><img src="x.png">'
    )
    done = check(tmp_path)
    assert done.returncode == 1
    for line in (
        "a/index.html: gone.html: no such file",
        "a/index.html: ../b c.html#nowhere: no such place on the page",
        "a/index.html: x.png: no such file",
        "404.html: /a/#here: no such place on the page",
    ):
        assert line in done.stdout


def test_an_empty_site_is_no_good_site(tmp_path: Path) -> None:
    assert check(tmp_path).returncode == 1

"""What a stranger gets: the wheel in empty environments, and the lines of the pages as they stand.

    python .ci/test_wheel.py                      # all walks; `make test-wheel`
    python .ci/test_wheel.py metric data          # some
    python .ci/test_wheel.py 3b                   # docs/3b.md at tiny size, from a fresh clone; not part of all

Each walk of docs/walks is run in a folder of its own: its `bash` blocks in order by one shell, its `python` blocks as
scripts in between, its `pip install` against the wheel built here. So a page whose lines don't work fails, and so does
a wheel that lacks a file or an extra that lacks a package. Beside that, `metric` checks that neither PyTorch nor Open3D
came along, and that a command which needs more names the extra. `3b` clones what is committed here, installs it as
docs/3b.md says with what a local Hub needs, and runs that page's test. Each walk's time and installed size end the run.

Environment: PYTHON is the interpreter; on a machine without a GPU PyTorch's CPU build is put first where pip knows one.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WALKS = ("metric", "data", "training", "own-scans")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.M | re.S)
FROM_CLONE = "3b"
HUB = "beartype hypothesis pytest starlette uvicorn"
"""What the test of docs/3b.md needs beside the package: itself, and a local Hub."""
LEAN = ("torch", "open3d")
"""Not in an environment with the metric alone."""
TOOLS = ROOT / ".venv-wheel" / "tools"


def script(page: str) -> str:
    """Return a page's blocks as one shell script that stops at the first error."""
    parts = ["set -euo pipefail"]
    for number, (language, block) in enumerate(BLOCK.findall(page)):
        if language == "bash":
            parts.append(block)
        else:
            parts.append(f"cat > block_{number}.py <<'BLOCK'\n{block}BLOCK\npython block_{number}.py\n")
    return "\n".join(parts)


def build_wheel(python: str) -> Path:
    """Build the wheel into dist/, with tools of their own."""
    if not (TOOLS / "bin" / "python").exists():
        run([python, "-m", "venv", str(TOOLS)])
        run([str(TOOLS / "bin/python"), "-m", "pip", "install", "--quiet", "build", "twine"])
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    run([str(TOOLS / "bin/python"), "-m", "build", "--wheel", "--outdir", str(ROOT / "dist"), str(ROOT)], quiet=True)
    (wheel,) = (ROOT / "dist").glob("*.whl")
    return wheel


def run(command: list[str], quiet: bool = False, **options) -> subprocess.CompletedProcess:
    """Run a command; its output is shown where it fails."""
    done = subprocess.run(command, text=True, capture_output=quiet, **options)
    if done.returncode:
        sys.exit(f"{done.stdout or ''}{done.stderr or ''}\nfailed with {done.returncode}: {' '.join(command)[:200]}")
    return done


def walk(name: str, python: str, wheel: Path, folder: Path) -> str:
    """Run a walk in an empty folder; return a line about it."""
    page = (ROOT / "docs" / "walks" / f"{name}.md").read_text("utf-8")
    environment = re.search(r"python -m venv (\S+)", page)[1]
    lines = script(page).replace("python -m venv", f"{python} -m venv", 1)
    # The package is no index's yet: its name leads to the wheel, everything else to where pip finds it
    lines = re.sub(
        r"pip install '?ocr-hf(\[[\w,]+\])?'?", lambda m: f"pip install --quiet '{wheel}{m[1] or ''}'", lines
    )
    if "[" in re.search(r"pip install --quiet '(.*)'", lines)[1]:
        lines = with_cpu_torch(lines)
    clean = clean_environment(folder)
    start = time.monotonic()
    run(["bash", "-c", lines], env=clean, cwd=folder)
    seconds = time.monotonic() - start
    site = site_packages(folder / environment)
    if name == "metric":
        found = [package for package in LEAN if (site / package).exists()]
        if found:
            sys.exit(f"the metric alone brings {', '.join(found)}")
        for words, extra in ((["build"], "data"), (["grpo", "--data", "x"], "train")):
            done = subprocess.run(
                [str(folder / environment / "bin/ocr-hf"), *words],
                capture_output=True,
                text=True,
                env=clean,
                cwd=folder,
            )
            if done.returncode != 1 or f"ocr-hf[{extra}]" not in done.stderr or "Traceback" in done.stderr:
                sys.exit(
                    f"ocr-hf {words[0]} without its extra says, with {done.returncode}: {done.stdout}{done.stderr}"
                )
    return told(name, seconds, site)


def walk_from_clone(python: str, folder: Path) -> str:
    """Run docs/3b.md at tiny size in a clone with an environment of its own; return a line about it."""
    install = re.search(r"^pip install '\.\[\w+\]'", (ROOT / "docs" / "3b.md").read_text("utf-8"), re.M)[0]
    lines = with_cpu_torch(
        f"set -euo pipefail\n{python} -m venv env\n. env/bin/activate\ngit clone --quiet {ROOT} checkout\ncd checkout\n"
        f"{install.replace('pip install', 'pip install --quiet')}\npip install --quiet {HUB}\n"
        "python -m pytest -k from_nothing tests/train/test_runbook.py\n"
    )
    start = time.monotonic()
    run(["bash", "-c", lines], env=clean_environment(folder), cwd=folder)
    return told(FROM_CLONE, time.monotonic() - start, site_packages(folder / "env"))


def with_cpu_torch(lines: str) -> str:
    """Return a script whose first install gets PyTorch's CPU build before it, and torchvision's cure after."""
    torch = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.M)[1]
    cpu = f"command -v nvidia-smi >/dev/null || pip install --quiet 'torch=={torch}+cpu' 2>/dev/null || true"
    cure = f"python {ROOT / '.ci/torchvision_cpu.py'} >/dev/null"
    return re.sub(r"^(pip install --quiet .*)$", rf"{cpu}\n\1\n{cure}", lines, count=1, flags=re.M)


def clean_environment(folder: Path) -> dict[str, str]:
    """Return the variables of somebody who has set none of ours."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE")
    clean = {key: value for key, value in os.environ.items() if key in kept or key.startswith("PIP_")}
    return clean | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    }


def site_packages(environment: Path) -> Path:
    return next(environment.glob("lib/python*/site-packages"))


def told(name: str, seconds: float, site: Path) -> str:
    """Return a walk's line: how long it took, how much it installed."""
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    return f"{name}: {seconds:.0f} s, {size / 1e6:,.0f} MB installed"


def main() -> None:
    """Build the wheel and run the walks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = (*WALKS, FROM_CLONE)
    parser.add_argument("walks", nargs="*", help=f"of {', '.join(known)}; by default all but {FROM_CLONE}")
    walks = parser.parse_args().walks or list(WALKS)
    unknown = set(walks) - set(known)
    if unknown:
        parser.error(f"there is no walk {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    python = shutil.which(os.environ.get("PYTHON", sys.executable))
    lines = []
    wheel = None
    if set(walks) & set(WALKS):
        wheel = build_wheel(python)
        lines.append(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB")
    for name in walks:
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            lines.append(walk_from_clone(python, folder) if name == FROM_CLONE else walk(name, python, wheel, folder))
            print(lines[-1], flush=True)
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""Runs a notebook from top to bottom in an empty folder, as a reader would, and can keep what it shows.

    python .ci/run_notebook.py docs/notebooks/perturb_a_scene.ipynb            # exit status 1 at the first error
    python .ci/run_notebook.py docs/notebooks/perturb_a_scene.ipynb --write    # ... and store the outputs in the file

No kernel is started: cells run in IPython's shell in this process, so nothing of Jupyter has to be installed.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any]) -> None:
    """Run every code cell, in order; put what it printed and displayed into it.

    Raises:
        SystemExit: A cell failed; its number and error are named.
    """
    os.environ.setdefault("MPLBACKEND", "agg")
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell.instance()
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        start = time.monotonic()
        with capture_output() as shown:
            done = shell.run_cell("".join(cell["source"]), store_history=False)
        if not done.success:
            error = done.error_before_exec or done.error_in_exec
            raise SystemExit(f"{shown.stdout}\ncell {number} failed: {type(error).__name__}: {error}")
        print(f"cell {number}: {time.monotonic() - start:.1f} s", flush=True)
        cell["outputs"] = []
        if shown.stdout:
            cell["outputs"].append({"output_type": "stream", "name": "stdout", "text": shown.stdout.splitlines(True)})
        for output in shown.outputs:
            if picture := output.data.get("image/png"):
                text = picture if isinstance(picture, str) else base64.b64encode(picture).decode()
                data = {"image/png": text, "text/plain": ["<picture>"]}
                cell["outputs"].append({"output_type": "display_data", "data": data, "metadata": {}})


def main() -> None:
    """Run the notebook in a folder that is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--write", action="store_true", help="store the outputs in the file")
    args = parser.parse_args()
    path = args.notebook.resolve()
    notebook = json.loads(path.read_text("utf-8"))
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            run(notebook)
        finally:
            os.chdir(here)
    if args.write:
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()

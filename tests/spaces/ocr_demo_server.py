"""Runs the demo in a process of its own, as `python app.py` does, with tiny rooms and an unreachable Hub."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

APP = Path(__file__).resolve().parents[2] / "spaces" / "ocr_demo" / "app.py"
PATIENCE = float(os.environ.get("OCR_DEMO_PATIENCE", "1"))
"""What every time limit is multiplied by, for machines that are busy with other things."""
UNREACHABLE = "http://127.0.0.1:9"
"""A Hub that nobody answers for: stronger than offline mode, in which the clients don't even try."""
SMALL_ROOMS = """
import runpy, sys, time, types
sys.path.insert(0, {folder!r})
import gradio.http_server
# Gradio gives its server 5 s to start
gradio.http_server.time = types.SimpleNamespace(sleep=time.sleep, time=lambda: time.time() / {patience})
from room_demo import rooms
rooms.BUNDLED = (rooms.Bundled("Kitchen", 12, 2),)
rooms.Rooms.__init__.__defaults__ = (rooms.BUNDLED,)
rooms.ClipSize.__init__.__defaults__ = ({frames}, 4.0, {width}, {height}, 75.0)
if {frames} < 16:  # then the stories' films, too; what models see of them stays
    from room_demo import shelf
    shelf.SHOWN_FRAMES, shelf.SHOWN_WIDTH, shelf.SHOWN_HEIGHT = {frames}, 192, 144
{extra}
sys.argv = ["app.py", "--port", "{port}", "--cache", {cache!r}, "--clip-frames", "{frames}", *{options!r}]
runpy.run_path({app!r}, run_name="__main__")
"""
AS_SHIPPED = """
import runpy, sys
sys.path.insert(0, {folder!r})
sys.argv = ["app.py", "--port", "{port}", "--cache", {cache!r}, *{options!r}]
runpy.run_path({app!r}, run_name="__main__")
"""
"""The same with all rooms and stories as they are."""


def free_port() -> int:
    """Return a port that nobody listens on now, and that no outgoing connection is given while the demo starts."""
    for port in random.sample(range(18_000, 28_000), 50):  # systems give connections ports from 32768 on
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("fifty ports between 18000 and 28000 are taken; what else runs here?")


UNTRAINED = ("--frames", "4", "--model", "tiny-qwen2.5-vl", "--model", "tiny-qwen3-vl")
"""Options for models that are there whether or not the checkout has a reference checkpoint."""


@contextmanager
def running_demo(
    cache: Path,
    frames: int = 8,
    width: int = 196,
    height: int = 140,
    options: Sequence[str] = UNTRAINED,
    extra: str = "",
    source: str = SMALL_ROOMS,
) -> Iterator[str]:
    """Yield the address of a demo with one small kitchen; stop it afterwards.

    frames, width, height : of its video; options : of app.py
    extra : Python that the demo's process runs first, in the working directory `cache`
    source : SMALL_ROOMS, or AS_SHIPPED, to which size and `extra` mean nothing
    """
    port = free_port()
    code = source.format(
        folder=str(APP.parent), app=str(APP), port=port, cache=str(cache), frames=frames, width=width, height=height,
        options=list(options), extra=extra, patience=PATIENCE,
    )  # fmt: skip
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")},
        "HF_ENDPOINT": UNREACHABLE, "HF_HOME": str(cache / "hf"), "GRADIO_ANALYTICS_ENABLED": "False",
        "OMP_NUM_THREADS": "1", "OCR_DEMO_TINY": "0.2M", "GRADIO_TEMP_DIR": str(cache / "gradio"),
    }  # fmt: skip
    log = cache / "log.txt"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", code], cwd=cache, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(address, server, log)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(int(600 * PATIENCE)):
        if server.poll() is not None:
            raise RuntimeError(f"the demo ended with status {server.returncode}: {log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{address}/config", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the demo did not answer in {120 * PATIENCE:.0f} s: {log.read_text()[-2000:]}")

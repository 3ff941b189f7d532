"""Perturb objects of a room, ask a video language model about it, compare its answers (OCR: Object-Centric 3D Rollout).

    python spaces/ocr_demo/app.py                                   # bundled rooms; the reference checkpoint, if there
    python spaces/ocr_demo/app.py --model Qwen/Qwen2.5-VL-3B-Instruct --model outputs/my-checkpoint
    python spaces/ocr_demo/app.py --data ocr-vsi                    # your own data set's clips as well

The folder is a Hugging Face Space as it is. OCR has nothing to do with text recognition here.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from room_demo.answers import Models  # noqa: E402
from room_demo.clip import ClipStore  # noqa: E402
from room_demo.housekeeping import sweep_regularly  # noqa: E402
from room_demo.noise import NoisyVideos  # noqa: E402
from room_demo.page import CSS, THEME, build  # noqa: E402
from room_demo.rooms import ClipSize, Rooms, add_dataset  # noqa: E402
from room_demo.uploads import MAX_BYTES  # noqa: E402
from room_demo.views import MEDIA_URL, Demo  # noqa: E402


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options; environment variables are for Spaces, which have none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = "Hub id (ORG/NAME or ORG/NAME@REVISION) or folder of a model; may be repeated"
    parser.add_argument("--model", action="append", default=[], help=what)
    parser.add_argument("--data", type=Path, help="an ocr-vsi folder whose clips are offered as well")
    parser.add_argument("--frames", type=int, help="frames that every model sees; left out: as each was trained")
    parser.add_argument("--clip-frames", type=int, default=ClipSize.frames, help="frames of the bundled rooms' videos")
    cache = os.environ.get("OCR_DEMO_CACHE") or Path.home() / ".cache" / "ocr-hf" / "demo"
    parser.add_argument("--cache", type=Path, default=Path(cache), help="where rooms and videos are kept")
    host = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    parser.add_argument("--host", default=host, help="address to listen on")
    parser.add_argument("--port", type=int, help="port; left out: the first free one from 7860")
    return parser.parse_args(arguments)


def make_demo(options: argparse.Namespace) -> Demo:
    """Return what the page works on; rooms are filmed in the background from now on."""
    store = ClipStore(options.cache)
    rooms = Rooms(store, ClipSize(frames=options.clip_frames))
    if options.data:
        add_dataset(rooms, options.data)
    models = Models(options.model, options.frames, cache=options.cache / "models")
    return Demo(rooms, NoisyVideos(store), models)


def launch_arguments(demo: Demo, host: str, port: int | None) -> dict:
    """Return what `launch` needs: limits, the folder of videos, nothing else of this machine."""
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    media = demo.rooms.store.media
    return {
        "server_name": host,
        "server_port": port,
        "theme": THEME,
        "css": CSS,
        "mcp_server": True,
        "ssr_mode": False,
        "max_file_size": MAX_BYTES,
        "state_session_capacity": 1000,
        "allowed_paths": [str(media)],
        "show_error": False,
        "prevent_thread_lock": True,
        "footer_links": ["api", "gradio", "settings"],
        "app_kwargs": {"routes": [Mount(f"/{MEDIA_URL}", StaticFiles(directory=media))]},
    }


def main() -> None:
    """Start the page."""
    options = parse()
    demo = make_demo(options)
    if os.environ.get("SPACES_ZERO_GPU"):
        demo.models.preload(every=True)  # its workers are forks of this process: what isn't loaded now never stays
    on_spaces = bool(os.environ.get("SPACE_ID"))
    page = build(demo)
    page.launch(**launch_arguments(demo, "0.0.0.0" if on_spaces else options.host, options.port))
    # Only now: Gradio gives its server 5 s to come up, and then reports that there is no free port
    demo.rooms.warm_up(then=demo.models.preload)
    sweep_regularly(demo.rooms)
    page.block_thread()


if __name__ == "__main__":
    main()

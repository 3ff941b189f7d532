"""Perturb objects of a room, ask a video language model about it, compare its answers (OCR: Object-Centric 3D Rollout).

    python spaces/ocr_demo/app.py                                   # bundled rooms; the reference checkpoint, if there
    python spaces/ocr_demo/app.py --model Qwen/Qwen2.5-VL-3B-Instruct --model outputs/my-checkpoint
    python spaces/ocr_demo/app.py --data ocr-vsi                    # your own data set's clips as well

The folder is a Hugging Face Space as it is. OCR has nothing to do with text recognition here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ocr_hf.data.schema import read_manifest
from ocr_hf.settings.command_options import options
from ocr_hf.settings.extras import need
from ocr_hf.settings.run_command import call, run

# Before gradio, tokenizers and matplotlib are imported: they read these
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# Left open, what Gradio asks it before every event makes matplotlib look for windows
os.environ.setdefault("MPLBACKEND", "agg")

try:
    need("space", "the demo page")
except ImportError as error:
    raise SystemExit(f"app.py: {error}") from error

from room_demo.answers import Models  # noqa: E402
from room_demo.checkpoints import pair_of  # noqa: E402
from room_demo.clip import ClipStore  # noqa: E402
from room_demo.housekeeping import sweep_regularly  # noqa: E402
from room_demo.memory import give_back_freed_memory  # noqa: E402
from room_demo.noise import NoisyVideos  # noqa: E402
from room_demo.page import CSS, THEME, build  # noqa: E402
from room_demo.proxy import PrefixFromProxy, files_below  # noqa: E402
from room_demo.rooms import ClipSize, Rooms, add_dataset  # noqa: E402
from room_demo.stories import FILE as STORIES  # noqa: E402
from room_demo.stories import read_stories  # noqa: E402
from room_demo.uploads import MAX_BYTES  # noqa: E402
from room_demo.views import MEDIA_URL, Demo, film_story  # noqa: E402


@dataclass
class DemoOptions:
    """What the page offers and where it listens; environment variables are for Spaces, which have no command line."""

    model: tuple[str, ...] = field(
        default=(), metadata={"help": "Hub id (ORG/NAME or ORG/NAME@REVISION) or folder of a model; may be repeated"}
    )
    pair: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "Hub id or folder of the locked model, and again of the one that looks around, which stories "
            "compare; NAME=SOURCE calls it so; left out: those beside app.py or in model_cards, if there"
        },
    )
    stories: Path | None = field(default=None, metadata={"help": "a file of other stories than the bundled ones"})
    data: Path | None = field(default=None, metadata={"help": "an ocr-vsi folder whose clips are offered as well"})
    frames: int | None = field(
        default=None, metadata={"help": "frames that every model sees; left out: as each was trained"}
    )
    clip_frames: int = field(default=ClipSize.frames, metadata={"help": "frames of the bundled rooms' videos"})
    film: bool = field(
        default=False, metadata={"help": "film all rooms and stories into the cache and end, for a push to bring"}
    )
    cache: Path = field(
        default_factory=lambda: Path(os.environ.get("OCR_DEMO_CACHE") or Path.home() / ".cache" / "ocr-hf" / "demo"),
        metadata={"help": "where rooms and videos are kept"},
    )
    host: str = field(
        default_factory=lambda: os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        metadata={"help": "address to listen on"},
    )
    port: int | None = field(default=None, metadata={"help": "port; left out: the first free one from 7860"})
    root_path: str = field(
        default_factory=lambda: os.environ.get("GRADIO_ROOT_PATH", ""),
        metadata={"help": "path, or whole address, under which a proxy shows the page; left out: as the proxy says"},
    )


def _kinds() -> list[type]:
    return [DemoOptions]


def parse(arguments: list[str] | None = None) -> DemoOptions:
    """Return a command line's options."""
    return call(options(_kinds, plugins=True)(lambda config: config), arguments or [], "app.py")


def make_demo(config: DemoOptions) -> Demo:
    """Return what the page works on; rooms are filmed in the background from now on."""
    store = ClipStore(config.cache)
    store.adopt(Path(__file__).parent / "rooms")
    rooms = Rooms(store, ClipSize(frames=config.clip_frames))
    if config.data:
        read_manifest(config.data)  # a folder that is none is told at once; its clips are read while the page is up
        rooms.incomplete = True
    models = Models(list(config.model), config.frames, cache=config.cache / "models", pair=pair_of(config.pair))
    stories = read_stories(config.stories or STORIES) if models.pair else ()
    for story in stories:
        rooms.find(story.room)
    return Demo(rooms, NoisyVideos(store), models, stories)


def launch_arguments(demo: Demo, host: str, port: int | None, root_path: str = "") -> dict:
    """Return what `launch` needs: limits, the folder of videos, nothing else of this machine."""
    from starlette.middleware import Middleware

    media = demo.rooms.store.media
    return {
        "server_name": host,
        "server_port": port,
        "root_path": root_path,
        "theme": THEME,
        "css": CSS,
        "mcp_server": True,
        "ssr_mode": False,
        "max_file_size": MAX_BYTES,
        "state_session_capacity": 1000,
        "allowed_paths": [str(media)],
        # Errors reach visitors through `guarded` alone, without paths of this machine
        "show_error": False,
        "prevent_thread_lock": True,
        # Not "settings": its picture has the text beside it as its description, too, which is read twice
        "footer_links": ["api", "gradio"],
        "app_kwargs": {
            "routes": [files_below(MEDIA_URL, media)],
            "middleware": [Middleware(PrefixFromProxy)],
        },
    }


@options(_kinds, plugins=True)
def main(config: DemoOptions) -> None:
    """Perturb objects of a room, ask a video language model about it, compare its answers.

    OCR means Object-Centric 3D Rollout, not text recognition.
    """
    give_back_freed_memory()
    demo = make_demo(config)
    stories = [partial(film_story, demo, story) for story in demo.stories]
    if config.film:
        demo.rooms.warm_up(last=stories).join()
        return
    if os.environ.get("SPACES_ZERO_GPU"):
        demo.models.preload(every=True)  # its workers are forks of this process: what isn't loaded now never stays
    on_spaces = bool(os.environ.get("SPACE_ID"))
    page = build(demo)
    # A Space is reached from outside its container
    page.launch(**launch_arguments(demo, "0.0.0.0" if on_spaces else config.host, config.port, config.root_path))
    # Only now: Gradio gives its server 5 s to come up, and then reports that there is no free port
    read_on = partial(add_dataset, demo.rooms, config.data) if config.data else None
    demo.rooms.warm_up(demo.models.preload, read_on, last=stories)
    sweep_regularly(demo.rooms)
    page.block_thread()


if __name__ == "__main__":
    run("__main__:main", "app.py")

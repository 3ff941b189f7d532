"""What a checkpoint was trained on: frames, prompt and pixels, in `ocr_hf.json` beside its weights.

A small model trained on few frames is lost with many, and nothing in a checkpoint of transformers says how many it saw.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ocr_hf.data.atomic import write_json
from ocr_hf.models.model_files import ModelLoadError, model_file

FILE = "ocr_hf.json"
MOST_FRAMES = 4096
OLD_NAMES = {"num_frames": "frames"}
"""What files of earlier versions call an entry, such as the released checkpoint's, whose bytes are hashed."""


@dataclass(frozen=True)
class Usage:
    """What a model was trained on; None where it isn't known.

    frames : of a video, sampled uniformly
    prompt : wording of questions, a name from `vsi_bench/prompts.py`
    max_pixels : most pixels of a frame after resizing
    """

    frames: int | None = None
    prompt: str | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        for name in ("frames", "max_pixels"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{name} is {value!r}; give a whole number of at least 1, or leave it out")
        if self.frames is not None and self.frames > MOST_FRAMES:
            raise ValueError(f"frames is {self.frames}; give at most {MOST_FRAMES}")
        if self.prompt is not None and not isinstance(self.prompt, str):
            raise ValueError(f"prompt is {self.prompt!r}; give the name of a prompt style, or leave it out")


def read_usage(source: str | Path, revision: str | None = None) -> Usage:
    """Return what a model, by folder or Hub id, was trained on; everything is None where it doesn't say.

    Entries that this version doesn't know are passed over. Raises ModelLoadError for a file that can't be read.
    """
    path = model_file(source, FILE, revision)
    if path is None:
        return Usage()
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError(f"it holds a {type(stored).__name__}, not an object")
        stored = {OLD_NAMES.get(name, name): value for name, value in stored.items()}
        return Usage(**{name: stored.get(name) for name in Usage.__dataclass_fields__})
    except ValueError as error:
        raise ModelLoadError(f"'{source}': {FILE} can't be read ({error}); correct or remove it") from error


def write_usage(folder: str | Path, usage: Usage) -> Path:
    """Write `ocr_hf.json` into a model's folder and return its path.

    Write it before the model is evaluated: results name a hash of the folder's files, this one included.
    """
    path = Path(folder) / FILE
    write_json(path, {name: value for name, value in asdict(usage).items() if value is not None})
    return path

"""Which folder this is: a key of its own for each place and content, so that no cache takes one folder for another.

`datasets` prepares the rows of a local folder once, absolute paths of the videos included, and finds them again by the
folder's name and the YAML in README.md and .huggingface.yaml. Neither the place nor the metadata files enter that key.
Builds are deterministic, so two builds with the same options have the same YAML and would share the rows, and thereby
the videos, of whichever was loaded first.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from huggingface_hub import metadata_load

from ocr_hf.data.atomic import replacing
from ocr_hf.data.schema import MANIFEST, METADATA

if TYPE_CHECKING:
    import datasets

PLACE = ".huggingface.yaml"
"""Read by `datasets` as a supplement to the card. It names one place on one machine, so it is never pushed."""
_NOTE = (
    "# The `configs` of README.md with a key of this place, so that `load_dataset` doesn't give the rows of another\n"
    "# folder. After copying, moving or editing the folder, renew it with `ocr-hf place FOLDER`. Never pushed.\n"
)


def folder_key(folder: str | os.PathLike) -> str:
    """Return a key that is new after a move, a copy, another build or an edit of the metadata.

    Args:
        folder: an ocr-vsi folder.

    Returns:
        16 hexadecimal digits: a digest of the folder's place and of its metadata files' sizes and times.
    """
    root = Path(folder).resolve()
    digest = hashlib.sha256(os.fsencode(root))
    for path in sorted(path for name in METADATA.values() for path in root.glob(f"*/{name}")):
        status = path.stat()
        digest.update(f"{path.relative_to(root).as_posix()} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def folder_of(rows: datasets.Dataset) -> Path:
    """Return the folder whose rows these are.

    Where no folder `ocr-vsi` is, `datasets` gives for `load_dataset("ocr-vsi")` the rows that it prepared last under
    that name, of whatever folder that was; it says so in a warning, and nothing in the rows does.

    Args:
        rows: what `load_dataset` gave for a folder.

    Returns:
        The ocr-vsi folder that holds the videos of the first row.

    Raises:
        FileNotFoundError: The folder is gone, moved or no longer an ocr-vsi folder.

    Example:
        >>> from ocr_hf import BuildConfig, build_folder
        >>> config = BuildConfig(scenes=1, rooms=1, frames=8, width=64, height=48, seed=7)
        >>> _ = build_folder(config, "rooms", resume=True)
        >>> from datasets import load_dataset
        >>> folder_of(load_dataset("rooms", split="train")).name
        'rooms'
    """
    from datasets import Video

    videos = rows.with_format(None).select_columns(["vanilla"]).cast_column("vanilla", Video(decode=False))
    video = Path(videos[0]["vanilla"]["path"])
    for folder in video.parents:
        if (folder / MANIFEST).is_file():
            return folder
    raise FileNotFoundError(
        f"these rows are of {video}, which lies in no ocr-vsi folder any more: an old cache; "
        "load the folder by its full path, or build it again"
    )


def record_place(folder: str | os.PathLike) -> bool:
    """Write a folder's key into its .huggingface.yaml, for plain `load_dataset`.

    Args:
        folder: a finished ocr-vsi folder, at its final place.

    Returns:
        Whether it wasn't there yet: the folder was built, copied, moved or edited since.

    Raises:
        ValueError: README.md names no configs.
        OSError: the folder can't be written to.
    """
    folder = Path(folder)
    text = _place_yaml(folder)
    path = folder / PLACE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def _place_yaml(folder: Path) -> str:
    configs = (metadata_load(folder / "README.md") or {}).get("configs")
    if not configs:
        raise ValueError(f"{folder / 'README.md'} names no configs; build the data set again")
    key = folder_key(folder)
    # Of what `datasets` hashes, a config's description is the one part that changes nothing else.
    return _NOTE + yaml.safe_dump({"configs": [{**config, "description": key} for config in configs]}, sort_keys=False)

"""The picture files of a recorded scene: where they may lie, and what they must hold."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from PIL import Image

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What Pillow raises for damaged files; SyntaxError is its word for a PNG that isn't one."""
_ORIENTATION = 274
"""EXIF tag: 1, or missing, is upright as stored."""


def inside(root: Path, name: str, where: str) -> Path:
    """Return the path of a file below the scene's folder.

    root : the scene's folder
    name : as JSON names it, with forward slashes
    where : what names it, for messages
    Raises ValueError for a name that leads outside, also through a link, and for a file that isn't there.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name:
        raise ValueError(
            f"{where}: '{name}' leads out of the scene's folder; give a path below it, with forward slashes"
        )
    path = root.joinpath(*parts)
    if not path.is_file():
        raise ValueError(
            f"{where}: '{name}' is not there; copy the file into the scene's folder, or leave its entry out"
        )
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{where}: '{name}' is a link out of the scene's folder; copy the file there")
    return path


def picture_size(path: Path | BinaryIO, where: str) -> tuple[int, int]:
    """Return (width, height) from a picture's header."""
    with _opened(path, where) as image:
        return image.size


def read_rgb(path: Path | BinaryIO, where: str) -> np.ndarray:
    """Return a picture as (H, W, 3) uint8."""
    with _opened(path, where) as image:
        if image.mode != "RGB":
            raise ValueError(f"{where} has mode {image.mode}; give 8-bit RGB")
        pixels = _decoded(image, where)
        turned = _orientation(image, where)
        if turned != 1:
            raise ValueError(
                f"{where} is stored turned (EXIF orientation {turned}); turn picture, intrinsics and pose upright "
                "together"
            )
        return pixels


def read_depth(path: Path, where: str, unit_m: float) -> np.ndarray:
    """Return a depth map as (H, W) float32 metres, 0 = unknown."""
    with _opened(path, where) as image:
        if image.format != "PNG" or not image.mode.startswith("I"):
            raise ValueError(f"{where} is {image.format} of mode {image.mode}; give depth as a grey 16-bit PNG")
        stored = _decoded(image, where)
    return (stored.astype(np.float64) * unit_m).astype(np.float32)


def read_ids(path: Path | BinaryIO, where: str) -> np.ndarray:
    """Return an instance map as (H, W) uint16."""
    with _opened(path, where) as image:
        # A palette's index may be the id or not, and JPEG changes ids
        if image.format != "PNG" or not (image.mode == "L" or image.mode.startswith("I")):
            raise ValueError(f"{where} is {image.format} of mode {image.mode}; give ids as a grey 8- or 16-bit PNG")
        return _decoded(image, where).astype(np.uint16)


def _opened(path: Path | BinaryIO, where: str) -> Image.Image:
    try:
        return Image.open(path)
    except _BROKEN as error:
        raise ValueError(f"{where} is no picture that can be read ({_reason(error)}); write it again") from error


def _orientation(image: Image.Image, where: str) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _BROKEN as error:
        raise ValueError(f"{where} has damaged EXIF data ({_reason(error)}); write it again") from error


def _decoded(image: Image.Image, where: str) -> np.ndarray:
    try:
        return np.array(image)
    except _BROKEN as error:
        raise ValueError(f"{where} is damaged ({_reason(error)}); write it again") from error


def _reason(error: Exception) -> str:
    """Return why a file can't be read, without the place of the file on this machine."""
    return "unknown format" if isinstance(error, Image.UnidentifiedImageError) else " ".join(str(error).split())

"""Rows to decoded clips, in the data loader's processes: each clip once per batch, within a memory bound."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ocr_hf.data.video import probe, read_frames, uniform_indices
from ocr_hf.models.media import FrameCache, VideoInputs, encode_video
from ocr_hf.models.sampled_clip import SampledClip

logger = logging.getLogger(__name__)

CLIP = "clip"
"""Key under which a row carries its decoded clip from the data loader to the trainer."""
BAD_CLIP = "bad_clip"
"""Key under which a skipped row carries the reason."""


class Column(Sequence):
    """A nested column of a row, read like the list that it holds.

    accelerate walks every list of a batch down to its numbers in search of tensors, for every rollout of a group: on
    poses and footprints that took half a second a step. This is no list to it.
    """

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._values, dtype=dtype)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, Column) else other)

    __hash__ = None


NOT_WRAPPED = ("prompt", "completion", "image", "images")
"""Columns that TRL itself reads."""


class BadRow(ValueError):
    """A row that cannot be trained on, with the row, the cause and the way out in one sentence."""


def encode_clip(
    processor: Any, clip: SampledClip, frames: np.ndarray, min_pixels: int | None = None, max_pixels: int | None = None
) -> VideoInputs:
    """Return model inputs for frames (T, H, W, 3) uint8 at a clip's times: its own, or others in their place."""
    # One frame has no spacing, so no rate follows from its time; it stands at time 0 whatever rate is given
    several = len(clip.times_s) > 1
    return encode_video(
        processor,
        frames,
        clip.times_s if several else None,
        fps=None if several else 1.0,
        min_pixels=min_pixels,
        max_pixels=max_pixels,
    )


def row_name(row: Mapping[str, Any]) -> str:
    """Name a row in messages: its id and its clip where it has them."""
    parts = [f"{name} {row[name]}" for name in ("id", "clip_id") if row.get(name) is not None]
    return f"row ({', '.join(parts)})" if parts else f"row with the question {str(row.get('prompt'))[:60]!r}"


def clip_name(row: Mapping[str, Any], source: Any) -> str:
    """Return the clip's id: the row's `clip_id`, else the file it comes from, else the row's own id."""
    if row.get("clip_id") is not None:
        return str(row["clip_id"])
    if isinstance(source, Mapping):
        source = source.get("path")
    return str(source) if isinstance(source, str) else f"row-{row.get('id')}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], (list, dict))


def _asks_for_video(prompt: Any) -> bool:
    """Whether a chat holds a video block."""
    return isinstance(prompt, list) and any(
        part.get("type") == "video" for turn in prompt if isinstance(turn["content"], list) for part in turn["content"]
    )


class ClipLoader:
    """Collate rows: decode `frames` frames of each row's clip and put them in the row under `CLIP`.

    A clip of fewer frames gives each of its frames, at its own time, as in evaluation. Rows without a clip pass as they
    are. Rows that share an id become one dictionary, so that a group costs what one row costs on its way between
    processes. A clip that cannot be used raises BadRow, or with on_bad_video "skip" is logged and its reason put under
    `BAD_CLIP`.
    """

    def __init__(
        self, video_column: str, frames: int, cache_bytes: int = 512 * 2**20, on_bad_video: str = "stop"
    ) -> None:
        self.video_column = video_column
        self.frames = frames
        self.on_bad_video = on_bad_video
        self.cache_bytes = cache_bytes
        self._cache: FrameCache | None = None
        self._named: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cache": None}  # each data loading process starts its own

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows with their clips."""
        shared: dict[Any, dict[str, Any]] = {}
        out = []
        for row in rows:
            key = row.get("id")
            if key is None or key not in shared:
                loaded = self._with_clip(row)
                if key is None:
                    out.append(loaded)
                    continue
                shared[key] = loaded
            out.append(dict(shared[key]))
        return out

    def _with_clip(self, row: Mapping[str, Any]) -> dict[str, Any]:
        row = {
            name: Column(value) if _is_nested(value) and name not in NOT_WRAPPED else value
            for name, value in row.items()
        }
        # Out of the row, for TRL passes every column on to rewards and logs, the file's bytes too
        source = row.pop(self.video_column, None)
        if source is None and not _asks_for_video(row.get("prompt")):
            return row
        try:
            row[CLIP] = self.load(row, source)
        except BadRow as error:
            if self.on_bad_video == "stop":
                raise
            # Once, not for every rollout of the group and again in every epoch
            if str(error) not in self._named:
                self._named.add(str(error))
                logger.warning("skipped: %s", error)
            row[BAD_CLIP] = str(error)
        return row

    def load(self, row: Mapping[str, Any], source: Any) -> SampledClip:
        """Return a row's clip; raise BadRow where it cannot be decoded."""
        if source is None:
            raise BadRow(
                f"{row_name(row)}: its prompt has a video block, but no clip is in the column '{self.video_column}'; "
                "remove the block or the row, or set on_bad_video to skip"
            )
        if self._cache is None:
            self._cache = FrameCache(self.cache_bytes)
        name = clip_name(row, source)
        try:
            frames, (indices, times) = self._cache.get(name, lambda: self._decode(source, row))
        except BadRow:
            raise
        except (OSError, ValueError, IndexError, RuntimeError) as error:
            raise BadRow(
                f"{row_name(row)}: its clip cannot be read ({error}); remove the row, fetch the clip again, or set "
                "on_bad_video to skip"
            ) from error
        return SampledClip.of(name, frames, indices, times)

    def check(self, row: Mapping[str, Any], source: Any) -> tuple[int, int, int]:
        """Return how many frames are shown and their height and width, from the header; raise BadRow as `load` does."""
        try:
            info = probe(source)
        except (OSError, ValueError, IndexError, RuntimeError) as error:
            raise BadRow(
                f"{row_name(row)}: its clip cannot be read ({error}); remove the row, fetch the clip again, or set "
                "on_bad_video to skip"
            ) from error
        return min(info.num_frames, self.frames), info.height, info.width

    def _decode(self, source: Any, row: Mapping[str, Any]) -> tuple[np.ndarray, tuple[Any, Any]]:
        indices = uniform_indices(probe(source).num_frames, self.frames)
        frames, times = read_frames(source, indices)
        if not np.all(np.isfinite(times)) and row.get("fps"):
            times = indices / float(row["fps"])
        return frames, (tuple(int(i) for i in indices), tuple(float(t) for t in times))

"""Footprints: which pixels of which frame belong to which object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from ocr_hf.geometry import rle


@dataclass(frozen=True)
class Footprints:
    """The visible pixels of every object in every frame of a clip, compactly.

    Args:
        height: of the frames, pixels.
        width: of the frames, pixels.
        num_frames: frames of the clip.
        amodal: False where occlusion is respected (from an instance map or depth); True for projected box hulls, which
            also cover whatever stands in front of the object.
        codes: object id -> frame -> COCO counts string; frames in which the object is not seen are left out.

    Raises:
        ValueError: a footprint is of a frame that the clip doesn't have.

    Example:
        >>> import numpy as np
        >>> from ocr_hf.geometry.occlusion import footprints_from_instances
        >>> instances = np.zeros((2, 4, 6), dtype=np.uint16)
        >>> instances[0, 1:3, 2:5] = 7
        >>> footprints = footprints_from_instances(instances)
        >>> footprints.object_ids, footprints.areas(7)
        ((7,), array([6, 0]))
    """

    height: int
    width: int
    num_frames: int
    amodal: bool = False
    codes: Mapping[int, Mapping[int, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for object_id, frames in self.codes.items():
            for frame in frames:
                if not 0 <= frame < self.num_frames:
                    raise ValueError(
                        f"the footprint of object {object_id} names frame {frame}, but the clip has frames 0 to "
                        f"{self.num_frames - 1}; footprints and video belong to different clips"
                    )

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects seen in at least one frame, ascending."""
        return tuple(sorted(object_id for object_id, frames in self.codes.items() if frames))

    def areas(self, object_id: int) -> Int[np.ndarray, "t"]:
        """Count an object's pixels.

        Args:
            object_id: its value in instance maps.

        Returns:
            (T,) int64, its pixels in each frame; zeros for an object that is never seen.
        """
        frames = self.codes.get(object_id, {})
        out = np.zeros(self.num_frames, dtype=np.int64)
        out[list(frames)] = rle.areas(list(frames.values()), self.height, self.width)
        return out

    def mask(self, object_id: int, frame: int) -> Bool[np.ndarray, "h w"] | None:
        """Decode one footprint.

        Args:
            object_id: its value in instance maps.
            frame: index of the frame.

        Returns:
            (H, W) bool, or None where the object is not seen.
        """
        code = self.codes.get(object_id, {}).get(frame)
        return None if code is None else rle.decode_union([code], self.height, self.width)

    def region(self, object_ids: Iterable[int], frames: Sequence[int] | None = None) -> Bool[np.ndarray, "t h w"]:
        """Join the footprints of several objects.

        Args:
            object_ids: the objects; those that are never seen add nothing.
            frames: indices of the frames wanted, in that order; None = all.

        Returns:
            (T, H, W) bool, the union.
        """
        wanted = range(self.num_frames) if frames is None else frames
        chosen = [self.codes[object_id] for object_id in dict.fromkeys(object_ids) if object_id in self.codes]
        out = np.zeros((len(wanted), self.height, self.width), dtype=bool)
        for row, frame in enumerate(wanted):
            codes = [footprint[frame] for footprint in chosen if frame in footprint]
            if codes:
                out[row] = rle.decode_union(codes, self.height, self.width)
        return out

    def select(self, frames: Sequence[int]) -> Footprints:
        """Keep some frames.

        Args:
            frames: their indices, in the order wanted.

        Returns:
            The footprints of a clip made of these frames only.
        """
        frames = [int(frame) for frame in frames]
        codes = {
            object_id: {row: footprint[frame] for row, frame in enumerate(frames) if frame in footprint}
            for object_id, footprint in self.codes.items()
        }
        return Footprints(self.height, self.width, len(frames), self.amodal, codes)

    def resized(self, height: int, width: int) -> Footprints:
        """Fit the footprints to frames of another size: each pixel centre looks up the nearest pixel.

        Args:
            height: of the resized frames, pixels.
            width: of the resized frames, pixels.

        Returns:
            Footprints of that size; an object whose every pixel is missed is no longer seen.
        """
        if (height, width) == (self.height, self.width):
            return self
        rows = ((np.arange(height) + 0.5) * self.height / height).astype(np.int64)
        columns = ((np.arange(width) + 0.5) * self.width / width).astype(np.int64)
        codes: dict[int, dict[int, bytes]] = {}
        for object_id, footprint in self.codes.items():
            for frame, code in footprint.items():
                # Nearest, not averaged: a footprint stays a set of pixels, and the union of resized footprints equals
                # the resized union.
                mask = rle.decode_union([code], self.height, self.width)[rows][:, columns]
                # A mask has one id, so this runs once, or not at all where the small frame misses every pixel: then the
                # object isn't seen.
                for _, small in rle.encode_instances(mask.astype(np.uint8)):
                    codes.setdefault(object_id, {})[frame] = small
        return Footprints(height, width, self.num_frames, self.amodal, codes)

    def shifted(self, object_ids: Iterable[int], shift: tuple[float, float]) -> Footprints:
        """Move the footprints of some objects; what leaves the frame at one border comes in at the other.

        Args:
            object_ids: the objects.
            shift: (down, right), as shares of the frame's height and width, rounded to whole pixels.

        Returns:
            Their footprints, as large as before; those of other objects are left out.
        """
        down, right = round(shift[0] * self.height), round(shift[1] * self.width)
        codes: dict[int, dict[int, bytes]] = {}
        for object_id in dict.fromkeys(object_ids):
            for frame, code in self.codes.get(object_id, {}).items():
                mask = rle.decode_union([code], self.height, self.width)
                moved = np.roll(mask, (down, right), axis=(0, 1)).astype(np.uint8)
                for _, new in rle.encode_instances(moved):
                    codes.setdefault(object_id, {})[frame] = new
        return Footprints(self.height, self.width, self.num_frames, self.amodal, codes)

    def to_rows(self) -> list[dict[str, Any]]:
        """Write the footprints as rows of a table.

        Returns:
            One dict (object_id, frame, height, width, counts) per object and frame; `counts` is COCO's string.
        """
        return [
            {
                "object_id": object_id,
                "frame": frame,
                "height": self.height,
                "width": self.width,
                "counts": self.codes[object_id][frame].decode("ascii"),
            }
            for object_id in self.object_ids
            # Sorted, so that equal footprints give equal rows in whatever order they were found.
            for frame in sorted(self.codes[object_id])
        ]

    @classmethod
    def from_rows(
        cls, rows: Iterable[Mapping[str, Any]], num_frames: int, height: int, width: int, amodal: bool = False
    ) -> Footprints:
        """Read what `to_rows` wrote.

        Args:
            rows: dicts with object_id, frame, height, width and counts.
            num_frames: frames of the clip.
            height: of the frames, pixels.
            width: of the frames, pixels.
            amodal: whether the footprints also cover what stands in front.

        Returns:
            The footprints.

        Raises:
            ValueError: a row is of another frame size, or of a frame that the clip doesn't have.
        """
        codes: dict[int, dict[int, bytes]] = {}
        for row in rows:
            if (row["height"], row["width"]) != (height, width):
                raise ValueError(
                    f"the footprint of object {row['object_id']} in frame {row['frame']} is for "
                    f"{row['width']}x{row['height']} pixels, the frames have {width}x{height}; "
                    "read it at its own size and call .resized(height, width)"
                )
            counts = row["counts"]
            # pycocotools gives bytes, Arrow's string columns give text.
            code = counts if isinstance(counts, bytes) else counts.encode("ascii")
            codes.setdefault(int(row["object_id"]), {})[int(row["frame"])] = code
        return cls(height, width, num_frames, amodal, codes)

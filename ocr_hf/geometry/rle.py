"""COCO run-length codes of pixel masks, through pycocotools.

A COCO code lists run lengths in *column-major* pixel order (pixel (row, column) has index column * height + row),
starting with a run of zeros, and packs them into a short string. Everything here works on runs, so that making
codes for hundreds of (object, frame) pairs never allocates that many masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Int, Integer
from pycocotools import mask as coco


def encode_runs(starts: Integer[np.ndarray, "n"], lengths: Integer[np.ndarray, "n"], height: int, width: int) -> bytes:
    """Return the COCO counts string of the mask made of these runs.

    starts, lengths : (N,) integers in column-major pixel order, ascending and disjoint
    Runs that touch are joined, so equal masks have equal codes.
    """
    ends = starts + lengths
    if len(starts) > 1:
        # COCO's format alternates zeros and ones: two touching runs would need an empty run of zeros between them,
        # which is legal but gives a second code for the same mask.
        apart = starts[1:] != ends[:-1]
        starts, ends = starts[np.append(True, apart)], ends[np.append(apart, True)]
    bounds = np.empty(2 * len(starts) + 2, dtype=np.int64)
    bounds[0], bounds[-1] = 0, height * width
    bounds[1:-1:2], bounds[2:-1:2] = starts, ends
    counts = np.diff(bounds)
    # pycocotools writes no trailing empty run of zeros; leaving it would make equal masks differ.
    if counts[-1] == 0 and len(counts) > 1:
        counts = counts[:-1]
    return coco.frPyObjects({"size": [height, width], "counts": counts.tolist()}, height, width)["counts"]


def decode_union(codes: Sequence[bytes], height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """Return the (H, W) bool union of masks given by their COCO counts strings; no codes give an empty mask."""
    if not codes:
        return np.zeros((height, width), dtype=bool)
    items = [{"size": [height, width], "counts": code} for code in codes]
    mask = coco.decode(items[0] if len(items) == 1 else coco.merge(items))
    return np.ascontiguousarray(mask).view(bool)


def areas(codes: Sequence[bytes], height: int, width: int) -> Int[np.ndarray, "n"]:
    """Return the (N,) numbers of pixels of masks given by their COCO counts strings."""
    if not codes:
        return np.zeros(0, dtype=np.int64)
    return coco.area([{"size": [height, width], "counts": code} for code in codes]).astype(np.int64)


def encode_instances(instances: Integer[np.ndarray, "h w"]) -> Iterator[tuple[int, bytes]]:
    """Yield (object id, COCO counts string) of every id above 0 in an (H, W) instance map, ids ascending.

    One pass finds the runs of all objects together: the cost hardly depends on how many there are.
    """
    height, width = instances.shape
    # Transposed, because COCO counts down the columns.
    flat = instances.T.reshape(-1)
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], starts]) if flat.size else starts
    lengths = np.diff(np.append(starts, flat.size))
    ids = flat[starts]
    # Stable: within an object the runs keep their ascending order, which encode_runs needs.
    order = np.argsort(ids, kind="stable")
    ids, starts, lengths = ids[order], starts[order], lengths[order]
    firsts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if ids.size else np.zeros(0, dtype=np.int64)
    for first, stop in zip(firsts, np.append(firsts[1:], ids.size), strict=True):
        if ids[first] > 0:
            yield int(ids[first]), encode_runs(starts[first:stop], lengths[first:stop], height, width)

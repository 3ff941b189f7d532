"""Orders of rows that a resumed run goes on in; in one of them questions about one clip stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from trl.trainer.utils import RepeatSampler

from ocr_hf.perturb.keys import generator, stable_key
from ocr_hf.train.clip_loader import clip_name


class ClipSampler(Sampler[int]):
    """All rows of a data set, each once, in a random order of parts of `count` rows about one clip.

    What is left of a clip, fewer rows than `count`, shares parts with what is left of others. Batches of a multiple of
    `count` rows so hold whole parts, wherever accelerate deals them to several processes.

    clips : of each row, the name of its clip
    epoch : -> the number of the epoch that begins; the order is a pure function of it and the seed, so every process
        has the same, and a run that is resumed goes on in it
    """

    def __init__(self, clips: Sequence[str], count: int, seed: int, epoch: Callable[[], int]) -> None:
        self.count, self.seed, self.epoch = count, seed, epoch
        self._rows: dict[str, list[int]] = {}
        for row, clip in enumerate(clips):
            self._rows.setdefault(clip, []).append(row)
        self._length = len(clips)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        random = generator(stable_key("clips", self.seed, self.epoch()))
        parts, rests = [], []
        for rows in self._rows.values():
            shuffled = random.permutation(rows).tolist()
            whole = len(shuffled) - len(shuffled) % self.count
            parts += [shuffled[start : start + self.count] for start in range(0, whole, self.count)]
            rests.append(shuffled[whole:])
        rest = [row for place in random.permutation(len(rests)) for row in rests[place]]
        parts += [rest[start : start + self.count] for start in range(0, len(rest), self.count)]
        # A short part in the middle would put all parts behind it across the borders of batches
        last = parts.pop() if parts and len(parts[-1]) < self.count else []
        for place in random.permutation(len(parts)):
            yield from parts[place]
        yield from last


class GroupSampler(RepeatSampler):
    """TRL's sampler of groups, whose order is a pure function of seed and epoch, and for one whole run the same.

    TRL draws each epoch's order from what the last one left of its generator. A run that was resumed behind its first
    epoch began with the first order again: some rows were seen twice, and others never.

    sampler : TRL's, as its trainer sets it up
    epoch : -> the number of the epoch that begins
    """

    def __init__(self, sampler: RepeatSampler, epoch: Callable[[], int]) -> None:
        vars(self).update(vars(sampler))
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if self.shuffle:
            self.generator.manual_seed(self.seed)
            for _ in range(self.epoch()):
                torch.randperm(self.num_samples, generator=self.generator)
        return super().__iter__()


def clip_names(dataset: Any, video_column: str) -> list[str]:
    """Return the name of each row's clip, as `clip_name` gives it; the video column is read only where it must be."""
    columns = dataset.column_names
    names = list(dataset["clip_id"]) if "clip_id" in columns else [None] * len(dataset)
    unnamed = [row for row, name in enumerate(names) if name is None]
    if unnamed:
        read = dataset.select_columns([name for name in ("id", video_column) if name in columns]).select(unnamed)
        for row, found in zip(unnamed, read, strict=True):
            names[row] = clip_name(found, found.get(video_column))
    return [str(name) for name in names]

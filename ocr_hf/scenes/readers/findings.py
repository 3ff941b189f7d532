"""What the checks of a scene file pass around: its parts, and what was found wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ocr_hf.scenes.categories import STRUCTURE
from ocr_hf.scenes.class_words import words_of
from ocr_hf.scenes.scene import Mesh

REFUSED, WARNING = "refused", "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be, with a scene file.

    level : "refused", or "warning" where the scene can be used all the same
    kind : a word for programs: file, extension, faces, names, merged, scale, units, up, strays, labels
    seen : what was seen, with its values
    way_out : what to do about it, with the flag that settles it; empty where `seen` says it
    """

    level: str
    kind: str
    seen: str
    way_out: str

    @property
    def text(self) -> str:
        """One sentence, without the file's name."""
        return f"{self.seen}; {self.way_out}" if self.way_out else self.seen


@dataclass(frozen=True, eq=False)
class Part:
    """One instance of a scene file: an object, or a piece of structure.

    id : as in the instances file
    name, class_name : as in the file
    label : category, or STRUCTURE
    meshes : its surfaces
    """

    id: int
    name: str
    class_name: str
    label: str
    meshes: tuple[Mesh, ...]

    @property
    def is_object(self) -> bool:
        """Whether questions may be asked about it."""
        return self.label != STRUCTURE

    @cached_property
    def noun(self) -> str:
        """The last word of the class name: what kind of structure it is."""
        return words_of(self.class_name).rpartition(" ")[2]

    @cached_property
    def bounds(self) -> np.ndarray:
        """Low and high corner (2, 3) of the triangles."""
        points = [mesh.vertices[np.unique(mesh.faces)] for mesh in self.meshes]
        return np.array(
            [np.min([p.min(axis=0) for p in points], axis=0), np.max([p.max(axis=0) for p in points], axis=0)]
        )

    @property
    def size(self) -> np.ndarray:
        """Extents (3,) along the axes."""
        return self.bounds[1] - self.bounds[0]

    def moved(self, matrix: np.ndarray) -> Part:
        """Return the part with its vertices times `matrix` (3, 3)."""
        return replace(self, meshes=tuple(replace(mesh, vertices=mesh.vertices @ matrix.T) for mesh in self.meshes))


def triangles(parts: Iterable[Part]) -> np.ndarray:
    """Return the corners (F, 3, 3) of all triangles."""
    found = [mesh.vertices[mesh.faces] for part in parts for mesh in part.meshes]
    return np.concatenate(found) if found else np.zeros((0, 3, 3))


def all_bounds(parts: Sequence[Part]) -> np.ndarray:
    """Return the low and high corners (N, 2, 3)."""
    return np.array([part.bounds for part in parts]).reshape(-1, 2, 3)


def number(value: float) -> str:
    """Return a number with three digits or so: 199,910 and 20.0 and 0.45."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}" if size < 1e9 else f"{value:.0e}"
    return f"{value:.1f}" if size >= 1 else f"{value:.2g}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return names in quotes, the first few of many."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more

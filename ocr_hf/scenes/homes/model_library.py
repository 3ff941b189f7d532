"""Reads a folder of furniture models: Sweet Home 3D's libraries (*.sh3f), or plain OBJ files.

Debian's package `sweethome3d-furniture` brings five libraries (CC0 and CC-BY) in usr/share/sweethome3d/furniture.
Models have +Y up and look towards +Z; a library states each model's size, author and licence.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from ocr_hf.scenes.homes.furniture.furniture_model import Model
from ocr_hf.scenes.scene import Material, Mesh

CATALOGUE = "PluginFurnitureCatalog.properties"
MAX_FACES, MAX_FACES_SMALL, SMALL_M = 8_000, 1_500, 0.35
"""Models with more triangles (small ones: up to SMALL_M) are left out: they'd slow the renderer for no visible gain."""
MAX_BYTES = 64 << 20
"""A file within a library larger than this is not read."""
MAX_TEXTURE = 512
"""Longest side of a texture, pixels; larger ones are made smaller."""
_NAMES = {
    "backpack": "backpack",
    "basket": "clothes basket|basket",
    "bathtub": "bath|bathtub",
    "bed": "bed|iron bed",
    "bookshelf": "bookcase|full bookcase|shelves|vertical shelves|bookshelf",
    "bottle": "wine bottle|beer bottle|bottle",
    "bowl": "bowl|bowl with fruits|bowl with salad",
    "cabinet": "television cabinet|tv stand|dresser with drawers|filing cabinet|drawers cabinet|cabinet|safe",
    "chair": "chair|oak chair|osaka chair|chair with cushion|armchair|modern armchair|winchester armchair|plastic chair"
    "|cafe chair|class seat",
    "closet": "wardrobe|closet",
    "crate": "crate",
    "cup": "coffee cup|cup|coffee mug|plastic cup",
    "cutting board": "chopping board|cutting board",
    "desk": "desk|wooden desk|desk table|wooden table|wooden alder table|wooden teak table",
    "exhaust fan": "range hood|hood",
    "fan": "fan|rigged fan",
    "fireplace": "fireplace",
    "guitar": "electric guitar|guitar",
    "headphones": "headphones",
    "kettle": "teapot|espresso kettle|kettle",
    "lamp": "lamp|desk lamp|little lamp",
    "laptop": "laptop|apple ibook",
    "microwave": "microwave",
    "nightstand": "bedside table|nightstand",
    "pan": "large pan|pan",
    "piano": "upright piano|piano",
    "printer": "inkjet printer and scanner|printer",
    "radiator": "radiator",
    "refrigerator": "refrigerator|large fridge|fridge",
    "shoes": "sneakers|slippers|woman shoes|mocassin|shoes",
    "sink": "vanity|sink",
    "sofa": "sofa|couch|clear sofa|sofa 2 seats|sofa 3 seats|burlap sofa|winchester sofa|futon couch",
    "stool": "stool|bar stool",
    "stove": "stove|large stove|propane stove|cooker",
    "suitcase": "suitcase",
    "table": "table|coffee table|oak table|round table|black table|glass table|table with tablecloth|cafe table"
    "|folding table",
    "telephone": "phone|wireless phone|telephone",
    "toilet": "toilets unit|small lavatory|toilet",
    "trash bin": "dustbin|bullet trash can|trash bin",
    "tv": "tv|tv 16:9|wall flat tv",
    "washer": "washing machine|clothes washing machine|washer",
    "whiteboard": "white board|whiteboard",
}
_CATEGORY = {name: label for label, names in _NAMES.items() for name in names.split("|")}
"""Catalogue name -> question category, for the categories that may be replaced by real models."""


@dataclass(frozen=True)
class Entry:
    """One model of a library that has not been read yet.

    size : natural width, depth, height, metres, or None where only the file knows
    top_m : height at which things can stand on it, None where they can't
    rotation : nine numbers, row by row, that turn the file's axes to +Y up, or None
    """

    label: str
    name: str
    library: Path
    member: str
    size: tuple[float, float, float] | None
    top_m: float | None
    rotation: tuple[float, ...] | None
    creator: str
    licence: str

    @property
    def credit(self) -> str:
        """What a card must say where the model was used."""
        return f"{self.name} by {self.creator} ({self.library.stem}), {self.licence}"


@dataclass(frozen=True, eq=False)
class ModelLibrary:
    """Furniture models by question category."""

    entries: dict[str, tuple[Entry, ...]]
    _loaded: dict[Entry, Model | None] = field(default_factory=dict, repr=False)

    def load(self, entry: Entry) -> Model | None:
        """Return a model at its natural size, or None if it can't be used (too large, not readable)."""
        if entry not in self._loaded:
            self._loaded[entry] = _load(entry)
        return self._loaded[entry]


def read_library(folder: Path | str) -> ModelLibrary:
    """Return the models below a folder: *.sh3f libraries, and *.obj files named by category ("chair_1.obj").

    Raises FileNotFoundError if the folder is missing, ValueError if it holds no model of a known category.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"model folder '{folder}' does not exist; install Debian's package sweethome3d-furniture "
            "and give its folder usr/share/sweethome3d/furniture, or a folder of OBJ files named by category"
        )
    entries: dict[str, list[Entry]] = defaultdict(list)
    for path in sorted(folder.glob("*.sh3f")):
        for entry in _catalogue(path):
            entries[entry.label].append(entry)
    for path in sorted(folder.rglob("*.obj")):
        label = category_of(path.stem) or category_of(path.parent.name)
        if label:
            relative = path.relative_to(folder).as_posix()
            entries[label].append(Entry(label, path.stem, folder, relative, None, None, None, "unknown", "unknown"))
    if not entries:
        raise ValueError(
            f"model folder '{folder}' holds no model of a known category; it needs *.sh3f libraries, "
            "or OBJ files named by category such as chair_1.obj"
        )
    return ModelLibrary({label: tuple(items) for label, items in entries.items()})


def category_of(name: str) -> str | None:
    """Return the question category of a catalogue or file name ("Oak chair", "chair_02"), None if it has none."""
    return _CATEGORY.get(re.sub(r"[\s_\-]*\d*$", "", name.strip().lower().replace("_", " ")).strip())


def _catalogue(path: Path) -> list[Entry]:
    """Return the usable entries of a Sweet Home 3D library."""
    try:
        with zipfile.ZipFile(path) as archive:
            text = _read(archive, CATALOGUE).decode("latin-1")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"'{path}' is not a Sweet Home 3D furniture library: {error}; remove or replace it") from error
    shared = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    items: dict[int, dict[str, str]] = defaultdict(dict)
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\r?$", text, re.MULTILINE):
        # Java property files are Latin-1 with \u escapes.
        items[int(number)][key] = value.encode("latin-1").decode("unicode_escape").strip()
    found = []
    for _, item in sorted(items.items()):
        label = category_of(item.get("name", ""))
        # An elevation above 0 marks models that hang on a wall; here they would stand on the floor.
        if (
            label is None
            or not {"model", "width", "depth", "height"} <= item.keys()
            or float(item.get("elevation", 0)) > 0
        ):
            continue
        size = tuple(float(item[side]) / 100.0 for side in ("width", "depth", "height"))
        top = float(item.get("dropOnTopElevation", item["height"])) / 100.0
        rotation = tuple(float(value) for value in item["modelRotation"].split()) if "modelRotation" in item else None
        found.append(
            Entry(
                label, item["name"], path, item["model"].lstrip("/"), size, top if top > 0.0 else None, rotation,
                item.get("creator", "unknown"), _licence(path, shared.get("license", "")),
            )
        )  # fmt: skip
    return found


def _licence(path: Path, stated: str) -> str:
    """Return the licence of a library: what it states, else CC-BY 3.0 as Debian's copyright file says of the rest."""
    return "CC0 1.0" if "public domain" in stated.lower() or "cc-0" in path.stem.lower() else "CC-BY 3.0"


def _read(archive: zipfile.ZipFile, member: str) -> bytes:
    """Return a member's bytes; ValueError if there are more than MAX_BYTES."""
    with archive.open(member) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"'{member}' in '{archive.filename}' is larger than {MAX_BYTES} bytes; it is not read")
    return data


def _load(entry: Entry) -> Model | None:
    import trimesh

    resolver = _resolver(entry)
    try:
        data = io.BytesIO(resolver.get(PurePosixPath(entry.member).name))
        loaded = trimesh.load(data, file_type="obj", resolver=resolver, process=False)
    except (KeyError, ValueError, IndexError, OSError):
        return None
    parts = loaded.dump() if isinstance(loaded, trimesh.Scene) else [loaded]
    parts = [part for part in parts if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    limit = MAX_FACES if entry.size is None or max(entry.size) > SMALL_M else MAX_FACES_SMALL
    if not parts or sum(len(part.faces) for part in parts) > limit:
        return None
    # From the library's axes (+Y up, front towards +Z) to ours (+Z up, front towards -y).
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    if entry.rotation is not None:
        axes = axes @ np.array(entry.rotation).reshape(3, 3)
    vertices = [np.asarray(part.vertices, dtype=np.float64) @ axes.T for part in parts]
    low = np.min([points.min(axis=0) for points in vertices], axis=0)
    high = np.max([points.max(axis=0) for points in vertices], axis=0)
    if not np.isfinite([low, high]).all() or (high - low).min() < 1e-6:
        return None
    scale = np.ones(3) if entry.size is None else np.array(entry.size) / (high - low)
    origin = np.array([(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0, low[2]])
    meshes = tuple(
        Mesh((points - origin) * scale, np.asarray(part.faces, dtype=np.int32), *_look(part))
        for points, part in zip(vertices, parts, strict=True)
    )
    return Model(entry.label, (high - low) * scale, meshes)


def _look(part) -> tuple[Material, np.ndarray | None]:
    """Return a part's material and texture coordinates."""
    visual = part.visual
    material = getattr(visual, "material", None)
    uv = getattr(visual, "uv", None)
    diffuse = getattr(material, "diffuse", None)
    color = (0.7, 0.7, 0.7) if diffuse is None else tuple(float(value) / 255.0 for value in diffuse[:3])
    image = getattr(material, "image", None)
    if image is None or uv is None or len(uv) != len(part.vertices):
        return Material(color), None
    image = image.convert("RGB")
    image.thumbnail((MAX_TEXTURE, MAX_TEXTURE))
    return Material((1.0, 1.0, 1.0), np.asarray(image)), np.asarray(uv, dtype=np.float32)


def _resolver(entry: Entry):
    """Return what finds the files that an OBJ file names, in its folder or archive."""
    from trimesh.resolvers import FilePathResolver, Resolver

    if entry.library.is_dir():
        return FilePathResolver(str(entry.library / entry.member))

    class Archive(Resolver):
        def __init__(self, folder: PurePosixPath) -> None:
            self.folder = folder

        def get(self, name: str) -> bytes:
            with zipfile.ZipFile(entry.library) as archive:
                return _read(archive, (self.folder / name.strip().replace("\\", "/")).as_posix())

        def write(self, name: str, data: bytes) -> None:
            raise NotImplementedError("furniture libraries are only read")

        def keys(self) -> list[str]:
            with zipfile.ZipFile(entry.library) as archive:
                return archive.namelist()

        def namespaced(self, namespace: str) -> Resolver:
            return Archive(self.folder / namespace)

    return Archive(PurePosixPath(entry.member).parent)

"""The rooms of the demo: bundled ones, rendered on first use, and those of a user's ocr-vsi folder."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocr_hf.data.clip_cameras import CameraPath
from ocr_hf.geometry.camera import intrinsics_from_fov
from ocr_hf.geometry.footprints import Footprints
from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.questions.generate import generate_questions
from ocr_hf.questions.question import Question
from ocr_hf.scenes.edits.scene_edit import SceneEdit
from ocr_hf.scenes.scene import Scene

from .clip import FILES, ClipStore, DemoClip
from .film_set import FilmSet, edited_id
from .problems import Problem
from .room_model import write_room_model

logger = logging.getLogger(__name__)
LOADED_AT_ONCE = 8
"""Each has up to 50 MB of its film mapped into memory; loading one takes 5 ms."""
MOST_SHELVES = 64
"""Links may name any shelf; each takes 9 MB of the disk."""
SETS_AT_ONCE = 2
"""Scenes with their light, about 100 MB each."""
Tell = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and what is being done."""


@dataclass(frozen=True)
class ClipSize:
    """How rooms are filmed. Frame sides are even; fov : horizontal, degrees."""

    frames: int = 64
    seconds: float = 8.0
    width: int = 392
    height: int = 280
    fov: float = 75.0

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


@dataclass(frozen=True)
class Bundled:
    """A procedural home of one room, by its seed."""

    title: str
    seed: int
    light_rays: int = 48


BUNDLED = (Bundled("Living room", 61), Bundled("Kitchen", 131), Bundled("Bedroom", 5), Bundled("Office", 15))


def nothing_to_tell(share: float, text: str) -> None:
    """A `Tell` for callers without a progress bar."""


class Rooms:
    """Gives clips by id; each is made once, whoever asks first, and kept in the store."""

    def __init__(self, store: ClipStore, size: ClipSize, bundled: tuple[Bundled, ...] = BUNDLED) -> None:
        self.store, self.size = store, size
        self._loaded: OrderedDict[str, DemoClip] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._makers: dict[str, Callable[[Tell], DemoClip]] = {}
        self._sets: dict[str, Callable[[], FilmSet]] = {}
        self._open_sets: OrderedDict[str, FilmSet] = OrderedDict()
        self._setting = threading.Lock()
        self.titles: dict[str, str] = {}
        self.unlisted: set[str] = set()
        self.kept: set[str] = set()
        """Edited rooms that aren't removed after a while: those of stories."""
        self.incomplete = False
        """Whether more rooms are on their way, as those of a data set that is still read."""
        for room in bundled:
            clip_id = f"{room.title.lower().replace(' ', '-')}-{room_key(room, size)}"
            # Bound as defaults: a closure would see the loop's last room
            self.add(clip_id, room.title, lambda tell, room=room, clip_id=clip_id: self._film(room, clip_id, tell))
            self._sets[clip_id] = functools.partial(_set_of_bundled, room, size)

    def add(self, clip_id: str, title: str, make: Callable[[Tell], DemoClip]) -> None:
        """Offer a room to every visitor; `make` is called when it is first asked for."""
        self._makers[clip_id], self.titles[clip_id] = make, title

    def add_shelf(self, seed: int, kind: str) -> str:
        """Make a shelf of the planted lock known, for stories and links; return its id. It stands in no list."""
        clip_id = f"shelf-{kind}-{seed}-{FILES}"
        if clip_id not in self.titles:
            make = functools.partial(_film_shelf, self.store, seed, kind, clip_id)
            self.add(clip_id, "Shelf", make)
            self._sets[clip_id] = functools.partial(_set_of_shelf, seed, kind)
            self.unlisted.add(clip_id)
        return clip_id

    def can_edit(self, clip_id: str) -> bool:
        """Return whether a room's scene is known, so that it can be edited."""
        return clip_id in self._sets

    def film_set(self, clip_id: str) -> FilmSet:
        """Return what it takes to film a room again; the last ones are kept. Raises Problem for a room without."""
        if clip_id not in self._sets:
            raise Problem("Of this room only its film is known, not its 3D scene; edit a bundled room or a story.")
        with self._setting:
            if clip_id not in self._open_sets:
                self._open_sets[clip_id] = self._sets[clip_id]()
            self._open_sets.move_to_end(clip_id)
            while len(self._open_sets) > SETS_AT_ONCE:
                self._open_sets.popitem(last=False)
            return self._open_sets[clip_id]

    def edited(self, name: str, edits: Sequence[SceneEdit], tell: Tell = nothing_to_tell) -> DemoClip:
        """Return the clip of a room after edits, filmed once for all who make the same ones."""
        base = self.clip(name, tell)
        if not edits:
            return base
        clip_id = edited_id(base.id, edits)
        with self._lock:
            if clip_id in self._loaded:
                return self._loaded[clip_id]
            making = self._making.setdefault(clip_id, threading.Lock())
        with making:
            if self.store.has(clip_id):
                return self.keep(self.store.load(clip_id))
            known = self.film_set(base.id)
            tell(0.3, "Moving things")
            renderer = known.renderer.edited(known.edited(edits))
            tell(0.5, "Filming again what changed")
            return self.keep(known.film(self.store, base, edits, renderer))

    def find(self, name: str | None) -> str:
        """Return the id of the room of this id or, as links have it, of this id's beginning; raise Problem if none."""
        for clip_id in self.titles:
            if name and (clip_id == name or clip_id.startswith(f"{name}-")):
                return clip_id
        shelf = re.fullmatch(rf"shelf-(aligned|conflict)-(\d{{1,7}})(?:-{FILES})?", name or "")
        if shelf and len(self.unlisted) < MOST_SHELVES:
            return self.add_shelf(int(shelf[2]), shelf[1])
        # A visitor's text becomes the name of a folder here, so nothing in it may lead elsewhere
        if name and all(c.isalnum() or c == "-" for c in name) and self.store.has(name):
            return name
        raise Problem(f"There is no room '{str(name)[:40]}'; an uploaded one is removed after a while. Pick another.")

    def clip(self, name: str, tell: Tell = nothing_to_tell) -> DemoClip:
        """Return a room's clip, filming it first where nobody has yet."""
        clip_id = self.find(name)
        with self._lock:
            if clip_id in self._loaded:
                self._loaded.move_to_end(clip_id)
                return self._loaded[clip_id]
            # One lock per room: those who open a room that is being filmed wait for it, others don't
            making = self._making.setdefault(clip_id, threading.Lock())
        with making:
            with self._lock:
                if clip_id in self._loaded:
                    return self._loaded[clip_id]
            clip = self.store.load(clip_id) if self.store.has(clip_id) else self._makers[clip_id](tell)
            return self.keep(clip)

    def keep(self, clip: DemoClip) -> DemoClip:
        """Hold a clip in memory; the least recently used goes first."""
        with self._lock:
            self._loaded[clip.id] = clip
            while len(self._loaded) > LOADED_AT_ONCE:
                self._loaded.popitem(last=False)
        return clip

    def forget(self, clip_id: str) -> None:
        """Drop a clip from memory, after its files were removed."""
        with self._lock:
            self._loaded.pop(clip_id, None)

    def warm_up(
        self, *first: Callable[[], object] | None, last: Sequence[Callable[[], object]] = ()
    ) -> threading.Thread:
        """Do what comes first, which may offer more rooms, then make all rooms in the background, those of stories
        before the others, then do what comes last; return the thread."""

        def attempt(name: str, job: Callable[[], object]) -> None:
            try:
                job()
            except Exception:  # one room that fails must not keep the others from visitors
                logger.exception("the start-up job '%s' failed", name)

        def work() -> None:
            for job in filter(None, first):
                attempt(getattr(job, "__name__", "first"), job)
            self.incomplete = False
            for clip_id in sorted(list(self._makers), key=lambda clip_id: clip_id not in self.unlisted):
                attempt(clip_id, functools.partial(self.clip, clip_id))
            for job in last:
                attempt("last", job)

        thread = threading.Thread(target=work, name="film-rooms", daemon=True)
        thread.start()
        return thread

    def _film(self, room: Bundled, clip_id: str, tell: Tell) -> DemoClip:
        from ocr_hf.scenes.homes.procedural import procedural_scene

        tell(0.05, f"Building the {room.title.lower()}")
        scene = procedural_scene(room.seed, rooms=1)
        return film(self.store, scene, clip_id, room.title, "", self.size, tell, light_rays=room.light_rays)


def _set_of_bundled(room: Bundled, size: ClipSize) -> FilmSet:
    from ocr_hf.questions.question import QuestionConfig, max_per_scene
    from ocr_hf.scenes.cameras.camera_path import walk_through
    from ocr_hf.scenes.homes.procedural import procedural_scene
    from ocr_hf.scenes.render.renderer import Renderer

    scene = procedural_scene(room.seed, rooms=1)
    poses = walk_through(scene, size.seconds, size.fps, seed=0)
    # More than a room is asked at first, so that the same questions are among them after an edit
    config = QuestionConfig(max_per_scene={name: 4 * most for name, most in max_per_scene().items()})

    def ask(edited: Scene, footprints: Footprints) -> tuple[Question, ...]:
        return generate_questions(edited, footprints, size.fps, seed=0, config=config).questions

    path = CameraPath(poses, size.fps, intrinsics_from_fov(size.width, size.height, size.fov))
    return FilmSet(scene, Renderer(scene, light_rays=room.light_rays), path, (size.width, size.height), ask)


def _set_of_shelf(seed: int, kind: str) -> FilmSet:
    from . import shelf

    room = shelf.room_of(seed, kind)

    def ask(edited: Scene, footprints: Footprints) -> tuple[Question, ...]:
        question = shelf.question_about(room, edited)
        return () if question is None else (question,)

    path = CameraPath(shelf.camera_walk(room), shelf.SHOWN_FPS, shelf.shown_intrinsics())
    return FilmSet(
        room.scene, shelf.renderer_of(seed, kind), path, (shelf.SHOWN_WIDTH, shelf.SHOWN_HEIGHT), ask,
        lambda renderer: shelf.film_seen(room, renderer), shelf.check_places,
    )  # fmt: skip


def _film_shelf(store: ClipStore, seed: int, kind: str, clip_id: str, tell: Tell) -> DemoClip:
    tell(0.1, "Filling the shelf")
    known = _set_of_shelf(seed, kind)
    tell(0.4, "Filming the shelf")
    shot = known.recording()
    tell(0.9, "Filming what the models see")
    write_room_model(store.media_folder(clip_id) / "room.glb", known.scene, shot.camera_to_world)
    return store.save(
        DemoClip(
            id=clip_id,
            title="Shelf",
            note="",
            frames=shot.frames,
            depth=None,
            footprints=shot.footprints,
            labels={item.id: item.label for item in known.scene.objects},
            boxes={item.id: item.box for item in known.scene.objects},
            camera_to_world=shot.camera_to_world,
            intrinsics=shot.intrinsics,
            fps=shot.fps,
            questions=tuple(known.ask(known.scene, shot.footprints)),
            apart=known.see(known.renderer),
            planted=True,
        )
    )


def room_key(room: Bundled, size: ClipSize) -> str:
    """Return eight hexadecimal digits that change with all that decides a bundled room's pixels."""
    settings = json.dumps([FILES, room.seed, room.light_rays, vars(size)], sort_keys=True)
    return hashlib.blake2b(settings.encode(), digest_size=4).hexdigest()


def film(
    store: ClipStore,
    scene: Scene,
    clip_id: str,
    title: str,
    note: str,
    size: ClipSize,
    tell: Tell = nothing_to_tell,
    light_rays: int = 48,
) -> DemoClip:
    """Walk a camera through a scene, render what it sees, ask what can be asked, and save all of it."""
    from ocr_hf.scenes.cameras.camera_path import walk_through
    from ocr_hf.scenes.render.renderer import Renderer

    tell(0.1, "Planning the walk")
    poses = walk_through(scene, size.seconds, size.fps, seed=0)
    tell(0.2, "Computing the light")
    renderer = Renderer(scene, light_rays=light_rays)
    intrinsics = intrinsics_from_fov(size.width, size.height, size.fov)
    frames = np.empty((len(poses), size.height, size.width, 3), dtype=np.uint8)
    depth = np.empty(frames.shape[:3], dtype=np.float32)
    instances = np.empty(frames.shape[:3], dtype=np.uint16)
    for i, (frame, metres, owner) in enumerate(renderer.stream(poses, intrinsics, size.width, size.height)):
        frames[i], depth[i], instances[i] = frame, metres, owner
        tell(0.5 + 0.35 * i / len(poses), f"Filming frame {i + 1} of {len(poses)}")
    footprints = footprints_from_instances(instances)
    if not footprints.object_ids:
        raise Problem("The camera's walk through this scene shows no object; nothing can be perturbed in it.")
    tell(0.9, "Asking what can be asked")
    questions = generate_questions(scene, footprints, size.fps, seed=0).questions
    write_room_model(store.media_folder(clip_id) / "room.glb", scene, poses)
    return store.save(
        DemoClip(
            id=clip_id,
            title=title,
            note=note,
            frames=frames,
            depth=depth,
            footprints=footprints,
            labels={item.id: item.label for item in scene.objects},
            boxes={item.id: item.box for item in scene.objects},
            camera_to_world=poses,
            intrinsics=intrinsics,
            fps=size.fps,
            questions=questions,
        )
    )


def add_dataset(rooms: Rooms, folder: Path, most: int = 20) -> int:
    """Offer the first clips of an ocr-vsi folder; return how many. Their videos are decoded when first asked for."""
    from ocr_hf.data.load import clips, load, scenes

    split = next(iter(load(folder, "recipes").values()))
    count = 0
    for stored in clips(split):
        if count == most:
            break
        clip_id = "set-" + hashlib.blake2b(f"{Path(folder).resolve()}/{stored.id}".encode(), digest_size=6).hexdigest()
        rooms.add(
            clip_id, stored.id, lambda tell, stored=stored, i=clip_id: _from_dataset(rooms, stored, i, scenes(folder))
        )
        count += 1
    return count


def _from_dataset(rooms: Rooms, stored, clip_id: str, described: dict) -> DemoClip:
    from ocr_hf.scenes.scene import Room, SceneObject

    frames = stored.frames()
    outlines = described.get(stored.scene_name, {}).get("rooms", [])
    scene = Scene(
        name=stored.scene_name,
        source="ocr-vsi",
        objects=tuple(SceneObject(i, stored.labels[i], box) for i, box in stored.boxes.items()),
        rooms=tuple(
            Room(item["name"], np.array(item["polygon"]), item["height_m"], item["floor_z"]) for item in outlines
        ),
    )
    write_room_model(rooms.store.media_folder(clip_id) / "room.glb", scene, stored.camera_to_world)
    questions = tuple(
        Question(
            question_type=row["question_type"],
            question=row["question"],
            options=tuple(row["options"]) if row["options"] else None,
            ground_truth=row["ground_truth"],
            reasoning=row["reasoning"],
            queried_objects=tuple(row["queried_objects"]),
            context_objects=tuple(row["context_objects"]),
        )
        for row in stored.rows
    )
    return rooms.store.save(
        DemoClip(
            id=clip_id,
            title=stored.id,
            note="From your ocr-vsi folder.",
            frames=frames,
            depth=None,
            footprints=stored.footprints.resized(*frames.shape[1:3]),
            labels=dict(stored.labels),
            boxes=dict(stored.boxes),
            camera_to_world=stored.camera_to_world,
            intrinsics=stored.intrinsics,
            fps=stored.fps,
            questions=questions,
        )
    )

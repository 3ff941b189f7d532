"""Stories, edits, curves and maps: on a shelf of the planted lock and on boxes, with models whose answers are known."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from tests.spaces.ocr_demo_rooms import TINY, FixedModels, boxes_demo

from room_demo import shelf, views  # noqa: E402  isort: skip
from room_demo.cards import lock_text, tally_text  # noqa: E402  isort: skip
from room_demo.checkpoints import PAIR, pair_of  # noqa: E402  isort: skip
from room_demo.clip import ClipStore  # noqa: E402  isort: skip
from room_demo.edit_events import EditEvents  # noqa: E402  isort: skip
from room_demo.film_set import MAX_EDITS, edits_from_text, edits_to_text, same_questions  # noqa: E402  isort: skip
from room_demo.handlers import Handlers  # noqa: E402  isort: skip
from room_demo.housekeeping import sweep  # noqa: E402  isort: skip
from room_demo.noise import Noise, NoisyVideos  # noqa: E402  isort: skip
from room_demo.probing import curve, draw_map, occlusion  # noqa: E402  isort: skip
from room_demo.problems import Problem  # noqa: E402  isort: skip
from room_demo.question_events import QuestionEvents  # noqa: E402  isort: skip
from room_demo.room_view import view_value  # noqa: E402  isort: skip
from room_demo.shelf_probe import ask_shelves, lock_scores, stored_rows  # noqa: E402  isort: skip
from room_demo.rooms import Rooms  # noqa: E402  isort: skip
from room_demo.stories import Story, read_stories  # noqa: E402  isort: skip

from ocr_hf.experiment.planted_data import PARTS, make_row
from ocr_hf.experiment.planted_rooms import LAMP_ID, LETTERS, NAMED_ID
from ocr_hf.questions.question import Question
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.video.read import read_frames

SEED = 3_000_000
VISITOR = SimpleNamespace(session_hash="visitor")


def quiet(*arguments, **named) -> None:
    """A progress bar that nobody sees."""


class TwoModels(FixedModels):
    """`locked` always says C; `unlocked` knows by the frames' bytes where the lamp stands."""

    names = ("fixed", *PAIR)
    pair = PAIR

    def __init__(self) -> None:
        super().__init__()
        self.lamp: dict[bytes, str] = {}

    def answer(self, name, prompt, videos, fps, keys, stop=None):
        letters = ["C" if name == "locked" else self.lamp.get(video.tobytes(), "A") for video in videos]
        return tuple(prompt.read(letter, {each: float(each == letter) for each in "ABCD"}) for letter in letters)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[views.Demo]:
    """A demo of one story on a shelf, filmed small for people; the models' frames are the experiment's."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SHOWN_FRAMES": 3, "SHOWN_WIDTH": 96, "SHOWN_HEIGHT": 72}.items():
            patch.setattr(shelf, name, value)
        store = ClipStore(tmp_path_factory.mktemp("demo"))
        rooms = Rooms(store, TINY, bundled=())
        story = Story("one", "One", "Look at **this**.", rooms.add_shelf(SEED, "conflict"), (NAMED_ID,))
        yield views.Demo(rooms, NoisyVideos(store), TwoModels(), (story,))


@pytest.fixture
def clip(demo: views.Demo):
    return demo.rooms.clip(demo.stories[0].room)


def controls(demo: views.Demo, edits: str = "", chosen=()) -> tuple:
    return (demo.stories[0].room, edits, "chosen", list(chosen), 2, "gaussian", 1.0, 0, 0)


def test_models_see_the_frames_that_they_were_trained_on(clip) -> None:
    row = make_row(PARTS["conflict"], SEED)
    expected, _ = read_frames(row["vanilla"], range(4))
    seen = clip.seen(16)
    np.testing.assert_array_equal(seen.frames, expected)
    assert seen.footprints.to_rows() == row["footprints"] and seen.fps == 1.0
    question = clip.questions[0]
    assert (question.question, list(question.options), question.ground_truth) == (
        row["question"], row["options"], row["ground_truth"],
    )  # fmt: skip


def test_the_page_opens_on_the_first_story_with_the_pair(demo) -> None:
    handlers = Handlers(demo)
    opened = handlers.start(SimpleNamespace(query_params={}), progress=quiet)
    strip, stage = json.loads(opened[3]), json.loads(opened[4])
    assert strip["current"] == "story:one" and [room["title"] for room in strip["rooms"]] == ["One"]
    assert stage["perturbed"] == [NAMED_ID] and opened[14] == "Look at **this**." and opened[15:17] == list(PAIR)
    again = handlers.start(SimpleNamespace(query_params=parameters(stage["link"])), progress=quiet)
    assert again[14] == opened[14] and json.loads(again[3]) == strip


def test_a_visitor_who_guesses_first_is_scored_beside_the_models(demo, clip) -> None:
    handlers, events = Handlers(demo), QuestionEvents(demo)
    demo.models.lamp = {}
    wish = json.dumps([[1, "story:one"]])
    assert handlers.pick_room(wish, "gaussian", 1.0, 0, [], False, {}, progress=quiet)[-2]["visible"] is False
    *_, field, story = handlers.pick_room(wish, "gaussian", 1.0, 0, [], True, {}, progress=quiet)
    question = clip.questions[0]
    assert field["visible"] and story == "one" and "lamp" in field["info"]
    assert [letter for _, letter in field["choices"]] == list("ABCD")
    # `locked` always says C and `unlocked`, which knows nothing here, A
    wrong = next(letter for letter in "ABCD" if letter != question.ground_truth)
    for letter, you in ((question.ground_truth, True), (wrong, False)):
        hidden, pending, guesses, told = events.guess(
            VISITOR, letter, story, {}, *PAIR, *controls(demo, chosen=(NAMED_ID,))
        )
        scored = {"": you, "locked": question.ground_truth == "C", "unlocked": question.ground_truth == "A"}
        assert guesses == {"one": scored} and hidden["visible"] is False and pending == ""
        assert told.startswith("**Right.**" if you else f"**No: {question.ground_truth}.**")
        assert f"You **{int(you)} of 1**" in told and f"locked **{int(scored['locked'])} of 1**" in told
    # Only a first guess counts
    assert handlers.pick_room(wish, "gaussian", 1.0, 0, [], True, guesses, progress=quiet)[-2]["visible"] is False


def test_a_story_that_is_filmed_opens_at_once_and_stays(demo, monkeypatch) -> None:
    without_lamp = (SceneEdit("remove", (LAMP_ID,), {}),)
    story = Story("gone", "Gone", "", demo.stories[0].room, (NAMED_ID,), edits=without_lamp)
    views.film_story(demo, story)
    (edited,) = demo.rooms.kept
    long_on = time.time() + 1e6
    sweep(demo.rooms, long_on)
    monkeypatch.setattr(demo.rooms, "film_set", None)  # without it nothing is filmed
    monkeypatch.setattr("room_demo.noise.write_mp4", None)
    stage = json.loads(Handlers(demo).open_story(story, [], quiet)[4])
    assert (demo.rooms.store.root / stage["noisy"]).is_file() and stage["perturbed"] == [NAMED_ID]
    monkeypatch.undo()
    demo.rooms.kept.clear()
    sweep(demo.rooms, long_on)
    assert not demo.rooms.store.has(edited)  # as an edit of a visitor's


def test_a_story_that_is_gone_or_has_no_room_is_told(demo, monkeypatch) -> None:
    warned = []
    monkeypatch.setattr("room_demo.handlers.warn", warned.append)
    handlers = Handlers(demo)
    handlers.start(SimpleNamespace(query_params={"story": "<b>old"}), progress=quiet)
    assert "no story '<b>old'" in warned[0]
    boxes = boxes_demo(demo.rooms.store.root / "other")
    lost = views.Demo(boxes.rooms, boxes.videos, boxes.models, (Story("lost", "Lost", "", "attic-1"),))
    opened = Handlers(lost).start(SimpleNamespace(query_params={}), progress=quiet)
    assert opened[0] == "boxes-0001" and "The story 'Lost' can't be shown" in warned[1]


def parameters(link: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(link.removeprefix("?"), keep_blank_values=True))


def test_noise_on_the_models_frames_is_on_the_object_alone(demo, clip) -> None:
    seen = clip.seen(4)
    _, noisy = demo.videos.seen(clip, Noise("chosen", (NAMED_ID,), strength=1.0), (NAMED_ID,), seen)
    changed = (noisy != seen.frames).any(axis=-1)
    region = seen.footprints.region([NAMED_ID])
    assert changed[region].mean() > 0.95 and not changed[~region].any()


def test_the_noise_that_a_model_sees_is_the_videos(tmp_path) -> None:
    demo = boxes_demo(tmp_path)
    clip, noise = demo.rooms.clip("boxes"), Noise("chosen", (1,), mode="geometry", strength=0.3)
    seen = clip.seen(3)
    np.testing.assert_array_equal(
        demo.videos.seen(clip, noise, (1,), seen)[1], demo.videos.frames(clip, noise, (1,))[1][seen.indices]
    )


def test_moving_the_lamp_moves_the_right_answer_and_the_page_says_who_noticed(demo, clip) -> None:
    events = EditEvents(Handlers(demo))
    room = shelf.room_of(SEED, "conflict")
    edit, now = room.counterfactual()
    x, _, z = edit.parameters["offset"]
    before = clip.questions[0].ground_truth
    scene = demo.rooms.film_set(clip.id).edited((edit,))
    moved = shelf.film_seen(room, demo.rooms.film_set(clip.id).renderer.edited(scene))
    demo.models.lamp = {clip.apart.frames.tobytes(): before, moved.frames.tobytes(): now}
    wishes = asked(demo, ("move", LAMP_ID, [x, 0.0, z]))
    steps = list(events.edit(VISITOR, wishes, 0, *PAIR, False, [], *controls(demo, chosen=(1,))))
    still, film, told = steps
    assert (demo.rooms.store.media.parent / json.loads(still[1])["still"]).is_file()
    stage = json.loads(film[1])
    assert stage["right"] == "Edited" and stage["edited"] == [LAMP_ID] and stage["vanilla"] != stage["noisy"]
    assert edits_from_text(told[0])[0].objects == (LAMP_ID,)
    bars = json.loads(told[2])
    assert [model["words"] for model in bars["models"]] == ["did not notice", "followed"]
    assert f"now {now}." in bars["truth"]
    assert told[7] == [
        {"model": "locked", "changes": True, "good": False}, {"model": "unlocked", "changes": True, "good": True},
    ]  # fmt: skip
    edited = demo.rooms.edited(clip.id, edits_from_text(told[0]))
    np.testing.assert_array_equal(edited.apart.frames, moved.frames)
    assert edited.questions[0].ground_truth == now
    assert clip.questions[0].ground_truth == before  # the room itself stays as it was
    # The same edit again, by its link, is the same clip
    choice = views.from_link(demo, parameters(stage["link"]))
    assert views.sides_of(demo, choice).right.id == edited.id
    wishes = asked(demo, ("move", LAMP_ID, [x, 0.0, z]), ("reset", None))
    again = list(events.edit(VISITOR, wishes, told[10], *PAIR, False, told[7], *controls(demo, told[0])))
    assert again[-1][0] == "" and again[-1][7] == told[7] and json.loads(again[0][1])["noisy"] is None


def asked(demo: views.Demo, *wishes: tuple) -> str:
    """Return what wishes.js makes of (action, object, offset) asked of the story's room, one after the other."""
    names = ("action", "object", "offset")
    room = {"clip": demo.stories[0].room}
    return json.dumps([[n, room | dict(zip(names, wish, strict=False))] for n, wish in enumerate(wishes, start=1)])


def test_every_click_counts_once_though_it_waited(demo, clip) -> None:
    events = EditEvents(Handlers(demo))
    clicks = [("smaller", LAMP_ID), ("smaller", LAMP_ID), ("smaller", NAMED_ID), ("undo", None)]

    def edited(count: int, taken: int, text: str) -> list:
        return list(events.edit(VISITOR, asked(demo, *clicks[:count]), taken, *PAIR, False, [], *controls(demo, text)))[
            -1
        ]

    first = edited(1, 0, "")
    assert [edit.objects for edit in edits_from_text(first[0])] == [(LAMP_ID,)] and first[10] == 1
    then = edited(4, 1, first[0])
    assert [edit.objects for edit in edits_from_text(then[0])] == [(LAMP_ID,), (LAMP_ID,)] and then[10] == 4
    # Asked of another room, which the visitor has left: nothing happens in this one
    elsewhere = asked(demo, ("remove", LAMP_ID)).replace(clip.id, "kitchen-1")
    ((*_, room_3d, _, _, _, _, _, _, taken),) = events.edit(VISITOR, elsewhere, 0, *PAIR, False, [], *controls(demo))
    assert taken == 1 and len(json.loads(room_3d)["objects"]) == len(clip.boxes)


def test_an_edited_room_is_answered_after_thinking_where_that_is_wanted(demo, clip, monkeypatch) -> None:
    events = EditEvents(Handlers(demo))
    styles = []
    monkeypatch.setattr(demo.models, "style", lambda name, thinking=False: styles.append(thinking) or "official")
    list(events.edit(VISITOR, asked(demo, ("smaller", LAMP_ID)), 0, *PAIR, True, [], *controls(demo)))
    assert styles and all(styles)


def test_an_edit_that_cannot_be_is_a_sentence_and_the_others_are_done(demo, clip, monkeypatch) -> None:
    events = EditEvents(Handlers(demo))
    warned = []
    monkeypatch.setattr("room_demo.edit_events.warn", warned.append)

    def act(action: str, target, edits: str = "") -> list:
        warned.clear()
        wishes = asked(demo, (action, target))
        return list(events.edit(VISITOR, wishes, 0, *PAIR, False, [], *controls(demo, edits)))

    ((edits, stage, answers, room_3d, *_, taken),) = act("left", None)
    assert "no object chosen" in warned[0] and taken == 1 and json.loads(room_3d)["clip"] == clip.id
    assert edits == stage == answers == gr.skip()
    gone = edits_to_text([SceneEdit("remove", (NAMED_ID,), {})])
    act("left", NAMED_ID, gone)
    assert "isn't there any more" in warned[0]
    for told, kind, parameters in (
        ("reach through a board", "move", {"offset": (0.0, 0.0, 1e6)}),
        ("reach through a board", "scale", {"factors": (1.6,)}),
        ("too small", "scale", {"factors": (1e-3,)}),
        ("beside the shelf", "move", {"offset": (4.0, 0.0, 0.0)}),
        (
            "stand in the",
            "move",
            {"offset": tuple((clip.boxes[LAMP_ID].center - clip.boxes[NAMED_ID].center) * [1, 1, 0.99])},
        ),
    ):
        with pytest.raises(Problem, match=rf"^This can't be: [^\n]*{told}[^\n]*\.$"):
            demo.rooms.film_set(clip.id).edited([SceneEdit(kind, (NAMED_ID,), parameters)])
    wishes = asked(demo, ("turn", 65535), ("turn", NAMED_ID), ("turn", NAMED_ID))
    many = edits_to_text([SceneEdit("rotate", (NAMED_ID,), {"degrees": 1.0})] * (MAX_EDITS - 1))
    warned.clear()
    *_, last = events.edit(VISITOR, wishes, 0, *PAIR, False, [], *controls(demo, many))
    assert len(edits_from_text(last[0])) == MAX_EDITS and last[10] == 3
    assert "This can't be" in warned[0] and f"At most {MAX_EDITS}" in warned[1]
    with pytest.raises(Problem, match="only its film is known"):
        demo.rooms.film_set("boxes-0001")


ADDED = SceneEdit("add", (9,), {"label": "chair", "seed": 1, "position": (0.0, 0.0, 0.0), "degrees": 0.0})


@pytest.mark.parametrize("text", ["[", "{}", '[{"kind": "explode"}]', "[[[[", edits_to_text([ADDED])])
def test_links_with_edits_that_are_none_are_told(demo, text) -> None:
    if text == "{}":
        assert edits_from_text(text) == ()
        return
    with pytest.raises(Problem):
        views.from_link(demo, {"room": demo.stories[0].room, "e": text})


def test_an_edited_room_has_the_same_questions_with_the_answers_that_hold_now() -> None:
    def asked(options, truth, text="Which?"):
        return Question("object_rel_distance", text, options, truth, "", (1,), ())

    before = [asked(("A. sofa", "B. bed"), "A"), asked(None, "3", "How many?"), asked(("A. x", "B. y"), "B", "Gone?")]
    after = [asked(("A. bed", "B. sofa"), "A"), asked(None, "4", "How many?")]
    found = same_questions(before, after)
    assert [question.ground_truth for question in found] == ["B", "4", ""]
    assert [question.options for question in found] == [question.options for question in before]


class Reader(FixedModels):
    """Says A as far as the pixels of one object are as they were."""

    def __init__(self, clip, object_id: int) -> None:
        super().__init__()
        seen = clip.seen(4)
        self.region = seen.footprints.select(seen.indices.tolist()).region([object_id])
        self.frames_before = seen.frames

    def answer(self, name, prompt, videos, fps, keys, stop=None):
        found = []
        for video in videos:
            same = 1.0 - float((video != self.frames_before).any(axis=-1)[self.region].mean())
            found.append(prompt.read("A", {"A": 0.2 + 0.7 * same, "B": 0.1 + 0.7 * (1.0 - same)}))
        return tuple(found)


def test_curve_and_map_show_what_a_model_reads(tmp_path) -> None:
    demo = boxes_demo(tmp_path)
    clip = demo.rooms.clip("boxes")
    question = clip.questions[0]  # names objects 1 and 2
    points = list(curve(Reader(clip, 1), "fixed", clip, question, 0))
    assert {letter for letter, _ in points} == {"A"}
    first, last = points[0][1], points[-1][1]
    assert (first.strength, last.strength) == (0.0, 1.0) and first.queried == pytest.approx(0.9)
    assert last.queried < 0.3 and last.context == pytest.approx(0.9)
    blind = list(curve(Reader(clip, 3), "fixed", clip, question, 0))
    assert blind[-1][1].queried == pytest.approx(0.9)
    *_, changes = occlusion(Reader(clip, 1), demo.videos, "fixed", clip, question)
    assert changes[1] > 0.6 and changes[2] == changes[3] == 0.0
    seen = clip.seen(4)
    picture = np.asarray(Image.open(draw_map(demo.rooms.store, clip, seen, changes))).astype(int)
    tinted = (picture[..., 0] - picture[..., 2]) > 60
    share = seen.footprints.select(seen.indices.tolist()).region([1]).mean()
    assert 0.8 * share < tinted.mean() < 1.05 * share
    with pytest.raises(Problem, match="answered by a number"):
        next(curve(Reader(clip, 1), "fixed", clip, clip.questions[1], 1))


def test_measuring_goes_on_point_by_point_and_can_be_stopped(tmp_path) -> None:
    demo = boxes_demo(tmp_path)
    events = QuestionEvents(demo)
    clip = demo.rooms.clip("boxes")
    object.__setattr__(demo, "models", Reader(clip, 1))
    asked = ("boxes-0001", "", "chosen", [], 2, "gaussian", 0.5, 0, 0)
    steps = list(events.measure(VISITOR, "fixed", "fixed", *asked))
    assert len(steps) > 8 and steps[-1][0].count("<svg") == 1
    ((_, caption),) = steps[-1][1]
    assert "moves most without sofa" in caption
    running = events.measure(VISITOR, "fixed", "fixed", *asked)
    next(running)
    assert demo.stops.stop("visitor", "measuring") == 1


def test_the_room_in_3d_shows_every_thing_where_an_edit_has_put_it(demo, clip) -> None:
    assert all(thing["to"] is None for thing in json.loads(view_value(clip, clip, (), True))["objects"])
    near = shelf.free_cells(shelf.room_of(SEED, "conflict").scene)[0]
    offset = shelf.cell_place(near) - shelf.cell_place(shelf.cell_of(shelf.room_of(SEED, "conflict").scene, LAMP_ID))
    edits = (
        SceneEdit("move", (LAMP_ID,), {"offset": tuple(offset.round(4).tolist())}),
        SceneEdit("rotate", (LAMP_ID,), {"degrees": 30.0}),
        SceneEdit("scale", (LAMP_ID,), {"factors": (0.8,)}),
        SceneEdit("recolor", (NAMED_ID,), {"color": (1.0, 0.0, 0.2)}),
    )
    edited = demo.rooms.edited(clip.id, edits)
    told = json.loads(view_value(clip, edited, edits, True))
    things = {thing["id"]: thing for thing in told["objects"]}
    assert told["front"] and told["clip"] == clip.id and set(things) == set(clip.boxes)
    rows = np.reshape(things[LAMP_ID]["to"], (3, 4))
    np.testing.assert_allclose(
        clip.boxes[LAMP_ID].corners() @ rows[:, :3].T + rows[:, 3], edited.boxes[LAMP_ID].corners(), atol=1e-4
    )
    assert things[NAMED_ID]["to"] is None and things[NAMED_ID]["color"] == [255, 0, 51]
    gone = (SceneEdit("remove", (LAMP_ID,), {}),)
    left = json.loads(view_value(clip, demo.rooms.edited(clip.id, gone), gone, True))["objects"]
    assert {thing["id"] for thing in left} == set(clip.boxes) - {LAMP_ID}


def test_the_tally_counts_both_kinds_of_edits() -> None:
    tries = [{"model": "m", "changes": True, "good": good} for good in (True, False, False, True)]
    tries += [{"model": "m", "changes": False, "good": True}]
    assert "| m | 2 of 4 (50 %) | 1 of 1 (100 %) |" in tally_text(tries)
    assert "Every edit counts" in tally_text([])


def test_the_pair_is_given_by_folders_or_ids_and_may_be_missing(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("OCR_DEMO_PAIR", raising=False)
    monkeypatch.setattr("room_demo.checkpoints.SPACE_MODELS", tmp_path)
    monkeypatch.setattr("room_demo.checkpoints.REFERENCE_FOLDER", tmp_path / "model_cards" / "x")
    assert pair_of() == ()
    for name in PAIR:
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    assert [found.name for found in pair_of()] == list(PAIR)
    both = pair_of([str(tmp_path / "locked"), "SFT=org/model@v2"])
    assert [(found.name, found.revision) for found in both] == [("locked", None), ("SFT", "v2")]
    with pytest.raises(Problem, match="has 1 models"):
        pair_of(["org/one"])
    assert [found.source for found in pair_of(["org/one", "org/two"])] == ["org/one", "org/two"]


def test_bundled_stories_are_whole() -> None:
    for story in read_stories():
        # What a story shows can be turned and made smaller, and its lamp goes where the story says
        scene = shelf.room_of(int(story.room.split("-")[2]), "conflict").scene
        for turn in (
            SceneEdit("rotate", (NAMED_ID,), {"degrees": 45.0}),
            SceneEdit("scale", (LAMP_ID,), {"factors": 0.8}),
        ):
            shelf.check_places(apply_edits(scene, (*story.edits, turn), plausible=False))
        assert story.room.startswith("shelf-") and story.title and story.text and (story.objects or story.edits)
        assert len(story.title) <= 40


def test_letters_are_those_of_the_shelf(clip) -> None:
    assert clip.planted and clip.questions[0].ground_truth in LETTERS


class ByTheBook:
    """Two models that do what every story's text says of them; told by what was changed, not by pixels."""

    pair = PAIR

    def __init__(self, room) -> None:
        self.room = room

    def answer(self, name, prompt, videos, fps, keys, stop=None):
        ((_, variant),) = keys
        truth, cue = self.room.answer, self.room.cue
        edit, now = self.room.counterfactual()
        if name == "locked":
            letter = truth if variant == f"noised {NAMED_ID}" else cue
            if variant.startswith('{"kind": "recolor"'):
                letter = next(each for each in LETTERS if each not in (truth, cue))
        else:
            letter = {f"noised {LAMP_ID}": cue, edit.to_json(): now}.get(variant, truth)
        return (prompt.read(letter, {each: float(each == letter) for each in LETTERS}),)


def test_stories_are_found_where_they_are_true_and_nowhere_else() -> None:
    import find_stories

    models = ByTheBook(shelf.room_of(SEED, "conflict"))
    found = list(find_stories.candidates(models, SEED))
    kinds = {one.kind: one for one in found}
    # The lamp may have moved to the section whose colour the named thing has: then nothing tells the models apart
    assert {"colour", "lamp", "painted", "control"} <= kinds.keys() <= set(find_stories.WANTED)
    assert all(one.move == 1.0 for one in found)
    assert kinds["colour"].story["objects"] == [NAMED_ID] and kinds["lamp"].story["objects"] == [LAMP_ID]
    assert kinds["painted"].story["edits"][0]["kind"] == "recolor"
    models.room = shelf.room_of(SEED + 1, "conflict")  # of another room than the one that is asked about
    assert not [one for one in find_stories.candidates(models, SEED) if one.kind == "colour"]


def test_the_test_of_the_lock_tells_the_pair_apart_where_both_are_right(monkeypatch, tmp_path) -> None:
    models = ByTheBook(None)
    rooms = shelf.room_of

    def note(seed: int, kind: str):
        models.room = rooms(seed, kind)
        return models.room

    monkeypatch.setattr(shelf, "room_of", note)
    rows = [row for told in ask_shelves(models, SEED, 3) for row in told]
    parts = {name: {part: found[:2] for part, found in told.items()} for name, told in lock_scores(rows).items()}
    assert parts["locked"] == {"score": (3, 3), "sensitivity": (0, 3), "specificity": (0, 3)}
    assert parts["unlocked"] == {"score": (3, 3), "sensitivity": (3, 3), "specificity": (3, 3)}
    good, most, low, high = lock_scores(rows)["unlocked"]["sensitivity"]
    assert low == pytest.approx(100.0 * 3 / (3 + 1.959964**2)) and high == 100.0  # Wilson's, by hand
    told = lock_text(lock_scores(rows), 3, 40)
    assert "| locked | 3 of 3 (44 to 100 %) | 0 of 3 (0 to 56 %) |" in told and "3 of 40 shelves so far" in told
    # Stored for these weights and no others, whatever the pair is called
    file = tmp_path / "stored.json"
    file.write_text(json.dumps({"weights": {"locked": "sha256:a", "unlocked": "sha256:b"}, "rows": rows}))
    again = stored_rows({"before": "sha256:a", "after": "sha256:b"}, file)
    assert {row["model"] for row in again} == {"before", "after"} and len(again) == len(rows)
    assert stored_rows({"locked": "sha256:a", "unlocked": "sha256:c"}, file) == []
    assert stored_rows({"locked": "", "unlocked": ""}, file) == []


def test_the_stories_that_move_most_are_told_each_of_another_room() -> None:
    from find_stories import WANTED, Found, pick

    found = [
        Found(kind, move, named, {"room": f"{named}-{number}", "title": "", "text": ""})
        for kind in WANTED
        for number, (named, move) in enumerate((("vase", 0.2), ("vase", 0.9), ("box", 0.5), ("ball", 0.4)))
    ]
    told = pick(found)
    assert [story["id"] for story in told][:3] == ["colour-vase", "colour-box", "colour-ball"]
    assert told[0]["moves"] == 0.9 and len({story["room"] for story in told}) == len(told)

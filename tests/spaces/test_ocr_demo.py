"""The demo without a browser: clips on the disk, noise, links, answers, findings, errors."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from tests.box_scene import box_clip
from tests.spaces.ocr_demo_rooms import SPACE, TINY, boxes_demo

from room_demo import cards, views  # noqa: E402  isort: skip
from room_demo.question_prompt import prompt_of_question, prompt_of_text  # noqa: E402  isort: skip
from room_demo.findings import finding, lock_index, lock_row, spread, write_csv  # noqa: E402  isort: skip
from room_demo.handlers import Handlers  # noqa: E402  isort: skip
from room_demo.housekeeping import sweep  # noqa: E402  isort: skip
from room_demo.probing import Point  # noqa: E402  isort: skip
from room_demo.noise import Noise  # noqa: E402  isort: skip
from room_demo.problems import MEMORY, UNKNOWN, Problem, guarded, sentence_for  # noqa: E402  isort: skip
from room_demo.proxy import PrefixFromProxy, files_below, public_address  # noqa: E402  isort: skip
from room_demo.rooms import BUNDLED, Bundled, Rooms, add_dataset, room_key  # noqa: E402  isort: skip

from ocr_hf.data.video import probe, read_frames
from ocr_hf.hub.card_metadata import read_metadata
from ocr_hf.hub.check_space import check_space
from ocr_hf.perturb.ocr_map import OCRMap
from ocr_hf.scenes.homes.procedural import procedural_scene
from ocr_hf.vsi_bench.prompts import build_prompt


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> views.Demo:
    return boxes_demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def clip(demo: views.Demo):
    return demo.rooms.clip("boxes")


def test_a_clip_comes_back_from_the_disk_as_it_was(demo, clip) -> None:
    again = demo.rooms.store.load(clip.id)
    made = box_clip(num_frames=6, height=72, width=96)
    np.testing.assert_array_equal(again.frames, made.frames)
    np.testing.assert_array_equal(again.depth, made.depth)
    for object_id, box in made.boxes.items():
        np.testing.assert_allclose(again.boxes[object_id].corners(), box.corners())
        np.testing.assert_array_equal(again.footprints.region([object_id]), made.instances == object_id)
    assert again.questions == clip.questions


def test_a_click_finds_the_object_that_the_instance_map_has(clip) -> None:
    instances = box_clip(num_frames=6, height=72, width=96).instances
    for frame in range(6):
        for y in range(0, 72, 5):
            for x in range(0, 96, 5):
                assert clip.object_at(frame, x + 0.5, y + 0.5) == (int(instances[frame, y, x]) or None)
    assert clip.object_at(0, -1, 5) is clip.object_at(99, 5, 5) is clip.object_at(0, 96, 5) is None


def test_the_noisy_video_is_the_ocr_maps_and_differs_on_the_object_only(demo, clip) -> None:
    noise = Noise("chosen", (1,), mode="gaussian", strength=0.5, seed=3)
    variant, frames = demo.videos.frames(clip, noise, (1,))
    expected = OCRMap(mode="gaussian", strength=0.5, seed=3).perturb(
        np.asarray(clip.frames), clip.footprints, (1,), row_id=clip.id
    )
    np.testing.assert_array_equal(frames, expected)
    assert not (frames != clip.frames).any(axis=-1)[~clip.footprints.region([1])].any()
    noisy = demo.videos.video(clip, noise)
    path = demo.rooms.store.media_folder(clip.id) / noisy.file
    assert noisy.variant == variant and variant in noisy.file
    assert probe(path).num_frames == 6
    stored, _ = read_frames(path)
    error = np.abs(stored.astype(int) - frames)
    assert error.mean() < np.abs(stored.astype(int) - np.asarray(clip.frames)).mean()


def test_a_noisy_video_is_made_once_even_if_many_ask(demo, clip) -> None:
    noise = Noise("chosen", (2,), strength=0.31)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: demo.videos.video(clip, noise), range(8)))
    assert len({item.file for item in found}) == 1
    path = demo.rooms.store.media_folder(clip.id) / found[0].file
    inode = path.stat().st_ino
    demo.videos.video(clip, noise)
    assert path.stat().st_ino == inode


def test_different_choices_never_share_a_file(demo, clip) -> None:
    choices = [
        Noise("chosen", ids, mode=mode, strength=strength, seed=seed)
        for ids in ((1,), (2,), (1, 2))
        for mode, strength in (("gaussian", 0.4), ("gaussian", 0.45), ("geometry", 0.1))
        for seed in (0, 1)
    ]
    assert len({demo.videos.video(clip, noise).file for noise in choices}) == len(choices)


@pytest.mark.parametrize("noise", [Noise("chosen", ()), Noise("chosen", (1,), strength=0.0)])
def test_nothing_chosen_or_no_strength_is_the_vanilla_video(demo, clip, noise) -> None:
    assert demo.videos.video(clip, noise).file is None
    assert demo.videos.frames(clip, noise, noise.object_ids)[0] == "vanilla"


def test_policies_draw_from_what_they_say(demo, clip) -> None:
    queried = clip.questions[0].queried_objects
    for seed in range(6):
        drawn = {
            policy: set(Noise(policy, max_objects=2, seed=seed, queried=queried).objects(clip))
            for policy in ("queried", "context", "random")
        }
        assert drawn["queried"] <= set(queried)
        assert drawn["context"] == {3}
        assert len(drawn["random"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"policy": "all"}, {"mode": "blur"}, {"strength": 1.1}, {"strength": float("nan")}, {"strength": -0.1},
        {"mode": "geometry", "strength": 0.6}, {"seed": -1}, {"seed": 1.5}, {"max_objects": 0}, {"max_objects": 99},
    ],
)  # fmt: skip
def test_noise_out_of_range_is_told_in_a_sentence(wrong) -> None:
    with pytest.raises(Problem, match=r"^[A-Z].*\.$"):
        Noise(**wrong)


def test_unknown_objects_and_rooms_are_told(demo, clip) -> None:
    with pytest.raises(Problem, match="no object 77"):
        Noise("chosen", (77,)).objects(clip)
    for name in ("attic", "../clips", "boxes-0001/../../x", "", None, "%2e%2e"):
        with pytest.raises(Problem, match="no room"):
            demo.rooms.find(name)


choices = st.builds(
    lambda policy, ids, count, mode, strength, seed, question: views.Choice(
        "boxes-0001",
        Noise(
            policy,
            tuple(sorted(ids)) if policy == "chosen" else (),
            count if policy != "chosen" else 2,
            mode,
            round(strength * (1.0 if mode == "gaussian" else 0.5), 2),
            seed,
        ),
        question,
    ),
    st.sampled_from(["chosen", "queried", "context", "random"]),
    st.sets(st.sampled_from([1, 2, 3])),
    st.integers(1, 12),
    st.sampled_from(["gaussian", "geometry"]),
    st.floats(0, 1),
    st.integers(0, 2**31 - 1),
    st.sampled_from([0, 1]),
)


@given(choice=choices)
def test_a_link_reproduces_the_view(demo, choice) -> None:
    from urllib.parse import parse_qsl

    parameters = dict(parse_qsl(views.link(choice).removeprefix("?"), keep_blank_values=True))
    again = views.fitting(views.from_link(demo, parameters), demo.rooms.clip("boxes"))
    assert again == choice


@given(st.dictionaries(st.sampled_from(["o", "p", "n", "mode", "s", "seed", "q"]), st.text(max_size=30), max_size=7))
def test_no_link_breaks_the_page(demo, parameters) -> None:
    choice = views.fitting(views.from_link(demo, parameters), demo.rooms.clip("boxes"))
    views.stage_value(demo, choice)


def compared(prompt, *answers) -> cards.Compared:
    return cards.Compared("fixed", 4, (prompt, prompt), answers)


def test_the_stage_is_told_what_it_draws(demo) -> None:
    value, clip, noisy = views.stage_value(demo, views.Choice("boxes-0001", Noise("chosen", (2,)), 0))
    told = json.loads(value)
    media = demo.rooms.store.media
    for name in (told["vanilla"], told["noisy"], *told["outlines"]):
        assert (media.parent / name).is_file()
    assert told["labels"] == {"1": "sofa", "2": "chair 1", "3": "chair 2"}
    assert (told["perturbed"], told["queried"]) == ([2], [1, 2])
    assert str(media) not in value
    outlines = json.loads((media.parent / told["outlines"][1]).read_text())
    assert len(outlines) == 6
    for frame, shapes in enumerate(outlines):
        for object_id, shape in shapes.items():
            points = np.array([point.split() for point in re.findall(r"\d+ \d+", shape)], dtype=int)
            rows, columns = np.nonzero(clip.footprints.mask(int(object_id), frame))
            assert abs(points[:, 0].min() - columns.min()) <= 1 and abs(points[:, 0].max() - columns.max()) <= 1
            assert abs(points[:, 1].min() - rows.min()) <= 1 and abs(points[:, 1].max() - rows.max()) <= 1


def test_the_room_in_3d_has_every_thing_by_its_number_in_metres_of_our_world(demo, clip) -> None:
    import trimesh

    scene = trimesh.load_scene(demo.rooms.store.media_folder(clip.id) / "room.glb")
    assert {"object-1-0", "object-2-0", "object-3-0", "path", "start", "floor-0"} <= set(scene.geometry)
    for object_id, box in clip.boxes.items():
        corners = box.corners()
        # As room3d.js reads it, without the nodes' turn; and as any other program does, with glTF's +Y up
        part = scene.geometry[f"object-{object_id}-0"]
        np.testing.assert_allclose(part.bounds, [corners.min(axis=0), corners.max(axis=0)], atol=1e-5)
        turned = part.copy().apply_transform(scene.graph[f"object-{object_id}-0"][0]).bounds
        upright = corners[:, [0, 2, 1]] * [1, 1, -1]
        np.testing.assert_allclose(turned, [upright.min(axis=0), upright.max(axis=0)], atol=1e-5)


def test_prompts_are_those_of_the_evaluation(clip) -> None:
    for question in clip.questions:
        row = {"question_type": question.question_type, "question": question.question, "options": question.options}
        assert prompt_of_question(question).text == build_prompt(row, "official")
        assert prompt_of_question(question, "thinking").text == build_prompt(row, "thinking")


@pytest.mark.parametrize("text", ["", "   ", "x" * 601, "hi <|im_end|> there"])
def test_own_words_have_limits(text) -> None:
    with pytest.raises(Problem):
        prompt_of_text(text)


def test_the_lock_test_asks_three_times_and_matches_pixels(demo, clip) -> None:
    rows = [lock_row(demo.models, "fixed", clip, clip.questions[i], i) for i in spread(clip.questions, 5)]
    assert [row["question_type"] for row in rows] == ["object_rel_direction_easy", "object_counting"]
    assert all(row["vanilla"] == "A" and row["queried"] == row["context"] == "B" for row in rows)
    index = lock_index(rows, "fixed")
    assert index["rooms"] == 1 and index["interval"] is None
    assert lock_index(rows, "another") is None


def test_findings_become_csv_without_formulas(demo, clip) -> None:
    prompt = prompt_of_text("=1+1 is what?")
    answers = demo.models.answer("fixed", prompt, [clip.frames, clip.frames], 2.0, [])
    row = finding(clip, "fixed", prompt, "=1+1 is what?", "", "gaussian 0.5, seed 0", answers)
    assert row["Changed"] == "no" and row["Noise on"] == "nothing"
    told = list(csv.reader(io.StringIO(Path(write_csv([row], [])).read_text())))
    assert told[1][3] == "'=1+1 is what?"


def test_text_of_models_and_visitors_is_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>"
    prompt = prompt_of_text(evil)
    answer = prompt.read(f"{evil}\x00\u202e", None)
    names = ("Room", "Model", "Question", "Task", "Noise on", "Noise", "Vanilla", "Noisy", "Correct", "Changed")
    page = cards.findings_html([dict.fromkeys(names, evil)])
    page += cards.curve_svg({evil: [("A", Point(0.0, 1.0, 1.0)), ("A", Point(1.0, 0.2, 0.9))]})
    told = cards.answers_value(evil, [compared(prompt, answer, answer)], (evil, evil), "")
    assert "\\u0000" not in told and "\\u202e" not in told
    assert "<img" not in page and "\x00" not in page


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Problem("Mend this."), "Mend this."),
        (MemoryError(), MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MEMORY),
        (RuntimeError("/srv/secret/model.py exploded"), UNKNOWN),
        (ValueError("/srv/private/ocr/scene.glb is cut off after 3 bytes; get the whole file"),
         "scene.glb is cut off after 3 bytes; get the whole file"),
        (FileNotFoundError("C:\\Users\\me\\scene.glb is not there"), "scene.glb is not there"),
        (ValueError("Traceback (most recent call last):\n  File x"), UNKNOWN),
    ],
)  # fmt: skip
def test_errors_tell_no_folders_and_no_traces(error, sentence) -> None:
    import gradio as gr

    assert sentence_for(error) == sentence

    @guarded
    def fails():
        raise error

    @guarded
    def fails_later():
        yield 1
        raise error

    with pytest.raises(gr.Error) as caught:
        fails()
    assert caught.value.message == sentence and caught.value.__cause__ is None
    with pytest.raises(gr.Error):
        list(fails_later())


def test_toasts_show_what_was_written_and_programs_get_it_as_it_is() -> None:
    import gradio as gr

    def fails():
        raise Problem("There is no room '<b>attic</b>'.")

    for on_page, told in ((True, "&lt;b&gt;attic&lt;/b&gt;"), (False, "<b>attic</b>")):
        with pytest.raises(gr.Error) as caught:
            guarded(fails, on_page=on_page)()
        assert told in caught.value.message


@pytest.mark.parametrize(
    ("headers", "root_path", "address"),
    [
        ({}, "", "http://inside:7860"),
        ({}, "/rooms", "http://inside:7860/rooms"),
        ({"x-forwarded-host": "out.org", "x-forwarded-proto": "https"}, "", "https://out.org"),
        ({"x-forwarded-host": "out.org", "x-forwarded-prefix": "/app/"}, "", "http://out.org/app"),
        ({"x-forwarded-prefix": "/app"}, "", "http://inside:7860/app"),
        ({"x-forwarded-prefix": "/../'\"><script>"}, "", "http://inside:7860"),
        ({}, "https://out.org/all/", "https://out.org/all"),
    ],
)
def test_addresses_are_those_that_the_visitor_reaches(headers, root_path, address) -> None:
    import asyncio

    from starlette.requests import Request

    found = []

    async def app(scope, receive, send):
        found.append(public_address(Request(scope), root_path))

    told = [(name.encode(), value.encode()) for name, value in {"host": "inside:7860", **headers}.items()]
    scope = {"type": "http", "method": "GET", "path": "/gradio_api/call/perturb", "query_string": b"", "headers": told,
             "scheme": "http", "server": ("inside", 7860), "root_path": ""}  # fmt: skip
    asyncio.run(PrefixFromProxy(app)(scope, None, None))
    assert found == [address]


@pytest.mark.parametrize("root_path", ["", "/deep/app"])
def test_media_are_served_under_a_stripped_path_and_nothing_else_is(tmp_path, root_path) -> None:
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    (tmp_path / "media" / "room").mkdir(parents=True)
    (tmp_path / "media" / "room" / "vanilla.mp4").write_bytes(b"0123456789")
    (tmp_path / "secret.txt").write_text("secret")
    client = TestClient(Starlette(routes=[files_below("media", tmp_path / "media")]), root_path=root_path)
    assert client.get("/media/room/vanilla.mp4").content == b"0123456789"
    assert client.get("/media/room/vanilla.mp4", headers={"Range": "bytes=2-3"}).content == b"23"
    for path in ("room", "", "../secret.txt", "..%2Fsecret.txt", "%2e%2e/secret.txt", "/etc/passwd", "room/none.mp4"):
        assert client.get(f"/media/{path}").status_code == 404


def test_the_sweep_removes_old_uploads_and_the_oldest_videos(tmp_path) -> None:
    demo = boxes_demo(tmp_path)
    rooms, store = demo.rooms, demo.rooms.store
    for name in ("upload-old", "upload-new"):
        (store.media / name).mkdir()
        (store.clips / name).mkdir()
    long_ago = time.time() - 10_000
    os.utime(store.media / "upload-old", (long_ago, long_ago))
    clip = rooms.clip("boxes")
    files = [demo.videos.video(clip, Noise("chosen", (1,), seed=seed)).file for seed in range(3)]
    media = store.media_folder(clip.id)
    os.utime(media / files[1], (long_ago, long_ago))
    sizes = {name: (media / name).stat().st_size for name in files}
    assert sweep(rooms, most=sizes[files[0]] + sizes[files[2]]) == 2
    assert not (store.media / "upload-old").exists() and not (store.clips / "upload-old").exists()
    assert (store.media / "upload-new").exists()
    assert [(media / name).exists() for name in files] == [True, False, True]


def test_a_rooms_name_changes_with_what_decides_its_pixels() -> None:
    from dataclasses import replace

    base = room_key(Bundled("Kitchen", 12), TINY)
    others = [room_key(Bundled("Kitchen", 13), TINY), room_key(Bundled("Kitchen", 12), replace(TINY, frames=7))]
    assert base not in others and base == room_key(Bundled("Kitchen", 12), TINY)


def test_rooms_are_what_they_are_called() -> None:
    for room in BUNDLED:
        labels = {item.label for item in procedural_scene(room.seed, rooms=1).objects}
        typical = {"Living room": "sofa", "Kitchen": "stove", "Bedroom": "bed", "Office": "desk"}[room.title]
        assert typical in labels, (room, labels)


def test_one_room_that_fails_does_not_keep_the_others_away(tmp_path) -> None:
    demo = boxes_demo(tmp_path)

    def fail(tell):
        raise RuntimeError("no light")

    rooms = Rooms(demo.rooms.store, TINY, bundled=())
    rooms.add("bad-1", "Bad", fail)
    called = []
    rooms.add("boxes-0001", "Boxes", fail)
    rooms.warm_up(lambda: called.append(True)).join(20)
    assert rooms.clip("boxes").title == "Boxes" and called == [True]


def test_rooms_that_are_still_read_are_offered_when_they_come(tmp_path) -> None:
    """As with --data: the page is up at once, and one that is open shows what has come since."""
    demo = boxes_demo(tmp_path)
    handlers, read = Handlers(demo), threading.Event()

    def add() -> None:
        assert read.wait(20)
        demo.rooms.add("late-1", "Late", lambda tell: demo.rooms.clip("boxes"))

    demo.rooms.incomplete = True
    thread = demo.rooms.warm_up(add)
    first = views.strip_value(demo, "boxes-0001")
    # Asked before the page is open, it would come after that and mark no room
    assert handlers.look_again("", []) == [gr.skip(), gr.skip()]
    nothing, timer = handlers.look_again(first, [])
    assert json.loads(first)["rooms"][0]["title"] == "Boxes" and "value" not in nothing and timer.active is True
    read.set()
    thread.join(20)
    assert demo.rooms.incomplete is False
    strip, timer = handlers.look_again(first, [])
    assert [room["title"] for room in json.loads(strip)["rooms"]] == ["Boxes", "Late"]
    assert json.loads(strip)["current"] == "boxes-0001"


def test_the_spaces_metadata_and_requirements_hold() -> None:
    import tomllib

    import gradio

    metadata, findings = read_metadata(SPACE, "space")
    assert findings == []
    files = [
        type("File", (), {"path": str(path.relative_to(SPACE)), "source": path})
        for path in SPACE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert list(check_space(files, metadata)) == []
    assert metadata["sdk_version"] == gradio.__version__
    lines = (SPACE / "requirements.txt").read_text().split("\n")
    wanted = {Requirement(line).name: Requirement(line) for line in lines if line}
    for requirement in wanted.values():
        assert requirement.specifier.contains(version(requirement.name)), f"{requirement} isn't what is installed"
    project = tomllib.loads((SPACE.parents[1] / "pyproject.toml").read_text())["project"]
    declared = {Requirement(line).name: Requirement(line).specifier for line in project["dependencies"]}
    extras = project["optional-dependencies"]
    declared |= {Requirement(line).name: Requirement(line).specifier for line in extras["data"]}
    shared = (declared.keys() & wanted.keys()) - {"shapely"}  # its constrained triangulation is of 2.1
    assert len(shared) > 10
    for name in shared:
        assert wanted[name].specifier == declared[name], f"{name}: say the same in pyproject.toml and the Space"


def test_an_answer_that_cannot_be_read_is_called_so(clip) -> None:
    prompt = prompt_of_question(clip.questions[0])
    rubbish, letter = prompt.read("achachach", {"A": 0.1, "B": 0.1}), prompt.read("B", {"A": 0.1, "B": 0.3})
    assert (rubbish.valid, letter.valid) == (False, True)
    assert compared(prompt, rubbish, rubbish).change == "unread"
    (model,) = json.loads(cards.answers_value("?", [compared(prompt, rubbish, rubbish)], ("", ""), ""))["models"]
    assert model["words"] == "no valid answer on either" and [side["value"] for side in model["sides"]] == ["", ""]
    (model,) = json.loads(cards.answers_value("?", [compared(prompt, rubbish, letter)], ("", ""), ""))["models"]
    assert model["words"] == "answer changed" and model["sides"][0]["value"] == ""


def test_the_clips_of_an_ocr_vsi_folder_are_rooms_too(tmp_path, monkeypatch) -> None:
    from ocr_hf.data import make_clips as clips
    from ocr_hf.data.build_folder import build_folder
    from ocr_hf.data.load import clips as stored_clips
    from ocr_hf.data.load import load
    from tests.data.conftest import small_config
    from tests.data.toy import open_toy

    # datasets keeps a table of every folder it read, and takes an equal folder elsewhere for the same one
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(clips, "open_scene", open_toy)
    build_folder(small_config(scenes=2), tmp_path / "ocr-vsi")
    demo = boxes_demo(tmp_path / "demo")
    assert add_dataset(demo.rooms, tmp_path / "ocr-vsi") == 2
    assert add_dataset(Rooms(demo.rooms.store, TINY, ()), tmp_path / "ocr-vsi", most=1) == 1
    stored = next(iter(stored_clips(load(tmp_path / "ocr-vsi", "recipes", split="train"))))
    (name,) = [clip_id for clip_id, title in demo.rooms.titles.items() if title == stored.id]
    clip = demo.rooms.clip(name)
    np.testing.assert_array_equal(clip.frames, stored.frames())
    assert [q.question for q in clip.questions] == [row["question"] for row in stored.rows]
    assert clip.labels == stored.labels
    shown = clip.footprints.object_ids[0]
    for mode in ("gaussian", "geometry"):
        assert demo.videos.video(clip, Noise("chosen", (shown,), mode=mode, strength=0.3)).file
    assert (demo.rooms.store.media_folder(name) / "room.glb").is_file()

"""The OCR map: on arrays, on rows, in `Dataset.map`, `with_transform` and streams."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest

from ocr_hf import OCRMap
from ocr_hf.geometry.occlusion import Footprints, footprints_from_instances
from ocr_hf.perturb.frames import encode_lossless
from ocr_hf.perturb.modes import NOISE_MODES
from ocr_hf.perturb.rows import FILLED_SHARE, NOISY_COLUMNS, boxes_of
from ocr_hf.video.read import read_frames
from tests.box_scene import box_clip

datasets = pytest.importorskip("datasets")

CLIP = box_clip()
FOOTPRINTS = footprints_from_instances(CLIP.instances)
MODES = list(NOISE_MODES)


def row(row_id: int = 3, **changes: object) -> dict:
    """A row as `ocr-vsi` has it, with the columns that the map reads."""
    return {
        "id": row_id,
        "queried_objects": [1],
        "fps": 8.0,
        "objects": [
            {
                "id": object_id,
                "label": "box",
                "center": box.center.tolist(),
                "size": box.size.tolist(),
                "rotation": box.rotation.tolist(),
            }
            for object_id, box in CLIP.boxes.items()
        ],
        "camera_to_world": CLIP.poses.tolist(),
        "intrinsics": CLIP.intrinsics.tolist(),
        "footprints": FOOTPRINTS.to_rows(),
        "vanilla": {"path": None, "bytes": encode_lossless(CLIP.frames, 8.0)},
        **changes,
    }


@pytest.fixture(scope="module")
def dataset():
    return datasets.Dataset.from_list([row(row_id) for row_id in range(6)]).cast_column(
        "vanilla", datasets.Video(decode=False)
    )


def arrays(mapped) -> list[np.ndarray]:
    """The noisy clips of a mapped data set, decoded from the lossless videos that it holds."""
    return [read_frames(made["noisy"])[0] for made in mapped.cast_column("noisy", datasets.Video(decode=False))]


@pytest.mark.parametrize("mode", MODES)
def test_the_noise_is_on_the_chosen_objects(mode):
    noisy = OCRMap(mode=mode, max_objects=2)(row())
    region = FOOTPRINTS.region(noisy["noisy_objects"])
    assert len(noisy["noisy_objects"]) == 2
    changed = (noisy["noisy"] != CLIP.frames).any(axis=-1)
    if NOISE_MODES[mode].keeps_outside:
        assert not changed[~region].any() and FILLED_SHARE not in noisy
    else:
        assert changed[~region].any(), "outlines may change"
        assert 0.0 < noisy.pop(FILLED_SHARE) < changed.mean()
    assert (noisy["noisy"][region] != CLIP.frames[region]).any(axis=-1).mean() > 0.8
    assert noisy["mode"] == mode and noisy["strength"] == NOISE_MODES[mode].default_strength
    assert {**row(), **{name: noisy[name] for name in NOISY_COLUMNS}}.keys() == noisy.keys()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("config", "changes", "step"),
    [
        ({"strength": 0.0}, {}, 0),
        ({"max_objects": 0}, {}, 0),
        ({"select": "queried"}, {"queried_objects": []}, 0),
        ({"select": "queried"}, {"queried_objects": None}, 0),
        ({"select": "context"}, {"queried_objects": [1, 2, 3]}, 0),
        ({"total_steps": 10}, {}, 10),
        ({"min_visible": 0.9}, {}, 0),
        ({}, {"footprints": []}, 0),
    ],
)
def test_nothing_to_do_is_the_identity(mode, config, changes, step):
    ocr_map = OCRMap(mode=mode, **config)
    noisy = ocr_map(row(**changes), step=step)
    np.testing.assert_array_equal(noisy["noisy"], CLIP.frames)
    assert noisy["noisy_objects"] == []
    plan = ocr_map.plan(row(**changes), step)
    assert plan.is_identity and plan.variant == "vanilla" and plan.object_ids == ()


@pytest.mark.parametrize(("select", "expected"), [("queried", (1,)), ("context", (2, 3)), ("visible", (1, 2, 3))])
def test_selection_follows_the_policy(select, expected):
    ocr_map = OCRMap(select=select, max_objects=9)
    assert ocr_map.choose(3, 0, FOOTPRINTS, [1]) == expected == ocr_map.plan(row()).object_ids


def test_the_number_of_objects_is_annealed():
    ocr_map = OCRMap(max_objects=3, total_steps=6)
    sizes = [len(ocr_map.plan(row(), step).object_ids) for step in range(7)]
    assert sizes == [3, 3, 2, 2, 1, 1, 0]
    assert [OCRMap(max_objects=3).count(step) for step in (0, 10**6)] == [3, 3]


@pytest.mark.parametrize("mode", MODES)
def test_the_plan_is_what_is_done_and_its_variant_names_the_pixels(mode):
    base = OCRMap(mode=mode, max_objects=2)
    seen: dict[str, bytes] = {}
    for ocr_map in (base, dataclasses.replace(base, seed=1), dataclasses.replace(base, strength=0.3)):
        for row_id in (3, 4):
            for step in (0, 1):
                plan, noisy = ocr_map.plan(row(row_id), step), ocr_map(row(row_id), step)
                assert noisy["noisy_objects"] == list(plan.object_ids)
                assert seen.setdefault(plan.variant, noisy["noisy"].tobytes()) == noisy["noisy"].tobytes()
    # Scale only draws which objects grow and which shrink, so two variants may look the same
    assert len(seen) == 12 and len(set(seen.values())) >= (6 if mode == "scale" else 12)
    assert base.plan(row()) == base.plan(row())


@pytest.mark.parametrize("mode", MODES)
def test_sampled_frames_look_as_they_do_in_the_whole_clip(mode):
    ocr_map = OCRMap(mode=mode)
    whole, chosen = ocr_map(row())["noisy"], [3, 0]
    some = ocr_map.perturb(
        CLIP.frames[chosen],
        FOOTPRINTS,
        ocr_map.plan(row()).object_ids,
        row_id=3,
        frame_indices=chosen,
        boxes=CLIP.boxes,
        camera_to_world=CLIP.poses[chosen],
        intrinsics=CLIP.intrinsics,
    )
    np.testing.assert_array_equal(some, whole[chosen])


def test_footprints_are_resized_to_the_frames():
    large = CLIP.frames.repeat(2, axis=1).repeat(2, axis=2)
    noisy = OCRMap().perturb(large, FOOTPRINTS, [1], row_id=3)
    changed = (noisy != large).any(axis=-1)
    region = (CLIP.instances == 1).repeat(2, axis=1).repeat(2, axis=2)
    assert not (changed & ~region).any() and changed[region].mean() > 0.95


@pytest.mark.parametrize("mode", MODES)
def test_any_number_of_workers_and_any_order_of_rows_give_the_same_bytes(dataset, mode):
    ocr_map = OCRMap(mode=mode)
    direct = [ocr_map(row(row_id))["noisy"] for row_id in range(6)]
    one, two = dataset.map(ocr_map), dataset.map(ocr_map, num_proc=2)
    turned = dataset.select([5, 3, 1, 0, 2, 4]).map(ocr_map)
    for row_id in range(6):
        np.testing.assert_array_equal(arrays(one)[row_id], direct[row_id])
        np.testing.assert_array_equal(arrays(two)[row_id], direct[row_id])
        np.testing.assert_array_equal(arrays(turned)[[5, 3, 1, 0, 2, 4].index(row_id)], direct[row_id])
    assert one["noisy_objects"][:] == two["noisy_objects"][:]
    assert (direct[0] != direct[1]).any()


def test_mapping_twice_hits_the_cache(dataset, tmp_path):
    saved = tmp_path / "rows"
    dataset.save_to_disk(saved)
    first = datasets.load_from_disk(saved).map(OCRMap(seed=4))
    again = datasets.load_from_disk(saved).map(OCRMap(seed=4))
    assert first.cache_files and first.cache_files == again.cache_files
    assert first._fingerprint == again._fingerprint
    other = datasets.load_from_disk(saved).map(OCRMap(seed=5))
    assert other._fingerprint != first._fingerprint


def test_the_fingerprint_is_the_same_in_every_process_and_after_use():
    code = "from datasets.fingerprint import Hasher; from ocr_hf import OCRMap; print(Hasher.hash(OCRMap(seed=4)))"
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PATH": "", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1
    ocr_map = OCRMap(seed=4)
    before = datasets.fingerprint.Hasher.hash(ocr_map)
    ocr_map(row())
    assert datasets.fingerprint.Hasher.hash(ocr_map) == before
    assert pickle.loads(pickle.dumps(ocr_map)) == ocr_map


def test_as_a_transform(dataset):
    seen = dataset.with_transform(OCRMap())
    np.testing.assert_array_equal(seen[2]["noisy"], OCRMap()(row(2))["noisy"])
    batch = seen[1:4]
    assert batch["id"] == [1, 2, 3] and len(batch["noisy"]) == 3
    np.testing.assert_array_equal(batch["noisy"][1], seen[2]["noisy"])


def test_in_a_stream(dataset):
    stream = dataset.to_iterable_dataset(num_shards=2).map(OCRMap())
    for made in stream:
        np.testing.assert_array_equal(np.asarray(made["noisy"]), OCRMap()(row(made["id"]))["noisy"])
        assert made["camera_to_world"] is not None


def test_batched_mapping_gives_the_same(dataset):
    one, batched = dataset.map(OCRMap()), dataset.map(OCRMap(), batched=True, batch_size=4)
    for a, b in zip(arrays(one), arrays(batched), strict=True):
        np.testing.assert_array_equal(a, b)


def test_mapping_can_keep_frames_and_streams_can_keep_videos(dataset):
    expected = OCRMap()(row(0))["noisy"]
    column = dataset.select([0]).map(OCRMap(output="frames")).data.column("noisy").combine_chunks()
    for _ in range(4):  # rows, frames, lines, pixels
        column = column.flatten()
    np.testing.assert_array_equal(column.to_numpy().reshape(expected.shape), expected)
    streamed = next(iter(dataset.to_iterable_dataset().map(OCRMap(output="video"))))
    np.testing.assert_array_equal(read_frames(streamed["noisy"])[0], expected)


@pytest.mark.parametrize("config", ["pairs", "recipes"])
def test_rows_with_the_data_set_s_own_columns_can_be_mapped(config):
    pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError))
    from ocr_hf.data.schema import features

    columns = features(config)
    filled = {**dict.fromkeys(columns), **row(5)}
    if config == "pairs":
        filled["noisy"] = filled["vanilla"]
    mapped = datasets.Dataset.from_list([filled], features=columns).map(OCRMap())
    again = mapped.cast_column("noisy", datasets.Video())[0]
    assert again["noisy_objects"] == [1, 2, 3]
    np.testing.assert_array_equal(read_frames(again["noisy"])[0], OCRMap()(row(5))["noisy"])


def test_decoded_video_columns_work_too(dataset):
    pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError))
    decoding = dataset.cast_column("vanilla", datasets.Video())
    np.testing.assert_array_equal(OCRMap()(decoding[1])["noisy"], OCRMap()(row(1))["noisy"])


def test_workers_need_no_torch():
    code = (
        "import sys, numpy as np\n"
        "from ocr_hf import OCRMap\n"
        "from ocr_hf.geometry.occlusion import footprints_from_instances\n"
        "from ocr_hf.perturb.frames import encode_lossless\n"
        "frames = np.zeros((2, 16, 16, 3), np.uint8)\n"
        "rows = footprints_from_instances(np.ones((2, 16, 16), np.uint16)).to_rows()\n"
        "row = dict(id=1, vanilla=dict(path=None, bytes=encode_lossless(frames, 2.0)), footprints=rows,\n"
        "           queried_objects=[], camera_to_world=[0, 0])\n"
        "assert OCRMap()(row)['noisy'].any()\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_boxes_come_back_from_rows():
    for object_id, box in boxes_of(row()).items():
        np.testing.assert_array_equal(box.corners(), CLIP.boxes[object_id].corners())


def test_geometry_without_cameras_says_what_is_missing():
    with pytest.raises(ValueError, match="lacks boxes and camera_to_world and intrinsics; pass them"):
        OCRMap(mode="geometry").perturb(CLIP.frames, FOOTPRINTS, [1], row_id=3)
    with pytest.raises(ValueError, match="lacks boxes"):
        OCRMap(mode="geometry")(row(objects=None))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"select": "all"}, "choose one of visible, queried, context"),
        ({"mode": "blur"}, "choose one of gaussian, geometry, rigid, scale, warp, jitter"),
        ({"mode": "geometrie"}, "did you mean 'geometry'"),
        ({"schedule": "step"}, "choose one of linear"),
        ({"output": "gif"}, "choose one of auto, frames, video"),
        ({"strength": 1.5}, "gaussian takes 0 to 1"),
        ({"strength": -1.0, "mode": "jitter"}, "mode jitter takes 0 and up, in box diagonals"),
        ({"strength": float("nan"), "mode": "jitter"}, "mode jitter takes 0 and up, in box diagonals"),
        ({"strength": 0.6, "mode": "geometry"}, "mode geometry takes 0 to 0.5, in box diagonals"),
        ({"max_objects": -1}, "0 or more"),
        ({"total_steps": 0}, "number of training steps"),
        ({"min_visible": 1.0}, "share of a frame"),
    ],
)
def test_bad_configurations_are_refused_when_made(config, message):
    # the import hook's own check would come first; what users meet is the dataclass's
    ocr_map = object.__new__(OCRMap)
    for field in dataclasses.fields(OCRMap):
        object.__setattr__(ocr_map, field.name, config.get(field.name, field.default))
    with pytest.raises(ValueError, match=message):
        ocr_map.__post_init__()


def test_footprints_must_fit_the_clip():
    with pytest.raises(ValueError, match="names frame 3, but the clip has frames 0 to 2"):
        OCRMap()(row(camera_to_world=CLIP.poses[:3].tolist()))
    empty = Footprints(84, 112, 4)
    assert OCRMap().choose(3, 0, empty, [1]) == ()

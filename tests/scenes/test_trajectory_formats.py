"""Every format of camera paths: read back to 1e-6, told apart, in the right order, with the right camera."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.geometry.camera import look_at
from ocr_hf.scenes.cameras.plausibility import check_path
from ocr_hf.scenes.cameras.trajectories import FORMATS, find_format, read_trajectory
from ocr_hf.scenes.cameras.trajectory import natural_key
from ocr_hf.scenes.scene import Room, Scene
from tests.scenes.boxes import box_object
from tests.scenes.test_trajectories import random_poses, write
from tests.scenes.trajectory_files import (
    FOCAL,
    GL_TO_CV,
    HEIGHT,
    WIDTH,
    WRITERS,
    names,
    write_colmap_binary,
    write_colmap_text,
    write_nerfstudio,
    write_tum,
)


@given(count=st.integers(1, 13), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=12, deadline=None)
@pytest.mark.parametrize("what", WRITERS)
def test_every_format_round_trips_and_is_told_apart(what, count, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("path")
    poses = random_poses(count, seed)
    name, writer = WRITERS[what]
    path = writer(folder, poses)
    assert find_format(path) == name
    for asked in (name, "auto"):
        found = read_trajectory(path, asked)
        np.testing.assert_allclose(found.camera_to_world, poses, atol=1e-6)
    if found.names:
        assert [item.removeprefix("./") for item in found.names] == names(count)
        center = [[FOCAL, 0.0, WIDTH / 2], [0.0, FOCAL, HEIGHT / 2], [0.0, 0.0, 1.0]]
        np.testing.assert_allclose(found.intrinsics, center, rtol=1e-9)
        assert (found.width, found.height) == (WIDTH, HEIGHT)
    else:
        assert found.intrinsics is None
    if name in ("tum", "euroc"):
        np.testing.assert_allclose(np.diff(found.timestamps_s), 0.05, rtol=1e-6)
    # The other axes turn the camera about its own x axis, and nothing else.
    other = "opencv" if FORMATS[name].axes == "opengl" else "opengl"
    turned = read_trajectory(path, name, other).camera_to_world
    np.testing.assert_allclose(turned @ GL_TO_CV, poses, atol=1e-6)
    np.testing.assert_array_equal(
        read_trajectory(path, name, FORMATS[name].axes).camera_to_world, found.camera_to_world
    )


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True), st.sampled_from(["", "frame_", "a1/b", "é"]))
def test_names_are_in_the_order_of_their_numbers(counts, stem):
    listed = [f"{stem}{number}.jpg" for number in counts]
    assert sorted(listed, key=natural_key) == [f"{stem}{number}.jpg" for number in sorted(counts)]


def test_names_with_and_without_numbers_can_be_sorted():
    assert sorted(["10", "b", "a2", "a10", "2", ""], key=natural_key) == ["", "2", "10", "a2", "a10", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.5,0,0,0,1,0,0,0\n", "tum or euroc .commas as in euroc, time stamps in seconds as in tum"),
        (
            "1403636580838555648 0 0 0 1 0 0 0\n",
            "tum or euroc .spaces as in tum, time stamps in nanoseconds as in euroc",
        ),
        ("# t tx ty tz qw qx qy qz\n1.5 0 0 0 1 0 0 0\n", "tum or euroc .*qw first in the header as in euroc"),
        ("#t,x,y,z,qx,qy,qz,qw\n1403636580838555648,0,0,0,0,0,0,1\n", "qx first in the header as in tum.*say which"),
        ("1 2 3 4 5 6 7\n", "none of the formats that can be told apart; say which .*nerfstudio"),
        ("a b c d e f g h\n", "none of the formats"),
        ("", "none of the formats"),
    ],
)
def test_what_could_be_two_formats_is_refused_with_both(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_trajectory(write(tmp_path, text), "auto")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1.5 0 0 0 1 0 0 0\n", "tum"),
        ("timestamp tx ty tz qx qy qz qw\n1.5 0 0 0 1 0 0 0\n", "tum"),
        ("1403636580838555648,0,0,0,1,0,0,0\n", "euroc"),
        ("timestamp,px,py,pz,qw,qx,qy,qz\n1403636580838555648,0,0,0,1,0,0,0\n", "euroc"),
        ("\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "matrices"),
    ],
)
def test_signs_of_a_format_that_agree_are_enough(tmp_path, text, name):
    path = write(tmp_path, text)
    assert find_format(path) == name
    assert len(read_trajectory(path, "auto").camera_to_world) == 1


def test_a_folder_with_two_models_is_refused(tmp_path):
    poses = random_poses(2, 0)
    write_colmap_text(tmp_path, poses)
    write_nerfstudio(tmp_path, poses)
    with pytest.raises(
        ValueError, match="could be colmap or nerfstudio; say which with --trajectory-format colmap, nerf"
    ):
        read_trajectory(tmp_path, "auto")


def test_colmap_models_with_unpadded_names_are_in_the_order_of_the_film(shared):
    folder = shared / "cases" / "scenes" / "colmap_unpadded"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/cases is not on this machine")
    found = read_trajectory(folder, "colmap")
    assert found.names == tuple(f"frame_{number}.jpg" for number in range(1, len(found.names) + 1))
    steps = np.diff(found.camera_to_world[:, :3, 3], axis=0)
    np.testing.assert_allclose(steps, np.tile(steps[:1], (len(steps), 1)), atol=1e-9)


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        (4, (500.0, 510.0, 320.0, 240.0, 0.1, 0.0, 0.0, 0.0), "lens distortion of OPENCV is .*image_undistorter"),
        (6, (500.0, 510.0, 320.0, 240.0, *[0.0] * 7, 0.2), "lens distortion of FULL_OPENCV"),
        (5, (500.0, 500.0, 320.0, 240.0, 0.0, 0.0, 0.0, 0.0), "camera 1: camera model OPENCV_FISHEYE is none of"),
        (10, (500.0, 500.0, 320.0, 240.0, *[0.0] * 8), "THIN_PRISM_FISHEYE"),
        (99, (1.0,), "camera model number 99 is not known"),
    ],
)
def test_bent_cameras_of_binary_models_are_refused(tmp_path, model, parameters, message):
    write_colmap_binary(tmp_path, random_poses(2, 0), model, parameters)
    with pytest.raises(ValueError, match=message):
        read_trajectory(tmp_path, "colmap")


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (1, (500.0, 510.0, 320.0, 240.0)),
        (2, (500.0, 320.0, 240.0, 0.0)),
        (3, (500.0, 320.0, 240.0, 0.0, 0.0)),
        (4, (500.0, 510.0, 320.0, 240.0, 0.0, 0.0, 0.0, 0.0)),
        (6, (500.0, 510.0, 320.0, 240.0, *[0.0] * 8)),
    ],
)
def test_straight_cameras_of_binary_models_give_the_intrinsics(tmp_path, model, parameters):
    write_colmap_binary(tmp_path, random_poses(2, 0), model, parameters)
    found = read_trajectory(tmp_path / "images.bin", "auto")
    down = 510.0 if 510.0 in parameters else 500.0
    np.testing.assert_array_equal(found.intrinsics, [[500.0, 0.0, 320.0], [0.0, down, 240.0], [0.0, 0.0, 1.0]])


@given(kept=st.integers(8, 400))
@settings(max_examples=25)
def test_a_cut_binary_model_is_refused(kept, tmp_path_factory):
    folder = write_colmap_binary(tmp_path_factory.mktemp("cut"), random_poses(4, 0))
    data = (folder / "images.bin").read_bytes()
    (folder / "images.bin").write_bytes(data[: min(kept, len(data) - 25)])
    with pytest.raises(ValueError, match=r"images\.bin ends at byte \d+, in the middle of a .*; copy it again"):
        read_trajectory(folder, "colmap")


def test_images_may_share_equal_cameras_only(tmp_path):
    write_colmap_text(tmp_path, random_poses(2, 0))
    images = tmp_path / "images.txt"
    lines = images.read_text().splitlines()
    lines[3] = lines[3].replace(" 1 images", " 2 images")
    images.write_text("\n".join(lines))
    camera = (tmp_path / "cameras.txt").read_text().strip()
    (tmp_path / "cameras.txt").write_text(f"{camera}\n2{camera[1:]}\n")
    assert read_trajectory(tmp_path, "colmap").width == WIDTH
    (tmp_path / "cameras.txt").write_text(f"{camera}\n2 PINHOLE 640 480 400 400 320 240\n")
    with pytest.raises(ValueError, match=r"cameras \[1, 2\], which differ; a clip has one"):
        read_trajectory(tmp_path, "colmap")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"k1": 0.1}, "frame 1: lens distortion of OPENCV is .*undistort"),
        ({"camera_model": "OPENCV_FISHEYE"}, "camera model OPENCV_FISHEYE is none of"),
        ({"is_fisheye": True}, "fisheye"),
        ({"fl_x": "wide"}, "its camera can't be read"),
        ({"fl_x": 0.0, "fl_y": 0.0}, "singular"),
    ],
)
def test_bent_cameras_of_transforms_json_are_refused(tmp_path, more, message):
    write_nerfstudio(tmp_path, random_poses(2, 0), **more)
    with pytest.raises(ValueError, match=message):
        read_trajectory(tmp_path, "nerfstudio")


def test_mistakes_in_transforms_json_name_the_frame(tmp_path):
    path = write_nerfstudio(tmp_path, random_poses(3, 0), by_frame=True) / "transforms.json"
    good = path.read_text()
    for change, message in (
        (lambda told: told["frames"][1].update(transform_matrix=[[1.0]]), r"frame 1: its transform_matrix is \(1, 1\)"),
        (lambda told: told["frames"][1].pop("transform_matrix"), "frame 1: it has no transform_matrix"),
        (lambda told: told["frames"][1]["transform_matrix"][0].__setitem__(0, 9.0), "frame 1: .*not a rigid motion"),
        (lambda told: told["frames"][0].update(fl_x=400.0), "another camera than frame"),
        (lambda told: told["frames"][0].update(file_path=told["frames"][1]["file_path"]), "is there twice"),
        (lambda told: told.update(frames=[]), "holds no pose"),
        (lambda told: told.pop("frames"), "has no list of frames"),
    ):
        told = json.loads(good)
        change(told)
        path.write_text(json.dumps(told))
        with pytest.raises(ValueError, match=message):
            read_trajectory(path, "nerfstudio")
    path.write_text("{")
    with pytest.raises(ValueError, match="is no JSON"):
        read_trajectory(path, "nerfstudio")


def test_euroc_poses_move_from_the_body_to_the_camera_that_lies_beside_them(tmp_path):
    folder = tmp_path / "state_groundtruth_estimate0"
    (tmp_path / "cam0").mkdir()
    folder.mkdir()
    cameras, camera_to_body = random_poses(3, 1), random_poses(1, 2)[0]
    path = WRITERS["euroc"][1](folder, cameras @ np.linalg.inv(camera_to_body))
    data = ", ".join(f"{value:.12g}" for value in camera_to_body.ravel())
    (tmp_path / "cam0" / "sensor.yaml").write_text(
        f"sensor_type: camera\nT_BS:\n  cols: 4\n  rows: 4\n  data: [{data}]\n"
    )
    np.testing.assert_allclose(read_trajectory(path, "euroc").camera_to_world, cameras, atol=1e-6)
    (tmp_path / "cam0" / "sensor.yaml").write_text("T_BS: 1\n")
    with pytest.raises(ValueError, match=r"sensor\.yaml: its T_BS is no rigid motion"):
        read_trajectory(path, "euroc")


def room(rooms: bool = True) -> Scene:
    """A room of 4 x 4 m with a chair and, 6 m further, another with a table."""
    from ocr_hf.geometry.boxes import OrientedBox

    objects = [
        box_object(
            number + 1, OrientedBox.axis_aligned(np.array([x, 1.0, 0.0]), np.array([x + 1.0, 2.0, 2.4])), label=label
        )
        for number, (x, label) in enumerate(((1.0, "chair"), (9.0, "table")))
    ]
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    outlines = (Room("one", square), Room("two", square + [8.0, 0.0])) if rooms else ()
    return Scene("rooms", "mesh", tuple(objects), rooms=outlines)


def walk(x: float = 0.0) -> np.ndarray:
    return np.stack([look_at(np.array([x + 1.0 + 0.2 * i, 2.5, 1.5]), np.array([x + 2.0, 1.5, 1.2])) for i in range(8)])


@pytest.mark.parametrize("rooms", [True, False])
def test_a_path_that_fits_passes_in_silence(rooms, recwarn):
    check_path(walk(), room(rooms), "path.txt")
    check_path(walk(8.0), room(rooms), "path.txt")
    assert not recwarn.list


def test_a_path_outside_the_scene_is_refused_or_warned_about():
    with pytest.raises(
        ValueError, match=r"path\.txt: none of its 8 camera positions lies in scene 'rooms' .*metres, \+Z up"
    ):
        check_path(walk(100.0), room(), "path.txt")
    millimetres = walk() @ np.eye(4)
    millimetres[:, :3, 3] *= 1000.0
    with pytest.raises(ValueError, match="1000 to 2400 x 2500 to 2500 x 1500 to 1500 m, scene 0 to 12 x 0 to 4"):
        check_path(millimetres, room(), "path.txt")
    half = walk()
    half[4:, 0, 3] += 100.0
    with pytest.warns(UserWarning, match="4 of its 8 camera positions lie outside scene 'rooms'"):
        check_path(half, room(), "path.txt")
    with pytest.warns(UserWarning, match="8 of its 8 camera positions lie outside the rooms"):
        check_path(walk(4.0), room(), "path.txt")


def test_cameras_that_hang_or_lie_are_warned_about():
    with pytest.warns(UserWarning, match="upside down in scene 'rooms'.*--camera-axes opengl"):
        check_path(walk() @ GL_TO_CV, room(), "path.txt")
    lying = walk()
    quarter = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # a world of +Y up
    lying[:, :3, :3] = quarter @ lying[:, :3, :3]
    with pytest.warns(
        UserWarning, match=r"tilted, their upward direction is \+Y and the scene's is \+Z; turn the poses"
    ):
        check_path(lying, room(), "path.txt")


def test_tum_files_of_a_robot_with_repeated_times_are_refused(tmp_path):
    path = write_tum(tmp_path, random_poses(4, 0))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(ValueError, match=r"line 6: timestamp 0\.15.* does not follow 0\.15"):
        read_trajectory(path, "auto")

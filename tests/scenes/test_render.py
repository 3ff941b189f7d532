"""The renderer against rays traced by hand, and what must not change its pictures."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ocr_hf.geometry.boxes import OrientedBox
from ocr_hf.geometry.camera import intrinsics_from_fov, look_at, project
from ocr_hf.scenes.render.renderer import Renderer, render_clip
from ocr_hf.scenes.scene import Material, Mesh, Scene
from tests.scenes.boxes import box_mesh, box_object, moved, room, slab_depth

WIDTH, HEIGHT = 96, 72
INTRINSICS = intrinsics_from_fov(WIDTH, HEIGHT, 70.0)


def eye_at(*eye: float, target: tuple[float, float, float] = (1.2, 0.0, 0.5)) -> np.ndarray:
    """Return one pose (1, 4, 4)."""
    return look_at(np.array(eye), np.array(target))[None]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return room()


@pytest.fixture(scope="module")
def renderer(scene) -> Renderer:
    return Renderer(scene)


def test_depth_and_instances_of_a_box_are_exact():
    box = OrientedBox.axis_aligned(np.array([2.0, -0.5, -0.3]), np.array([3.0, 0.5, 0.5]))
    pose = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))[None]
    rendered = Renderer(Scene("box", "test", (box_object(7, box),))).render(pose, INTRINSICS, WIDTH, HEIGHT)
    hit = rendered.instances[0] == 7
    # The camera looks along the face's normal: every pixel of it is exactly 2 m deep.
    np.testing.assert_allclose(rendered.depth[0][hit], 2.0, atol=1e-5)
    assert (rendered.depth[0][~hit] == 0.0).all() and (rendered.instances[0][~hit] == 0).all()
    corners, _ = project(box.corners()[:4], INTRINSICS, pose[0])
    rows, columns = np.nonzero(hit)
    for silhouette, low, high in (
        (columns, corners[:, 0].min(), corners[:, 0].max()),
        (rows, corners[:, 1].min(), corners[:, 1].max()),
    ):
        # A pixel belongs to the box if its centre does.
        assert silhouette.min() == np.ceil(low - 0.5) and silhouette.max() == np.floor(high - 0.5)


@settings(max_examples=15)
@given(
    st.lists(st.tuples(*[st.floats(-1.0, 1.0)] * 3, *[st.floats(0.1, 1.0)] * 3), min_size=1, max_size=4),
    st.integers(0, 10_000),
)
def test_depth_and_occlusion_agree_with_the_slab_method(boxes, seed):
    rotations = Rotation.random(len(boxes), random_state=seed).as_matrix()
    boxes = [OrientedBox(b[:3], b[3:], rotation) for b, rotation in zip(np.array(boxes), rotations, strict=True)]
    eye = 4.0 * Rotation.random(random_state=seed + 1).as_matrix()[0]
    pose = look_at(eye, np.zeros(3), up=np.array([0.3, -0.5, 0.8]))
    scene = Scene("boxes", "test", tuple(box_object(i + 1, box) for i, box in enumerate(boxes)))
    rendered = Renderer(scene, edge_samples=1, light_rays=1).render(pose[None], INTRINSICS, WIDTH, HEIGHT)
    depths = np.stack([slab_depth(box, pose, INTRINSICS, WIDTH, HEIGHT) for box in boxes])
    nearest = depths.min(axis=0)
    expected = np.where(np.isinf(nearest), 0, depths.argmin(axis=0) + 1)
    # Rays that graze an edge, or two boxes within a micrometre of each other, may go either way.
    second = np.sort(depths, axis=0)[1] if len(boxes) > 1 else np.full_like(nearest, np.inf)
    clear = (second > nearest + 1e-5) | np.isinf(nearest)
    agree = rendered.instances[0] == expected
    assert agree[clear].mean() > 0.999
    both = agree & (expected > 0)
    np.testing.assert_allclose(rendered.depth[0][both], nearest[both], atol=1e-4)


def test_a_motion_of_scene_and_camera_together_changes_nothing(scene, renderer):
    poses = np.concatenate([eye_at(-1.5, -1.0, 1.5), eye_at(-0.5, 2.0, 1.2)])
    before = renderer.render(poses, INTRINSICS, WIDTH, HEIGHT)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("z", 37.0, degrees=True).as_matrix()
    motion[:3, 3] = [12.0, -7.0, 0.8]
    after = Renderer(moved(scene, motion)).render(motion @ poses, INTRINSICS, WIDTH, HEIGHT)
    assert (before.instances == after.instances).mean() > 0.999
    same = before.instances == after.instances
    np.testing.assert_allclose(after.depth[same], before.depth[same], atol=2e-4)
    # Light is gathered along directions that are fixed to the surfaces' normals in world axes, so it may differ by
    # a few of the 64 directions; sky and ground keep their places because the motion turns about +Z.
    difference = np.abs(after.frames.astype(int) - before.frames)
    assert difference.mean() < 1.5 and np.percentile(difference, 99.0) <= 12


def test_depth_and_instances_follow_any_rotation_and_great_distances(scene, renderer):
    poses = eye_at(-1.5, -1.0, 1.5)
    before = renderer.render(poses, INTRINSICS, WIDTH, HEIGHT)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.random(random_state=4).as_matrix()
    motion[:3, 3] = [50_000.0, -20_000.0, 300.0]
    after = Renderer(moved(scene, motion)).render(motion @ poses, INTRINSICS, WIDTH, HEIGHT)
    same = before.instances == after.instances
    assert same.mean() > 0.999
    np.testing.assert_allclose(after.depth[same], before.depth[same], atol=1e-3)


def _frames_in_child(queue, scene, renderer, poses) -> None:
    inherited = renderer.render(poses, INTRINSICS, WIDTH, HEIGHT)
    own = Renderer(scene).render(poses, INTRINSICS, WIDTH, HEIGHT)
    queue.put([(r.frames, r.depth, r.instances) for r in (inherited, own)])


def test_same_bytes_for_threads_processes_and_order(scene, renderer):
    poses = np.concatenate([eye_at(-1.5, -1.0, 1.5), eye_at(-0.5, 2.0, 1.2), eye_at(0.0, 0.0, 1.8)])
    first = renderer.render(poses, INTRINSICS, WIDTH, HEIGHT)
    reference = (first.frames, first.depth, first.instances)
    threaded = Renderer(scene, threads=2).render(poses, INTRINSICS, WIDTH, HEIGHT)
    single = [renderer.render(pose[None], INTRINSICS, WIDTH, HEIGHT) for pose in poses[::-1]][::-1]
    answers = [
        (threaded.frames, threaded.depth, threaded.instances),
        tuple(np.concatenate([getattr(r, name) for r in single]) for name in ("frames", "depth", "instances")),
    ]
    # Forked, as datasets' workers are: after the parent has cast rays, with its renderer and with one of its own.
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_frames_in_child, args=(queue, scene, renderer, poses))
    child.start()
    answers += queue.get(timeout=300)
    child.join(timeout=300)
    assert child.exitcode == 0
    for answer in answers:
        for found, expected in zip(answer, reference, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_smoothing_edges_touches_colours_at_edges_only(scene, renderer):
    poses = eye_at(-1.5, -1.0, 1.5)
    smooth = renderer.render(poses, INTRINSICS, WIDTH, HEIGHT)
    jagged = Renderer(scene, edge_samples=1).render(poses, INTRINSICS, WIDTH, HEIGHT)
    np.testing.assert_array_equal(smooth.depth, jagged.depth)
    np.testing.assert_array_equal(smooth.instances, jagged.instances)
    changed = (smooth.frames != jagged.frames).any(axis=3)[0]
    outline = np.zeros_like(changed)
    ids = smooth.instances[0].astype(int)
    outline[:, 1:] |= np.diff(ids, axis=1) != 0
    outline[1:] |= np.diff(ids, axis=0) != 0
    assert 0.01 < changed.mean() < 0.3
    assert changed[outline].mean() > 0.4


def test_an_edge_pixel_mixes_what_it_covers():
    # A white half-plane before a black one, its edge through the middle of a pixel column.
    near = OrientedBox.axis_aligned(np.array([2.0, -5.0, -5.0]), np.array([2.1, 0.0, 5.0]))
    far = OrientedBox.axis_aligned(np.array([4.0, -9.0, -9.0]), np.array([4.1, 9.0, 9.0]))
    scene = Scene(
        "halves",
        "test",
        (box_object(1, near, Material((1.0, 1.0, 1.0), emission=1.0)), box_object(2, far, Material((0.0, 0.0, 0.0)))),
    )
    intrinsics = intrinsics_from_fov(33, 9, 60.0)
    pose = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))[None]
    frame = Renderer(scene, edge_samples=16).render(pose, intrinsics, 33, 9).frames[0, 4, :, 0]
    assert frame[:16].max() == 0 and frame[17:].min() == 255
    assert 0.4 * 255 < frame[16] < 0.95 * 255  # half the light, which is 186 in sRGB


def test_nothing_is_black_and_shadows_are_darker(renderer):
    below = eye_at(-1.0, 0.0, 2.2, target=(0.9, 0.2, 0.0))
    frame = renderer.render(below, INTRINSICS, WIDTH, HEIGHT).frames
    assert frame.max(axis=3).min() > 15
    boxes = [room().objects[0]]
    floor = room().structure[:1]
    with_box = Scene("lit", "test", tuple(boxes), floor, lights=room().lights)
    without = replace(with_box, objects=())
    eye = eye_at(1.4, -2.5, 2.0, target=(1.4, 0.2, 0.0))  # from the side: from the lamp no shadow is seen
    a, b = (Renderer(s).render(eye, INTRINSICS, WIDTH, HEIGHT) for s in (with_box, without))
    on_floor = (a.instances == 0) & (a.depth > 0.0)
    ratio = a.frames[on_floor].mean(axis=1) / b.frames[on_floor].mean(axis=1)
    # Behind the box no lamp light arrives; most of the floor is as before, but for the exposure.
    ratio /= np.median(ratio)
    assert np.percentile(ratio, 1.0) < 0.8 and np.percentile(ratio, 30.0) > 0.95 and np.percentile(ratio, 98.0) < 1.05


def test_scenes_without_lamps_are_lit():
    closed = OrientedBox.axis_aligned(np.array([-2.0, -2.0, 0.0]), np.array([2.0, 2.0, 2.5]))
    scene = Scene("closed", "test", (), (box_mesh(closed),))
    frame = Renderer(scene).render(eye_at(0.0, 0.0, 1.5, target=(2.0, 0.5, 1.0)), INTRINSICS, WIDTH, HEIGHT).frames
    assert 60 < frame.mean() < 250


def test_surfaces_are_two_sided_whatever_their_order():
    corners = np.array([[2.0, -1.0, -1.0], [2.0, 1.0, -1.0], [2.0, 1.0, 1.0], [2.0, -1.0, 1.0]])
    box = OrientedBox.axis_aligned(corners.min(axis=0), corners.max(axis=0))
    frames = []
    for faces in (np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 2, 1], [0, 3, 2]])):
        sheet = replace(box_object(3, box), meshes=(Mesh(corners, faces, Material((0.9, 0.5, 0.2))),))
        pose = look_at(np.zeros(3), np.array([1.0, 0.0, 0.0]))[None]
        rendered = Renderer(Scene("sheet", "test", (sheet,))).render(pose, INTRINSICS, WIDTH, HEIGHT)
        assert (rendered.instances == 3).mean() > 0.3
        frames.append(rendered.frames[rendered.instances == 3])
    assert frames[0].mean() > 60
    assert np.abs(frames[0].astype(int) - frames[1]).max() <= 8


def test_clips_carry_everything(scene, renderer):
    poses = eye_at(-1.5, -1.0, 1.5)
    clip = render_clip(scene, "clip_0", poses, INTRINSICS, WIDTH, HEIGHT, fps=4.0, renderer=renderer)
    rendered = renderer.render(poses, INTRINSICS, WIDTH, HEIGHT)
    np.testing.assert_array_equal(clip.frames, rendered.frames)
    np.testing.assert_array_equal(clip.instances, rendered.instances)
    assert clip.depth.dtype == np.float32 and clip.instances.dtype == np.uint16 and clip.fps == 4.0


def _broken(**changes) -> Scene:
    mesh = replace(box_mesh(OrientedBox.axis_aligned(np.zeros(3), np.ones(3))), **changes)
    return Scene("broken", "test", (), (mesh,))


@pytest.mark.parametrize(
    ("scene", "message"),
    [
        (Scene("empty", "test", ()), "scene 'empty' has no triangles"),
        (_broken(vertices=np.full((8, 3), np.nan)), "structure, mesh 0: vertex 0 is .*finite"),
        (_broken(faces=np.array([[0, 1, 8]])), "a face names vertex 8, but there are 8"),
        (_broken(uv=np.zeros((3, 2))), r"uv has shape \(3, 2\)"),
        (_broken(material=Material(texture=np.zeros((0, 4, 3), np.uint8)), uv=np.zeros((8, 2))), "texture is uint8"),
    ],
)
def test_broken_scenes_are_refused(scene, message):
    with pytest.raises(ValueError, match=message):
        Renderer(scene)


def test_unusable_cameras_are_refused(renderer):
    pose = eye_at(-1.5, -1.0, 1.5)
    with pytest.raises(ValueError, match="0 x 72"):
        renderer.render(pose, INTRINSICS, 0, HEIGHT)
    with pytest.raises(ValueError, match="not a rigid motion"):
        renderer.render(2.0 * pose, INTRINSICS, WIDTH, HEIGHT)
    with pytest.raises(ValueError, match="singular"):
        renderer.render(pose, np.zeros((3, 3)), WIDTH, HEIGHT)

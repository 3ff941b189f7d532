"""Edits: what each kind does, its inverse gives back the same bytes, and bad input is told in one sentence."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.scenes.edits.carriers import base_center, find_carriers, low_high
from ocr_hf.scenes.edits.changed_objects import changed_objects
from ocr_hf.scenes.edits.replacements import MAKERS, make_model
from ocr_hf.scenes.edits.sample_edit import SAMPLED
from ocr_hf.scenes.edits.scene_edit import SceneEdit, apply_edits
from ocr_hf.scenes.homes.procedural import layout_home, scene_of
from ocr_hf.scenes.scene import Light, Scene
from tests.scenes.edit_scenes import HOMES, contents, home, sampled, small_room

kinds = st.sampled_from(SAMPLED)
homes = st.sampled_from(HOMES)
few = st.integers(0, 3)
numbers = st.floats(-50.0, 50.0)
ADDED = {"label": "chair", "seed": 0, "position": (3.0, 3.2, 0.0), "degrees": 0}
WILD = {
    "move": st.fixed_dictionaries({"offset": st.tuples(numbers, numbers, numbers)}),
    "rotate": st.fixed_dictionaries({"degrees": st.floats(-1e4, 1e4)}),
    "scale": st.fixed_dictionaries({"factors": st.tuples(*[st.floats(0.01, 100.0)] * 3)}),
    "swap": st.just({}),
    "remove": st.just({}),
    "replace": st.fixed_dictionaries({"label": st.sampled_from(["chair", "lamp"]), "seed": st.integers(0, 9)}),
    "warp": st.fixed_dictionaries({"amplitude": st.floats(0.0, 0.5), "seed": st.integers(0, 9)}),
    "recolor": st.fixed_dictionaries({"color": st.tuples(*[st.floats(0.0, 1.0)] * 3)}),
    "add": st.fixed_dictionaries(
        {
            "label": st.sampled_from(["chair", "table"]),
            "seed": st.integers(0, 9),
            "position": st.tuples(numbers, numbers, numbers),
            "degrees": st.floats(-1e4, 1e4),
        }
    ),
    "extend": st.fixed_dictionaries(
        {
            "degrees": st.sampled_from([0.0, 90.0, 180.0, 270.0, 30.0]),
            "at": st.floats(-6.0, 6.0),
            "by": st.floats(-0.5, 3.0).filter(lambda by: abs(by) > 0.01),
        }
    ),
}


def wild_edits() -> st.SearchStrategy[SceneEdit]:
    """Edits of the small room of any kind, plausible or not; the objects stand on nothing that is swapped."""
    pairs = st.sampled_from([(1, 5), (7, 1), (3, 6), (4, 7), (2, 4)])

    def of(kind: str) -> st.SearchStrategy[SceneEdit]:
        one = st.integers(20, 22) if kind == "add" else st.integers(1, 9)
        ids = pairs if kind == "swap" else st.just(()) if kind == "extend" else one.map(lambda i: (i,))
        return st.builds(SceneEdit, st.just(kind), ids, WILD[kind])

    return st.sampled_from(sorted(WILD)).flatmap(of)


@settings(max_examples=40, deadline=None)
@given(kinds, homes, few)
def test_an_edit_and_its_inverse_give_the_same_bytes(kind: str, home_seed: int, seed: int) -> None:
    scene, edit, after = sampled(kind, home_seed, seed)
    bytes_before = contents(scene)
    assert (changed_objects(scene, after) or kind == "extend") and contents(after) != bytes_before
    back = edit.inverse().apply(after)
    assert contents(back) == bytes_before and changed_objects(scene, back) == ()


@settings(max_examples=150, deadline=None)
@given(st.lists(wild_edits(), min_size=1, max_size=4))
def test_any_chain_of_edits_is_taken_back_step_by_step(edits: list[SceneEdit]) -> None:
    """Also from a scene that was edited before: bytes are equal at every step, not only at the start."""
    states, done = [small_room()], []
    for edit in edits:
        try:
            states.append(edit.apply(states[-1], plausible=False))
        except ValueError as error:
            # Only what an earlier edit removed or set on the other can't be edited any more, no id given twice, and
            # nothing cut through.
            known = ("has no object", "stands on", "is taken", "extend would")
            assert any(part in str(error) for part in known)
        else:
            done.append(edit)
    expected = [contents(state) for state in states]
    scene = states[-1]
    for edit, bytes_before in zip(reversed(done), reversed(expected[:-1]), strict=True):
        scene = edit.inverse().apply(scene, plausible=False)
        assert contents(scene) == bytes_before
    assert scene is small_room()


@settings(max_examples=100)
@given(wild_edits())
def test_json_keeps_every_bit(edit: SceneEdit) -> None:
    again = SceneEdit.from_json(edit.to_json())
    assert again == edit and again.to_json() == edit.to_json() and "\n" not in edit.to_json()


@settings(max_examples=30, deadline=None)
@given(kinds, homes, few)
def test_boxes_stay_tight_around_the_meshes(kind: str, home_seed: int, seed: int) -> None:
    scene, edit, after = sampled(kind, home_seed, seed)
    for object_id in set(changed_objects(scene, after)) & {item.id for item in after.objects}:
        item = after.object(object_id)
        local = np.concatenate([item.box.to_local(mesh.vertices) for mesh in item.meshes])
        assert np.allclose(local.max(axis=0), item.box.size / 2, atol=1e-9)
        assert np.allclose(local.min(axis=0), -item.box.size / 2, atol=1e-9)
        assert np.allclose(item.box.rotation[2], [0, 0, 1]) and np.allclose(item.box.rotation[:, 2], [0, 0, 1])


def test_what_stands_on_what_is_found_as_the_homes_were_furnished() -> None:
    for seed in range(12):
        layout = layout_home(seed)
        number = {id(placement): i + 1 for i, placement in enumerate(layout.placements)}
        true = {number[id(p)]: number[id(p.on)] for p in layout.placements if p.on is not None}
        found = find_carriers(scene_of(layout, "home", "test"))
        assert true.items() <= found.items()
        assert len(found) <= len(true) + 1
    assert find_carriers(small_room()) == {2: 1, 3: 2, 4: 1, 6: 5}


def test_move_and_rotate_take_along_what_stands_on_it() -> None:
    scene = small_room()
    after = SceneEdit("move", (1,), {"offset": (0.5, -0.25)}).apply(scene)
    assert changed_objects(scene, after) == (1, 2, 3, 4)
    for i in (1, 2, 3, 4):
        np.testing.assert_allclose(after.object(i).box.center - scene.object(i).box.center, [0.5, -0.25, 0.0])
    turned = SceneEdit("rotate", (1,), {"degrees": 90}).apply(scene)
    lamp = scene.object(4).box.center - scene.object(1).box.center
    expected = scene.object(1).box.center + np.array([-lamp[1], lamp[0], lamp[2]])
    np.testing.assert_allclose(turned.object(4).box.center, expected, atol=1e-12)
    np.testing.assert_allclose(turned.object(4).box.rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_scale_keeps_the_base_and_sets_things_onto_the_new_top() -> None:
    scene = small_room()
    after = SceneEdit("scale", (1,), {"factors": (1.1, 1.2, 1.5)}).apply(scene)
    np.testing.assert_allclose(after.object(1).box.size, [1.32, 0.96, 1.05])
    np.testing.assert_allclose(base_center(after.object(1).box), base_center(scene.object(1).box), atol=1e-12)
    for i in (2, 3, 4):
        np.testing.assert_allclose(after.object(i).box.size, scene.object(i).box.size)
    assert low_high(after.object(2).box)[0] == pytest.approx(1.05)
    assert low_high(after.object(3).box)[0] == pytest.approx(low_high(after.object(2).box)[1])


def test_remove_takes_along_what_stands_on_it_and_restore_puts_all_back_in_place() -> None:
    scene = small_room()
    edit = SceneEdit("remove", (1,))
    after = edit.apply(scene)
    assert [item.id for item in after.objects] == [5, 6, 7, 8, 9]
    back = apply_edits(after, [SceneEdit("recolor", (7,), {"color": (1, 0, 0)}), edit.inverse()])
    assert [item.id for item in back.objects] == list(range(1, 10)) and changed_objects(scene, back) == (7,)


@settings(max_examples=20, deadline=None)
@given(homes, few)
def test_swap_exchanges_places_and_twice_is_the_identity(home_seed: int, seed: int) -> None:
    scene, edit, after = sampled("swap", home_seed, seed)
    for one, other in (edit.objects, edit.objects[::-1]):
        old, new = scene.object(other).box, after.object(one).box
        np.testing.assert_allclose(base_center(new), base_center(old), atol=1e-9)
        np.testing.assert_allclose(new.rotation, old.rotation, atol=1e-9)
        np.testing.assert_allclose(new.size, scene.object(one).box.size, atol=1e-9)
    assert edit.apply(after) is scene


def test_replace_keeps_id_and_footprint_and_takes_the_new_label() -> None:
    scene = small_room()
    edit = SceneEdit("replace", (7,), {"label": "stool", "seed": 4})
    new, old = edit.apply(scene).object(7), scene.object(7)
    assert new.label == "stool" and new.id == 7 and len(new.meshes) > 0
    assert (new.box.size[:2] <= old.box.size[:2] + 1e-9).all()
    np.testing.assert_allclose(base_center(new.box), base_center(old.box))
    assert contents(edit.apply(scene)) == contents(edit.apply(scene))
    assert SceneEdit("replace", (7,), {"seed": 4}).apply(scene).object(7).label == "chair"


@pytest.mark.parametrize("label", sorted(MAKERS))
def test_makers_make_what_they_are_listed_under(label: str) -> None:
    assert {make_model(label, seed).label for seed in range(4)} == {label}


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 0.3), st.integers(0, 1000))
def test_warp_bends_smoothly_and_keeps_the_base(amplitude: float, seed: int) -> None:
    old = next(item for item in home(0).objects if item.label in ("chair", "trash bin", "plant", "backpack"))
    edit = SceneEdit("warp", (old.id,), {"amplitude": amplitude, "seed": seed})
    new = edit.apply(home(0), plausible=False).object(old.id)
    assert low_high(new.box)[0] == pytest.approx(low_high(old.box)[0], abs=1e-9)
    before, after = (np.concatenate([mesh.vertices for mesh in item.meshes]) for item in (old, new))
    shift = np.linalg.norm(after - before, axis=1)
    assert 0.1 * amplitude * old.box.diagonal < shift.max() <= amplitude * old.box.diagonal + 1e-12
    # Vertices at one place stay at one place: seams between surfaces don't open.
    _, first, which = np.unique(np.round(before, 9), axis=0, return_index=True, return_inverse=True)
    assert np.allclose(after, after[first][which.reshape(-1)], atol=1e-7)


def test_recolor_paints_every_material_and_keeps_patterns() -> None:
    scene = home(2)
    item = next(item for item in scene.objects if any(mesh.material.texture is not None for mesh in item.meshes))
    painted = SceneEdit("recolor", (item.id,), {"color": (0.1, 0.9, 0.2)}).apply(scene).object(item.id)
    assert {mesh.material.color for mesh in painted.meshes} == {(0.1, 0.9, 0.2)}
    for new, old in zip(painted.meshes, item.meshes, strict=True):
        assert new.vertices is old.vertices and new.material.emission == old.material.emission
        if old.material.texture is not None:
            assert new.material.texture.shape == old.material.texture.shape
            assert (new.material.texture == new.material.texture[..., :1]).all() and new.material.texture.max() == 255


def test_a_lamp_takes_its_light_along() -> None:
    lights = (Light(np.array([2.4, 2.1, 1.0]), np.ones(3)), Light(np.array([3.0, 2.0, 2.4]), np.ones(3)))
    scene = replace(small_room(), lights=lights)
    after = SceneEdit("move", (1,), {"offset": (0.5, 0.0)}).apply(scene)
    np.testing.assert_allclose(after.lights[0].position, [2.9, 2.1, 1.0])
    assert after.lights[1] is lights[1]
    assert SceneEdit("remove", (4,)).apply(scene).lights == lights[1:]
    assert SceneEdit("move", (7,), {"offset": (0.3, 0.0)}).apply(scene).lights == lights


def test_what_was_changed_by_hand_between_edits_stays() -> None:
    edit = SceneEdit("move", (7,), {"offset": (0.3, 0.0)})
    light = Light(np.array([3.0, 2.0, 2.4]), np.ones(3))
    changed = replace(edit.apply(small_room()), name="other", lights=(light,))
    back = edit.inverse().apply(changed)
    assert back.name == "other" and back.lights == (light,) and changed_objects(back, small_room()) == ()


def test_add_puts_a_model_there_and_taking_it_back_forgets_it() -> None:
    scene = small_room()
    parameters = {"label": "chair", "seed": 4, "position": (3.0, 3.2, 0.0), "degrees": 90.0}
    after = SceneEdit("add", (12,), parameters).apply(scene)
    new = after.object(12)
    assert changed_objects(scene, after) == (12,) and new.label == "chair" and new.meshes
    np.testing.assert_allclose(base_center(new.box), [3.0, 3.2, 0.0], atol=1e-12)
    np.testing.assert_allclose(new.box.size, make_model("chair", 4).size)
    np.testing.assert_allclose(new.box.rotation[:, 0], [0.0, 1.0, 0.0], atol=1e-12)
    # It is an object as any other: it moves, is removed and comes back.
    moved = SceneEdit("move", (12,), {"offset": (0.3, 0.0)}).apply(after)
    gone = SceneEdit("remove", (12,)).apply(moved)
    assert SceneEdit("restore", (12,)).apply(gone) is moved
    assert contents(SceneEdit("restore", (12,)).apply(moved)) == contents(scene)
    # What was added is never said to have been there: the first scene has no such light, carrier or object.
    on_top = SceneEdit("add", (13,), {**parameters, "label": "table", "position": (4.6, 1.0, 0.0)})
    table = on_top.apply(scene, plausible=False)
    cup = SceneEdit(
        "add", (14,), {"label": "cup", "seed": 0, "position": (4.6, 1.0, table.object(13).box.size[2]), "degrees": 0}
    )
    with pytest.raises(ValueError, match=r"table \(object 13\) carries cup \(object 14\); move what stands on it"):
        SceneEdit("restore", (13,)).apply(cup.apply(table, plausible=False), plausible=False)


def test_move_can_turn_as_well() -> None:
    scene, edit = small_room(), SceneEdit("move", (7,), {"offset": (0.4, 0.1), "degrees": 30.0})
    steps = [SceneEdit("move", (7,), {"offset": (0.4, 0.1)}), SceneEdit("rotate", (7,), {"degrees": 30.0})]
    one, other = edit.apply(scene).object(7).box, apply_edits(scene, steps).object(7).box
    np.testing.assert_allclose(one.corners(), other.corners(), atol=1e-12)
    assert edit.inverse().apply(edit.apply(scene)) is scene


def boxes_alone() -> Scene:
    return replace(small_room(), objects=tuple(replace(item, meshes=()) for item in small_room().objects))


@pytest.mark.parametrize(
    ("kind", "ids", "parameters"),
    [
        ("move", (7,), {"offset": (0.3, 0)}),
        ("rotate", (1,), {"degrees": 20}),
        ("scale", (7,), {"factors": 0.8}),
        ("remove", (1,), {}),
        ("swap", (3, 4), {}),
    ],
)
def test_boxes_alone_can_be_edited(kind: str, ids: tuple, parameters: dict) -> None:
    edit = SceneEdit(kind, ids, parameters)
    after = edit.apply(boxes_alone(), plausible=False)
    meshed = edit.apply(small_room(), plausible=False)
    assert [contents(replace(meshed, objects=tuple(replace_meshes(meshed))))] == [contents(after)]


def replace_meshes(scene: Scene) -> list:
    return [replace(item, meshes=()) for item in scene.objects]


@pytest.mark.parametrize(
    ("kind", "ids", "parameters", "told"),
    [
        ("move", (77,), {"offset": (1, 0)}, "scene 'small' has no object 77 to edit"),
        ("moove", (1,), {}, "edit kind is 'moove'; choose one of move, rotate"),
        ("scale", (1,), {"factors": 0}, "scale's factors is 0; give one factor above 0"),
        ("scale", (1,), {"factors": (1, -1, 1)}, "scale's factors is .*; give one factor above 0"),
        ("scale", (1,), {"factors": float("nan")}, "scale's factors is nan; give one factor above 0"),
        ("move", (1,), {"offset": (float("inf"), 0)}, "move's offset is .*; give two or three finite numbers"),
        ("move", (1,), {"offset": "far"}, "move's offset is 'far'; give two or three finite numbers"),
        ("move", (1,), {}, "move lacks offset; move takes offset"),
        ("rotate", (1,), {"degrees": 3, "about": "x"}, "rotate has unknown parameters about; rotate takes degrees"),
        ("rotate", (1,), {"degrees": (1, 2)}, "rotate's degrees is .*; give one finite number"),
        ("remove", (1, 2), {}, "remove has 2 objects; give 1"),
        ("remove", ("cup",), {}, "remove has objects .*; give ids"),
        ("swap", (1,), {}, "swap has 1 objects; give 2"),
        ("swap", (1, 1), {}, "an object can't be swapped with itself"),
        ("swap", (1, 3), {}, r"cup \(object 3\) stands on table \(object 1\); swap two things"),
        ("replace", (7,), {"label": "throne", "seed": 0}, "replace's label is 'throne'; choose one of"),
        ("replace", (7,), {"label": ["chair"], "seed": 0}, "replace's label is .*; choose one of"),
        ("rotate", (7,), None, "rotate has parameters None; give names and values"),
        ("replace", (7,), {"seed": -1}, "replace's seed is -1; give a whole number of at least 0"),
        ("replace", (9,), {"seed": 1}, "no maker makes a door; give replace a label"),
        ("warp", (7,), {"amplitude": 2, "seed": 0}, "warp's amplitude is 2; give one share"),
        ("recolor", (7,), {"color": (2, 0, 0)}, "recolor's color is .*; give three sRGB numbers from 0 to 1"),
        ("add", (7,), ADDED, "add has object id 7, which is taken in scene 'small'; give a free id, as 10"),
        ("add", (0,), ADDED, "add has object id 0, which is no id of an object"),
        ("add", (12,), {**ADDED, "label": "throne"}, "add's label is 'throne'; choose one of"),
        ("add", (12,), {**ADDED, "position": (1, 2)}, "add's position is .*; give three finite numbers"),
        ("add", (12,), {"label": "chair", "seed": 0}, "add lacks position, degrees; add takes"),
        ("extend", (7,), {"degrees": 0, "at": 1, "by": 1}, "extend has 1 objects; give 0"),
        ("extend", (), {"degrees": 0, "at": 1, "by": 0}, "extend's by is 0; give metres other than 0, at most 100"),
        (
            "extend",
            (),
            {"degrees": 0, "at": float("nan"), "by": 1},
            "extend's at is nan; give one finite number of metres",
        ),
        ("extend", (), {"degrees": 0, "at": 5.0, "by": 1}, r"extend would cut through door \(object 9\)"),
        ("extend", (), {"degrees": 0, "at": 3.0, "by": -0.5}, r"extend would cut through chair \(object 7\)"),
        ("extend", (), {"degrees": 0, "at": 6.0, "by": 1}, "extend would meet a corner of the kitchen"),
        ("restore", (7,), {}, r"chair \(object 7\) has nothing to restore"),
    ],
)
def test_bad_input_is_told_in_one_sentence(kind: str, ids: tuple, parameters: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        SceneEdit(kind, ids, parameters).apply(small_room())
    assert "\n" not in str(error.value) and not re.search(r"\.\s+[A-Z]", str(error.value))


@pytest.mark.parametrize(("kind", "parameters"), [("warp", {"amplitude": 0.1, "seed": 0}), ("replace", {"seed": 0})])
def test_surfaces_need_meshes(kind: str, parameters: dict) -> None:
    with pytest.raises(ValueError, match=rf"chair \(object 7\) has no meshes, which {kind} needs; load the scene"):
        SceneEdit(kind, (7,), parameters).apply(boxes_alone())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": 3, "objects": [1], "parameters": {}}', "null"])
def test_what_is_no_edit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an edit is"):
        SceneEdit.from_json(text)
    with pytest.raises(ValueError, match="restore has no inverse"):
        SceneEdit("restore", (1,)).inverse()

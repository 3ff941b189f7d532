"""The registry of noise modes: a user's own, by name and as an instance, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ocr_hf.geometry.occlusion import footprints_from_instances
from ocr_hf.perturb.keys import generator
from ocr_hf.perturb.modes import NOISE_MODES, NoiseMode
from ocr_hf.perturb.ocr_map import OCRMap
from tests.box_scene import box_clip

CLIP = box_clip()
FOOTPRINTS = footprints_from_instances(CLIP.instances)
OURS = ["gaussian", "geometry", "rigid", "scale", "warp", "jitter"]


@dataclass(frozen=True)
class Blot(NoiseMode):
    """Sets objects to one random colour."""

    floor: int = 0

    name = "blot"
    help = "objects in one random colour"
    default_strength = 1.0
    max_strength = 2.0
    unit = "blots"
    columns = ("intrinsics",)

    def perturb(self, target, strength):
        out = target.frames.copy()
        region = target.footprints.region(target.object_ids)
        out[region] = generator(target.key).integers(self.floor, 255, 3, dtype=np.uint8)
        return out


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(NOISE_MODES, "_entries", dict(NOISE_MODES._entries))
    return NOISE_MODES.register(Blot())


def test_an_instance_takes_the_place_of_a_name():
    ocr_map = OCRMap(mode=Blot())
    noisy = ocr_map.perturb(CLIP.frames, FOOTPRINTS, [1], row_id=3, intrinsics=CLIP.intrinsics)
    region = FOOTPRINTS.region([1])
    np.testing.assert_array_equal(noisy[~region], CLIP.frames[~region])
    assert len(np.unique(noisy[region], axis=0)) == 1
    plan = ocr_map.plan_for([1], 3)
    assert (plan.mode, plan.strength, ocr_map.noise_strength) == ("blot", 1.0, 1.0)


def test_noise_of_other_parameters_has_another_id():
    variants = {OCRMap(mode=Blot(floor)).plan_for([1], 3).variant for floor in (0, 9)}
    assert len(variants | {OCRMap().plan_for([1], 3).variant}) == 3


def test_a_registered_mode_is_found_by_name(registered):
    assert list(NOISE_MODES) == [*OURS, "blot"] and NOISE_MODES.find("blot") is registered
    with pytest.raises(ValueError, match="mode is 'blob'; did you mean 'blot'\\? It can be gaussian, geometry, rigid"):
        NOISE_MODES.find("blob", "mode")


def test_bounds_and_columns_are_the_modes_own():
    with pytest.raises(ValueError, match="strength is 3.0; mode blot takes 0 to 2, in blots"):
        OCRMap(mode=Blot(), strength=3.0)
    with pytest.raises(ValueError, match="mode 'blot' lacks intrinsics; pass them \\(columns intrinsics of a row\\)"):
        OCRMap(mode=Blot()).perturb(CLIP.frames, FOOTPRINTS, [1], row_id=3)


def test_a_mode_that_lacks_something_is_refused(registered):
    class Bare:
        name = "bare"

        def perturb(self, target, strength):
            return target.frames

    with pytest.raises(ValueError, match="noise mode 'bare' lacks help, default_strength"):
        NOISE_MODES.register(Bare())
    with pytest.raises(ValueError, match="there is a noise mode 'geometry' already"):
        NOISE_MODES.register("geometry", Blot())


@pytest.mark.parametrize("name", list(NOISE_MODES))
def test_every_mode_describes_itself(name):
    mode = NOISE_MODES[name]
    assert mode.name == name and len(mode.help.split()) > 3 and mode.is_identity(0.0)
    mode.check_strength(mode.default_strength)
    assert not mode.is_identity(mode.default_strength)
    with pytest.raises(ValueError, match=f"mode {name} takes 0 "):
        mode.check_strength(-0.1)

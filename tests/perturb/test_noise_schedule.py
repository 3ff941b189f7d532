"""The diffusion schedule and the annealing agree with NoisyRollout's formulas."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.perturb.schedule import (
    SCHEDULES,
    decay,
    diffusion_alphas,
    diffusion_scales,
    diffusion_timestep,
    objects_at,
)


@pytest.mark.parametrize(("t", "signal"), [(400, 0.945), (500, 0.863), (700, 0.593), (999, 0.285)])
def test_the_picture_s_weight_is_noisy_rollout_s(t, signal):
    assert diffusion_scales(t)[0] == pytest.approx(signal, abs=6e-4)
    assert math.hypot(*diffusion_scales(t)) == pytest.approx(1.0)


def test_alphas_fall_from_nearly_one():
    alphas = diffusion_alphas()
    assert alphas.shape == (1000,) and (alphas[1:] < alphas[:-1]).all() and 0.9999 < alphas[0] < 1.0
    with pytest.raises(ValueError, match="read-only"):
        alphas[0] = 0.0


@pytest.mark.parametrize(
    ("strength", "t"), [(0, 0), (0.0004, 0), (0.45, 450), (0.5, 500), (0.9994, 999), (1, 999), (1.0, 999)]
)
def test_strength_is_a_thousandth_of_a_timestep(strength, t):
    assert diffusion_timestep(strength) == t


def test_timestep_zero_is_clean():
    assert diffusion_scales(0) == (1.0, 0.0)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_outside_the_schedule_is_refused(strength):
    with pytest.raises(ValueError, match="0 \\(none\\) to 1"):
        diffusion_timestep(strength)


@pytest.mark.parametrize("t", [-1, 1000])
def test_timestep_outside_the_schedule_is_refused(t):
    with pytest.raises(ValueError, match="0 to 999"):
        diffusion_scales(t)


@given(st.sampled_from(SCHEDULES), st.integers(1, 500), st.data())
def test_annealing_never_rises_and_stays_between_one_and_zero(schedule, total, data):
    first = data.draw(st.integers(0, 2 * total))
    second = data.draw(st.integers(first, 2 * total + 1))
    early, late = decay(first, total, schedule), decay(second, total, schedule)
    assert 1.0 >= early >= late >= 0.0


@pytest.mark.parametrize("schedule", ["linear", "cosine", "power", "exponential"])
def test_annealing_ends_at_zero(schedule):
    assert decay(60, 60, schedule) == pytest.approx(0.0, abs=1e-12)
    assert decay(0, 60, schedule) > 0.95


def test_each_schedule_at_a_point_computed_by_hand():
    assert decay(15, 60, "linear") == 0.75
    assert decay(20, 60, "cosine") == pytest.approx(0.75)
    assert decay(40, 60, "sigmoid") == 0.5
    # 1 - 1 / (1 + exp(-30 (30/60 - 40/60))) = 1 - 1 / (1 + e^5)
    assert decay(30, 60, "sigmoid") == pytest.approx(1.0 - 1.0 / (1.0 + math.exp(5.0)))
    assert decay(30, 60, "sigmoid", sharpness=60.0, midpoint=0.5) == 0.5
    assert decay(30, 60, "power", power=2.0) == 0.75
    assert decay(58, 60, "exponential", base=0.5) == 0.75
    assert decay(59, 60, "constant") == 1.0


@given(st.sampled_from(SCHEDULES), st.integers(0, 60), st.integers(1, 30))
def test_a_run_of_any_length_goes_through_the_same_schedule(schedule, step, times):
    """Else NoisyRollout's noise would be gone after 60 steps of 1,000, and OCR's would not."""
    assert decay(times * step, times * 60, schedule) == pytest.approx(decay(step, 60, schedule), abs=1e-12)


def test_a_run_of_60_steps_has_the_papers_own_values():
    for step in range(61):
        sigmoid = 1.0 - 1.0 / (1.0 + math.exp(-30.0 * (step - 40) / 60))
        assert decay(step, 60, "sigmoid") == pytest.approx(sigmoid, abs=1e-12)
        assert decay(step, 60, "exponential") == pytest.approx(1.0 - 0.95 ** (60 - step), abs=1e-12)


def test_a_very_sharp_sigmoid_does_not_overflow():
    assert decay(60, 60, "sigmoid", sharpness=1e6) == pytest.approx(0.0)


def test_the_number_of_objects_falls_linearly_to_none():
    assert [objects_at(step, 4, 8) for step in range(10)] == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert objects_at(0, 0, 8) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decay(0, 0), "total_steps is 0"),
        (lambda: decay(-1, 5), "step is -1"),
        (lambda: decay(1, 5, "sigmoid", midpoint=40.0), "midpoint is 40.0; give a share of the run"),
        (lambda: objects_at(0, -2, 5), "max_objects is -2"),
    ],
)
def test_bad_numbers_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

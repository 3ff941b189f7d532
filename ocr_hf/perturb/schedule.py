"""How much noise: the diffusion schedule, and how the perturbation is annealed over training."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

Schedule = Literal["linear", "cosine", "sigmoid", "power", "exponential", "constant"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)

DIFFUSION_STEPS = 1000

PAPER_STEPS = 60
"""Steps of NoisyRollout's runs (arXiv 2504.13055). What its formulas count in steps is scaled from these to the run."""
MIDPOINT = 40 / PAPER_STEPS
"""Where its sigmoid has fallen to a half, as a share of the run."""


@cache
def diffusion_alphas() -> Float[np.ndarray, "1000"]:
    """Return the (1000,) float64 cumulative products a_t of NoisyRollout's diffusion schedule (arXiv 2504.13055).

    beta = sigmoid(linspace(-6, 6, 1000)) (5e-3 - 1e-5) + 1e-5 and a_t = prod_{i <= t} (1 - beta_i), as in its
    released code. A pixel x in [0, 1] becomes sqrt(a_t) x + sqrt(1 - a_t) e, clamped to [0, 1], with e ~ N(0, 1).
    """
    betas = 1.0 / (1.0 + np.exp(-np.linspace(-6.0, 6.0, DIFFUSION_STEPS))) * (5e-3 - 1e-5) + 1e-5
    alphas = np.cumprod(1.0 - betas)
    # The cache hands the same array to everyone.
    alphas.setflags(write=False)
    return alphas


def diffusion_timestep(strength: float | int) -> int:
    """Return t = round(1000 strength), at most 999; 0.5 is NoisyRollout's t0 = 500. t = 0 means: no noise."""
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength is {strength}; gaussian noise takes 0 (none) to 1 (t = 999 of the schedule)")
    # The schedule has steps 0 to 999: strength 1 is the last one.
    return min(round(strength * DIFFUSION_STEPS), DIFFUSION_STEPS - 1)


def diffusion_scales(t: int) -> tuple[float, float]:
    """Return (sqrt(a_t), sqrt(1 - a_t)), the weights of picture and noise at timestep t; (1, 0) at t = 0.

    NoisyRollout's own schedule has sqrt(1 - a_0) = 0.005 at t = 0; ours is exactly clean there, so that a fully
    annealed perturbation is the identity.
    """
    if not 0 <= t < DIFFUSION_STEPS:
        raise ValueError(f"diffusion timestep is {t}; give 0 to {DIFFUSION_STEPS - 1}")
    if t == 0:
        return 1.0, 0.0
    alpha = float(diffusion_alphas()[t])
    return alpha**0.5, (1.0 - alpha) ** 0.5


def decay(
    step: int | float,
    total_steps: int,
    schedule: Schedule = "linear",
    *,
    sharpness: float = 30.0,
    midpoint: float = MIDPOINT,
    power: float = 3.0,
    base: float = 0.95,
) -> float:
    """Return the factor in [0, 1] that the perturbation is annealed by at training step s of S = `total_steps`.

    linear 1 - s/S | cosine (1 + cos(pi s/S))/2 | sigmoid 1 - sigmoid(sharpness (s/S - midpoint)) |
    power 1 - (s/S)^power | exponential 1 - base^(60 (1 - s/S)) | constant 1.

    All depend on s/S alone, so that strategies which are compared end their noise together, however long the run. In
    NoisyRollout's released code, whose formulas linear, sigmoid, power and exponential are, midpoint (40) and the
    exponent (S - s) count steps of its 60: here they are shares of the run, equal to its own in a run of 60 steps. Its
    defaults are sigmoid, sharpness 30 and midpoint 40 / 60; those of power and base are ours. Steps beyond S count as
    S. All but sigmoid and constant end at exactly 0.
    """
    if total_steps <= 0:
        raise ValueError(f"total_steps is {total_steps}; give the number of training steps, at least 1")
    if not 0.0 <= midpoint <= 1.0:
        raise ValueError(f"midpoint is {midpoint}; give a share of the run, 0 to 1 (step / total_steps)")
    if step < 0:
        raise ValueError(f"step is {step}; training steps count from 0")
    done = min(step / total_steps, 1.0)
    if schedule == "linear":
        return 1.0 - done
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if schedule == "sigmoid":
        # exp overflows for very sharp curves far past the midpoint; there the factor is 0 to double precision
        return 1.0 / (1.0 + math.exp(min(sharpness * (done - midpoint), 700.0)))
    if schedule == "power":
        return 1.0 - done**power
    if schedule == "exponential":
        return 1.0 - base ** (PAPER_STEPS * (1.0 - done))
    if schedule == "constant":
        return 1.0
    raise ValueError(f"schedule is '{schedule}'; choose one of {', '.join(SCHEDULES)}")


def objects_at(step: int | float, max_objects: int, total_steps: int, schedule: Schedule = "linear") -> int:
    """Return how many objects are perturbed at a training step: max_objects * decay, rounded half up.

    Annealing the *number* of perturbed regions linearly is the schedule that the OCR paper (arXiv 2511.13190)
    reports as best; its start and end are not published, so `max_objects` -> 0 is our choice.
    """
    if max_objects < 0:
        raise ValueError(f"max_objects is {max_objects}; give 0 or more")
    # the small addend keeps an exact half, as 3 x (1 - 5/6), from being rounded down by its float error
    return math.floor(max_objects * decay(step, total_steps, schedule) + 0.5 + 1e-9)

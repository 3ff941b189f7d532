"""Where a killed phase of SFT goes on, with the same result: weights, optimizer, and what is drawn next."""

from __future__ import annotations

from pathlib import Path

import torch

from ocr_hf.data.atomic import replacing
from ocr_hf.reference.draw import Draw
from ocr_hf.reference.student import Student


def save_progress(file: Path, step: int, student: Student, optimizer: torch.optim.Optimizer, draw: Draw) -> None:
    """Write the state after a step, at once or not at all."""
    state = {
        "step": step,
        "weights": [each.detach() for each in student.parameters()],
        "optimizer": optimizer.state_dict(),
        "random": draw.rng.bit_generator.state,
        "order": draw.order,
    }
    with replacing(file) as temporary:
        torch.save(state, temporary)


def load_progress(file: Path, student: Student, optimizer: torch.optim.Optimizer, draw: Draw) -> None:
    """Set everything to what `save_progress` wrote."""
    state = torch.load(file, weights_only=True)
    with torch.no_grad():
        for parameter, value in zip(student.parameters(), state["weights"], strict=True):
            parameter.copy_(value)
    optimizer.load_state_dict(state["optimizer"])
    draw.rng.bit_generator.state = state["random"]
    draw.order = state["order"]


def step_of(file: Path) -> int:
    """Return the step after which a state was written, 0 without one."""
    return torch.load(file, weights_only=True)["step"] if file.exists() else 0

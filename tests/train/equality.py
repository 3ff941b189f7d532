"""When are the gradients of two computations of one thing equal?"""

from __future__ import annotations

import torch

Gradients = dict[str, torch.Tensor]


def gradients(model: torch.nn.Module) -> Gradients:
    """Copies of all gradients by the parameters' names."""
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


def assert_same_gradients(found: Gradients, expected: Gradients) -> None:
    """Of every parameter, within 1e-7 of its size in float64, of the vision tower within 1e-6."""
    assert set(found) == set(expected) and expected
    largest = max(float(grad.norm()) for grad in expected.values())
    for name, wanted in expected.items():
        # A bias of keys moves all attention alike: its gradient is rounding, whatever computes it
        size = max(float(wanted.norm()), 1e-6 * largest)
        # transformers' towers turn queries and keys in float32, whatever the model's type
        limit = 1e-6 if ".visual." in name else 1e-7
        assert float((found[name] - wanted).norm()) <= limit * size, name

"""Heads count what is known, and attention is pulled to where it should go."""

from __future__ import annotations

import math

import torch

from recipes.ocr_vsi_tiny.auxiliary_heads import WordHead, attention_loss
from recipes.ocr_vsi_tiny.dense_supervision import NAMED
from recipes.ocr_vsi_tiny.relation_supervision import DECIDED, OUTPUTS, PAIRED, VALUES

NOTHING = math.nan


def untrained(*args, **kwargs):
    head = WordHead(8, *args, **kwargs)
    torch.nn.init.zeros_(head.read.weight)
    torch.nn.init.zeros_(head.read.bias)
    return head


def test_losses_count_what_is_known():
    targets = torch.tensor([[1.0] * 8, [NOTHING] * 6 + [0.0, 0.0], [NOTHING] * 8])
    losses = untrained(NAMED)(torch.randn(3, 8), targets)
    assert set(losses) == set(NAMED)
    # |1 - 0| beyond beta = 0.2: 0.9 for each known value
    torch.testing.assert_close(losses["place"], torch.tensor([2.7, 3.0]))
    torch.testing.assert_close(losses["count"], torch.tensor([0.9, 2.0]))


def test_each_head_reads_its_own_values():
    targets = torch.full((2, VALUES), NOTHING)
    targets[0, DECIDED["number"]] = targets[1, DECIDED["right"]] = 1.0
    words = torch.randn(2, 8)
    losses = untrained(DECIDED, beta=0.1, yes_no=("right",))(words, targets)
    torch.testing.assert_close(losses["number"], torch.tensor([0.95, 1.0]))
    torch.testing.assert_close(losses["right"], torch.tensor([math.log(2.0), 1.0]))
    assert not torch.cat(list(untrained(PAIRED)(words, targets).values())).any()


def test_no_value_is_read_twice():
    taken = [i for part in OUTPUTS.values() for i in range(part.start, part.stop)]
    assert sorted(taken) == list(range(VALUES))


def test_attention_is_pulled_to_where_it_should_go():
    total, count = attention_loss(torch.tensor([1.0, 0.5, 0.0])).tolist()
    assert count == 3 and math.isclose(total, -math.log(1e-4) - math.log(0.5), abs_tol=1e-3)
    assert attention_loss(torch.zeros(0)).tolist() == [0.0, 0.0]

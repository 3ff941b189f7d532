"""Tests of paired differences, against values worked out by hand."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.vsi_bench.significance import bootstrap_p, holm, mcnemar


def test_holm_by_hand() -> None:
    # 3 x .01, then 2 x .02 = .04, then .03, which may not be less than the one before
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.5]) == [1.0, 1.0]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_mcnemar_is_the_sign_test_of_what_differs(pairs) -> None:
    first, second = np.array(pairs).T
    found = mcnemar(first, second)
    gained, lost = sum(b and not a for a, b in pairs), sum(a and not b for a, b in pairs)
    differ, fewer = gained + lost, min(gained, lost)
    exact = min(1.0, 2.0 * sum(comb(differ, k) for k in range(fewer + 1)) / 2.0**differ)
    assert (found.gained, found.lost) == (gained, lost) and found.p == pytest.approx(exact)
    assert mcnemar(second, first).p == pytest.approx(found.p)


def test_p_of_draws() -> None:
    assert bootstrap_p(np.zeros(99)) == 1.0
    assert bootstrap_p(np.ones(999)) == pytest.approx(2 / 1000)
    # 1e-17 is a draw without a difference, whatever its sign
    assert bootstrap_p(np.array([1e-17, -1e-17, 1.0])) == bootstrap_p(np.array([0.0, 0.0, 1.0]))
    assert bootstrap_p(np.array([-1.0] * 10 + [1.0] * 89)) == pytest.approx(2 * 11 / 100)

"""The benchmark runs and ends in the JSON object that others read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_last_line_is_the_figures(root):
    command = [sys.executable, "benchmarks/perturb.py", "--quick"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=300)
    figures = json.loads(run.stdout.splitlines()[-1])
    assert 0.08 < figures["region_share"] < 0.12
    assert figures["machine"]
    for name in (
        "gaussian_fps",
        "jitter_fps",
        "rigid_fps",
        "scale_fps",
        "warp_fps",
        "gaussian_vs_whole_frame",
        "gaussian_vs_plain_numpy",
    ):
        assert figures[name] > 1.0, name

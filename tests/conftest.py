"""Shared test set-up: array shapes are checked, the Hub is unreachable, heavy imports stay single-threaded."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

install_import_hook(["ocr_hf.geometry", "ocr_hf.perturb"], "beartype.beartype")

settings.register_profile("ocr_hf", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("ocr_hf")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The read-only background folder beside the checkout; tests that need it are skipped where it is absent."""
    if not (SHARED / "vsi_bench" / "test.parquet").is_file():
        pytest.skip("the folder ../shared (VSI-Bench rows, the small house) is not on this machine")
    return SHARED

"""The shell of a training command: light to import, so that a wrong TRL is told in one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from ocr_hf.train.versions import check_trl


def command(main: Callable[[], Any], name: str) -> None:
    """Run a command; an error that the user can correct ends it with one sentence and status 1.

    OCR_HF_TRACEBACK=1 shows where it came from.
    """
    try:
        check_trl()  # before anything that needs names of it
        main()
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("OCR_HF_TRACEBACK"):
            raise
        sys.stderr.write(f"{name}: {error}\n")
        raise SystemExit(1) from error

"""ZeroGPU: a decorator that asks for a GPU for as long as the work takes, and does nothing elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable


def on_gpu(duration: Callable[..., int]) -> Callable[[Callable], Callable]:
    """Return `spaces.GPU(duration=...)` on a ZeroGPU Space, else a decorator that leaves functions as they are.

    duration : given the function's arguments, the seconds that the work needs
    """
    if not os.environ.get("SPACES_ZERO_GPU"):
        return lambda function: function
    import spaces

    return spaces.GPU(duration=duration)

"""Stopping a model in the middle of an answer.

Gradio cancels what waits in its queue, but lets a running function finish: with a large model on a CPU, minutes later.
A visitor's Stop therefore puts a file where the model looks before every layer. It is a file because on ZeroGPU the
model runs in another process.
"""

from __future__ import annotations

import os
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .problems import Problem
from .writing import text_file


class Stopped(Problem):
    """The visitor stopped what was running."""

    def __init__(self) -> None:
        super().__init__("Stopped.")


class Stops:
    """What runs now for which visitor, and the files that stop it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ocr_demo_stops_"))
        self._running: dict[Path, tuple[str, str]] = {}
        self._refused: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def running(self, visitor: str, kind: str) -> Iterator[Path]:
        """Yield the path of the file that will stop what runs in this block.

        visitor : Gradio's session hash; kind : what runs, for `stop`
        """
        flag = self._folder / f"stop-{uuid.uuid4().hex}"
        with self._lock:
            self._running[flag] = (visitor, kind)
        try:
            yield flag
        finally:
            with self._lock:
                del self._running[flag]
                for file in (flag, text_file(flag)):
                    file.unlink(missing_ok=True)

    def refuse(self, visitor: str, kind: str) -> None:
        """Stop what runs of a kind for a visitor, and what was asked for and hasn't begun."""
        with self._lock:
            self._refused.add((visitor, kind))
        self.stop(visitor, kind)

    def renew(self, visitor: str, kind: str) -> None:
        """Stop what runs of a kind, because something newer was asked for; that may run."""
        self.stop(visitor, kind)
        with self._lock:
            self._refused.discard((visitor, kind))

    def refused(self, visitor: str, kind: str) -> bool:
        """Whether the visitor has refused this kind and asked for nothing since."""
        with self._lock:
            return (visitor, kind) in self._refused

    def leave(self, visitor: str) -> None:
        """Stop everything of a visitor who is gone, and forget them."""
        self.stop(visitor)
        with self._lock:
            self._refused = {one for one in self._refused if one[0] != visitor}

    def stop(self, visitor: str, kind: str | None = None) -> int:
        """Stop what runs of a kind (None: of any) for a visitor; return how many it was."""
        with self._lock:
            flags = [flag for flag, job in self._running.items() if job[0] == visitor and kind in (None, job[1])]
            for flag in flags:
                flag.touch()
        return len(flags)


def check(flag: Path | str | None) -> None:
    """Raise Stopped where the file that stops is there; a run without one can't be stopped."""
    if flag is not None and os.path.exists(flag):
        raise Stopped


@contextmanager
def stoppable(model: Any, flag: Path | str | None) -> Iterator[None]:
    """Let a PyTorch model look for the file before each of its layers, and raise Stopped there.

    So an answer stops between two layers, also while a long prompt or the video is read; `generate`'s own stopping
    criteria are asked once for each new token.
    """
    from torch.nn import ModuleList

    layers = [layer for stack in model.modules() if isinstance(stack, ModuleList) for layer in stack]
    hooks = [layer.register_forward_pre_hook(lambda *_: check(flag)) for layer in layers] if flag is not None else []
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()

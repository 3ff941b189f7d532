"""Answers while they are written: for what a large model on a small machine takes a minute, visitors can read along.

What is written goes through a file, as a Stop does (stopping.py): on ZeroGPU the model runs in another process.
transformers' streamers take one sequence at a time, and here both videos are answered in one batch.
"""

from __future__ import annotations

import contextvars
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

EVERY_S = 0.25
"""How often what is written is put down, and looked for."""
Result = TypeVar("Result")


def text_file(flag: Path | str) -> Path:
    """Return the file with what is written so far, beside the file that stops it."""
    return Path(f"{flag}.text")


@contextmanager
def written_down(model: Any, tokenizer: Any, flag: Path | str | None) -> Iterator[None]:
    """Let a PyTorch model put down what it has generated in this block: a JSON list, one text a sequence.

    A token is put down when it is read for the next one, so the last never is; it is in the answer itself.
    """
    if flag is None:
        yield
        return
    steps: list = []
    last = time.monotonic()

    def note(_module: Any, _arguments: tuple, named: dict) -> None:
        nonlocal last
        tokens = named.get("input_ids")
        if tokens is None or tokens.shape[1] != 1:
            return  # prompts, which are longer than one token
        steps.append(tokens.detach())
        if time.monotonic() - last < EVERY_S:
            return
        last = time.monotonic()
        sequences = zip(*(step[:, 0].tolist() for step in steps), strict=True)
        texts = tokenizer.batch_decode([list(sequence) for sequence in sequences], skip_special_tokens=True)
        temporary = Path(f"{text_file(flag)}.new")
        temporary.write_text(json.dumps(texts), encoding="utf-8")
        os.replace(temporary, text_file(flag))

    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def as_written(flag: Path, work: Callable[..., Result], *arguments: Any) -> Iterator[list[str] | Result]:
    """Yield the texts so far whenever they have grown, and at last what `work(*arguments)` returns.

    flag : the file that stops it; it is stopped too where nobody waits for the result any more
    """
    told: list[str] = []
    text_file(flag).unlink(missing_ok=True)  # of the model that was asked before, under the same flag
    with ThreadPoolExecutor(1, thread_name_prefix="answer") as pool:
        # With this thread's context, from which ZeroGPU knows whose request it is
        job: Future = pool.submit(contextvars.copy_context().run, work, *arguments)
        try:
            while not wait([job], timeout=EVERY_S).done:
                texts = _read(text_file(flag))
                if texts and texts != told:
                    told = texts
                    yield texts
            yield job.result()
        finally:
            if not job.done():
                flag.touch()


def _read(file: Path) -> list[str]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []

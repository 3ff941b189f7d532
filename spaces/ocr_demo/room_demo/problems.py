"""Errors as visitors see them: one sentence, no path of the server, no trace."""

from __future__ import annotations

import functools
import inspect
import logging
import re
from collections.abc import Callable
from html import escape
from typing import Any

logger = logging.getLogger(__name__)
# At least two separators, so that "and/or" and ORG/NAME stay as they are
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][^\\/\s:'\"]+)+[\\/]([^\\/\s:'\"]+)")
MEMORY = "There is not enough memory for this; use fewer frames, a smaller model or a smaller scene."
UNKNOWN = "Something went wrong on the server; the page still works. Try again, or change the input."


def warn(text: str) -> None:
    """Show a warning; what a visitor, a file or a link wrote in it is text, though the page takes it for HTML."""
    import gradio as gr

    gr.Warning(escape(text, quote=False))


class Problem(ValueError):
    """Something a visitor can correct; its text is shown as it is."""


def sentence_for(error: BaseException) -> str:
    """Return the sentence that a visitor sees for an error: library messages keep their text but lose folders."""
    if isinstance(error, Problem):
        return str(error)
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        return MEMORY
    if isinstance(error, (ValueError, FileNotFoundError)) and "\n" not in str(error).strip():
        return without_folders(str(error))[:600]
    return UNKNOWN


def without_folders(text: str) -> str:
    """Return text with every path cut down to its last part: nobody needs to know where things are on the server."""
    return _PATH.sub(r"\1", text)


def guarded(function: Callable, on_page: bool = True) -> Callable:
    """Wrap a handler (also a generator) so that every error reaches the visitor as gr.Error with one sentence.

    on_page : the sentence is shown by the page, which takes it for HTML; False for programs, which get it as it is
    """

    def as_page_error(error: Exception) -> Exception:
        import gradio as gr

        if isinstance(error, gr.Error):
            return error
        if not isinstance(error, Problem):
            logger.exception("%s failed", function.__name__)
        sentence = sentence_for(error)
        return gr.Error(escape(sentence, quote=False) if on_page else sentence, duration=12, print_exception=False)

    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from function(*args, **kwargs)
            except Exception as error:
                raise as_page_error(error) from None

        return generator

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise as_page_error(error) from None

    return plain

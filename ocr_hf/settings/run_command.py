"""One command from its words to its exit status: 0 done, 1 a mistake in one sentence, 2 usage, 130 interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import typer

from ocr_hf.registry import use_plugins
from ocr_hf.settings.command_options import PLUGINS, UsageError, command_of, takes_plugins
from ocr_hf.settings.config_file import read_config
from ocr_hf.settings.extras import extra_of

MISTAKES = (ValueError, OSError, ImportError)


def load(target: str) -> Callable[..., Any]:
    """Return the function that `module:name` names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def call(function: Callable[..., Any], words: Sequence[str], name: str) -> Any:
    """Run a command and return what its function returns; errors are the caller's.

    Raises:
        typer.Exit: Help was asked for.
    """
    words = list(words)
    if takes_plugins(function):
        use_plugins(_plugins(words))  # the names they register are choices of the options read next
    command = command_of(function, name)
    with command.make_context(name, words) as context:
        return command.invoke(context)


def run(target: str, name: str, words: Sequence[str] | None = None) -> None:
    """Run a command as a process does: an error is printed to stderr, and its status ends the process.

    Args:
        target: `module:function`; imported only here, so that a missing package is reported in one sentence too.
        name: How the user called it.
        words: The command line after the name; by default the process's.

    Raises:
        SystemExit: Always, with the status.
    """
    words = sys.argv[1:] if words is None else list(words)
    function = None
    try:
        function = load(target)
        call(function, words, name)
        raise SystemExit(0)
    except typer.Exit as ended:
        raise SystemExit(ended.exit_code) from ended
    except UsageError as error:
        if "--traceback" in words:
            raise
        typer.echo(f"{name}: {error.format_message().rstrip('.')} ({name} -h shows how)", err=True)
        raise SystemExit(2) from error
    except MISTAKES as error:
        _tell(name, error, words)
    except (KeyboardInterrupt, typer.Abort) as error:
        typer.echo(f"{name}: interrupted", err=True)
        raise SystemExit(130) from error
    # Usually a fault of the program, whose traceback is wanted; a command may declare it a user's mistake
    except RuntimeError as error:
        if not isinstance(error, getattr(function, "_mistakes", ())) and _with_extra(error) == str(error):
            raise
        _tell(name, error, words)


def _tell(name: str, error: Exception, words: Sequence[str]) -> None:
    if "--traceback" in words:
        raise error
    typer.echo(f"{name}: {_with_extra(error)}", err=True)
    raise SystemExit(1) from error


def _with_extra(error: Exception) -> str:
    """Return an error's text; of a package that an extra brings, how to install it."""
    cause: BaseException | None = error
    while cause is not None:  # libraries wrap what they failed to import
        if isinstance(cause, ModuleNotFoundError) and (extra := extra_of(cause.name)):
            return f"this needs {cause.name}, which isn't installed; pip install 'ocr-hf[{extra}]'"
        cause = cause.__cause__
    return str(error)


def _plugins(words: Sequence[str]) -> list[str]:
    """Return the modules that a command line and its file name, before anything else of them is read."""
    found, file = [], []
    for word, following in zip(words, [*words, ""][1:], strict=True):
        option, equals, value = word.partition("=")
        value = value if equals else following
        if option == "--config":
            file = read_config(value).get(PLUGINS) or []
        elif option in ("--plugin", "--plugins"):
            found.append(value)
    return [*([file] if isinstance(file, str) else file), *found]

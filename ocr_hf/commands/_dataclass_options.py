"""Command-line options from a dataclass, so that an option's name, type, default and help stand in one place."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Annotated, Any, get_args, get_type_hints

import typer


def options_of(dataclass: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that replaces a command's `**options` by one option for each field of `dataclass`.

    A field's metadata["help"] is its help text. Options that aren't given arrive as None or [], so that a file can
    hold values which flags override.
    """
    hints = get_type_hints(dataclass)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [item for item in signature.parameters.values() if item.kind is not inspect.Parameter.VAR_KEYWORD]
        made = [
            _parameter(item.name, hints[item.name], item.default, item.metadata["help"]) for item in fields(dataclass)
        ]
        parameters = [
            item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own if item.default is not item.empty
        ]
        positional = [item for item in own if item.default is item.empty]
        command.__signature__ = signature.replace(parameters=[*positional, *made, *parameters])
        command.__annotations__ = {item.name: item.annotation for item in [*positional, *made, *parameters]}
        return command

    return decorate


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {name: value for name, value in options.items() if value not in (None, [])}


def as_flags(options: Mapping[str, Any]) -> str:
    """Return given options as a shell would read them."""
    words = []
    for name, value in options.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            words += [f"--{name.replace('_', '-')}", str(item)]
    return shlex.join(words)


def _parameter(name: str, hint: Any, default: Any, help: str) -> inspect.Parameter:
    many = getattr(hint, "__origin__", None) is tuple
    kind = list[get_args(hint)[0]] if many else hint
    shown = f"{help} (default {default})" if default not in (None, (), "") else help
    annotation = Annotated[kind if many else kind | None, typer.Option(help=shown, show_default=False)]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=[] if many else None, annotation=annotation)

"""Commands from functions and dataclasses: an option's name, type, default and help stand in one place, the field.

A command is a function. Those of its parameters that are settings are dataclass instances, named by `@options(...)`;
its other parameters are options and arguments of its own, as Typer reads them. Every command also has `--config FILE`,
whose YAML may hold anything that a flag may, and `--traceback`.
"""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand

from ocr_hf.settings.config_file import read_config
from ocr_hf.settings.names import flag, unknown_name
from ocr_hf.settings.read_value import SettingError, can_be_given, is_list, is_switch, members, metavar, read_value

Function = TypeVar("Function", bound=Callable[..., Any])
Kinds = Callable[[], Sequence[type]]

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""Click's exception for a command line that can't be read; Typer carries a Click of its own, which it doesn't name."""
PLUGINS = "plugins"


@dataclass(frozen=True)
class Setting:
    """One field of a dataclass as an option.

    Args:
        name: In Python and YAML; the flag has hyphens.
        hint: Its type.
        field: Its default and metadata.
        panel: Heading in the help text: whose setting it is.
    """

    name: str
    hint: Any
    field: Field
    panel: str | None


def options(kinds: Kinds, plugins: bool = False, mistakes: tuple[type[Exception], ...] = ()) -> Callable:
    """Mark a function as a command whose first parameters are dataclass instances.

    Args:
        kinds: Returns the dataclasses, in the order of the parameters. A function, so that a command can be imported,
            and say which package is missing, without what the dataclasses need.
        plugins: Take `--plugin MODULE`: the user's modules are imported before the dataclasses are.
        mistakes: Exceptions that are reported in one sentence, besides ValueError, OSError and ImportError.
    """

    def mark(function: Function) -> Function:
        function._kinds, function._plugins, function._mistakes = kinds, plugins, mistakes  # type: ignore[attr-defined]
        return function

    return mark


def takes_plugins(function: Callable[..., Any]) -> bool:
    """Return whether a command has `--plugin`."""
    return getattr(function, "_plugins", False)


def settings_of(*kinds: type) -> dict[str, Setting]:
    """Return name -> setting of all fields of dataclasses that text can say; ours come before those of other packages.

    Raises:
        TypeError: Two dataclasses have a field of one name.
    """
    found: list[Setting] = []
    for kind in kinds:
        hints = get_type_hints(kind)
        for item in fields(kind):
            if item.init and can_be_given(hints[item.name]):
                found.append(Setting(item.name, hints[item.name], item, _panel(kind, item.name)))
    names = [setting.name for setting in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TypeError(f"{', '.join(twice)}: fields of more than one of {', '.join(kind.__name__ for kind in kinds)}")
    return {setting.name: setting for setting in sorted(found, key=lambda setting: setting.panel is not None)}


def _panel(kind: type, name: str) -> str | None:
    """Return the heading for a field that another package's dataclass owns, None for ours."""
    owners = [base for base in kind.__mro__ if name in vars(base).get("__annotations__", {})]
    if any(base.__module__.startswith("ocr_hf.") for base in owners) or not owners:
        return None
    package = owners[0].__module__.partition(".")[0]
    return f"Options of {({'trl': 'TRL', 'transformers': 'transformers'}).get(package, package)}"


def default_of(item: Field) -> Any:
    """Return a field's default; a new one where it is made by a factory."""
    return item.default if item.default_factory is MISSING else item.default_factory()


def make(kinds: Sequence[type], given: Mapping[str, Any], file: Mapping[str, Any], path: Path | None = None) -> list:
    """Return one instance of each dataclass from flags and a file's values; flags go before the file.

    Args:
        kinds: Dataclasses.
        given: Name -> text, list of texts or True and False, as flags give them.
        file: Name -> value, as YAML has them.
        path: The file, for messages.

    Raises:
        UsageError: A flag's value can't be read as its field's type.
        SettingError: One of the file's can't.
        ValueError: The dataclass itself refuses a value.
    """
    made = []
    for kind in kinds:
        values: dict[str, Any] = {}
        for name, setting in settings_of(kind).items():
            if name in given:
                value = given[name]
                if str in members(setting.hint) and isinstance(value, list) and len(value) == 1:
                    (value,) = value  # a pattern or a name may stand alone where a list is allowed, and means more
                values[name] = _read_flag(setting.hint, value, flag(name))
            elif name in file:
                values[name] = read_value(setting.hint, file[name], f"{path}: {name}" if path else name)
        made.append(kind(**values))
    return made


def as_flags(*configs: Any) -> list[str]:
    """Return the words of a command line that give dataclass instances again: those that aren't the default."""
    words: list[str] = []
    for config in configs:
        for setting in settings_of(type(config)).values():
            value = getattr(config, setting.name)
            if value == default_of(setting.field):
                continue
            if isinstance(value, bool) and is_switch(setting.hint):
                words.append(flag(setting.name if value else f"no_{setting.name}"))
                continue
            for item in value if isinstance(value, list | tuple) else [value]:
                words += [flag(setting.name), json.dumps(item) if isinstance(item, dict) else str(item)]
    return words


def as_command_line(words: Iterable[Any]) -> str:
    """Return words as a shell reads them."""
    return shlex.join(map(str, words))


def command_of(function: Callable[..., Any], name: str) -> TyperCommand:
    """Return a function as a command.

    Args:
        function: As the module's docstring says.
        name: As the user calls it, for usage lines.
    """
    kinds = tuple(getattr(function, "_kinds", tuple)())
    settings = settings_of(*kinds)
    own = [_evaluated(item, function) for item in list(inspect.signature(function).parameters.values())[len(kinds) :]]

    def call(typer_context: typer.Context, **values: Any) -> Any:
        given = {key: values[key] for key in settings if values[key] is not None and values[key] != []}
        file, path = typer_context.obj or ({}, None)
        return function(*make(kinds, given, file, path), **{item.name: values[item.name] for item in own})

    parameters = [
        *(item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own if item.default is item.empty),
        *map(_parameter, settings.values()),
        *(item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own if item.default is not item.empty),
        *_common(takes_plugins(function), set(settings) | {item.name for item in own}),
    ]
    parameters.sort(key=lambda item: _panel_of(item) is not None)
    context = inspect.Parameter("typer_context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters.insert(0, context)
    # Typer reads names and defaults from the signature, and types from the annotations
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {item.name: item.annotation for item in parameters}
    call.__doc__ = function.__doc__
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(name, cls=Command, context_settings={"help_option_names": ["-h", "--help"]})(call)
    command = typer.main.get_command(app)
    assert isinstance(command, Command)
    command.settings = frozenset(settings)
    return command


def _evaluated(parameter: inspect.Parameter, function: Callable[..., Any]) -> inspect.Parameter:
    """Return a parameter whose annotation, text where its module imports `annotations`, is what the text says.

    Only the command's own: the dataclasses among the annotations may not be imported yet.
    """
    annotation = parameter.annotation
    if isinstance(annotation, str):
        annotation = eval(annotation, function.__globals__)
    return parameter.replace(annotation=annotation)


def _parameter(setting: Setting) -> inspect.Parameter:
    default = default_of(setting.field)
    text = " ".join(str(setting.field.metadata.get("help") or "").split())
    text = text.replace("[", r"\[")  # not rich's markup
    if default is not MISSING and default not in (None, (), [], ""):
        text = f"{text} (default {_shown(default)})".strip()
    how: dict[str, Any] = {"help": text, "show_default": False, "rich_help_panel": setting.panel or "Options"}
    if is_switch(setting.hint):
        option = typer.Option(f"{flag(setting.name)}/{flag('no_' + setting.name)}", **how)
        annotation: Any = Annotated[bool | None, option]
    else:
        option = typer.Option(flag(setting.name), metavar=metavar(setting.hint), **how)
        annotation = Annotated[list[str] if is_list(setting.hint) else str | None, option]
    value = [] if is_list(setting.hint) else None
    return inspect.Parameter(setting.name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=annotation)


def _shown(default: Any) -> str:
    """Return a default as one would write it as a flag."""
    if isinstance(default, list | tuple):
        return ", ".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(getattr(default, "value", default))


def _panel_of(parameter: inspect.Parameter) -> str | None:
    for item in getattr(parameter.annotation, "__metadata__", ()):
        panel = getattr(item, "rich_help_panel", None)
        return None if panel == "Options" else panel
    return None


def _common(plugins: bool, taken: set[str]) -> Iterator[inspect.Parameter]:
    """Yield the parameters that every command has."""
    config = typer.Option("--config", metavar="<file>", help="YAML file of any of these options; flags override it")
    traceback = typer.Option("--traceback", help="show where an error came from")
    plugin = typer.Option("--plugin", metavar="<module>", help="your module that registers entries; may be repeated")
    found: dict[str, tuple[Any, Any]] = {"config": (Annotated[Path | None, config], None)}
    if plugins:
        found[PLUGINS] = (Annotated[list[str], plugin], [])
    found["traceback"] = (Annotated[bool, traceback], False)
    for name, (annotation, default) in found.items():
        assert name not in taken, name
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


class Command(TyperCommand):
    """A command that takes `--max_steps` for `--max-steps` and `--bf16 false` for `--no-bf16`, and a YAML file."""

    settings: frozenset[str] = frozenset()
    """Names of the parameters that are fields of dataclasses: their values are read by `make`, not by Click."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        """Read the file, then the flags."""
        # A shell completes a line that is unfinished, so nothing in it is an error yet
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        words = list(self._words(args))
        path = next((words[i + 1] for i, word in enumerate(words[:-1]) if word == "--config"), None)
        if path is not None and not {"-h", "--help"} & set(words):
            by_name = {_yaml_name(param): param for param in self.params}
            values = read_config(path, by_name.keys() - {"config", "traceback"})
            ctx.obj = {name: value for name, value in values.items() if name in self.settings}, Path(path)
            own = {by_name[name]: value for name, value in values.items() if name not in self.settings}
            ctx.default_map = {param.name: _as_default(param, value, path) for param, value in own.items()}
        return super().parse_args(ctx, words)

    def _words(self, args: Sequence[str]) -> Iterator[str]:
        """Yield a command line in the one spelling that Click knows."""
        takes = {word: param for param in self.params for word in param.opts if word.startswith("-")}
        off = {word: param for param in self.params for word in getattr(param, "secondary_opts", ())}
        has_arguments = any(param.param_type_name == "argument" for param in self.params)
        rest = list(args)
        while rest:
            word = rest.pop(0)
            if word == "--":
                yield from (word, *rest)
                return
            if not word.startswith("--") or word == "--help":
                yield word
                continue
            name, equals, value = word[2:].partition("=")
            name = flag(name)
            name = "--plugin" if name == "--plugins" and "--plugin" in takes else name
            param = takes.get(name) or off.get(name)
            if param is None:
                raise UsageError(unknown_name(_python(name), map(_python, takes), flag))
            if not param.is_flag:
                if not equals and not rest:
                    raise UsageError(f"{name} needs a value")
                yield from (name, value if equals else rest.pop(0))
                # transformers' parser takes lists as --rewards accuracy format, and users of it write them so
                while param.multiple and not has_arguments and rest and not rest[0].startswith("-"):
                    yield from (name, rest.pop(0))
                continue
            if not equals and rest and rest[0].lower() in ("true", "false"):
                equals, value = "=", rest.pop(0)
            on = (name in takes) == (not equals or _read_flag(bool, value, name))
            if on:
                yield param.opts[0]
            elif param.secondary_opts:
                yield param.secondary_opts[0]


def _yaml_name(param: Any) -> str:
    """Return what a parameter is called in a YAML file: its flag's name, not that of a Python variable."""
    return param.name if param.param_type_name == "argument" or param.name == PLUGINS else _python(param.opts[0])


def _as_default(param: Any, value: Any, path: str) -> Any:
    """Return a file's value as Click wants the default of one of a command's own parameters."""
    if getattr(param, "multiple", False):
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    if getattr(param, "is_flag", False):
        return read_value(bool, value, f"{path}: {_yaml_name(param)}")
    return None if value is None else read_value(str, value, f"{path}: {_yaml_name(param)}")


def _read_flag(hint: Any, value: Any, name: str) -> Any:
    """Return a flag's value; a mistake in it is one in the command line."""
    try:
        return read_value(hint, value, name)
    except SettingError as error:
        raise UsageError(str(error)) from error


def _python(word: str) -> str:
    return word.lstrip("-").replace("-", "_")

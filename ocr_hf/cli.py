"""`ocr-hf NAME ...` runs `main` of `ocr_hf/commands/NAME.py`, imported only when asked for."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

COMMANDS = {
    "build": "make an ocr-vsi folder: vanilla and region-noisy video pairs with questions",
    "view": "draw a contact sheet of an ocr-vsi folder",
    "questions": "print the VSI-Bench questions of one scene",
    "eval": "run a model on VSI-Bench or ocr-vsi, or score predictions",
    "tiny-model": "build a small untrained Qwen2.5-VL, offline",
    "benchmark": "build ocr-vsi-test, a frozen benchmark of unseen rooms, and check it",
    "card": "render a model's card from its measured files",
    "push": "publish a data set, model, metric or Space on the Hub",
    "pull": "fetch one back, by revision, with checksums",
}
"""Command -> what it does. A command's module is `ocr_hf.commands.` + its name with underscores."""


def usage() -> str:
    """Return the text that `ocr-hf --help` shows."""
    lines = [f"  {name:<20} {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "ocr-hf: Object-Centric 3D Rollout (OCR) for video language models.",
            "",
            "usage: ocr-hf COMMAND [OPTIONS]      (ocr-hf COMMAND --help lists a command's options)",
            "",
            *lines,
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    """Run one command; bad usage ends with status 2, a failure the user can mend with status 1 and one sentence."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        typer.echo(usage())
        raise SystemExit(0 if arguments else 2)
    name, rest = arguments[0], arguments[1:]
    if name == "--version":
        from ocr_hf import __version__

        typer.echo(__version__)
        return
    if name not in COMMANDS:
        typer.echo(f"ocr-hf has no command '{name}'; it has: {', '.join(COMMANDS)}", err=True)
        raise SystemExit(2)
    module = import_module("ocr_hf.commands." + name.replace("-", "_"))
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(module.main)
    try:
        app(args=rest, prog_name=f"ocr-hf {name}")
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        if "--traceback" in sys.argv:
            raise
        typer.echo(f"ocr-hf {name}: {error}", err=True)
        raise SystemExit(1) from error
    except KeyboardInterrupt as error:
        typer.echo(f"ocr-hf {name}: interrupted", err=True)
        raise SystemExit(130) from error


if __name__ == "__main__":
    main()

"""`ocr-hf NAME ...`: one group of commands, each imported only when it runs."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ocr_hf.settings.completion import completing_command
from ocr_hf.settings.run_command import run

COMMANDS = {
    "build": ("ocr_hf.commands.build:main", "make an ocr-vsi folder: vanilla and region-noisy videos with questions"),
    "view": ("ocr_hf.commands.view:main", "draw a contact sheet of an ocr-vsi folder"),
    "place": ("ocr_hf.commands.place:main", "renew load_dataset's cache key of a copied, moved or edited folder"),
    "questions": ("ocr_hf.commands.questions:main", "print the VSI-Bench questions of one scene"),
    "convert-scan": (
        "ocr_hf.commands.convert_scan:main",
        "write a scan of ScanNet as a folder for build --source recorded",
    ),
    "cameras": (
        "ocr_hf.commands.cameras:main",
        "find a phone video's cameras and write it as a folder for build --source recorded",
    ),
    "check-scene": (
        "ocr_hf.commands.check_scene:main",
        "check a mesh file or a recorded scene before a data set is built of it",
    ),
    "join": ("ocr_hf.commands.join:main", "make the clips that recipes of scans name, of your own copy of the scans"),
    "sft": ("ocr_hf.train.sft:main", "fine-tune a model on questions, reasoning and answers"),
    "grpo": ("ocr_hf.train.grpo:main", "train it by OCR-GRPO, on one process; `accelerate launch` starts several"),
    "merge": ("ocr_hf.commands.merge:main", "make one model of an adapter and its base, or of a checkpoint in parts"),
    "eval": ("ocr_hf.commands.eval:main", "run a model on VSI-Bench or ocr-vsi, or score predictions"),
    "compare": ("ocr_hf.commands.compare:main", "compare runs of eval question by question, with intervals and tests"),
    "tiny-model": ("ocr_hf.commands.tiny_model:main", "build a small untrained Qwen2.5-VL, offline"),
    "benchmark": ("ocr_hf.commands.benchmark:main", "build ocr-vsi-test, a frozen benchmark of unseen rooms"),
    "experiment": ("ocr_hf.commands.experiment:main", "test the claim of OCR: run cells of an experiment, report them"),
    "card": ("ocr_hf.commands.card:main", "render a model's card from its measured files"),
    "push": ("ocr_hf.commands.push:main", "publish a data set, model, metric or Space on the Hub"),
    "pull": ("ocr_hf.commands.pull:main", "fetch one back, by revision, with checksums"),
}
"""Command -> the function that is run, and what it does."""
COMPLETE = "_OCR_HF_COMPLETE"
"""Environment variable by which a shell asks for completions."""


class Commands(TyperGroup):
    """The commands by name and summary; none is imported to list them, nor PyTorch to complete them."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        """Return the commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        """Return a command that has a name and a summary only."""
        return TyperCommand(name=cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:
        """Return a command with its options; a shell asks for it when it completes one."""
        if args[0] not in COMMANDS:
            return None, None, args[1:]
        return args[0], completing_command(COMMANDS[args[0]][0], args[0]), args[1:]


app = typer.Typer(
    cls=Commands,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Object-Centric 3D Rollout (OCR) for video language models: data, training, evaluation, publishing.",
    epilog="ocr-hf COMMAND -h lists a command's options; every command takes them from a YAML file with --config, too.",
)


@app.callback()
def _group(version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False) -> None:
    """Take the options that stand before a command."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command line.

    Args:
        arguments: Its words after `ocr-hf`; by default the process's.

    Raises:
        SystemExit: With status 0 when done, 1 after a mistake in one sentence, 2 for usage, 130 when interrupted.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    if COMPLETE in os.environ:
        app(prog_name="ocr-hf")
    elif words and words[0] in COMMANDS:
        run(COMMANDS[words[0]][0], f"ocr-hf {words[0]}", words[1:])
    elif words == ["--version"]:
        from ocr_hf import __version__

        typer.echo(__version__)
    elif words and not words[0].startswith("-"):
        near = get_close_matches(words[0], COMMANDS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(COMMANDS)}"
        typer.echo(f"ocr-hf has no command '{words[0]}'; {hint}", err=True)
        raise SystemExit(2)
    else:
        app(words or ["--help"], prog_name="ocr-hf", standalone_mode=bool(words))
        raise SystemExit(0 if words else 2)


if __name__ == "__main__":
    main()

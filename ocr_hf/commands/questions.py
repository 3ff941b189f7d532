"""`ocr-hf questions`: print the VSI-Bench questions of one scene."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ocr_hf.settings.command_options import options


@options(list, plugins=True)
def main(
    scene: Annotated[
        str, typer.Argument(help="SOURCE:SEED, a mesh file, or META_INFO.json:NAME for VSI-Bench's own metadata")
    ],
    seed: Annotated[int, typer.Option(help="decides which candidates are asked, letters and wording")] = 0,
    question_types: Annotated[
        list[str] | None, typer.Option(help="question type; may be repeated; left out: VSI-Bench's")
    ] = None,
    rules: Annotated[str, typer.Option(help="exact, or official to reproduce VSI-Bench's answers")] = "exact",
    instances: Annotated[Path | None, typer.Option(help="JSON that says which mesh nodes are one object")] = None,
    labels: Annotated[Path | None, typer.Option(help="table that maps the file's classes to categories")] = None,
    up: Annotated[str | None, typer.Option(help="vertical axis of a mesh file, y or z; left out: detected")] = None,
    units: Annotated[str | None, typer.Option(help="its unit: m, cm, mm, in, ft; left out: m, checked")] = None,
    strays: Annotated[str | None, typer.Option(help="what lies far away or outside: keep, drop")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object instead of text")] = False,
) -> None:
    """Print the questions of one scene, with answers, reasoning and what was left out why.

    The whole scene is asked about, as VSI-Bench does; `ocr-hf build` asks only about what a clip shows.
    """
    from rich.console import Console

    from ocr_hf.questions.exclude import why_excluded
    from ocr_hf.questions.generate import generate_questions
    from ocr_hf.questions.question import VSI_BENCH_TYPES, QuestionConfig

    opened = _open(scene, {"instances": instances, "labels": labels, "up": up, "units": units, "strays": strays})
    types = tuple(question_types) if question_types else VSI_BENCH_TYPES
    config = QuestionConfig(types, visibility=None, rules=rules)
    made = generate_questions(opened, None, None, seed, config)
    if as_json:
        questions = [asdict(question) for question in made.questions]
        typer.echo(json.dumps({"scene_name": opened.name, "questions": questions, "left_out": dict(made.skipped)}))
        return
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for question in made.questions:
        console.print(f"[{question.question_type}] {question.question}", style="bold")
        for option in question.options or ():
            console.print(f"  {option}")
        console.print(f"  answer: {question.ground_truth}", style="green")
        console.print(f"  {question.reasoning}", style="dim")
    console.print(f"{opened.name}: {len(made.questions)} questions")
    _print_skipped(console, made.skipped)
    excluded = why_excluded(opened.name)
    if excluded is not None:
        console.print(f"Not for training: {excluded}.", style="yellow")


def _print_skipped(console, skipped: Mapping[str, int]) -> None:
    for reason, count in sorted(skipped.items(), key=lambda item: -item[1]):
        console.print(f"  left out {count:>4}  {reason}", style="dim")


def _open(scene: str, mesh_options: Mapping[str, Any]):
    """Return the scene that the argument names; raise ValueError with the three forms if it names none."""
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_plan import ScenePlan
    from ocr_hf.data.sources import SCENE_SOURCES

    source, _, name = scene.rpartition(":")
    if source in SCENE_SOURCES and name.isdecimal():
        config = BuildConfig(source=source, scenes=1)
        opener, seed = config.scene_source, int(name)
        return opener.open(config, ScenePlan(0, opener.scene_name(config, 0, seed), seed, config.split, ()))
    if source.endswith(".json"):
        from ocr_hf.scenes.readers.vsi_meta import read_meta_info

        scenes = read_meta_info(Path(source))
        if name not in scenes:
            raise ValueError(f"{source} has no scene '{name}'; it has {', '.join(list(scenes)[:5])}, ...")
        return scenes[name]
    if Path(scene).is_file():
        from ocr_hf.scenes.readers.mesh_file import load_mesh_scene

        return load_mesh_scene(Path(scene), **mesh_options)
    raise ValueError(
        f"there is no scene '{scene}'; give SOURCE:SEED, such as procedural:7, a mesh file, or META_INFO.json:NAME"
    )

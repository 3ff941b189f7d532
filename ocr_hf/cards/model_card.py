"""Rendering a model's card: metadata, text and results from the files that were measured, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr_hf.cards.gather import gather
from ocr_hf.cards.metadata import eval_results, metadata
from ocr_hf.cards.source_files import RECORD, CardInputs, digests, inputs_to_json
from ocr_hf.cards.sourced import Literal, Renderer, Sourced, read_source
from ocr_hf.cards.stages import stage
from ocr_hf.cards.values import compared_name, compared_rows, evaluation, identity, snippet, trained_on
from ocr_hf.data.atomic import replacing, write_json

TEMPLATE = Path(__file__).with_name("model_card.md")


@dataclass(frozen=True)
class RenderedCard:
    """A card's files: README.md, the `.eval_results/` by path, and the list of numbers with their sources."""

    readme: str
    eval_results: dict[str, str]
    printed: list[dict[str, str]]


def write_model_card(
    folder: Path,
    repo: str,
    *,
    evaluations: Sequence[Path] = (),
    training: Sequence[Path] = (),
    data: Sequence[Path] = (),
    comparisons: Sequence[Path] = (),
    licence: str | None = None,
    revision: str = "main",
) -> RenderedCard:
    """Render the card of a model folder into it, with its sources; return what was written.

    evaluations : folders written by `ocr-hf eval` for exactly these weights
    training : output folders of earlier stages (SFT); the model's own folder counts as the last
    data : folders of data sets that it was trained on
    comparisons : as `evaluations`, of other models on the same questions
    licence : of the weights; needed where the base model is from the Hub
    revision : branch or tag that the snippet names
    Raises CardError for sources that are missing, unreadable or of another model.
    """
    folder = Path(folder)
    inputs = gather(folder, repo, evaluations, training, data, comparisons, licence, revision)
    card = render_model_card(folder, inputs)
    # Named after data sets, so the file of one that is no longer evaluated would stay
    for stale in folder.glob(".eval_results/*.yaml"):
        stale.unlink()
    for path, text in {"README.md": card.readme, **card.eval_results}.items():
        (folder / path).parent.mkdir(exist_ok=True)
        with replacing(folder / path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    record = {"inputs": inputs_to_json(inputs), "files": digests(folder, inputs), "printed": card.printed}
    (folder / RECORD).parent.mkdir(exist_ok=True)
    write_json(folder / RECORD, {"format_version": 1, **record})
    return card


def render_model_card(folder: Path, inputs: CardInputs) -> RenderedCard:
    """Return the card that these inputs and the files they name give; nothing else goes into it."""
    from huggingface_hub import ModelCard

    renderer = Renderer()
    given = Sourced({"inputs": inputs_to_json(inputs)}, RECORD)["inputs"]
    results = [read_source(folder, file) for file in inputs.evaluations]
    configs = [read_source(folder, config) for config, _ in inputs.stages]
    states = [read_source(folder, state) if state else None for _, state in inputs.stages]
    body = renderer.render(
        TEMPLATE.read_text(encoding="utf-8"),
        name=Literal(inputs.repo.rpartition("/")[2]),
        summary="A LoRA adapter for a video language model." if inputs.adapter else "A video language model.",
        **identity(inputs, given, renderer, results, configs),
        **snippet(results, configs, read_source(folder, inputs.usage) if inputs.usage else None),
        stages=[stage(inputs, *files, renderer) for files in zip(configs, states, strict=True)],
        data=[trained_on(file, read_source(folder, file)) for file in inputs.data],
        runs=[evaluation(result, renderer) for result in results],
        compared=_compared(folder, inputs, results),
        sources=[{"file": Literal(f), "sha": Literal(sha)} for f, sha in digests(folder, inputs).items()],
    )
    # The rendered body goes in as a value, so that nothing in it is taken for a template again
    outline = "---\n{{ card_data }}\n---\n\n{{ body }}\n"
    card = ModelCard.from_template(metadata(inputs, results), template_str=outline, body=body.strip())
    return RenderedCard(f"{card}\n", eval_results(results), renderer.printed)


def _compared(folder: Path, inputs: CardInputs, results: list[Sourced]) -> list[dict[str, Any]]:
    """Return the rows of all models of the comparison, this one's first; none where there is no other."""
    if not inputs.comparisons:
        return []
    rows = compared_rows(Literal(f"**{inputs.repo.rpartition('/')[2]}**"), results[0])
    for file in inputs.comparisons:
        other = read_source(folder, file)
        rows += compared_rows(compared_name(file.split("/")[-2], other), other)
    return rows

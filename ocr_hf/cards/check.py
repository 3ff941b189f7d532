"""Comparing a card with its source files: the check before every push."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_hf.cards.numbers import stated_numbers
from ocr_hf.cards.source_files import RECORD, digests, inputs_from_json
from ocr_hf.cards.sourced import CardError


def check_model_card(folder: Path) -> Iterator[str]:
    """Yield a sentence for each number of a model's card that no source file backs.

    The card is rendered anew from its sources: text may have been edited since, numbers and results may not.
    """
    folder = Path(folder)
    readme = _text(folder / "README.md")
    results = {path.relative_to(folder).as_posix(): _text(path) for path in sorted(folder.glob(".eval_results/*"))}
    if not (folder / RECORD).is_file():
        yield from _unsourced(readme, "")
        if _model_index(readme) or results:
            yield "README.md: results without a source file are not published; render the card with `ocr-hf card`"
        return
    from ocr_hf.cards.model_card import render_model_card

    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        inputs = inputs_from_json(record.get("inputs", {}))
        changed = [file for file, sha in digests(folder, inputs).items() if record.get("files", {}).get(file) != sha]
        if changed:
            yield f"{changed[0]} changed since the card was rendered; render it again with `ocr-hf card`"
        # Rendered anew instead of parsed: whatever the card prints must be exactly what the sources give, without a
        # second grammar for cards.
        card = render_model_card(folder, inputs)
    except (CardError, ValueError) as error:
        yield f"README.md: {error}"
        return
    yield from _unsourced(readme, card.readme)
    if _model_index(readme) != _model_index(card.readme):
        yield "README.md: the model-index is not what the sources say; render the card again with `ocr-hf card`"
    for path in sorted(results.keys() | card.eval_results.keys()):
        if results.get(path) != card.eval_results.get(path):
            yield f"{path} is not what the sources say; render the card again with `ocr-hf card`"


def check_dataset_card(folder: Path) -> Iterator[str]:
    """Yield a sentence for each number of a data set's card that its manifest doesn't give."""
    import jinja2

    from ocr_hf.data.dataset_card import render_card
    from ocr_hf.data.schema import FormatError, read_manifest

    try:
        card = render_card(read_manifest(folder))
    except (FormatError, KeyError, jinja2.TemplateError) as error:
        yield f"README.md can't be compared with the manifest ({error}); build the data set again"
        return
    yield from _unsourced(_text(Path(folder) / "README.md"), card)


def _unsourced(readme: str, rendered: str) -> Iterator[str]:
    extra = stated_numbers(readme) - stated_numbers(rendered)
    for number, line in enumerate(readme.splitlines(), 1):
        if found := sorted(extra & stated_numbers(line)):
            extra -= set(found)
            yield (
                f"README.md, line {number}: no source file gives {', '.join(found)}; render the card from measured "
                "files with `ocr-hf card`, or write a number that is not a result as `code`"
            )


def _model_index(readme: str) -> Any:
    from huggingface_hub import ModelCard

    try:
        return ModelCard(readme).data.to_dict().get("model-index")
    except Exception:  # noqa: BLE001 - whatever is wrong with the metadata is reported by its own check
        return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

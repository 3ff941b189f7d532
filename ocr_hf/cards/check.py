"""Comparing a card with its source files: the check before every push."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ocr_hf.cards.numbers import stated_numbers
from ocr_hf.cards.source_files import RECORD, digests, inputs_from_json
from ocr_hf.cards.sourced import CardError
from ocr_hf.cards.statements import Statement, statements


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
    yield from _relicensed(readme, card.readme)
    if _model_index(readme) != _model_index(card.readme):
        yield "README.md: the model-index is not what the sources say; render the card again with `ocr-hf card`"
    for path in sorted(results.keys() | card.eval_results.keys()):
        if results.get(path) != card.eval_results.get(path):
            yield f"{path} is not what the sources say; render the card again with `ocr-hf card`"


def check_dataset_card(folder: Path) -> Iterator[str]:
    """Yield a sentence for each number of a data set's card that its manifest doesn't give."""
    import jinja2

    from ocr_hf.data.dataset_card import render_card
    from ocr_hf.data.scan_recipes import read_recipes
    from ocr_hf.data.schema import FormatError, holds_recipes, read_manifest
    from ocr_hf.data.write_recipes import render_recipes_card

    try:
        if holds_recipes(folder):
            card = render_recipes_card(read_recipes(folder).told)
        else:
            card = render_card(read_manifest(folder))
    except (FormatError, KeyError, TypeError, jinja2.TemplateError) as error:
        yield f"README.md can't be compared with the manifest ({error}); build the data set again"
        return
    readme = _text(Path(folder) / "README.md")
    yield from _unsourced(readme, card)
    yield from _relicensed(readme, card)


def _unsourced(readme: str, rendered: str) -> Iterator[str]:
    extra = stated_numbers(readme) - stated_numbers(rendered)
    unknown = set(extra)
    for number, line in enumerate(readme.splitlines(), 1):
        if found := sorted(extra & stated_numbers(line)):
            extra -= set(found)
            yield (
                f"README.md, line {number}: no source file gives {', '.join(found)}; render the card from measured "
                "files with `ocr-hf card`, or write a number that is not a result as `code`"
            )
    yield from _moved(readme, rendered, unknown)


def _moved(readme: str, rendered: str, unknown: set[str]) -> Iterator[str]:
    """Yield a sentence for each number that the sources give, but of something else than the card says.

    A row of a table must be the rendered one, so that it is of the settings that it names, and a table that is shown
    shows all of its rows; a sentence must state its numbers together and in the rendered order.
    unknown : numbers that were reported already
    """
    here, sourced = list(statements(readme)), list(statements(rendered))
    meant = {statement.meaning for statement in sourced}
    for statement in here:
        if statement.meaning in meant or unknown & stated_numbers(statement.text):
            continue
        own = _like_named(statement, sourced)
        told = f"that is, {own.text}" if own else "or write a number that is not a result as `code`"
        yield (
            f"README.md, line {statement.line}: the sources give these numbers, but not for "
            f"'{_short(statement.text)}'; write what was rendered, {told}"
        )
    yield from _left_out(here, sourced)


def _left_out(here: list[Statement], sourced: list[Statement]) -> Iterator[str]:
    kept = Counter((row.heading, row.columns) for row in here if row.columns)
    whole = Counter((row.heading, row.columns) for row in sourced if row.columns)
    shown = {row.meaning for row in here}
    for row in sourced:
        place = (row.heading, row.columns)
        if row.meaning not in shown and 0 < kept[place] < whole[place]:
            yield (
                f"README.md leaves out the row {_short(row.text)} of '{row.heading}'; put it back, or remove the whole "
                "table"
            )


def _like_named(statement: Statement, sourced: list[Statement]) -> Statement | None:
    """The rendered row that begins alike in the same table, None where there is none or several."""
    place = (statement.heading, statement.columns, statement.cells[0])
    rows = [row for row in sourced if row.columns and (row.heading, row.columns, row.cells[0]) == place]
    return rows[0] if len(rows) == 1 else None


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _relicensed(readme: str, rendered: str) -> Iterator[str]:
    here, sourced = (_metadata(card).get("license") for card in (readme, rendered))
    if here != sourced:
        yield (
            f"README.md: the license is {here}, but {sourced} by the sources; put {sourced} back, or render the card "
            "with another --licence, or build with one"
        )


def _metadata(readme: str) -> dict[str, Any]:
    from huggingface_hub import RepoCard

    try:
        return RepoCard(readme).data.to_dict()
    except Exception:  # noqa: BLE001 - whatever is wrong with the metadata is reported by its own check
        return {}


def _model_index(readme: str) -> Any:
    return _metadata(readme).get("model-index")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

"""Rows of ocr-vsi as training takes them: with a prompt, and checked before training starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ocr_hf.models.media import count_tokens, prompt_ids
from ocr_hf.train.clip_loader import BadRow, ClipLoader, clip_name, row_name
from ocr_hf.vsi_bench.prompts import build_prompt

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import ProcessorMixin

    from ocr_hf.train.config import VideoArguments

logger = logging.getLogger(__name__)

QUESTION_COLUMNS = ("id", "question_type", "question", "options")


def chat(row: Mapping[str, Any], style: str = "thinking") -> list[dict[str, str]]:
    """Return the chat that asks a row's question; the video goes before it."""
    return [{"role": "user", "content": build_prompt(row, style)}]


def answer(row: Mapping[str, Any], style: str = "thinking") -> str:
    """Return what a model should write for a row: reasoning and answer between tags, or the answer alone.

    The `reasoning` column of ocr-vsi holds both tags; plain reasoning is put between them.
    """
    if style != "thinking":
        return row["ground_truth"]
    reasoning = (row.get("reasoning") or "").strip()
    if "<answer>" in reasoning:
        return reasoning
    return f"<think>{reasoning}</think><answer>{row['ground_truth']}</answer>"


def with_prompts(rows: Dataset, style: str = "thinking") -> Dataset:
    """Return a data set with a column `prompt`; the other columns, footprints among them, are not rewritten."""
    missing = [name for name in QUESTION_COLUMNS if name not in rows.column_names and name not in ("id", "options")]
    if missing:
        raise ValueError(
            f"the data set lacks the columns {', '.join(missing)}, from which prompts are made; give one with "
            "VSI-Bench's columns, as `ocr-hf build` writes"
        )
    questions = rows.select_columns([name for name in QUESTION_COLUMNS if name in rows.column_names])
    return rows.add_column("prompt", [chat(row, style) for row in questions])


def checked(rows: Dataset, args: VideoArguments, processor: ProcessorMixin, context: int, completion: int) -> Dataset:
    """Open every clip's header and count every prompt's tokens; return the rows that can be used.

    context : the longest sequence of the model; completion : room for the answer
    Raises BadRow for the first row that cannot be used, or with on_bad_video "skip" names each and leaves it out.
    """
    loader = ClipLoader(args.video_column, args.frames)
    sizes: dict[str, tuple[int, int, int] | BadRow] = {}
    read = ["id", "clip_id", "prompt", args.video_column]
    # Where the training shows further videos that rows bring, they are looked at as well
    strategy = _strategy_of(args)
    read += strategy.stored_columns if strategy else ()
    seen: dict[str, BadRow | None] = {}
    good = []
    read = [name for name in dict.fromkeys(read) if name in rows.column_names]
    for number, row in enumerate(rows.select_columns(read)):
        try:
            if strategy:
                _check_stored(row, strategy, seen)
            tokens = _video_tokens(row, args, loader, sizes, processor)
            _check_context(row, tokens, processor, context, completion)
        except BadRow as error:
            if args.on_bad_video == "stop":
                raise
            logger.warning("left out: %s", error)
            continue
        good.append(number)
    if len(good) < len(rows):
        logger.warning("left out %d of %d rows, which are named above", len(rows) - len(good), len(rows))
    short = sum(not isinstance(found, BadRow) and found[0] < args.frames for found in sizes.values())
    if short:
        logger.warning(
            "%d of %d clips have fewer frames than frames = %d; each of them is shown whole",
            short,
            len(sizes),
            args.frames,
        )
    if not good:
        raise ValueError("no row of the data set can be used; every clip's fault is named above")
    return rows if len(good) == len(rows) else rows.select(good)


def _video_tokens(row: Mapping[str, Any], args: VideoArguments, loader: ClipLoader, sizes: dict, processor: Any) -> int:
    source = row.get(args.video_column)
    if source is None:
        return 0
    name = clip_name(row, source)
    if name not in sizes:
        try:
            sizes[name] = loader.check(row, source)
        except BadRow as error:
            # Rows share clips: a broken one is opened once, and refused for each of its rows
            sizes[name] = error
    if isinstance(sizes[name], BadRow):
        raise sizes[name]
    return count_tokens(processor, *sizes[name], args.max_pixels)


def _strategy_of(args: Any) -> Any:
    """Return the strategy that settings name, where some rollouts see other videos; None in SFT."""
    if not getattr(args, "num_noisy", 0):
        return None
    from ocr_hf.train.rollouts import make_strategy

    return make_strategy(args)


def _check_stored(row: Mapping[str, Any], strategy: Any, seen: dict[str, BadRow | None]) -> None:
    for source in strategy.stored_videos(row):
        path = source.get("path") if isinstance(source, Mapping) else source
        # Rows share videos, each of which is opened once; one without a path is its row's own
        name = path if isinstance(path, str) else f"row {row.get('id')}"
        if name not in seen:
            seen[name] = None
            try:
                strategy.check_stored(row, source)
            except BadRow as error:
                seen[name] = error
        if seen[name] is not None:
            raise seen[name]


def _check_context(row: Mapping[str, Any], video: int, processor: Any, context: int, completion: int) -> None:
    text = len(prompt_ids(processor, row["prompt"]))
    if text + video + completion > context:
        raise BadRow(
            f"{row_name(row)}: its prompt has {text} tokens, its video {video}, and with {completion} for the answer "
            f"they exceed the model's context of {context}; lower frames, max_pixels or the answer's length"
        )

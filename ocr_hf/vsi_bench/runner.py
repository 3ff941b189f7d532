"""A run: every question of a benchmark, plain and under each audit, asked once, whatever happens in between.

    OUT/run.json               settings, revisions and versions, written first; a continued run must have the same
    OUT/answers/rank0000.jsonl one row per question, appended and synced batch by batch, one file per process
    OUT/predictions.parquet    every question with prompt, answer and score
    OUT/results.json           all figures and everything needed to reproduce them; written last
    OUT/report.md              the same for people

Batches are cut before they are dealt out to processes, so neither their number nor a kill changes what is asked
together, and the files at the end are equal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocr_hf.archives import ArchiveError
from ocr_hf.data.atomic import write_json
from ocr_hf.data.video import VideoError
from ocr_hf.models.endpoint import EndpointModel
from ocr_hf.vsi_bench.answers import AnswerLog, read_answers
from ocr_hf.vsi_bench.audits import VANILLA, asked_audits, check_audits
from ocr_hf.vsi_bench.benchmark import Benchmark, Row
from ocr_hf.vsi_bench.cost import Cost, expected_cost
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.harness import Harness, Prepared
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.processes import Processes, current_processes
from ocr_hf.vsi_bench.provenance import describe_endpoint, describe_model, library_versions
from ocr_hf.vsi_bench.results import write_results

if TYPE_CHECKING:
    from ocr_hf.models.load_model import LoadedModel

RUN = "run.json"
ELSEWHERE = ("hardware", "endpoint")
"""Recorded in the results, but a run may move to another machine, and a server to another address."""
Batch = tuple[str, tuple[Row, ...]]
"""(audit, questions asked together)"""


def run_evaluation(
    config: EvalConfig,
    out: str | Path,
    on_progress: Callable[[int, int], None] | None = None,
    on_cost: Callable[[Cost], None] | None = None,
) -> dict[str, Any] | None:
    """Ask a model every question of a benchmark and score its answers as VSI-Bench does.

    A run that was interrupted is continued: what is answered in `out` isn't asked again. Under `torchrun` each process
    asks its share.

    Args:
        config: which model, which questions, how.
        out: folder for answers, results and report.
        on_progress: called with (batches done, batches in all) of this process.
        on_cost: called before the first question with what is going to be asked.

    Returns:
        What `OUT/results.json` holds: scores in per cent, overall and by task, with intervals and audits, and the
        settings and versions that they depend on. None in all processes but the first.

    Raises:
        ValueError: settings, data or `out` can't be used, or a video is missing or can't be decoded
            (`on_bad_video="skip"` scores its questions 0 instead).
        ModelLoadError: the model can't be loaded.
        EndpointError: the server doesn't answer; what it answered before is kept, and a repeated run goes on.

    Example:
        >>> from ocr_hf import EvalConfig, run_evaluation
        >>> config = EvalConfig(model="tiny", data="rooms", split="train", frames=2, limit=2, max_new_tokens=2)
        >>> results = run_evaluation(config, "results")
        >>> 0.0 <= results["overall"] <= 100.0
        True
    """
    if (config.model is None and config.endpoint is None) or config.data is None:
        raise ValueError(
            "a run needs a model and data; give --model or --endpoint, and --data, or --predictions to score a file"
        )
    out = Path(out)
    processes = current_processes()
    benchmark = open_benchmark(config.data, config.data_revision, config.split)
    config = replace(config, audit=check_audits(config.audit, benchmark.knows_objects, benchmark.name))
    rows = benchmark.take(config.split, config.limit)
    if config.on_bad_video == "stop":
        # Before the model is loaded: a missing archive should not show after hours of answers
        check_videos(benchmark, rows)
    asked, described = _open_model(config, out, processes)
    facts = {"data_revision": benchmark.revision, **described, "libraries": library_versions()}
    _open_run(out, config, facts, processes)
    harness = Harness(benchmark, config, asked)
    # A server makes its own batches; a question alone is never asked again with others
    batch_size = 1 if config.endpoint else config.batch_size
    audits = (VANILLA, *asked_audits(config.audit, config.recovery_strengths, config.recovery_draws))
    batches = plan_batches(benchmark, rows, audits, batch_size, harness.applies)
    # Whole batches are asked again, so that a model that pads a batch pads it alike
    answered = read_answers(out)
    processes.wait()  # nobody writes before everybody has read what is there
    pending = [batch for batch in batches if any((batch[0], row["id"]) not in answered for row in batch[1])]
    if on_cost is not None and processes.rank == 0 and pending:
        on_cost(expected_cost(harness, pending))
    # All processes have made the same list, so their shares are disjoint and complete
    share, log = pending[processes.rank :: processes.count], AnswerLog(out, processes.rank)
    if isinstance(asked, EndpointModel):
        _ask_endpoint(harness, asked, share, log, on_progress)
    else:
        _answer(harness, share, log, on_progress)
    processes.wait()
    results = None
    if processes.rank == 0:
        settings = {**config.identity(), **facts}
        if config.endpoint:
            settings["served_model"] = served_model(read_answers(out))
        results = write_results(out, rows, batches, read_answers(out), config, settings, benchmark)
    processes.wait()
    processes.close()
    return results


def _open_model(
    config: EvalConfig, out: Path, processes: Processes
) -> tuple[LoadedModel | EndpointModel, dict[str, Any]]:
    """Return the model to ask, loaded or served, and what is to be recorded of it."""
    if config.endpoint is None:
        from ocr_hf.models.load_model import load_model

        loaded = load_model(
            str(config.model),
            config.revision,
            dtype=config.dtype,
            device=config.device or processes.device,
            needs_video=config.frames_as == "video",
        )
        return loaded, describe_model(loaded, config.frames_as)
    asked = EndpointModel(
        config.endpoint,
        config.model,
        config.frames_as or "images",
        config.image_format,
        config.max_pixels,
        config.timeout_s,
        config.retries,
        served_model(read_answers(out)),
    )
    return asked, describe_endpoint(asked)


def served_model(answers: Mapping[Any, Mapping[str, Any]]) -> str | None:
    """Return what a server called its model in the answers that are there, None where it did not or there are none."""
    return next((answer["served_model"] for answer in answers.values() if answer.get("served_model")), None)


def check_videos(benchmark: Benchmark, rows: Sequence[Row]) -> None:
    """Raise ValueError, naming the first questions, if videos are missing."""
    missing = benchmark.missing_videos(rows)
    if missing:
        named = ", ".join(f"{benchmark.video_key(row)} (question {row['id']})" for row in missing[:3])
        raise ValueError(
            f"{len(missing)} of {len(rows)} questions have no video in {benchmark.name}: {named}"
            f"{' ...' if len(missing) > 3 else ''}; download the archives, or give --on-bad-video skip to score them 0"
        )


def plan_batches(
    benchmark: Benchmark,
    rows: Sequence[Row],
    audits: Sequence[str],
    batch_size: int,
    applies: Callable[[Row, str], bool],
) -> list[Batch]:
    """Return all batches of a run: video by video, and of a video's questions audit by audit.

    So the frames of a video are decoded once for all audits. An audit's batches are cut from all questions that it is
    asked of, whatever other audits there are, but those of `repeat` half a batch later than the plain run's: asked
    together with others, a question shows what the numbers of a batch depend on.
    """
    order: dict[str, list[Row]] = {}
    for row in rows:
        order.setdefault(benchmark.video_key(row), []).append(row)
    by_video = [row for group in order.values() for row in group]
    place_of = {row["id"]: place for place, row in enumerate(by_video)}
    batches: list[Batch] = []
    for audit in audits:
        asked = [row for row in by_video if applies(row, audit)]
        first = batch_size // 2 if audit == "repeat" else 0
        starts = ([0] if first else []) + list(range(first, len(asked), batch_size))
        batches += [
            (audit, tuple(asked[start:end])) for start, end in zip(starts, [*starts[1:], len(asked)], strict=True)
        ]
    # Stable: audits keep their order where they begin with the same question
    return sorted(batches, key=lambda batch: place_of[batch[1][0]["id"]])


def _open_run(out: Path, config: EvalConfig, facts: dict[str, Any], processes: Processes) -> None:
    """Begin a run in `out`, or check that the one there is the same; it may be continued on another machine."""
    # Recorded in the results, but a run may move to another machine
    facts = {name: value for name, value in facts.items() if name not in ELSEWHERE}
    # As it will be read back: a tuple, which JSON returns as a list, would look like another setting
    identity = {name: value for name, value in config.identity().items() if name not in ELSEWHERE}
    wanted = json.loads(json.dumps({**identity, **facts}))
    path = out / RUN
    if processes.rank == 0:
        if path.is_file():
            _check_same(json.loads(path.read_text(encoding="utf-8")), wanted, out)
        elif out.exists() and any(out.iterdir()):
            raise ValueError(f"{out} is not empty and holds no run; choose another --out")
        else:
            out.mkdir(parents=True, exist_ok=True)
            write_json(path, wanted)
    processes.wait()


def check_no_run(out: Path) -> None:
    """Raise ValueError where `out` holds the run of a model, whose results scores from elsewhere would replace."""
    path = out / RUN
    if path.is_file() and "model_revision" in json.loads(path.read_text(encoding="utf-8")):
        raise ValueError(f"{out} holds the run of a model, whose results would be overwritten; choose another --out")


def _check_same(found: dict[str, Any], wanted: dict[str, Any], out: Path) -> None:
    different = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    if different:
        name = different[0]
        more = f" (and {len(different) - 1} more differ)" if len(different) > 1 else ""
        raise ValueError(
            f"{out} holds a run with {_shown(name, found, wanted)}, now it is {_shown(name, wanted, found, False)}"
            f"{more}; its answers stay as they are, {_WAY_OUT.get(name, 'choose another --out')}"
        )


_WAY_OUT = {
    "model_revision": "so name the model that it was begun with, or choose another --out",
    "base_revision": "so name the base that it was begun with, or choose another --out",
    "data_revision": "so name the version of the data that it was begun with, or choose another --out",
    "libraries": "so install the versions that it was begun with, or choose another --out",
}


def _shown(name: str, own: dict[str, Any], other: dict[str, Any], named: bool = True) -> str:
    """Return a setting's value for people; of library versions only those that differ."""
    value, beside = own.get(name), other.get(name)
    if isinstance(value, dict) and isinstance(beside, dict):
        differing = [key for key in {**value, **beside} if value.get(key) != beside.get(key)]
        value = ", ".join(f"{key} {value.get(key, '(none)')}" for key in sorted(differing))
        return f"{name} {value}" if named else value
    return f"{name} = {value!r}" if named else repr(value)


def _answer(
    harness: Harness, batches: Sequence[Batch], log: AnswerLog, on_progress: Callable[[int, int], None] | None
) -> None:
    """Answer batch after batch; the next one's frames are read while the model answers."""
    for done, (audit, prepared) in enumerate(_prepared(harness, batches), 1):
        good = [question for question in prepared if isinstance(question, Prepared)]
        texts = iter(harness.answer(good) if good else [])
        answers = []
        for question in prepared:
            if isinstance(question, Prepared):
                answers.append({"audit": audit, "id": question.row["id"], "prediction": next(texts), **question.record})
            else:
                row, error = question
                answers.append({"audit": audit, "id": row["id"], "prediction": None, "error": error})
        log.append(answers)
        if on_progress is not None:
            on_progress(done, len(batches))


def _ask_endpoint(
    harness: Harness,
    asked: EndpointModel,
    batches: Sequence[Batch],
    log: AnswerLog,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    """Ask a server several questions at once; each answer is on the disk before the next question is sent.

    When one question fails for good no more are sent, and what is under way is waited for and kept.
    """
    waiting: dict[Future[list[str]], tuple[str, Prepared]] = {}
    done = 0

    def keep(finished: Iterable[Future[list[str]]]) -> None:
        nonlocal done
        failure = None
        for future in finished:
            audit, question = waiting.pop(future)
            if future.exception() is not None:
                failure = failure or future.exception()
                continue
            served = {"served_model": asked.served} if asked.served else {}
            row = {"audit": audit, "id": question.row["id"], "prediction": future.result()[0]}
            log.append([row | question.record | served])
            done += 1
            if on_progress is not None:
                on_progress(done, len(batches))
        if failure is not None:
            raise failure

    with ThreadPoolExecutor(harness.config.concurrency) as pool:
        try:
            for audit, prepared in _prepared(harness, batches):
                for question in prepared:
                    if not isinstance(question, Prepared):
                        row, error = question
                        log.append([{"audit": audit, "id": row["id"], "prediction": None, "error": error}])
                        continue
                    waiting[pool.submit(harness.answer, [question])] = audit, question
                if len(waiting) >= harness.config.concurrency:
                    keep(wait(waiting, return_when=FIRST_COMPLETED).done)
            while waiting:
                keep(wait(waiting, return_when=FIRST_COMPLETED).done)
        except BaseException:
            for future in waiting:
                future.cancel()
            with suppress(Exception):
                keep([future for future in wait(waiting).done if not future.cancelled()])
            raise


Failed = tuple[Row, str]
"""(question, why its video could not be used)"""


def _prepared(harness: Harness, batches: Sequence[Batch]) -> Iterator[tuple[str, list[Prepared | Failed]]]:
    """Yield each batch ready for the model, prepared one ahead in another thread."""
    # One thread and no more: the harness's cache of encoded videos has no lock
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(_prepare, harness, batch) for batch in batches[:1]]
        for number, (audit, _) in enumerate(batches):
            current = ahead.pop()
            ahead += [pool.submit(_prepare, harness, batch) for batch in batches[number + 1 : number + 2]]
            yield audit, current.result()


def _prepare(harness: Harness, batch: Batch) -> list[Prepared | Failed]:
    audit, rows = batch
    prepared: list[Prepared | Failed] = []
    for row in rows:
        try:
            prepared.append(harness.prepare(row, audit))
        except (VideoError, ArchiveError, OSError) as error:
            if harness.config.on_bad_video == "stop":
                raise ValueError(f"question {row['id']}: {error}; or give --on-bad-video skip to score it 0") from error
            prepared.append((row, str(error)))
    return prepared

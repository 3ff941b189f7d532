"""VSI-Bench scorer: paste or upload predictions, see the table. Part of ocr-hf (Object-Centric 3D Rollout, not text
recognition). The page scores with the same `evaluate` module that `evaluate.load` gives."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import evaluate
import gradio as gr
from page import CSS, results_html
from prediction_files import FORMATS, parse_rows, read_rows
from predictions import pair

HERE = Path(__file__).resolve().parent
METRIC = evaluate.load(str(HERE / "vsi_bench.py"))
MAX_FILE_SIZE = "64mb"
FILE_TYPES = [*FORMATS, ".gz"]
RULE_NAMES = METRIC.inputs_description.partition("extraction (str): one of ")[2].partition(";")[0].split(", ")
EXAMPLE = (HERE / "example.csv").read_text(encoding="utf-8")
INTRO = """\
# VSI-Bench scorer
Official scores of [VSI-Bench](https://huggingface.co/datasets/nyu-visionx/VSI-Bench), bit for bit, with intervals over
scenes: the same code as `evaluate.load("…/vsi_bench")`. Part of **ocr-hf**, the toolkit for *Object-Centric 3D Rollout*
(OCR; nothing to do with text recognition).
"""
FORMAT = """\
What **lmms-eval** (log of samples), **VLMEvalKit** or **EASI** wrote, or one row per question as CSV, TSV, JSON, JSON
lines, Parquet or Excel with `prediction`, `ground_truth` and `question_type`; or only `id` and `prediction`, or a JSON
object of ids and answers, with the benchmark's own question file (`test.parquet` or `test.jsonl`) beside it.
`scene_name` (and `dataset`) make the intervals honest, `pruned` adds the debiased split. The rows above are made up.
"""
RULES = """\
* **Official extraction**: what stands before the first space, without final full stops. `A. chair`, `60 cm` and `4.`
  are read; `(A)`, `**A**`, `60cm`, `four` and any chain of thought score 0. White space around it never decides.
* **answer_tag extraction**: the letter or number inside `<answer>…</answer>`, or after `</think>`, or of the whole
  text; units are converted, `four` is 4, `a` is no number, and prose that says several things is left unread. Ours,
  for models that think aloud: state it. The other rules are those of lmms-eval, VLMEvalKit and EASI.
* **Numbers**: mean relative accuracy, the share of ten tolerances (0.5, 0.45 … 0.05) that |prediction − truth| / truth
  keeps to. **Letters**: equality.
* **Macro** is the benchmark's overall: the mean of eight tasks; direction is the mean of its three levels. **Micro**
  is the mean over questions, commonly 1.5 to 3 points higher.
* No row is dropped: an empty, unreadable, NaN or missing answer scores 0 and is counted.
"""


def score(
    predictions_text: str = "",
    predictions_file: str | None = None,
    questions_file: str | None = None,
    extraction: str = "official",
    average: str = "macro",
) -> tuple[str, str | None, dict]:
    """Score predictions on VSI-Bench.

    Args:
        predictions_text: CSV, a JSON list or JSON lines; used where no file is given.
        predictions_file: lmms-eval's, VLMEvalKit's, EASI's or your own: .csv, .tsv, .json, .jsonl, .gz, .parquet .xlsx.
        questions_file: the benchmark's test.parquet or test.jsonl, to join on `id` (optional).
        extraction: "official" (the benchmark's own rule), "answer_tag" (models that think aloud), or another harness's
            rule: "lmms_eval@0.7.2", "lmms_eval@0.7.3", "vlmevalkit", "easi", "official_unstripped".
        average: "macro" (mean of the tasks, the benchmark's overall) or "micro" (mean of the questions).

    Returns:
        The table as HTML, a CSV file with the score of each question, and all results as JSON.
    """
    try:
        rows = read_rows(predictions_file) if predictions_file else parse_rows(predictions_text or "")
        run = pair(rows, read_rows(questions_file) if questions_file else None)
        results = METRIC.compute(
            predictions=["" if text is None else str(text) for text in run.predictions],
            references=list(run.references),
            question_types=list(run.question_types),
            ids=run.ids,
            pruned=run.pruned,
            scenes=run.scenes,
            extraction=extraction,
            average=average,
        )
    except (ValueError, KeyError, OSError, ImportError) as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from None
    table = _scores_file(run, results.pop("scores"))
    return results_html(results, len(run.unanswered)), table, results


def _scores_file(run, scores: list[float]) -> str:
    """Write one row per question to a temporary CSV file and return its path."""
    path = Path(tempfile.mkdtemp(prefix="vsi_bench_")) / "scores.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "question_type", "ground_truth", "prediction", "score"])
        ids = run.ids or range(len(scores))
        writer.writerows(zip(ids, run.question_types, run.references, run.predictions, scores, strict=True))
    return str(path)


def build() -> gr.Blocks:
    """Return the page."""
    with gr.Blocks(title="VSI-Bench scorer") as page:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column(scale=2, min_width=340):
                with gr.Tab("Paste"):
                    text = gr.Textbox(EXAMPLE, lines=12, max_lines=18, show_label=False, elem_classes="pasted")
                with gr.Tab("Upload"):
                    file = gr.File(label="Predictions", file_types=FILE_TYPES)
                    questions = gr.File(label="Questions to join on id (optional)", file_types=FILE_TYPES)
                with gr.Row():
                    extraction = gr.Dropdown(RULE_NAMES, value="official", label="Extraction")
                    average = gr.Radio(["macro", "micro"], value="macro", label="Overall is the")
                button = gr.Button("Score", variant="primary")
                gr.Markdown(FORMAT)
            with gr.Column(scale=3, min_width=420):
                table = gr.HTML()
                download = gr.DownloadButton("Score of each question (CSV)", size="sm")
                with gr.Accordion("All results (JSON)", open=False):
                    everything = gr.JSON(show_label=False)
        with gr.Accordion("How answers are read and scored", open=False):
            gr.Markdown(RULES)
        inputs, outputs = [text, file, questions, extraction, average], [table, download, everything]
        button.click(score, inputs, outputs, api_name="score")
        page.load(score, inputs, outputs, api_visibility="private", show_progress="hidden")
    return page


if __name__ == "__main__":
    build().launch(
        theme=gr.themes.Soft(primary_hue="indigo"),
        css=CSS,
        mcp_server=True,
        max_file_size=MAX_FILE_SIZE,
        allowed_paths=[],
        show_error=False,
    )

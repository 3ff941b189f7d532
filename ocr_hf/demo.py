"""`make demo`: build a small ocr-vsi data set of procedural rooms, load it, draw it, train a tiny model on it.

Everything lands in two folders of the working directory: `ocr-vsi/` (the data set) and `demo/` (pictures and a page).
"""

from __future__ import annotations

import argparse
import html
import json
import os
import sys
import time
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.vsi_bench.tasks import TASK_OF

CONFIG = BuildConfig(
    source="procedural", scenes=3, frames=64, seconds=12.0, width=392, height=280, max_objects=3, seed=7, twins=1
)
"""Three homes, a 12 s walk through each; noise on up to three visible objects; one question with twins."""

CHECKPOINT = Path(__file__).parents[1] / "model_cards" / "ocr-vsi-tiny"
"""The released checkpoint, in a checkout."""


def build(folder: Path, num_proc: int) -> None:
    """Build the data set, or take up or keep what is there."""
    done = 0

    def progress(record: object) -> None:
        nonlocal done
        done += 1
        print(f"  clip {done} of {CONFIG.scenes}", flush=True)

    build_folder(
        CONFIG,
        folder,
        num_proc=num_proc,
        resume=folder.exists() or Path(f"{folder}.incomplete").exists(),
        on_clip=progress,
    )


def load(folder: Path) -> list[dict]:
    """Load both configs by the one call that users write, and return the rows of `pairs`."""
    from datasets import Video, load_dataset

    pairs = load_dataset(str(folder), split="train")
    recipes = load_dataset(str(folder), "recipes", split="train")
    print(f'load_dataset("{folder}"): {len(pairs)} questions in config pairs, {len(recipes)} in config recipes')
    row = pairs[0]
    height, width = row["vanilla"][0].shape[1:]
    print(f"  first row: {row['question_type']}: {row['question']!r} -> {row['ground_truth']!r}")
    print(f"  vanilla and noisy videos: {len(row['vanilla'])} and {len(row['noisy'])} frames of {width}x{height}")
    for column in ("vanilla", "noisy"):
        pairs = pairs.cast_column(column, Video(decode=False))
    return list(pairs)


def load_twins(folder: Path) -> list[dict]:
    """Return the rows of config `twins` in which an edit changes the answer, those first that name what was edited.

    There are none where no clip allowed one.
    """
    from ocr_hf.data.load import load as load_rows
    from ocr_hf.data.schema import configs_of, read_manifest

    if "twins" not in configs_of(read_manifest(folder)):
        return []
    twins = [row for row in load_rows(folder, "twins", split="train") if row["relation"] == "changes"]
    return sorted(twins, key=lambda twin: not _names_what_was_edited(twin))


def _names_what_was_edited(twin: dict) -> bool:
    labels = {item["id"]: item["label"] for item in twin["objects"]}
    edited = {labels.get(object_id) for edit in json.loads(twin["edit"]) for object_id in edit["objects"]}
    return any(label is not None and label in twin["question"] for label in edited)


def what_was_edited(twin: dict) -> str:
    """Return in words what was done between the two videos of a twin."""
    from ocr_hf.twins.edit_words import edit_words
    from ocr_hf.twins.find_twins import edits_from_json

    return edit_words(edits_from_json(twin["edit"]), {item["id"]: item["label"] for item in twin["objects"]})


def write_page(rows: list[dict], twins: list[dict], page: Path) -> None:
    """Write an HTML page that plays each vanilla video beside its noisy one, with the clip's questions.

    rows : of config `pairs`; twins : of config `twins`, shown first: vanilla and edited video with both answers
    """
    from ocr_hf.data.atomic import replacing

    parts = [_HEAD]
    for twin in twins:
        shown = {"vanilla": twin["ground_truth"], "edited": twin["edited_ground_truth"]}
        captions = {"vanilla": "as it is", "edited": html.escape(what_was_edited(twin))}
        videos = "".join(
            f"<figure><video src='{html.escape(os.path.relpath(twin[name]['path'], page.parent))}' muted loop "
            f"autoplay playsinline controls></video><figcaption>{captions[name]}: <b>{html.escape(answer)}</b>"
            "</figcaption></figure>"
            for name, answer in shown.items()
        )
        parts.append(
            f"<section><h2>One edit, another answer: {html.escape(twin['clip_id'])}</h2>"
            f"<p>{html.escape(twin['question'])} {html.escape(' '.join(twin['options'] or []))}</p>"
            f"<div class=pair>{videos}</div></section>"
        )
    for clip in dict.fromkeys(row["clip_id"] for row in rows):
        mine = [row for row in rows if row["clip_id"] == clip]
        first = mine[0]
        labels = {item["id"]: item["label"] for item in first["objects"]}
        noisy = ", ".join(labels[i] for i in first["noisy_objects"])
        videos = "".join(
            f"<figure><video src='{html.escape(os.path.relpath(first[name]['path'], page.parent))}' muted loop "
            f"autoplay playsinline controls></video><figcaption>{caption}</figcaption></figure>"
            for name, caption in (("vanilla", "vanilla"), ("noisy", f"noisy: {html.escape(noisy)}"))
        )
        questions = "".join(
            f"<li><b>{html.escape(row['question_type'])}</b> {html.escape(row['question'])} "
            f"{html.escape(' '.join(row['options'] or []))} <b>{html.escape(row['ground_truth'])}</b></li>"
            for row in mine
        )
        parts.append(
            f"<section><h2>{html.escape(clip)}</h2><div class=pair>{videos}</div>"
            f"<details><summary>{len(mine)} questions</summary><ul>{questions}</ul></details></section>"
        )
    parts.append(_TAIL)
    with replacing(page) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def main() -> None:
    """Run the demo and say where things are."""
    parser = argparse.ArgumentParser(prog="python -m ocr_hf.demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("ocr-vsi"), help="data set folder to build")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for pictures and the page")
    parser.add_argument("--num-proc", type=int, default=min(2, os.cpu_count() or 1), help="worker processes")
    parser.add_argument("--no-training", action="store_true", help="leave out the training")
    options = parser.parse_args()
    start = time.monotonic()
    print("OCR is Object-Centric 3D Rollout: objects of a 3D scene are perturbed, and the change is seen in the video.")
    print(f"building {options.data} ({CONFIG.scenes} furnished homes, {CONFIG.frames} frames each)", flush=True)
    build(options.data, options.num_proc)
    rows = load(options.data)
    from ocr_hf.data.sheet import write_sheet

    options.out.mkdir(parents=True, exist_ok=True)
    sheet = write_sheet(options.data, options.out / "contact_sheet.png", num_clips=2)
    page = options.out / "index.html"
    twins = load_twins(options.data)
    write_page(rows, twins, page)
    print(f"\nvideos and pictures after {time.monotonic() - start:.0f} s:")
    print(f"  videos side by side: {page}   (open it in a browser)")
    print(f"  contact sheet:       {sheet}")
    print(f'  in Python:           from datasets import load_dataset; load_dataset("{options.data}")', flush=True)
    show_twin(twins[:1])
    answer(rows)
    if not options.no_training:
        train(options.data, options.out / "training")
    print(
        f"\ndone in {time.monotonic() - start:.0f} s; next: ocr-hf --help, python spaces/ocr_demo/app.py, or the README"
    )


def show_twin(twins: list[dict]) -> None:
    """Print a question with its answers before and after an edit, and the released checkpoint's, where it is there."""
    for twin in twins:
        print(f"\na twin: {' '.join(twin['question'].split())} {' '.join(twin['options'] or [])}")
        print(f"  as it is: {twin['ground_truth']}; {what_was_edited(twin)}: {twin['edited_ground_truth']}", flush=True)
        if (CHECKPOINT / "model.safetensors").is_file():
            ((_, vanilla, edited),) = checkpoint_answers([twin], ("vanilla", "edited"))
            print(f"  the released checkpoint answers {vanilla} and {edited}", flush=True)


def answer(rows: list[dict]) -> None:
    """Print what the released checkpoint answers about the first clip, vanilla and noisy, where the checkout has it."""
    if not (CHECKPOINT / "model.safetensors").is_file():
        return
    first = [row for row in rows if row["clip_id"] == rows[0]["clip_id"]]
    print(f"\nthe released checkpoint ({CHECKPOINT.name}) about {rows[0]['clip_id']}, vanilla -> noisy (answer):")
    for row, vanilla, noisy in checkpoint_answers(first):
        print(f"  {TASK_OF[row['question_type']]:<24} {vanilla:>6} -> {noisy:<6} ({row['ground_truth']})", flush=True)


def checkpoint_answers(rows: list[dict], videos: tuple[str, str] = ("vanilla", "noisy")) -> list[tuple[dict, str, str]]:
    """Return (row, answer about the first video, about the second) for the first question of each task.

    rows : questions about one clip, undecoded; videos : the columns of the two videos
    """
    from ocr_hf.data.video import probe, read_frames, uniform_indices
    from ocr_hf.models.answer import AnsweringModel, Prompt
    from ocr_hf.models.load_model import load_model
    from ocr_hf.models.sampled_clip import sampled_fps
    from ocr_hf.models.usage import read_usage
    from ocr_hf.vsi_bench.prompts import build_prompt

    usage = read_usage(CHECKPOINT)
    model = AnsweringModel.of(load_model(CHECKPOINT), max_pixels=usage.max_pixels)
    first: dict[str, dict] = {}
    for row in rows:
        first.setdefault(TASK_OF[row["question_type"]], row)
    chosen = list(first.values())
    answers = []
    for column in videos:
        source = chosen[0][column]
        frames, times = read_frames(source, uniform_indices(probe(source).num_frames, usage.frames))
        video = model.encode(frames, sampled_fps(times))
        prompts = [Prompt.of(build_prompt(row, usage.prompt), video) for row in chosen]
        answers.append([answer.text for answer in model.answer(prompts)])
    return list(zip(chosen, *answers, strict=True))


def train(folder: Path, out: Path) -> None:
    """Let a tiny model learn from the data set for some minutes, and say what it learned."""
    print("\ntraining a tiny model (minutes on two cores): SFT, then GRPO with Object-Centric 3D Rollout")
    from ocr_hf.train.training_minute import train as train_tiny
    from ocr_hf.train.training_minute import without_progress_bars

    without_progress_bars()
    figures = train_tiny(folder, out)
    print(
        f"  score on unseen scenes: {figures['untrained']:.1f} untrained, {figures['after_sft']:.1f} after SFT, "
        f"{figures['after_ocr_grpo']:.1f} after OCR-GRPO (best constant answers: {figures['constants']:.1f})"
    )
    print(f"  learning curve:      {out / 'learning_curve.png'}")


_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ocr-hf: vanilla and region-noisy videos</title><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
.pair { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; flex: 1 1 22rem }
video { width: 100%; border-radius: 6px; background: #888 } figcaption { opacity: .75 } li { margin: .3rem 0 }
</style><h1>Vanilla and region-noisy videos</h1>
<p>Object-Centric 3D Rollout (OCR) perturbs chosen objects of a 3D scene and trains on both videos. Left the scene as it
is, right with noise on exactly the visible pixels of the named objects.</p>"""
_TAIL = """<script>
for (const pair of document.querySelectorAll('.pair')) {
  const [left, right] = pair.querySelectorAll('video');
  for (const event of ['play', 'pause', 'seeked'])
    left.addEventListener(event, () => {
      right.currentTime = left.currentTime;
      left.paused ? right.pause() : right.play();
    });
}
</script></html>"""


if __name__ == "__main__":
    sys.exit(main())

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
from collections import Counter
from pathlib import Path

from ocr_hf.data.build_config import BuildConfig
from ocr_hf.data.build_folder import build_folder
from ocr_hf.vsi_bench.tasks import TASK_OF

CONFIG = BuildConfig(
    source="procedural", scenes=3, frames=64, seconds=12.0, width=392, height=280, max_objects=3, seed=7, twins=1
)
"""Three homes, a 12 s walk through each; noise on up to three visible objects; one question with twins."""

TASK_TITLES = {
    "object_counting": "Count",
    "object_abs_distance": "Distance",
    "object_size_estimation": "Size",
    "room_size_estimation": "Room size",
    "object_rel_distance": "Relative distance",
    "object_rel_direction": "Direction",
    "route_planning": "Route",
    "obj_appearance_order": "Order of appearance",
}
"""What the page calls the tasks."""
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
    """Return the rows of config `twins` in which an edit changes the answer, first those that name what was edited, and
    of these the shortest.

    There are none where no clip allowed one.
    """
    from ocr_hf.data.load import load as load_rows
    from ocr_hf.data.schema import configs_of, read_manifest

    if "twins" not in configs_of(read_manifest(folder)):
        return []
    twins = [row for row in load_rows(folder, "twins", split="train") if row["relation"] == "changes"]
    return sorted(twins, key=lambda twin: (not _names_what_was_edited(twin), len(twin["question"])))


def _names_what_was_edited(twin: dict) -> bool:
    labels = {item["id"]: item["label"] for item in twin["objects"]}
    edits = json.loads(twin["edit"])
    edited = {labels.get(object_id) for edit in edits for object_id in edit["objects"]}
    # What was added, or put in another's place, is no object of the clip as it is
    edited |= {edit["parameters"].get("label") for edit in edits}
    return any(label is not None and label in twin["question"] for label in edited)


def what_was_edited(twin: dict) -> str:
    """Return in words what was done between the two videos of a twin."""
    from ocr_hf.twins.edit_words import edit_words
    from ocr_hf.twins.find_twins import edits_from_json

    return edit_words(edits_from_json(twin["edit"]), {item["id"]: item["label"] for item in twin["objects"]})


Answers = list[tuple[dict, str, str]]
"""(row, what a model answers about the first video, about the second), as `checkpoint_answers` returns them."""


def write_page(rows: list[dict], twins: list[dict], page: Path, answers: Answers = ()) -> None:
    """Write an HTML page that plays the two videos of each pair as one, with questions, right answers and a model's.

    Args:
        rows: of config `pairs`; one section a clip.
        twins: of config `twins`, shown first.
        page: the file.
        answers: of the released checkpoint, about any of the rows and twins; none where there is no checkpoint.
    """
    from ocr_hf.data.atomic import replacing

    parts = [_HEAD]
    for twin in twins:
        captions = {
            "vanilla": "<b>Vanilla</b>, as it is",
            "edited": f"<b>Edited</b>: {html.escape(what_was_edited(twin))}",
        }
        right = [twin["ground_truth"], twin["edited_ground_truth"]]
        parts.append(
            f"<section><h2>One edit, another answer: {html.escape(what_was_edited(twin))}</h2>"
            f"{_videos(twin, captions, page)}{_table([(twin, right, _answers_to(twin, answers))], 'edited')}</section>"
        )
    for number, clip in enumerate(dict.fromkeys(row["clip_id"] for row in rows), start=1):
        mine = [row for row in rows if row["clip_id"] == clip]
        labels = {item["id"]: item["label"] for item in mine[0]["objects"]}
        noisy = _and([labels[i] for i in mine[0]["noisy_objects"]])
        captions = {"vanilla": "<b>Vanilla</b>", "noisy": f"<b>Noisy</b>: {html.escape(noisy)}"}
        asked = [row for row in mine if _answers_to(row, answers)]
        shown = _table([(row, [row["ground_truth"]], _answers_to(row, answers)) for row in asked], "noisy")
        rest = [(row, [row["ground_truth"]], None) for row in mine if row not in asked]
        parts.append(
            f"<section><h2>Home {number}: noise on {html.escape(noisy)}</h2>{_videos(mine[0], captions, page)}{shown}"
            f"<details><summary>{len(rest)} {'more ' if asked else ''}questions</summary>{_table(rest, 'noisy')}"
            f"</details><p><small>{html.escape(clip)}</small></p></section>"
        )
    parts.append(_TAIL)
    with replacing(page) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def _videos(row: dict, captions: dict[str, str], page: Path) -> str:
    """captions : column of a video -> HTML beneath it."""
    figures = "".join(
        f"<figure><video src='{html.escape(os.path.relpath(row[column]['path'], page.parent))}' muted loop playsinline "
        f"controls preload=auto></video><figcaption>{caption}</figcaption></figure>"
        for column, caption in captions.items()
    )
    return f"<div class=pair>{figures}</div>"


def _table(asked: list[tuple[dict, list[str], tuple[str, str] | None]], second: str) -> str:
    """asked : (row, what is right: of both videos or of each, a model's answers or None); second : the other video."""
    if not asked:
        return ""
    told = any(answers for _, _, answers in asked)
    head = f"<th>Vanilla</th><th>{second.capitalize()}</th>" if told else ""
    body = []
    for row, right, answers in asked:
        task = TASK_TITLES[TASK_OF[row["question_type"]]]
        options = f"<br>{html.escape(' '.join(row['options']))}" if row["options"] else ""
        cells = "".join(
            f"<td class={'good' if answer == truth else 'other'}>{html.escape(answer)}</td>"
            for answer, truth in zip(answers or (), [*right, *right][:2], strict=False)
        )
        body.append(
            f"<tr><td><small>{html.escape(task)}</small> {html.escape(' '.join(row['question'].split()))}{options}</td>"
            f"<td><b>{html.escape(', now '.join(right))}</b></td>{cells}</tr>"
        )
    name = f"<caption>The answers of {CHECKPOINT.name}</caption>" if told else ""
    return f"<table>{name}<tr><th>Question</th><th>Right</th>{head}</tr>{''.join(body)}</table>"


def _answers_to(row: dict, answers: Answers) -> tuple[str, str] | None:
    return next(((first, second) for asked, first, second in answers if asked is row), None)


def _and(words: list[str]) -> str:
    """Return "a", "a and b", or "a, b ×2 and c"; "nothing" of none."""
    words = [word if count == 1 else f"{word} ×{count}" for word, count in Counter(words).items()]
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:]) or "nothing"


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
    twins = load_twins(options.data)[:1]
    answers = all_answers(rows, twins)
    write_page(rows, twins, page, answers)
    print(f"\nvideos and pictures after {time.monotonic() - start:.0f} s:")
    print(f"  videos side by side: {page}   (open it in a browser)")
    print(f"  contact sheet:       {sheet}")
    print(f'  in Python:           from datasets import load_dataset; load_dataset("{options.data}")', flush=True)
    show_twin(twins, answers)
    show_answers([told for told in answers if told[0]["clip_id"] == rows[0]["clip_id"] and told[0] not in twins])
    if not options.no_training:
        train(options.data, options.out / "training")
    print(
        f"\ndone in {time.monotonic() - start:.0f} s; next: ocr-hf --help, python spaces/ocr_demo/app.py, or the README"
    )


def all_answers(rows: list[dict], twins: list[dict]) -> Answers:
    """Return what the released checkpoint answers about each clip and twin; nothing where the checkout has none."""
    if not (CHECKPOINT / "model.safetensors").is_file():
        return []
    answers = [told for twin in twins for told in checkpoint_answers([twin], ("vanilla", "edited"))]
    for clip in dict.fromkeys(row["clip_id"] for row in rows):
        answers += checkpoint_answers([row for row in rows if row["clip_id"] == clip])
    return answers


def show_twin(twins: list[dict], answers: Answers) -> None:
    """Print a question with its answers before and after an edit, and the released checkpoint's, where it is there."""
    for twin in twins:
        print(f"\na twin: {' '.join(twin['question'].split())} {' '.join(twin['options'] or [])}")
        print(f"  as it is: {twin['ground_truth']}; {what_was_edited(twin)}: {twin['edited_ground_truth']}", flush=True)
        if found := _answers_to(twin, answers):
            print(f"  the released checkpoint answers {found[0]} and {found[1]}", flush=True)


def show_answers(answers: Answers) -> None:
    """Print what the released checkpoint answers about a clip, vanilla and noisy."""
    if answers:
        clip = answers[0][0]["clip_id"]
        print(f"\nthe released checkpoint ({CHECKPOINT.name}) about {clip}, vanilla -> noisy (answer):")
    for row, vanilla, noisy in answers:
        print(f"  {TASK_OF[row['question_type']]:<24} {vanilla:>6} -> {noisy:<6} ({row['ground_truth']})", flush=True)


def checkpoint_answers(rows: list[dict], videos: tuple[str, str] = ("vanilla", "noisy")) -> Answers:
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
<title>ocr-hf: two videos, one question</title><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --noise: light-dark(#c2410c, #fb923c);
  --calm: light-dark(#4f46e5, #a5b4fc); --line: light-dark(#d5d9e0, #3a4254); --good: light-dark(#166534, #6ee7a0) }
body { max-width: 66rem; margin: 2rem auto; padding: 0 1rem } section { margin: 2.5rem 0 } h2 { margin: 0 0 .6rem }
h1 { line-height: 1.2 } h2 { font-size: 1.3rem; line-height: 1.3 }
.pair { display: flex; flex-wrap: wrap; gap: .4rem .8rem } figure { margin: 0; flex: 1 1 9rem; min-width: 0 }
video { width: 100%; display: block; border-radius: 8px; background: #888 } figcaption b { color: var(--calm) }
figure + figure figcaption b { color: var(--noise) }
.bar { flex: 1 1 100%; display: flex; gap: .6rem; align-items: center }
.bar input { flex: 1; accent-color: var(--calm) } .bar button { width: 2.4rem; height: 2.4rem; border-radius: 50% }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .92rem }
caption { text-align: left; font-weight: 600 }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line) }
th:not(:first-child), td:not(:first-child) { white-space: nowrap } td.good { color: var(--good); font-weight: 600 }
small { opacity: .8 } summary { cursor: pointer }
@media (max-width: 40rem) { tr { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--line) }
  th, td { flex: 1 1 4rem; border: 0 } th:first-child, td:first-child { flex-basis: 100% } }
</style><h1>Two videos, one question</h1>
<p>Object-Centric 3D Rollout (OCR) perturbs chosen objects of a 3D scene and trains on both videos. Left the scene as it
is; right with noise on exactly the visible pixels of the named objects, or after an edit.</p>"""
_TAIL = """<script>
// Both videos of a pair play as one: one bar moves both, and what drifts apart is brought back.
for (const pair of document.querySelectorAll('.pair')) {
  const videos = [...pair.querySelectorAll('video')], [first, second] = videos;
  const [bar, button, slider] = ['div', 'button', 'input'].map((tag) => document.createElement(tag));
  bar.className = 'bar';
  Object.assign(slider, { type: 'range', min: 0, max: 1, step: 0.001, value: 0, ariaLabel: 'Moment of both videos' });
  bar.append(button, slider);
  pair.append(bar);
  let playing = false;
  const set = (wanted) => {
    playing = wanted;
    for (const video of videos) playing ? video.play().catch(() => {}) : video.pause();
    button.textContent = playing ? '❚❚' : '▶';
    button.ariaLabel = playing ? 'Pause both videos' : 'Play both videos';
  };
  for (const video of videos) {
    video.removeAttribute('controls');
    video.addEventListener('click', () => set(!playing));
  }
  button.addEventListener('click', () => set(!playing));
  slider.addEventListener('input', () => {
    set(false);
    for (const video of videos) video.currentTime = slider.value * (first.duration || 0);
  });
  const tick = () => {
    if (playing && first.duration) {
      slider.value = first.currentTime / first.duration;
      const apart = Math.abs(second.currentTime - first.currentTime);
      if (apart > 0.08 && apart < first.duration - 0.3 && !second.seeking) second.currentTime = first.currentTime;
    }
    requestAnimationFrame(tick);
  };
  set(false);
  tick();
  // Only what is on the screen plays, and nothing where the visitor wants no movement
  if (!matchMedia('(prefers-reduced-motion: reduce)').matches)
    new IntersectionObserver(([seen]) => set(seen.isIntersecting), { threshold: 0.4 }).observe(pair);
}
</script></html>"""


if __name__ == "__main__":
    sys.exit(main())

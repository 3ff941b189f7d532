"""Pages of sample rollouts: what was asked, the frames that each role saw, what was answered and earned.

They are in `_samples` of the run's folder, whose frames are never pushed: scans have licences of their own. A page
appears whole or not at all; pictures lie beside the pages, one for each video however many pages and rollouts show it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ocr_hf.data.atomic import replacing
from ocr_hf.models.video_frames import frames_of

FOLDER = "_samples"
"""Folder of output_dir; names that begin with _ are not pushed."""
QUESTIONS, FRAMES, HEIGHT = 4, 8, 96
"""Most questions of a page; most frames of a picture, spread evenly; and its height in pixels."""
STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:72em;padding:0 1em;color-scheme:light dark}"
    "img{max-width:100%}table{border-collapse:collapse;width:100%}"
    "td,th{border-top:1px solid #8888;padding:.3em .6em;text-align:left;vertical-align:top}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}pre{white-space:pre-wrap;margin:0}"
)


@dataclass(frozen=True)
class Sample:
    """One rollout: its role, the media id of the video it was sampled from or None, its text, reward and advantage.

    objects : ids of the perturbed objects
    """

    role: str
    media_id: str | None
    text: str
    reward: float
    advantage: float
    objects: tuple[int, ...] = ()


@dataclass(frozen=True)
class Question:
    """One group: a name, what was asked and its true answer, where there is one, and the rollouts."""

    name: str
    prompt: str
    truth: str | None
    samples: Sequence[Sample]


def write_page(
    folder: Path, step: int, questions: Sequence[Question], videos: Mapping[str, Any], video_processor: Any
) -> Path:
    """Write a page of rollouts, the pictures that it lacks, and a list of all pages; return the page.

    Args:
        folder: Where to, `_samples` of a run.
        step: Of the training.
        questions: The groups to show; `QUESTIONS` of them are.
        videos: Media id -> `VideoInputs`, as the model saw them.
        video_processor: The one that made them.

    Raises:
        OSError: Writing fails; a page that was there before stays.
    """
    (folder / "media").mkdir(parents=True, exist_ok=True)
    parts = [_question(folder, question, videos, video_processor) for question in questions[:QUESTIONS]]
    page = folder / f"step-{step:06d}.html"
    head = "<a href='index.html'>all pages</a>"
    _write(page, f"Rollouts of step {step}", "\n".join([head, *parts]))
    names = sorted((path.name for path in folder.glob("step-*.html")), reverse=True)
    links = "".join(f"<li><a href='{name}'>step {int(name[5:-5])}</a></li>" for name in names)
    _write(folder / "index.html", "Sample rollouts", f"<ul>{links}</ul>")
    return page


def _write(path: Path, title: str, body: str) -> None:
    text = f"<!doctype html><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _question(folder: Path, question: Question, videos: Mapping[str, Any], video_processor: Any) -> str:
    # A noisy copy whose noise is annealed to nothing is the recorded clip, under its id
    shown = {sample.media_id: sample for sample in reversed(question.samples) if sample.media_id is not None}
    figures = []
    for media_id, sample in reversed(shown.items()):
        objects = f", objects {', '.join(map(str, sample.objects))} perturbed" if sample.objects else ""
        caption = f"{sample.role}{objects}"
        name = _picture(folder / "media", media_id, videos[media_id], video_processor)
        figures.append(
            f"<p><b>{escape(caption)}</b> <small>{escape(media_id)}</small><br>"
            f"<img src='media/{name}' alt='frames, {escape(caption)}'></p>"
        )
    rows = "".join(
        f"<tr><td>{escape(sample.role)}</td><td class='n'>{sample.reward:.3f}</td>"
        f"<td class='n'>{sample.advantage:+.3f}</td><td><pre>{escape(sample.text)}</pre></td></tr>"
        for sample in question.samples
    )
    truth = f"<p>True answer: <b>{escape(question.truth)}</b></p>" if question.truth is not None else ""
    head = "<tr><th>role</th><th>reward</th><th>advantage</th><th>answer</th></tr>"
    return (
        f"<h2>{escape(question.name)}</h2><pre>{escape(question.prompt)}</pre>{truth}{''.join(figures)}"
        f"<table>{head}{rows}</table>"
    )


def _picture(folder: Path, media_id: str, video: Any, video_processor: Any) -> str:
    """Return the file name of a video's frames side by side, which is written where it isn't there."""
    from PIL import Image

    # Of the id, which any name of a clip may be part of: as a file name it could be too long, or lead elsewhere
    path = folder / f"{hashlib.blake2b(media_id.encode(), digest_size=12).hexdigest()}.png"
    if not path.exists():
        frames = frames_of(video, video_processor)
        frames = frames[np.linspace(0, len(frames) - 1, min(FRAMES, len(frames)), dtype=int)]
        width = max(1, round(frames.shape[2] * HEIGHT / frames.shape[1]))
        # Every pixel of noise is kept or left out, not smoothed away
        size, how = (width, HEIGHT), Image.Resampling.NEAREST
        scaled = [np.asarray(Image.fromarray(frame).resize(size, how)) for frame in frames]
        with replacing(path) as temporary:
            Image.fromarray(np.concatenate(scaled, axis=1)).save(temporary, format="PNG")
    return path.name

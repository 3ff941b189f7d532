"""Draws docs/images/twins.png: questions with their answers before and after an edit, from ocr-vsi-twins.

python docs/draw_twins.py [--data outputs/ocr-vsi-twins/rooms]
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from ocr_hf.data.video import read_frames
from ocr_hf.twins.edit_words import edit_words
from ocr_hf.twins.find_twins import edits_from_json

IMAGE = Path(__file__).parent / "images" / "twins.png"
SHOWN = (
    ("procedural_190052_00", "object_rel_direction_hard"),
    ("procedural_190079_00", "object_counting"),
    ("procedural_190093_00", "object_rel_distance"),
)
FRAMES, WIDTH, HEIGHT, TEXT = (0, 3, 6, 9, 12, 15), 196, 147, 46


def draw(row: dict, folder: Path) -> Image.Image:
    """Return two rows of frames, vanilla and edited, below the question."""
    picture = Image.new("RGB", (WIDTH * len(FRAMES), TEXT + 2 * HEIGHT + 4), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    question = " ".join(row["question"].split())
    pen.text((6, 4), textwrap.shorten(question, 150, placeholder=" ..."), fill="black", font=font)
    options = "" if row["options"] is None else "  ".join(row["options"]) + "      "
    labels = {item["id"]: item["label"] for item in row["objects"]}
    done = edit_words(edits_from_json(row["edit"]), labels)
    told = f"{options}above: {row['ground_truth']}      below, {done}: {row['edited_ground_truth']}"
    pen.text((6, 24), told, fill=(190, 30, 30), font=font)
    for line, name in enumerate(("vanilla_file_name", "edited_file_name")):
        frames, _ = read_frames(folder / row[name], FRAMES)
        for place, frame in enumerate(frames):
            small = Image.fromarray(frame).resize((WIDTH - 3, HEIGHT - 3), Image.Resampling.LANCZOS)
            picture.paste(small, (place * WIDTH, TEXT + line * HEIGHT))
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("outputs/ocr-vsi-twins/rooms"))
    folder = parser.parse_args().data / "test"
    rows = [row for row in pq.read_table(folder / "twins.parquet").to_pylist() if row["relation"] == "changes"]
    found = {(row["clip_id"], row["question_type"]): row for row in rows}
    parts = [draw(found[key], folder) for key in SHOWN]
    sheet = Image.new("RGB", (parts[0].width, sum(part.height for part in parts) + 10 * (len(parts) - 1)), "white")
    top = 0
    for part in parts:
        sheet.paste(part, (0, top))
        top += part.height + 10
    sheet.quantize(256).save(IMAGE, optimize=True)


if __name__ == "__main__":
    main()

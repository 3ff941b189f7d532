"""`ocr-hf check-scene FOLDER`: what a recorded scene holds, and what is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import typer

SEEN = 8
"""Frames, at most, that are read."""


def check_recorded(folder: Path, as_json: bool) -> None:
    """Print what a recorded scene holds; the exit status is 1 where it can't be used.

    Args:
        folder: The scene's.
        as_json: Print one JSON object instead of text.
    """
    try:
        read, refusal = what_was_recorded(folder), None
    except ValueError as error:
        read, refusal = {}, str(error)
    if as_json:
        findings = [{"level": "warning", "seen": note} for note in read.pop("notes", ())]
        findings += [{"level": "refused", "seen": refusal}] if refusal else []
        told = {"file": folder.resolve().name, "fine": refusal is None, **read, "findings": findings}
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        _print(folder, read, refusal)
    if refusal:
        raise typer.Exit(1)


def what_was_recorded(folder: Path) -> dict[str, Any]:
    """Return what a recorded scene holds, as JSON values; a few frames go through all that a build's do.

    Raises ValueError where it can't be used.
    """
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_plan import plan_scenes
    from ocr_hf.data.footage import Footage
    from ocr_hf.scenes.recorded.read_recorded import read_recorded

    found = read_recorded(folder)
    counts = {"with_instances": int(found.has_instances.sum()), "with_depth": int(found.has_depth.sum())}
    # As many as have the best evidence, or a clip of few frames would be judged by outlines
    enough = next((count for count in (*counts.values(), len(found.files)) if count >= 2), 2)
    # Videos have even sides
    size = {"width": found.width // 2 * 2, "height": found.height // 2 * 2}
    config = BuildConfig(source="recorded", root=str(folder), frames=min(enough, SEEN), **size)
    _, facts = Footage(found, 0.01, outlines=True).record(config, plan_scenes(config)[0].clips[0])
    objects = Counter(item.label for item in found.scene.objects)
    return {
        "objects": dict(sorted(objects.items(), key=lambda item: (-item[1], item[0]))),
        "rooms": len(found.scene.rooms),
        "frames": len(found.files),
        "dropped_frames": facts["dropped_frames"],
        **counts,
        "seconds": round(float(found.times_s[-1] - found.times_s[0]), 3),
        "size": [found.width, found.height],
        **{name: facts[name] for name in ("footprints", "picture_shift_px", "mask_box_iou", "notes") if name in facts},
    }


def _print(folder: Path, read: dict[str, Any], refusal: str | None) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(str(folder), style="bold")
    if read:
        objects = ", ".join(f"{count} {label}" for label, count in read["objects"].items())
        console.print(f"  objects    {sum(read['objects'].values())}: {objects}; {read['rooms']} rooms")
        lost = "".join(f", {count} more {reason}" for reason, count in read["dropped_frames"].items())
        shape = "x".join(map(str, read["size"]))
        console.print(f"  frames     {read['frames']} of {shape} over {read['seconds']:g} s{lost}")
        console.print(f"  maps       {read['with_instances']} instance maps, {read['with_depth']} depth maps")
        overlap = f"; masks and boxes overlap by {read['mask_box_iou']:.2f}" if "mask_box_iou" in read else ""
        console.print(f"  footprints {read['footprints']}{overlap}")
        if "picture_shift_px" in read:
            right, down = read["picture_shift_px"]
            console.print(f"  pictures   {right:+.1f} px right, {down:+.1f} px down of their maps")
        for note in read["notes"]:
            console.print(f"warning: {note}", style="yellow")
    if refusal:
        console.print(f"refused: {refusal}", style="red")
    else:
        count = len(read["notes"])
        told = f", {count} warning{'s' if count != 1 else ''}" if count else ""
        console.print(f"can be used{told}", style="green")

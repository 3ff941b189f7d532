"""`ocr-hf check-scene`: say what a scene is read as, and what is wrong with it, before anything is built of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ocr_hf.scenes.readers.mesh_file import CheckedScene


def main(
    file: Annotated[Path, typer.Argument(help="glTF, GLB or OBJ file, or the folder of a recorded scene")],
    instances: Annotated[Path | None, typer.Option(help="JSON that says which mesh nodes are one object")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="table (JSON, YAML, CSV, TSV) that maps the file's classes to categories")
    ] = None,
    up: Annotated[str | None, typer.Option(help="the file's vertical axis, y or z; left out: detected")] = None,
    units: Annotated[
        str | None, typer.Option(help="the file's unit: m, cm, mm, in, ft; left out: m, which is checked")
    ] = None,
    strays: Annotated[
        str | None,
        typer.Option(help="what lies far away or outside the building: keep, drop; left out: refused or warned of"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object instead of text")] = False,
) -> None:
    """Check a scene as `ocr-hf build` does before it uses one (OCR = Object-Centric 3D Rollout).

    Prints what is read and everything that is wrong with it, each with what settles it. The exit status is 1 where the
    scene is refused.
    """
    from ocr_hf.scenes.readers.findings import REFUSED, Finding
    from ocr_hf.scenes.readers.mesh_file import CheckedScene, check_mesh_scene
    from ocr_hf.scenes.readers.mesh_options import check_options

    check_options(up, units, strays)
    if file.is_dir():
        options = {"instances": instances, "labels": labels, "up": up, "units": units, "strays": strays}
        given = [name for name, value in options.items() if value is not None]
        if given:
            raise ValueError(
                f"--{given[0]} goes with mesh files, and {file} is a folder; a recorded scene states it itself"
            )
        from ocr_hf.commands.check_recorded import check_recorded

        return check_recorded(file, as_json)
    try:
        checked = check_mesh_scene(file, instances, labels, up=up, units=units, strays=strays)
    except ValueError as error:
        checked = CheckedScene(None, (), None, (Finding(REFUSED, "file", str(error), ""),))
    read = what_was_read(checked, units)
    findings = [
        {"level": one.level, "kind": one.kind, "seen": one.seen, "way_out": one.way_out} for one in checked.findings
    ]
    if as_json:
        fine = checked.scene is not None
        typer.echo(json.dumps({"file": file.name, "fine": fine, **read, "findings": findings}, ensure_ascii=False))
    else:
        _print(file, read, checked)
    if checked.scene is None:
        raise typer.Exit(1)


def what_was_read(checked: CheckedScene, units: str | None) -> dict[str, Any]:
    """Return what a checked file holds, as JSON values; lengths in metres as far as the unit is known.

    Args:
        checked: The file.
        units: What the user said about its unit.
    """
    from ocr_hf.scenes.readers.scene_units import floor_area, wall_height

    parts, scene = checked.parts, checked.scene
    rooms = scene.rooms if scene else ()
    # An area that the rooms don't give is that of the floor, which a refused file has too.
    area = (
        scene.floor_area_m2 if scene and scene.floor_area_m2 is not None else floor_area(parts) if checked.up else 0.0
    )
    objects = Counter(part.label for part in parts if part.is_object)
    return {
        "objects": dict(sorted(objects.items(), key=lambda item: (-item[1], item[0]))),
        "structure": [part.name for part in parts if not part.is_object],
        "faces": sum(len(mesh.faces) for part in parts for mesh in part.meshes),
        "rooms": len(rooms),
        "floor_area_m2": round(area, 2) if area else None,
        "height_m": round(max(room.height_m for room in rooms), 2) if rooms else round(wall_height(parts), 2) or None,
        "units": units or "m",
        "units_reason": "given" if units else "assumed and checked" if scene else "assumed",
        "up": checked.up.axis if checked.up else None,
        "up_reason": checked.up.reason if checked.up else "not looked for",
    }


def _print(file: Path, read: dict[str, Any], checked: CheckedScene) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(str(file), style="bold")
    if checked.parts:
        objects = ", ".join(f"{count} {label}" for label, count in read["objects"].items()) or "none"
        console.print(f"  objects    {sum(read['objects'].values())}: {objects}")
        console.print(f"  structure  {len(read['structure'])} parts, {read['faces']:,} faces in all")
        sizes = [f"{read['rooms']} room{'' if read['rooms'] == 1 else 's'}"]
        sizes += [f"floor {read['floor_area_m2']:,} m2"] if read["floor_area_m2"] else []
        sizes += [f"{read['height_m']:,} m high"] if read["height_m"] else []
        console.print(f"  building   {', '.join(sizes)}")
        console.print(f"  units      {read['units']} ({read['units_reason']})")
        console.print(f"  up         {read['up'] or '?'} ({read['up_reason']})")
    for one in checked.findings:
        console.print(f"{one.level}: {one.text}", style="red" if one.level == "refused" else "yellow")
    count = len(checked.refusals)
    warnings = len(checked.findings) - count
    told = f", {warnings} warning{'s' if warnings != 1 else ''}" if warnings else ""
    console.print(f"refused{told}" if count else f"can be used{told}", style="red" if count else "green")

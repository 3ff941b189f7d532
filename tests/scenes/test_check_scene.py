"""`ocr-hf check-scene`: what it prints, its JSON, its exit status, and that a build and it say the same."""

from __future__ import annotations

import json

import pytest

from ocr_hf.cli import main
from tests.scenes.mesh_rooms import LIVING, ROOMS, at, edit, shell, write


def run(capsys, *words) -> tuple[int, str, str]:
    """Run `ocr-hf`; return its status and what it printed to stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    told = capsys.readouterr()
    return ended.value.code or 0, told.out, told.err


def test_a_good_scene_is_described(tmp_path, capsys):
    path = write(tmp_path / "room.glb", ROOMS["living"])
    status, out, err = run(capsys, "check-scene", path)
    assert (status, err) == (0, "")
    for line in (
        "  objects    6: 1 chair, 1 plant, 1 rug, 1 sofa, 1 table, 1 tv",
        "  structure  5 parts, 132 faces in all",
        "  building   1 room, floor 19.5",
        "  units      m (assumed and checked)",
        "  up         y ('Floor' lies flat)",
        "can be used",
    ):
        assert line in out
    told = json.loads(run(capsys, "check-scene", path, "--json")[1])
    assert told["fine"] and told["file"] == "room.glb" and told["findings"] == [] and told["rooms"] == 1
    assert told["objects"] == {"chair": 1, "plant": 1, "rug": 1, "sofa": 1, "table": 1, "tv": 1}
    assert (told["units"], told["up"], told["height_m"]) == ("m", "y", 2.6)


def test_refusals_end_with_1_and_say_what_settles_them(tmp_path, capsys):
    path = write(tmp_path / "room.obj", ROOMS["living"] | {"椅子": at(3.0, 0.2, (0.5, 0.5, 0.9))}, "cm", up="y")
    status, out, err = run(capsys, "check-scene", path)
    assert (status, err) == (1, "")
    assert "refused: floor 200,000 m2, " in out and "give --units cm" in out and out.endswith("refused, 1 warning\n")
    assert "warning: no category is known for the classes 椅子" in out and "up         y ('Floor' lies flat)" in out
    told = json.loads(run(capsys, "check-scene", path, "--json")[1])
    assert not told["fine"] and [one["kind"] for one in told["findings"]] == ["units", "labels"]
    assert set(told["findings"][0]) == {"level", "kind", "seen", "way_out"}
    labels = tmp_path / "labels.tsv"
    labels.write_text("椅子\tchair\n", encoding="utf-8")
    status, out, _ = run(capsys, "check-scene", path, "--units", "cm", "--labels", labels)
    assert status == 0 and "2 chair" in out and "units      cm (given)" in out and out.endswith("can be used\n")


@pytest.mark.parametrize("words", [["--units", "km"], ["--up", "x"], ["--strays", "maybe"]])
def test_values_that_are_none_are_mistakes_of_the_command_line(tmp_path, capsys, words):
    path = write(tmp_path / "room.glb", ROOMS["living"])
    status, out, err = run(capsys, "check-scene", path, *words)
    assert status == 1 and not out and f"ocr-hf check-scene: {words[0][2:]} is '{words[1]}'; choose " in err


def test_a_file_that_cant_be_read_is_a_refusal_and_a_missing_one_a_mistake(tmp_path, capsys):
    path = tmp_path / "room.glb"
    path.write_bytes(b"glTF")
    status, out, _ = run(capsys, "check-scene", path)
    assert status == 1 and f"refused: {path} is cut off after 4 bytes; get the whole file" in out
    assert json.loads(run(capsys, "check-scene", path, "--json")[1])["findings"][0]["kind"] == "file"
    status, out, err = run(capsys, "check-scene", tmp_path / "none.glb")
    assert status == 1 and not out and "none.glb does not exist" in err


def test_build_and_questions_say_the_same(tmp_path, capsys):
    path = write(tmp_path / "room.glb", ROOMS["living"], "mm")
    told = json.loads(run(capsys, "check-scene", path, "--json")[1])["findings"][0]
    sentence = f"{path}: {told['seen']}; {told['way_out']}"
    status, _, err = run(capsys, "build", "--source", "mesh", "--path", path, "--out", tmp_path / "out")
    assert status == 1 and sentence in err.replace("\n", " ")
    status, _, err = run(capsys, "questions", path)
    assert status == 1 and sentence in err
    status, out, _ = run(capsys, "questions", path, "--units", "mm", "--json")
    assert status == 0 and json.loads(out)["questions"]


def test_old_name_of_labels_is_refused(tmp_path, capsys):
    for command in ("check-scene", "questions", "build"):
        status, _, err = run(capsys, command, "--categories", "x")
        assert status == 2 and "--categories is now called --labels; use that" in err


def test_all_refusals_are_listed(tmp_path, capsys):
    path = write(tmp_path / "room.glb", shell() | LIVING)
    edit(path, lambda header: header.update(extensionsRequired=["KHR_draco_mesh_compression", "KHR_texture_basisu"]))
    out = run(capsys, "check-scene", path)[1]
    assert out.count("refused: it needs the extension") == 2 and "objects" not in out

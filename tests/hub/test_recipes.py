"""Scans whose frames may not be passed on: recipes are pushed, and joined by somebody with a copy of the scans."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from ocr_hf.cli import main
from ocr_hf.data.schema import RECIPES
from ocr_hf.data.write_recipes import write_recipes
from ocr_hf.hub.download import pull
from ocr_hf.hub.hub_errors import RefusedError
from ocr_hf.hub.push_plan import plan_push
from tests.hub.folders import noise_frames
from tests.scannet_files import SCAN
from tests.scans_copy import rows_and_videos, write_built, write_copy

REPO = "org/ocr-vsi-scannet"

RUN = """
import sys
from ocr_hf.cli import main
for line in sys.stdin.read().splitlines():
    try:
        main(line.split()[1:])
    except SystemExit as ended:
        assert not ended.code, line
"""

LOAD = """
import json
from pathlib import Path
from datasets import load_dataset
from ocr_hf.data.load import load
from tests.scans_copy import rows_and_videos

plain = load_dataset("org/ocr-vsi-scannet", split="train")
rows = load("org/ocr-vsi-scannet", "pairs", split="train", scans="scans")
told = {
    "plain": plain.column_names,
    "clips": plain["clip_id"][:],
    "files": rows_and_videos(Path(rows[0]["vanilla"]["path"]).parents[2]),
    "ids": rows["id"][:],
    "joined": load_dataset("./ocr-vsi-joined", split="train")["id"][:],
    "first": rows[0]["vanilla"]["path"],
    "again": load("org/ocr-vsi-scannet", "recipes", split="train", scans="scans")[0]["vanilla"]["path"],
}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def builder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("builder")
    write_built(root, write_copy(root / "scans"), (SCAN,))
    return root


@pytest.mark.slow
def test_somebody_with_the_scans_gets_the_builders_videos(root, builder, local_hub, hub_api, hub_client, tmp_path):
    """By the commands of docs/your-own-scans.md, on another machine: another cache, folder and copy of the scans."""
    page = (root / "docs/your-own-scans.md").read_text(encoding="utf-8").partition("\n## Recipes, for those")[2]
    pushing, joining = (block.replace("ORG/", "org/") for block in re.findall(r"```bash\n(.*?)```", page, re.S)[:2])
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    shutil.copytree(builder / "ocr-vsi-scans", here / "ocr-vsi-scannet")
    write_copy(elsewhere / "scans")
    run = "import io, sys\nsys.stdin = io.StringIO({!r})\n" + RUN
    told = hub_client(run.format(pushing), cwd=here)
    assert "load(" in told and "scans=FOLDER" in told
    hub_client(run.format(joining), cwd=elsewhere)
    assert (elsewhere / "joined.png").stat().st_size > 10_000
    known = rows_and_videos(here / "ocr-vsi-scannet")
    assert rows_and_videos(elsewhere / "ocr-vsi-joined") == known

    told = json.loads(hub_client(LOAD, cwd=elsewhere))
    assert told["files"] == known and told["first"] == told["again"]
    offline = "import os\nos.environ['HF_HUB_OFFLINE'] = '1'\nfrom ocr_hf.data.load import load\n"
    offline += f"print(load('{REPO}', split='train', scans='scans')[0]['vanilla']['path'])"
    assert hub_client(offline, cwd=elsewhere).strip() == told["first"]
    assert told["clips"] == [f"{SCAN}_00"] and not {"vanilla", "question", "objects"} & set(told["plain"])
    assert len(told["ids"]) > 5 and told["joined"] == told["ids"]
    with pytest.raises(RefusedError, match=f"frames of scannet .{SCAN}.: .*push with --recipes-only"):
        plan_push("dataset", elsewhere / "ocr-vsi-joined", REPO)

    # A pulled folder of recipes can be pushed elsewhere; its card names the repository
    back = pull("dataset", REPO, tmp_path / "pulled", hub_api())
    assert back.files == ("README.md", RECIPES, "train.jsonl")
    assert f"ocr-hf join {REPO} --root scans" in (tmp_path / "pulled/README.md").read_text()
    assert len(plan_push("dataset", tmp_path / "pulled", "org/mirror").files) == 3
    assert local_hub.unserved() == []


def test_frames_are_refused_with_the_way_out(builder):
    with pytest.raises(RefusedError, match=rf"frames of scannet \({SCAN}\): the ScanNet Terms .* --recipes-only"):
        plan_push("dataset", builder / "ocr-vsi-scans", REPO)
    with pytest.raises(ValueError, match="--recipes-only goes with a dataset, not with a model"):
        plan_push("model", builder / "ocr-vsi-scans", REPO, recipes_only=True)


def frame() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise_frames(1, 1, 16)[0]).save(buffer, "PNG")
    return buffer.getvalue()


def add_a_video(folder):
    (folder / "train").mkdir()
    (folder / "train" / "clip.mp4").write_bytes(frame())


def add_a_manifest(folder):
    (folder / "ocr_vsi.json").write_text(json.dumps({"format_version": 1}))


def hide_it_in_the_card(folder):
    with (folder / "README.md").open("a") as file:
        file.write(f'\n<img src="data:image/png;base64,{base64.b64encode(frame()).decode()}">\n')


def hide_it_in_a_line(folder):
    path = folder / "train.jsonl"
    path.write_text(json.dumps({**json.loads(path.read_text()), "frames": base64.b64encode(frame()).decode()}) + "\n")


def hide_it_in_a_name(folder):
    path = folder / "train.jsonl"
    line = json.loads(path.read_text())
    line["converted"]["labels"] = {base64.b64encode(frame()).decode(): "chair"}
    path.write_text(json.dumps(line) + "\n")


def hide_it_in_a_split(folder):
    (folder / "test.jsonl").write_bytes(frame())


def name_a_room_of_vsi_bench(folder):
    path = folder / "train.jsonl"
    path.write_text(path.read_text().replace(SCAN, "scene0251_00"))


def claim_a_number(folder):
    with (folder / "README.md").open("a") as file:
        file.write("\nModels trained on it score 97.3 on VSI-Bench.\n")


def claim_more_clips(folder):
    path = folder / RECIPES
    path.write_text(path.read_text().replace('"clips": 1', '"clips": 2'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (add_a_video, "train/clip.mp4 may not be among recipes, which hold README.md, scan_recipes.json"),
        (add_a_manifest, "ocr_vsi.json may not be among recipes"),
        (hide_it_in_the_card, "README.md holds a file in disguise"),
        (hide_it_in_a_line, "frames"),
        (hide_it_in_a_name, "train.jsonl holds a file in disguise"),
        (hide_it_in_a_split, "test.jsonl is of a split that scan_recipes.json doesn't name"),
        (name_a_room_of_vsi_bench, "not for training: scene0251_00 is a scene of VSI-Bench's test set"),
        (claim_more_clips, "its counts aren't those of the lines"),
        (claim_a_number, "no source file gives 97.3"),
    ],
)
def test_nothing_else_is_pushed_among_recipes(change, said, builder, tmp_path):
    folder = tmp_path / "recipes"
    write_recipes(builder / "ocr-vsi-scans", folder)
    assert len(plan_push("dataset", folder, REPO).files) == 3
    change(folder)
    with pytest.raises(RefusedError, match=said):
        plan_push("dataset", folder, REPO)


def test_the_command_shows_what_it_would_send(builder, capsys, tmp_path):
    folder = Path(shutil.copytree(builder / "ocr-vsi-scans", tmp_path / "ocr-vsi-scans"))
    words = ["push", "dataset", str(folder), "--repo", REPO, "--dry-run", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--recipes-only"])
    told = json.loads(capsys.readouterr().out)
    assert not ended.value.code and [file["path"] for file in told["files"]] == ["README.md", RECIPES, "train.jsonl"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1 and "push with --recipes-only" in capsys.readouterr().err

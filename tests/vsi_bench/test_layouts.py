"""Reading benchmarks: the Hub's layout with its archives, ocr-vsi, and everything that can be wrong with them."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from ocr_hf import archives
from ocr_hf.archives import ArchiveError, ZipArchive
from ocr_hf.data.video import probe, read_frames
from ocr_hf.vsi_bench.benchmark import check_questions
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.runner import check_videos, run_evaluation
from tests.vsi_bench.conftest import questions, video_bytes, write_questions


def settings(data: Path, model: Path | str = "nowhere", **changes) -> EvalConfig:
    return EvalConfig(model=str(model), data=str(data), frames=2, max_new_tokens=2, draws=0, **changes)


class TestVsiLayout:
    def test_archives_are_read_in_place(self, make_vsi_bench) -> None:
        folder = make_vsi_bench()
        before = sorted(folder.rglob("*"))
        benchmark = open_benchmark(str(folder))
        assert [row["id"] for row in benchmark.rows] == [row["id"] for row in questions()]
        for seed, row in enumerate(questions()[:3]):
            video = benchmark.video(row)
            assert probe(video).num_frames == 12
            (folder / "plain.mp4").write_bytes(video_bytes(seed, folder))
            assert (read_frames(video)[0] == read_frames(folder / "plain.mp4")[0]).all()
            (folder / "plain.mp4").unlink()
        assert sorted(folder.rglob("*")) == before

    def test_unpacked_videos_go_before_archives(self, make_vsi_bench) -> None:
        folder = make_vsi_bench()
        row = questions()[0]
        (folder / row["dataset"]).mkdir()
        path = folder / row["dataset"] / f"{row['scene_name']}.mp4"
        path.write_bytes(video_bytes(9, folder))
        assert open_benchmark(str(folder)).video(row) == str(path)

    def test_members_without_a_folder_are_found(self, make_vsi_bench) -> None:
        folder = make_vsi_bench()
        with zipfile.ZipFile(folder / "scannet.zip", "w") as archive:
            archive.writestr("scene0011_00.mp4", video_bytes(1, folder))
        assert probe(open_benchmark(str(folder)).video(questions()[1])).num_frames == 12

    @pytest.mark.parametrize(
        "name", ["test.parquet", "data/test-00000-of-00001.parquet", "test-00000-of-00001.parquet"]
    )
    def test_parquet_questions(self, make_vsi_bench, name: str) -> None:
        folder = make_vsi_bench()
        (folder / "test.jsonl").unlink()
        (folder / name).parent.mkdir(exist_ok=True)
        pd.DataFrame(questions()).to_parquet(folder / name)
        pd.DataFrame(questions()[:1]).to_parquet(folder / "test_debiased.parquet")
        assert open_benchmark(str(folder)).rows == questions()

    def test_splits(self, make_vsi_bench) -> None:
        folder = make_vsi_bench()
        benchmark = open_benchmark(str(folder))
        assert len(benchmark.select("full")) == 30
        assert benchmark.select("debiased") == [row for row in questions() if not row["pruned"]]
        with pytest.raises(ValueError, match="no split 'train'; it has full and debiased"):
            benchmark.select("train")
        write_questions(folder, [{k: v for k, v in row.items() if k != "pruned"} for row in questions()])
        with pytest.raises(ValueError, match="no column 'pruned'"):
            open_benchmark(str(folder)).select("debiased")

    def test_revision_follows_the_questions(self, make_vsi_bench) -> None:
        folder = make_vsi_bench()
        first = open_benchmark(str(folder)).revision
        assert open_benchmark(str(folder)).revision == first
        write_questions(folder, questions()[:-1])
        assert open_benchmark(str(folder)).revision != first

    def test_full_official_set(self, shared) -> None:
        benchmark = open_benchmark(str(shared / "vsi_bench"))
        assert len(benchmark.rows) == 5130 and len(benchmark.select("debiased")) == 2362
        assert len({benchmark.video_key(row) for row in benchmark.rows}) == 288
        with pytest.raises(ValueError, match=r"5130 of 5130 questions have no video in .*arkitscenes/41069025"):
            check_videos(benchmark, benchmark.rows)


class TestFromTheHub:
    def test_fetches_what_is_needed_and_works_offline_then(
        self,
        make_vsi_bench,
        hub_api,
        hub_client,
        local_hub,
    ) -> None:
        api = hub_api()
        api.create_repo("org/VSI-Bench", repo_type="dataset")
        commit = api.upload_folder(repo_id="org/VSI-Bench", repo_type="dataset", folder_path=make_vsi_bench()).oid
        source = """
from ocr_hf.data.video import probe
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
benchmark = open_benchmark("org/VSI-Bench")
print(benchmark.revision, len(benchmark.rows))
row = benchmark.rows[1]
print(row["dataset"], probe(benchmark.video(row)).num_frames, benchmark.missing_videos([{**row, "dataset": "other"}]))
"""
        printed = hub_client(source).split()
        assert printed[:4] == [commit, "30", "scannet", "12"] and "'dataset':" in printed
        asked = [exchange.line for exchange in local_hub.traffic.exchanges if exchange.line.startswith(("GET", "HEAD"))]
        assert any("scannet.zip" in line for line in asked) and not any("arkitscenes.zip" in line for line in asked)
        offline = "import os; os.environ['HF_HUB_OFFLINE'] = '1'\n" + source.split("print(row")[0]
        assert hub_client(offline).split() == [commit, "30"]

    def test_unknown_repositories_are_told(self, hub_client) -> None:
        source = "from ocr_hf.vsi_bench.open_benchmark import open_benchmark; open_benchmark('org/nothing')"
        with pytest.raises(AssertionError, match="data set 'org/nothing' can't be downloaded from the Hub"):
            hub_client(source)


class TestBadFolders:
    @pytest.mark.parametrize("data", ["nowhere", "/nowhere/at/all", "./a/b", "a/b/c"])
    def test_no_folder(self, data: str) -> None:
        with pytest.raises(ValueError, match="is neither a folder nor an ORG/NAME of the Hub"):
            open_benchmark(data)

    def test_empty_folder(self, tmp_path) -> None:
        with pytest.raises(ValueError, match="holds neither test.parquet nor test.jsonl, and no manifest of ocr-vsi"):
            open_benchmark(str(tmp_path))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"id": 7}, r"id 7 is in rows 1 and 2; ids must be unique"),
            ({"question_type": "object_colour"}, r"row 2 \(id 14\): question_type 'object_colour' is unknown"),
            ({"ground_truth": "two"}, r"row 2 \(id 14\): ground truth 'two' is not a number"),
            ({"ground_truth": "nan"}, r"row 2 \(id 14\): ground truth nan is not a positive"),
            ({"question_type": "route_planning", "ground_truth": "C"}, r"there are 0 options but the answer is C"),
            (
                {"question_type": "route_planning", "ground_truth": "C", "options": ["A. x", "B. y"]},
                r"row 2 \(id 14\): there are 2 options but the answer is C",
            ),
        ],
    )
    def test_bad_questions_are_named(self, change: dict, message: str) -> None:
        rows = questions()
        rows[2] |= change
        with pytest.raises(ValueError, match=message):
            check_questions(rows, "here")

    def test_missing_columns_and_no_rows(self) -> None:
        rows = questions()
        del rows[4]["scene_name"]
        with pytest.raises(ValueError, match="here, row 4: no column scene_name"):
            check_questions(rows, "here")
        with pytest.raises(ValueError, match="here holds no question"):
            check_questions([], "here")

    @pytest.mark.parametrize("scene", ["../../etc/passwd", "a/b", ".hidden", ""])
    def test_names_that_leave_the_folder(self, make_vsi_bench, scene: str) -> None:
        benchmark = open_benchmark(str(make_vsi_bench()))
        with pytest.raises(ValueError, match="question 0: .* is no plain name of a video"):
            benchmark.video({**questions()[0], "scene_name": scene})


class TestBadVideos:
    def test_missing_video_stops_before_the_model_is_loaded(self, make_vsi_bench, tmp_path) -> None:
        folder = make_vsi_bench()
        (folder / "scannet.zip").unlink()
        with pytest.raises(
            ValueError, match=r"10 of 30 questions have no video in .*: scannet/scene0011_00 \(question 7\)"
        ):
            run_evaluation(settings(folder), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_corrupt_video_is_named_or_scored_zero(self, make_vsi_bench, lively_model, tmp_path) -> None:
        folder = make_vsi_bench()
        with zipfile.ZipFile(folder / "scannet.zip", "w") as archive:
            archive.writestr("scannet/scene0011_00.mp4", video_bytes(1, folder)[:2000])
        with pytest.raises(ValueError, match=r"question 7: scannet.zip:scannet/scene0011_00.mp4.*--on-bad-video skip"):
            run_evaluation(settings(folder, lively_model, batch_size=5), tmp_path / "out")
        results = run_evaluation(settings(folder, lively_model, batch_size=5, on_bad_video="skip"), tmp_path / "out")
        assert results["n"] == 30 and results["n_errors"] == 10 and results["n_unparsed"] >= 10
        table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
        bad = table[table.dataset == "scannet"]
        assert (
            (bad.score == 0).all() and bad.error.str.contains("scene0011_00.mp4").all() and bad.prediction.isna().all()
        )
        assert table[table.dataset != "scannet"].error.isna().all()
        assert "10 questions have a video that could not be read" in (tmp_path / "out" / "report.md").read_text()

    def test_missing_video_can_be_scored_zero(self, make_vsi_bench, lively_model, tmp_path) -> None:
        folder = make_vsi_bench()
        (folder / "scannetpp.zip").unlink()
        results = run_evaluation(settings(folder, lively_model, on_bad_video="skip"), tmp_path / "out")
        assert results["n"] == 30 and results["n_errors"] == 10


class TestArchives:
    @pytest.mark.parametrize("name", ["../evil.mp4", "a/../../evil.mp4", "/evil.mp4", "\\evil.mp4", "C:/evil.mp4"])
    def test_traversal_is_refused(self, make_vsi_bench, tmp_path, name: str) -> None:
        folder = make_vsi_bench()
        with zipfile.ZipFile(folder / "scannet.zip", "a") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(ArchiveError, match="scannet.zip: member '.*evil.mp4' points outside the archive"):
            open_benchmark(str(folder)).video(questions()[1])
        with pytest.raises(ArchiveError, match="points outside"):
            run_evaluation(settings(folder), tmp_path / "out")
        assert not list(tmp_path.rglob("*evil*"))

    def test_links_are_refused(self, tmp_path) -> None:
        link = zipfile.ZipInfo("scannet/link.mp4")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(link, "/etc/passwd")
        with pytest.raises(ArchiveError, match="points outside"):
            ZipArchive(tmp_path / "a.zip")

    def test_a_bomb_is_refused_by_its_claim(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1 << 20)
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.mp4", bytes(2 << 20))
        assert (tmp_path / "a.zip").stat().st_size < 5000
        with pytest.raises(ArchiveError, match="'bomb.mp4' claims 2,097,152 bytes, more than 1,048,576; a zip bomb"):
            ZipArchive(tmp_path / "a.zip").read("bomb.mp4")

    def test_a_bomb_that_lies_about_its_size_is_refused(self, tmp_path) -> None:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.mp4", bytes(3 << 20))
        content = path.read_bytes()
        path.write_bytes(content.replace((3 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
        archive = ZipArchive(path)
        with pytest.raises(ArchiveError, match="unpacks to more than it claims|can't be unpacked"):
            archive.read("bomb.mp4")

    def test_too_many_members_are_refused(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            for number in range(4):
                archive.writestr(f"{number}.mp4", b"")
        with pytest.raises(ArchiveError, match="has 4 members, more than 3"):
            ZipArchive(tmp_path / "a.zip")

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_double_members_are_refused(self, tmp_path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("a.mp4", b"1")
            archive.writestr("a.mp4", b"2")
        with pytest.raises(ArchiveError, match="holds 'a.mp4' twice"):
            ZipArchive(tmp_path / "a.zip")

    def test_damage_is_named(self, make_vsi_bench) -> None:
        folder = make_vsi_bench()
        content = bytearray((folder / "scannet.zip").read_bytes())
        content[200] ^= 0xFF
        (folder / "scannet.zip").write_bytes(content)
        with pytest.raises(ArchiveError, match="'scannet/scene0011_00.mp4' can't be unpacked"):
            open_benchmark(str(folder)).video(questions()[1])
        (folder / "scannet.zip").write_bytes(content[: len(content) // 2])
        with pytest.raises(ArchiveError, match="scannet.zip is not a readable zip archive"):
            open_benchmark(str(folder)).video(questions()[1])


class TestOcrVsi:
    def test_questions_videos_and_objects(self, ocr_vsi) -> None:
        benchmark = open_benchmark(str(ocr_vsi))
        assert benchmark.knows_objects and benchmark.revision.startswith("format 1, blake2b:")
        stored = pd.read_parquet(ocr_vsi / "train" / "vanilla" / "metadata.parquet")
        assert [row["id"] for row in benchmark.rows] == stored.id.tolist()
        assert benchmark.missing_videos(benchmark.rows) == []
        assert len(benchmark.select("train")) == len(benchmark.rows) == len(benchmark.select("full"))
        with pytest.raises(ValueError, match="no split 'debiased'; it has full, train"):
            benchmark.select("debiased")
        for row in benchmark.rows[:: len(benchmark.rows) // 5]:
            expected = stored[stored.id == row["id"]].iloc[0]
            assert probe(benchmark.video(row)).num_frames == 8
            assert Path(benchmark.video(row)).name == f"{row['clip_id']}.mp4"
            assert list(benchmark.objects(row)["queried_objects"]) == list(expected.queried_objects)

    def test_missing_clip_is_named(self, ocr_vsi, tmp_path) -> None:
        folder = tmp_path / "ocr-vsi"
        shutil.copytree(ocr_vsi, folder)
        benchmark = open_benchmark(str(folder))
        clip = benchmark.rows[0]["clip_id"]
        (folder / "train" / "vanilla" / f"{clip}.mp4").unlink()
        with pytest.raises(
            ValueError, match=f"questions have no video in .*: {clip} .question {benchmark.rows[0]['id']}"
        ):
            check_videos(benchmark, benchmark.rows)

    def test_a_copied_folder_has_videos_of_its_own(self, ocr_vsi, tmp_path) -> None:
        """`load_dataset` knows a folder by its name and its metadata, and would give the original's videos."""
        shutil.copytree(ocr_vsi, tmp_path / "ocr-vsi")
        for folder in (ocr_vsi, tmp_path / "ocr-vsi"):
            benchmark = open_benchmark(str(folder))
            assert benchmark.video(benchmark.rows[0]).startswith(f"{folder}/")

    def test_from_the_hub(self, ocr_vsi, hub_api, hub_client, local_hub) -> None:
        api = hub_api()
        api.create_repo("org/ocr-vsi", repo_type="dataset")
        commit = api.upload_folder(repo_id="org/ocr-vsi", repo_type="dataset", folder_path=ocr_vsi).oid
        printed = hub_client("""
from ocr_hf.data.video import probe
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
benchmark = open_benchmark("org/ocr-vsi")
row = benchmark.rows[0]
print(benchmark.revision, probe(benchmark.video(row)).num_frames, len(benchmark.objects(row)["footprints"]) > 0)
""")
        assert printed.split() == [commit, "8", "True"]
        asked = {exchange.line for exchange in local_hub.traffic.exchanges if exchange.line.startswith("HEAD")}
        assert len([line for line in asked if ".mp4" in line]) == 1, "only the clips that are asked about"

    def test_newer_formats_are_refused(self, ocr_vsi, tmp_path) -> None:
        folder = tmp_path / "ocr-vsi"
        shutil.copytree(ocr_vsi, folder)
        manifest = json.loads((folder / "ocr_vsi.json").read_text())
        (folder / "ocr_vsi.json").write_text(json.dumps({**manifest, "format_version": 99}))
        with pytest.raises(ValueError, match="format version 99"):
            open_benchmark(str(folder))

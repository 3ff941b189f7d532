"""datatrove's executors give the bytes of a plain build."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocr_hf.cli import main
from ocr_hf.data import make_clips
from ocr_hf.data.build_folder import build_folder
from tests.data.conftest import digests, small_config
from tests.data.rooms import write_rooms

pytest.importorskip("datatrove")


def test_local_executor_builds_the_same_folder_and_skips_when_relaunched(built: Path, tmp_path: Path) -> None:
    from datatrove.executor import LocalPipelineExecutor

    from ocr_hf.data.scale import AssembleFolder, BuildClips

    out, config = tmp_path / "ocr-vsi", small_config()
    clips = LocalPipelineExecutor([BuildClips(config, out)], tasks=3, workers=1, logging_dir=str(tmp_path / "a"))
    folder = LocalPipelineExecutor(
        [AssembleFolder(config, out)], tasks=1, logging_dir=str(tmp_path / "b"), depends=clips
    )
    folder.run()
    assert digests(out) == digests(built)
    again = LocalPipelineExecutor([BuildClips(config, out)], tasks=3, workers=1, logging_dir=str(tmp_path / "c"))
    again.run()
    assert digests(out) == digests(built)


def test_ranks_share_the_work_without_overlap(built: Path, tmp_path: Path) -> None:
    from ocr_hf.data.scale import AssembleFolder, BuildClips

    out, config = tmp_path / "ocr-vsi", small_config()
    with pytest.raises(ValueError, match="3 clips aren't built"):
        BuildClips(config, out)
        list(AssembleFolder(config, out).run())
    made = [[item.id for item in BuildClips(config, out).run(None, rank, 2)] for rank in range(2)]
    assert len(made[0]) == 2 and len(made[1]) == 1 and not set(made[0]) & set(made[1])
    list(AssembleFolder(config, out).run())
    assert digests(out) == digests(built)


def test_a_scene_that_fails_is_tried_again(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try of one scene, and every try of another, fail; the rest is made all the same."""
    from ocr_hf.data import scale

    config, tries, broken = small_config(), [], {"times": 1}

    def build_scene(config, plan, staging):
        tries.append(plan.name)
        if plan.index == 1 and tries.count(plan.name) <= broken["times"]:
            raise OSError("the disk is slow")
        yield from make_clips.build_scene(config, plan, staging)

    monkeypatch.setattr(scale, "build_scene", build_scene)
    scale.build_locally(config, tmp_path / "ocr-vsi")
    assert digests(tmp_path / "ocr-vsi") == digests(built) and len(tries) == 6
    (told,) = (tmp_path / "ocr-vsi.logs/failed_1").iterdir()
    assert "the disk is slow" in told.read_text()
    broken["times"] = 99
    with pytest.raises(RuntimeError, match="1 of 3 scenes failed 2 times .*see other.logs/failed_2 .*--resume"):
        scale.build_locally(config, tmp_path / "other")
    broken["times"] = 0
    scale.build_locally(config, tmp_path / "other", resume=True)
    assert digests(tmp_path / "other") == digests(built)


def test_a_full_disk_leaves_no_note_without_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ocr_hf.data import scale

    def build_scene(config, plan, staging):
        raise OSError("the disk is slow")

    def full(path: Path, text: str, **options: str) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    step = scale.BuildClips(small_config(), tmp_path / "ocr-vsi", tmp_path / "failed_1")
    monkeypatch.setattr(scale, "build_scene", build_scene)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="can't write .*No space left on device.*; free some space"):
        list(step.run())
    assert not list((tmp_path / "failed_1").iterdir())


@pytest.mark.real_scenes
@pytest.mark.slow
def test_two_workers_build_recordings_to_the_byte(tmp_path: Path) -> None:
    """As `ocr-hf build --executor local` does, with one scene that can't be used."""
    write_rooms(tmp_path / "rooms", 3)
    (tmp_path / "rooms/room_1/frames/000002.png").write_bytes(b"no picture")
    words = ["build", "--source", "recorded", "--root", str(tmp_path / "rooms")]
    words += ["--frames", "6", "--width", "112", "--height", "84"]
    for out, more in (("plain", []), ("local", ["--executor", "local", "--num-proc", "2"])):
        with pytest.raises(SystemExit) as ended:
            main([*words, "--out", str(tmp_path / out / "ocr-vsi"), *more])
        assert not ended.value.code
    assert digests(tmp_path / "local/ocr-vsi") == digests(tmp_path / "plain/ocr-vsi")


@pytest.mark.real_scenes
@pytest.mark.slow
def test_ray_builds_the_same_folder(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ocr_hf.data.scale import build_on_ray

    config = write_rooms(tmp_path / "rooms", 2)
    build_folder(config, tmp_path / "plain/ocr-vsi")
    build_on_ray(config, tmp_path / "ray/ocr-vsi", workers=2)
    assert digests(tmp_path / "ray/ocr-vsi") == digests(tmp_path / "plain/ocr-vsi")

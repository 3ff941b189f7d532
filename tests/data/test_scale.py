"""datatrove's executors give the bytes of a plain build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.conftest import digests, small_config

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

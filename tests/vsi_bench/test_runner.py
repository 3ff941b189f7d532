"""The harness from end to end: what the model receives, kills, several processes, and the files it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ocr_hf.data.video import read_frames, uniform_indices
from ocr_hf.vsi_bench.answers import AnswerLog, read_answers
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.harness import Harness
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from ocr_hf.vsi_bench.prompts import build_prompt
from ocr_hf.vsi_bench.runner import run_evaluation
from ocr_hf.vsi_bench.scoring import score_answer
from tests.vsi_bench.conftest import FPS, FRAMES, HEIGHT, WIDTH, questions, write_questions

FILES = ("predictions.parquet", "results.json", "report.md")
SETTINGS = {"frames": 4, "batch_size": 4, "max_new_tokens": 3, "audit": ("black", "text_only"), "draws": 20}


def config(model: Path, data: Path, **changes) -> EvalConfig:
    return EvalConfig(model=str(model), data=str(data), **{**SETTINGS, **changes})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of all questions asked of a model in this process, in order."""
    ids: list[int] = []
    original = Harness.answer

    def ask(self, batch):
        ids.extend(question.row["id"] for question in batch)
        return original(self, batch)

    monkeypatch.setattr(Harness, "answer", ask)
    return ids


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


def test_unbroken_run_leaves_everything_needed(lively_model, make_vsi_bench, tmp_path, asked) -> None:
    data = make_vsi_bench()
    results = run_evaluation(config(lively_model, data), tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert table.groupby("audit").size().to_dict() == {"vanilla": 30, "black": 30, "text_only": 30}
    assert len(asked) == 90 and sorted(set(asked)) == sorted(row["id"] for row in questions())
    plain = table[table.audit == "vanilla"]
    assert plain.id.tolist() == [row["id"] for row in questions()], "the benchmark's own order"
    assert plain.prediction.nunique() > 10, "the model must not answer everything alike"
    for row, question in zip(plain.itertuples(), questions(), strict=True):
        assert row.prompt == build_prompt(question)
        assert row.score == score_answer(row.question_type, row.prediction, row.ground_truth)
        assert row.num_frames == 4 and row.sampled_fps == pytest.approx(3 / (11 / FPS), abs=1e-6)
        assert row.grid_thw.tolist() == [2, HEIGHT // 14, WIDTH // 14]
    assert results == json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["n"] == 30 and results["debiased"]["n"] == 20 and results["n_scenes"] == 3
    assert set(results["audits"]) == {"black", "text_only"} and results["query_lock"] is None
    settings = results["settings"]
    for name in ("frames", "prompt", "extraction", "batch_size", "seed", "split", "dtype", "max_new_tokens"):
        assert settings[name] == getattr(config(lively_model, data), name) or name == "dtype"
    assert settings["model_revision"].startswith("sha256:") and settings["data_revision"].startswith("blake2b:")
    assert settings["libraries"]["transformers"] and settings["frame_pixels"]["longest_edge"] == 12544
    report = (tmp_path / "out" / "report.md").read_text()
    assert "Object-Centric 3D Rollout" in report and f"--model {lively_model}" in report
    assert "| this model, no video |" in report and "| this model, black frames |" in report


class TestWhatTheModelReceives:
    """The proof: from the very tensors that `generate` was called with back to the decoded frames."""

    @pytest.fixture
    def received(self, lively_model, make_vsi_bench, tmp_path, monkeypatch):
        from transformers import AutoTokenizer
        from transformers import Qwen2_5_VLForConditionalGeneration as Model

        calls: list[dict] = []
        original = Model.generate

        def generate(self, **inputs):
            calls.append({name: value for name, value in inputs.items()})
            return original(self, **inputs)

        monkeypatch.setattr(Model, "generate", generate)
        self.data = make_vsi_bench()
        self.tokenizer = AutoTokenizer.from_pretrained(lively_model)
        run_evaluation(
            config(lively_model, self.data, batch_size=1, limit=3, audit=("black", "text_only")), tmp_path / "out"
        )
        return calls

    def test_pixels_grid_and_times(self, received) -> None:
        benchmark = open_benchmark(str(self.data))
        rows = {row["id"]: row for row in benchmark.rows}
        # Question by question, as plan_batches has them: plain, without video, on black frames
        order = [rows[i] for i in (0, 98, 203)]
        assert [row["dataset"] for row in order] == ["arkitscenes", "scannetpp", "scannetpp"]
        for call, row in zip(received[0::3], order, strict=True):
            indices = uniform_indices(FRAMES, 4)
            frames, times = read_frames(benchmark.video(row), indices)
            assert indices.tolist() == [0, 3, 7, 11]
            assert call["video_grid_thw"].tolist() == [[2, 6, 8]]
            # Two frames a step, sampled (4 - 1) / (11 / 6) times a second.
            assert call["second_per_grid_ts"].item() == pytest.approx(2 * (times[-1] - times[0]) / 3, rel=1e-6)
            assert call["second_per_grid_ts"].item() == pytest.approx(2 * 11 / FPS / 3, rel=1e-6)
            assert np.abs(unpatched(call["pixel_values_videos"]) - frames).max() < 0.51
            ids = call["input_ids"][0].tolist()
            assert (call["mm_token_type_ids"] == 2).sum() == 2 * 6 * 8 // 4
            assert call["do_sample"] is False and call["max_new_tokens"] == 3
            spelled = self.tokenizer.decode(ids, skip_special_tokens=True)
            assert build_prompt(row) in spelled

    def test_black_frames_are_black_and_text_only_has_none(self, received) -> None:
        for call in received[2::3]:
            assert np.abs(unpatched(call["pixel_values_videos"])).max() < 0.51
            assert call["second_per_grid_ts"].item() == pytest.approx(2 * 11 / FPS / 3, rel=1e-6)
        for call in received[1::3]:
            assert not {"pixel_values_videos", "video_grid_thw", "second_per_grid_ts"} & set(call)
            assert (call["mm_token_type_ids"] == 0).all()

    def test_bfloat16_rounds_pixels_but_not_times(self, lively_model, make_vsi_bench, tmp_path, monkeypatch) -> None:
        from transformers import Qwen2_5_VLForConditionalGeneration as Model

        calls: list[dict] = []
        monkeypatch.setattr(Model, "generate", lambda self, **inputs: calls.append(inputs) or inputs["input_ids"])
        settings = config(lively_model, make_vsi_bench(), limit=1, audit=(), dtype="bfloat16")
        run_evaluation(settings, tmp_path / "out")
        assert calls[0]["pixel_values_videos"].dtype == torch.bfloat16
        assert calls[0]["second_per_grid_ts"].item() == pytest.approx(2 * 11 / FPS / 3, rel=1e-6)


def test_qwen3_vl_is_told_the_times(make_vsi_bench, tmp_path, monkeypatch) -> None:
    """Qwen3-VL has the time of each step of the grid written before its frames."""
    from transformers import Qwen3VLForConditionalGeneration as Model

    from ocr_hf.models.tiny import build_tiny

    calls: list[dict] = []
    original = Model.generate
    monkeypatch.setattr(Model, "generate", lambda self, **inputs: calls.append(inputs) or original(self, **inputs))
    model = build_tiny(tmp_path / "tiny3", "0.2M", "qwen3_vl")
    run_evaluation(config(model, make_vsi_bench(), limit=2, audit=("text_only",), batch_size=2), tmp_path / "out")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    times = np.array([0, 3, 7, 11]) / FPS
    for ids in calls[0]["input_ids"]:
        told = [float(text) for text in re.findall(r"<([\d.]+) seconds>", tokenizer.decode(ids))]
        assert told == pytest.approx(times.reshape(2, 2).mean(axis=1).tolist(), abs=0.1)
    assert "seconds>" not in tokenizer.decode(calls[1]["input_ids"][0])
    assert pd.read_parquet(tmp_path / "out" / "predictions.parquet").prediction.notna().all()


def unpatched(patches: torch.Tensor) -> np.ndarray:
    """Return (4, H, W, 3) frames, 0 to 255, from Qwen2.5-VL's patches: the processor's steps in reverse.

    Patches are in 2 x 2 blocks; a patch holds (channel, time 2, 14, 14).
    """
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    steps, rows, columns = 2, HEIGHT // 28, WIDTH // 28
    pixels = patches.float().reshape(steps, rows, columns, 2, 2, 3, 2, 14, 14)
    frames = pixels.permute(0, 6, 1, 3, 7, 2, 4, 8, 5).reshape(2 * steps, HEIGHT, WIDTH, 3).numpy()
    return (frames * np.array(OPENAI_CLIP_STD) + np.array(OPENAI_CLIP_MEAN)) * 255.0


KILLED = """
import os, signal, sys
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.harness import Harness
from ocr_hf.vsi_bench.runner import run_evaluation

def kill(done, total):
    if done == 9:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    settings = eval(sys.argv[1])
    run_evaluation(EvalConfig(**settings), sys.argv[2], kill if len(sys.argv) > 3 else None)
"""


def script(tmp_path: Path) -> Path:
    path = tmp_path / "ask.py"
    path.write_text(KILLED)
    return path


@pytest.mark.slow
def test_killed_and_continued_equals_unbroken(lively_model, make_vsi_bench, tmp_path, asked) -> None:
    settings = config(lively_model, make_vsi_bench())
    arguments = {**settings.identity(), "draws": 20}
    command = [sys.executable, str(script(tmp_path)), repr(arguments), str(tmp_path / "broken"), "kill"]
    killed = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    before = read_answers(tmp_path / "broken")
    assert len(before) == 9 * 4  # nine batches of four: three of each audit
    assert not (tmp_path / "broken" / "results.json").exists()
    log = tmp_path / "broken" / "answers" / "rank0000.jsonl"
    with log.open("a") as file:
        file.write('{"audit": "text_only", "id": 0, "predic')  # a line that the kill tore
    run_evaluation(settings, tmp_path / "broken")
    assert len(asked) == 90 - len(before), "answered questions must not be asked again"
    asked.clear()
    run_evaluation(settings, tmp_path / "unbroken")
    assert contents(tmp_path / "broken") == contents(tmp_path / "unbroken")
    asked.clear()
    run_evaluation(settings, tmp_path / "broken")
    assert asked == [] and contents(tmp_path / "broken") == contents(tmp_path / "unbroken")


@pytest.mark.slow
def test_two_processes_equal_one(lively_model, make_vsi_bench, tmp_path) -> None:
    settings = config(lively_model, make_vsi_bench())
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*torchrun, str(script(tmp_path)), repr({**settings.identity(), "draws": 20}), str(tmp_path / "two")]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    parts = [path.read_text().count("\n") for path in sorted((tmp_path / "two" / "answers").iterdir())]
    assert len(parts) == 2 and sum(parts) == 90 and min(parts) > 40, "both processes must have worked"
    run_evaluation(settings, tmp_path / "one")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_a_run_is_not_continued_with_other_settings(lively_model, make_vsi_bench, tmp_path) -> None:
    data = make_vsi_bench()
    settings = config(lively_model, data, limit=2, audit=())
    run_evaluation(settings, tmp_path / "out")
    with pytest.raises(
        ValueError, match=r"holds a run with frames = 4, now it is 6; its answers stay as they are, choose another"
    ):
        run_evaluation(config(lively_model, data, limit=2, audit=(), frames=6), tmp_path / "out")
    run_evaluation(config(lively_model, data, limit=2, audit=(), average="micro"), tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        run_evaluation(settings, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_batches_keep_videos_together_and_do_not_change_answers(lively_model, make_vsi_bench, tmp_path) -> None:
    data = make_vsi_bench()
    predictions = []
    for size in (1, 7):
        run_evaluation(config(lively_model, data, batch_size=size, audit=(), frames=3), tmp_path / f"b{size}")
        predictions.append(pd.read_parquet(tmp_path / f"b{size}" / "predictions.parquet").prediction.tolist())
    assert predictions[0] == predictions[1]
    lines = (tmp_path / "b1" / "answers" / "rank0000.jsonl").read_text().splitlines()
    scenes = {row["id"]: row["scene_name"] for row in questions()}
    order = [scenes[json.loads(line)["id"]] for line in lines]
    assert sum(a != b for a, b in zip(order, order[1:], strict=False)) == 2


def test_thinking_prompt_reads_answer_tags(lively_model, make_vsi_bench, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Harness, "answer", lambda self, batch: ["<think>A?</think><answer>B</answer>"] * len(batch))
    data = make_vsi_bench()
    results = run_evaluation(
        EvalConfig(model=str(lively_model), data=str(data), prompt="thinking", frames=2), tmp_path / "out"
    )
    assert results["extraction"] == "answer_tag" and results["settings"]["max_new_tokens"] == 1024
    assert results["tasks"]["route_planning"]["score"] == 100.0 and results["tasks"]["object_counting"]["score"] == 0.0
    assert "not comparable with official scores" in (tmp_path / "out" / "report.md").read_text()


def test_limit_spreads_over_the_tasks(make_vsi_bench) -> None:
    rows, take = questions(), partial(open_benchmark(str(make_vsi_bench())).take, "full")
    assert [row["question_type"] for row in take(10)] == sorted(
        {row["question_type"] for row in rows}, key=list(dict.fromkeys(r["question_type"] for r in rows)).index
    )
    assert take(None) == rows and take(99) == rows and take(1) == rows[:1]
    with pytest.raises(ValueError, match="limit is 0"):
        take(0)


def test_answer_log_survives_torn_lines_and_names_bad_ones(tmp_path) -> None:
    log = AnswerLog(tmp_path, 0)
    log.append([{"audit": "vanilla", "id": 1, "prediction": "é\n\u2028"}, {"audit": "vanilla", "id": 2}])
    with log.path.open("ab") as file:
        file.write(b'{"audit": "van')
    assert set(read_answers(tmp_path)) == {("vanilla", 1), ("vanilla", 2)}
    AnswerLog(tmp_path, 0).append([{"audit": "vanilla", "id": 3}])
    assert set(read_answers(tmp_path)) == {("vanilla", 1), ("vanilla", 2), ("vanilla", 3)}
    assert read_answers(tmp_path)["vanilla", 1]["prediction"] == "é\n\u2028"
    with log.path.open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(ValueError, match=r"rank0000.jsonl, line 4, is not an answer"):
        read_answers(tmp_path)


def test_ids_may_be_text(lively_model, make_vsi_bench, tmp_path) -> None:
    data = make_vsi_bench()
    write_questions(data, [{**row, "id": f"q{row['id']}"} for row in questions()])
    run_evaluation(config(lively_model, data, limit=3, audit=()), tmp_path / "out")
    assert pd.read_parquet(tmp_path / "out" / "predictions.parquet").id.tolist() == ["q0", "q98", "q203"]


HUB_RUN = """
import json, sys
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.harness import Harness
from ocr_hf.vsi_bench.runner import run_evaluation
settings = dict(model="org/tiny", data="org/VSI-Bench", limit=2, frames=2, max_new_tokens=2, draws=0)
results = run_evaluation(EvalConfig(**settings), "out")
print(json.dumps([results["settings"]["model_revision"], results["settings"]["data_revision"]]))
"""


@pytest.mark.slow
def test_revisions_of_hub_repositories_are_recorded(
    lively_model,
    make_vsi_bench,
    hub_api,
    hub_client,
    tmp_path,
) -> None:
    api = hub_api()
    commits = []
    for name, kind, folder in [("tiny", "model", lively_model), ("VSI-Bench", "dataset", make_vsi_bench("data"))]:
        api.create_repo(f"org/{name}", repo_type=kind)
        commits.append(api.upload_folder(repo_id=f"org/{name}", repo_type=kind, folder_path=folder).oid)
    assert json.loads(hub_client(HUB_RUN).splitlines()[-1]) == commits
    report = (tmp_path / "out" / "report.md").read_text()
    assert f"--model org/tiny --revision {commits[0]}" in report
    assert f"--data org/VSI-Bench --data-revision {commits[1]}" in report

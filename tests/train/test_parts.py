"""The small parts: micro-batches, the clip loader, scoring, metrics, rewards, checkpoints."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.data.video import write_mp4
from ocr_hf.models.padding import left_padded
from ocr_hf.train import checkpoints
from ocr_hf.train.batches import drop_rows, mask_rows, split_by_group
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, ClipLoader
from ocr_hf.train.generation import until_end
from ocr_hf.train.log_probs import VideoConditionedModel
from ocr_hf.train.metrics import RolloutMetrics
from ocr_hf.train.rewards import accuracy_reward, format_reward, length_reward, make_rewards
from tests.train.clips import make_rows, moving_rectangles


def batch_of(rows: int) -> dict:
    return {
        "completion_ids": torch.arange(rows * 2).view(rows, 2),
        "completion_mask": torch.ones(rows, 2, dtype=torch.long),
        "advantages": torch.arange(1.0, rows + 1),
        "role": [str(row) for row in range(rows)],
        "num_items_in_batch": torch.tensor(7),
        "nothing": None,
    }


class TestMicroBatches:
    @given(groups=st.integers(1, 5), group=st.integers(1, 4), chunks=st.integers(1, 4), seed=st.integers(0, 9))
    def test_every_row_once_and_groups_together(self, groups, group, chunks, seed):
        rows = groups * group
        parts = split_by_group(batch_of(rows), chunks, group, (seed,))
        assert len(parts) == chunks
        order = [int(role) for part in parts for role in part["role"]]
        assert sorted(order) == list(range(rows))
        starts = order[::group]
        assert all(order[i] == starts[i // group] + i % group and starts[i // group] % group == 0 for i in range(rows))
        sizes = [len(part["role"]) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        for part in parts:
            assert part["completion_ids"][:, 0].tolist() == [2 * int(role) for role in part["role"]]
            assert part["num_items_in_batch"] == 7 and part["nothing"] is None

    def test_order_is_a_function_of_the_seed(self):
        orders = [str(split_by_group(batch_of(12), 3, 2, (seed,))) for seed in (1, 1, 2, 3, 4)]
        assert orders[0] == orders[1] and len(set(orders)) > 2

    def test_parts_of_groups_are_cut_as_they_come(self):
        parts = split_by_group(batch_of(4), 2, 8, (0,))
        assert [part["role"] for part in parts] == [["0", "1"], ["2", "3"]]

    def test_drop_and_mask(self):
        some = torch.tensor([False, True, False])
        assert drop_rows(batch_of(3), some)["role"] == ["0", "2"]
        masked = mask_rows(batch_of(3), some)
        assert masked["completion_mask"].sum(1).tolist() == [2, 0, 2] and masked["advantages"].tolist() == [1, 0, 3]
        untouched = batch_of(3)
        assert mask_rows(untouched, ~some & False) is untouched


class TestClipLoader:
    def test_frames_are_those_sampled_evenly(self, tmp_path):
        row = make_rows(tmp_path, 1)[0]
        clip = ClipLoader("vanilla", 4)([row])[0][CLIP]
        assert clip.indices == (0, 2, 4, 7) and clip.times_s == pytest.approx([0, 0.5, 1.0, 1.75])
        error = np.abs(clip.array.astype(int) - moving_rectangles(0)[0][[0, 2, 4, 7]])
        assert np.median(error) <= 2 and clip.frames.dtype == torch.uint8

    def test_a_group_is_decoded_once_and_shares_its_frames(self, tmp_path, monkeypatch):
        from ocr_hf.train import clip_loader as clips

        read = []
        monkeypatch.setattr(clips, "read_frames", lambda *a, real=clips.read_frames: (read.append(a), real(*a))[1])
        rows = make_rows(tmp_path, 2)
        loaded = ClipLoader("vanilla", 4)([rows[0]] * 4 + [rows[1]] * 4)
        assert len(read) == 2
        assert len({id(row[CLIP]) for row in loaded}) == 2 and len({id(row) for row in loaded}) == 8
        size = len(pickle.dumps(loaded))
        assert size < 2 * len(pickle.dumps(loaded[:1] + loaded[4:5]))

    def test_questions_of_one_clip_share_its_frames(self, tmp_path):
        row = make_rows(tmp_path, 1)[0]
        loader = ClipLoader("vanilla", 4)
        first, second = loader([row, row | {"id": 99}])
        assert first[CLIP].array.base is not None and np.shares_memory(first[CLIP].array, second[CLIP].array)

    def test_a_copy_for_another_process_starts_its_own_cache(self, tmp_path):
        loader = ClipLoader("vanilla", 4)
        loader(make_rows(tmp_path, 1))
        assert loader._cache.bytes > 0 and pickle.loads(pickle.dumps(loader))._cache is None

    def test_nested_columns_are_read_as_lists_but_not_walked(self, tmp_path):
        from accelerate.utils import send_to_device

        row = make_rows(tmp_path, 1)[0]
        loaded = ClipLoader("vanilla", 4)([row])[0]
        for name in ("footprints", "camera_to_world", "intrinsics", "objects"):
            column = loaded[name]
            assert column == row[name] and column[0] == row[name][0] and len(list(column)) == len(row[name])
            assert send_to_device([loaded], "cpu")[0][name] is column  # a list would come back rebuilt
        assert np.asarray(loaded["camera_to_world"]).shape == (8, 4, 4)
        assert loaded["prompt"] == row["prompt"] and isinstance(loaded["prompt"], list)

    def test_rows_without_a_clip_pass(self):
        assert ClipLoader("vanilla", 4)([{"prompt": "a", "vanilla": None}]) == [{"prompt": "a"}]

    def test_skipped_once_named_once(self, tmp_path, caplog):
        row = make_rows(tmp_path, 1)[0] | {"vanilla": b"broken"}
        loader = ClipLoader("vanilla", 4, on_bad_video="skip")
        assert all(CLIP not in found and "cannot be read" in found[BAD_CLIP] for found in loader([row, row]) * 2)
        assert len(caplog.records) == 1

    def test_bytes_and_dictionaries_of_datasets(self, tmp_path):
        row = make_rows(tmp_path, 1)[0]
        data = Path(row["vanilla"]).read_bytes()
        frames = [
            ClipLoader("vanilla", 4)([row | {"vanilla": source}])[0][CLIP].array
            for source in (row["vanilla"], data, {"bytes": data, "path": None}, {"bytes": None, "path": row["vanilla"]})
        ]
        assert all(np.array_equal(frames[0], other) for other in frames)

    def test_a_single_frame_has_no_rate_and_passes(self, tmp_path):
        write_mp4(tmp_path / "one.mp4", moving_rectangles(0, 1)[0], 1.0)
        loaded = ClipLoader("vanilla", 1)([{"id": 1, "vanilla": str(tmp_path / "one.mp4")}])
        assert loaded[0][CLIP].times_s == (0.0,)


def test_rows_of_a_chunk_see_their_own_videos():
    calls = []
    store = SimpleNamespace(arguments=lambda model, ids, input_ids: {"ids": ids})
    model = VideoConditionedModel(lambda **kw: calls.append(kw["ids"]), None, store, ["a", None, "b"], torch.no_grad)
    model(input_ids=torch.zeros(2, 1))
    with pytest.raises(RuntimeError, match="1 rollouts were scored without their video"):
        model.check_all_used()
    model(input_ids=torch.zeros(1, 1))
    model.check_all_used()
    assert calls == [["a", None], ["b"]]
    with pytest.raises(RuntimeError, match="called with 1 rows, but videos of only 0 are left"):
        model(input_ids=torch.zeros(1, 1))


def test_encoder_outputs_survive_how_ddp_moves_arguments(tiny_folder):
    """DDP rebuilds dictionaries among the arguments as `type(x)(items)`; the features must come through."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    output = BaseModelOutputWithPooling(pooler_output=[torch.ones(2, 3), torch.zeros(1, 3)])
    rebuilt = type(output)(tuple(output.items()))
    assert torch.equal(torch.cat(list(rebuilt.pooler_output)), torch.cat(output.pooler_output))


def test_padding_and_ends():
    ids, mask = left_padded([[1, 2, 3], [4]], 0)
    assert ids.tolist() == [[1, 2, 3], [0, 0, 4]] and mask.tolist() == [[1, 1, 1], [0, 0, 1]]
    assert until_end(torch.tensor([[5, 9, 0], [5, 6, 7], [8, 8, 9]]), [9, 8]) == [[5, 9], [5, 6, 7], [8]]


class TestMetrics:
    def test_means_per_role(self):
        metrics = RolloutMetrics(("vanilla", "noisy"))
        measured = metrics.of_rewards(
            torch.tensor([[0, 0, 1, 1], [0, 0, -1, -1]]),
            torch.tensor([[1.0, 3.0, 5.0, 5.0], [2.0, 2.0, torch.nan, torch.nan]]),
            torch.tensor([[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]),
            torch.tensor([[1, 3, 5, 7], [4, 4, 100, 100]]),
        )
        assert measured == {
            "vanilla/reward": 2.0, "vanilla/accuracy": 0.25, "vanilla/length": 3.0, "vanilla/frac_reward_zero_std": 0.5,
            "noisy/reward": 5.0, "noisy/accuracy": 1.0, "noisy/length": 6.0, "noisy/frac_reward_zero_std": 1.0,
            "vanilla/frac_mixed": 0.5, "noisy/frac_mixed": 0.0, "all/frac_mixed": 0.5,
        }  # fmt: skip

    def test_a_group_is_mixed_where_its_answers_score_differently(self):
        """Three groups: mixed by the noisy answers alone, by vanilla ones, by none; without accuracies, by rewards."""
        role = torch.tensor([[0, 0, 1, 1]] * 3)
        scores = torch.tensor([[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
        shares = {"vanilla/frac_mixed": 1 / 3, "noisy/frac_mixed": 1 / 3, "all/frac_mixed": 2 / 3}
        for rewards, accuracy in ((torch.rand(3, 4), scores), (scores, None)):
            measured = RolloutMetrics(("vanilla", "noisy")).of_rewards(role, rewards, accuracy, torch.ones(3, 4))
            assert {name: measured[name] for name in shares} == pytest.approx(shares)
        # Shuffled rollouts, which aren't trained on, make no group mixed
        measured = RolloutMetrics(("vanilla", "noisy"), (), {"noisy"}).of_rewards(role, scores, None, torch.ones(3, 4))
        assert measured["all/frac_mixed"] == pytest.approx(1 / 3)

    def test_entropy_is_a_mean_over_tokens(self):
        metrics = RolloutMetrics(("vanilla", "noisy"))
        metrics.add_entropy(
            torch.tensor([[1.0, 9.0], [2.0, 4.0]]), torch.tensor([[1, 0], [1, 1]]), ["vanilla", "noisy"]
        )
        assert metrics.tokens.take().tolist() == [[1.0, 1.0], [6.0, 2.0]]
        assert metrics.tokens.take().sum() == 0


class TestRewards:
    @pytest.mark.parametrize(
        ("text", "score"),
        [
            ("<think>two</think><answer>2</answer>", 1.0),
            (" <think>a\nb</think>\n<answer>A</answer>\n", 1.0),
            ("<think></think><answer>2</answer>", 0.0),
            ("<think>a</think><answer> </answer>", 0.0),
            ("<think>a</think> so <answer>2</answer>", 0.0),
            ("<think>a</think><answer>2</answer> done", 0.0),
            ("<think>a</think><answer>2</answer><answer>3</answer>", 0.0),
            ("<answer>2</answer>", 0.0),
            ("", 0.0),
        ],
    )
    def test_format(self, text, score):
        assert format_reward([text]) == [score] == format_reward([[{"role": "assistant", "content": text}]])

    def test_accuracy_is_the_metric(self):
        texts = ["<think>x</think><answer>9</answer>", "<answer>B</answer>", "nothing"]
        kinds = ["object_counting", "object_rel_distance", "object_counting"]
        # 9 for 10: a relative error of 0.1 is within 9 of the 10 tolerances
        assert accuracy_reward(texts, kinds, ["10", "B", "3"]) == [0.9, 1.0, 0.0]

    def test_length_bonus_of_right_answers(self):
        ids = [[0] * n for n in (319, 320, 512, 513)]
        right = {"question_type": ["object_counting"] * 4, "ground_truth": ["3"] * 4}
        assert length_reward(["<answer>3</answer>"] * 4, completion_ids=ids, **right) == [0, 0.2, 0.2, 0]
        assert length_reward(["<answer>9</answer>"] * 4, completion_ids=ids, **right) == [0] * 4

    def test_unknown_reward(self):
        with pytest.raises(ValueError, match="no reward 'beauty'; choose from accuracy, format, length"):
            make_rewards(["accuracy", "beauty"])


class TestCheckpoints:
    def make(self, folder, step, keep=None, **topology):
        place = folder / f"checkpoint-{step}"
        place.mkdir(parents=True)
        (place / "model.safetensors").write_bytes(b"w" * step)
        state = SimpleNamespace(global_step=step, best_model_checkpoint=None)
        return checkpoints.finish_checkpoint(folder, state, keep, {"seed": 1, **topology})

    def test_newest_whole_one(self, tmp_path, caplog):
        assert checkpoints.last_checkpoint(tmp_path / "none") is None
        self.make(tmp_path, 3)
        self.make(tmp_path, 12)
        assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-12"
        (tmp_path / "checkpoint-12" / "model.safetensors").write_bytes(b"w")
        assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-3"
        assert "checkpoint-12 is not whole" in caplog.text

    @pytest.mark.parametrize("manifest", [None, "", "{", '{"files": {"gone.bin": 1}}', '{"step": 9}'])
    def test_killed_while_writing(self, tmp_path, manifest):
        self.make(tmp_path, 3)
        (tmp_path / "checkpoint-9").mkdir()
        if manifest is not None:
            (tmp_path / "checkpoint-9" / checkpoints.MANIFEST).write_text(manifest)
        assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-3"

    def test_old_ones_go_only_after_the_new_one_is_whole(self, tmp_path):
        for step in (1, 2, 3):
            self.make(tmp_path, step, keep=2)
        assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-3"}

    def test_other_topology_is_refused(self, tmp_path):
        folder = self.make(tmp_path, 3, processes=1)
        checkpoints.check_topology(folder, {"seed": 1, "processes": 1})
        with pytest.raises(ValueError, match=r"other settings \(processes 1 -> 2\); resume with the same"):
            checkpoints.check_topology(folder, {"seed": 1, "processes": 2})
        (folder / checkpoints.MANIFEST).unlink()
        with pytest.raises(ValueError, match="is not a whole checkpoint; resume from another one"):
            checkpoints.check_topology(folder, {})

    def test_manifest_is_written_last_by_the_trainer(self, make_trainer, tmp_path, monkeypatch):
        """A kill anywhere while the second checkpoint is written leaves the first as the one to resume from."""
        settings = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1, "max_steps": 2}
        trainer = make_trainer(**settings, output_dir=str(tmp_path / "out"))
        original = type(trainer)._save_rng_state

        def killed(self, folder):
            original(self, folder)
            if folder.endswith("checkpoint-2"):
                raise KeyboardInterrupt

        monkeypatch.setattr(type(trainer), "_save_rng_state", killed)
        with pytest.raises(KeyboardInterrupt):
            trainer.train()
        assert (tmp_path / "out" / "checkpoint-2" / "model.safetensors").exists()
        found = checkpoints.last_checkpoint(tmp_path / "out")
        assert found.name == "checkpoint-1"
        manifest = json.loads((found / checkpoints.MANIFEST).read_text())
        assert {"model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"} <= set(manifest["files"])

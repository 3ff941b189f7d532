"""The small parts: micro-batches, the clip loader, scoring, metrics, rewards, checkpoints."""

from __future__ import annotations

import json
import pickle
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.checkpoint.api import CheckpointException

from ocr_hf.data.video import write_mp4
from ocr_hf.models.padding import left_padded
from ocr_hf.train import checkpoints
from ocr_hf.train.batches import drop_rows, mask_rows, split_by_group
from ocr_hf.train.clip_loader import BAD_CLIP, CLIP, ClipLoader
from ocr_hf.train.generation import until_end
from ocr_hf.train.log_probs import VideoConditionedModel
from ocr_hf.train.metrics import RolloutMetrics
from ocr_hf.train.rewards import BadReward, accuracy_reward, finite, format_reward, length_reward, make_rewards
from tests.train.clips import make_rows, moving_rectangles
from tests.train.conftest import history


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
    store = SimpleNamespace(
        arguments=lambda model, ids, input_ids: {"ids": ids},
        positions=lambda model, ids, input_ids, mask, image_grid: [f"of {name}" for name in ids],
    )
    model = VideoConditionedModel(
        lambda **kw: calls.append((kw["ids"], kw["position_ids"])), None, store, ["a", None, "b"], torch.no_grad
    )

    def run(rows):
        model(input_ids=torch.zeros(rows, 1), attention_mask=torch.ones(rows, 1))

    run(2)
    with pytest.raises(RuntimeError, match="1 rollouts were scored without their video"):
        model.check_all_used()
    run(1)
    model.check_all_used()
    assert calls == [(["a", None], ["of a", "of None"]), (["b"], ["of b"])]
    with pytest.raises(RuntimeError, match="called with 1 rows, but videos of only 0 are left"):
        run(1)


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

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("-inf")])
    def test_a_reward_that_is_no_number_is_named_or_counted(self, value):
        def broken(completions, **_):
            return [1.0, value, None, 0.5][: len(completions)]

        columns = {"completions": list("abcd"), "id": ["r0", "r1", "r2", "r3"]}
        with pytest.raises(
            BadReward, match=r"reward 'broken' is (nan|-?inf) for row r1 \(1 of 4 here .* on_bad_reward"
        ):
            finite(broken, "stop")(**columns)
        logged = {}
        skipping = finite(broken, "skip")
        assert skipping(**columns, log_metric=logged.__setitem__) == [1.0, None, None, 0.5]
        assert logged == {"rewards/broken/bad": 0.25} and skipping.__name__ == "broken"
        assert skipping(completions=["a"], id=["r0"], log_metric=logged.__setitem__) == [1.0]
        assert logged == {"rewards/broken/bad": 0.0}

    def test_what_is_no_plain_function_is_left_alone(self):
        async def later(**_):
            return [float("nan")]

        for kept in (later, "org/reward-model", torch.nn.Linear(1, 1)):
            assert finite(kept, "stop") is kept

    def test_training_stops_at_one_or_goes_on_without(self, make_trainer):
        def broken(completions, **_):
            return [float("nan")] + [float(len(c[0]["content"])) for c in completions[1:]]

        with pytest.raises(BadReward, match="the reward 'broken' is nan for row "):
            make_trainer(rewards=broken).train()
        trainer = make_trainer(rewards=broken, on_bad_reward="skip", max_steps=1)
        trainer.train()
        assert history(trainer, "rewards/broken/bad") == [0.25]
        assert all(np.isfinite(history(trainer, name)[0]) for name in ("loss", "grad_norm", "reward"))


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

    @pytest.mark.parametrize(
        "manifest",
        [None, "", "{", "[]", "null", "7", '{"step": 9}', '{"files": {"gone.bin": 1}, "topology": {}}', '{"files": {}}']
        + [f'{{"files": {files}, "topology": {{}}}}' for files in ("[]", "null", '"x"', '{".": null}')]
        + [f'{{"files": {{}}, "topology": {topology}}}' for topology in ("[]", "null", '"seed"')],
    )
    def test_killed_while_writing(self, tmp_path, manifest):
        self.make(tmp_path, 3)
        folder = tmp_path / "checkpoint-9"
        folder.mkdir()
        if manifest is not None:
            (folder / checkpoints.MANIFEST).write_text(manifest)
        assert checkpoints.last_checkpoint(tmp_path).name == "checkpoint-3"
        with pytest.raises(ValueError, match="checkpoint-9 is not a whole checkpoint; resume from another one"):
            checkpoints.check_topology(folder, {"seed": 1})

    def test_old_ones_go_only_after_the_new_one_is_whole(self, tmp_path):
        for step in (1, 2, 3):
            self.make(tmp_path, step, keep=2)
        assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-3"}

    def test_other_topology_is_refused(self, tmp_path):
        folder = self.make(tmp_path, 3, processes=1)
        checkpoints.check_topology(folder, {"seed": 1, "processes": 1})
        with pytest.raises(ValueError, match=r"other settings \(processes 1 -> 2\); resume with the same"):
            checkpoints.check_topology(folder, {"seed": 1, "processes": 2})
        # What an older version did not write down is no difference
        checkpoints.check_topology(folder, {"seed": 1, "sharding": "none"})
        (folder / checkpoints.MANIFEST).unlink()
        with pytest.raises(ValueError, match="is not a whole checkpoint; resume from another one"):
            checkpoints.check_topology(folder, {})

    @pytest.mark.parametrize(
        ("launched", "given", "expected"),
        [
            ({}, {}, "none"),
            ({"ACCELERATE_USE_FSDP": "true", "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT"}, {}, "SHARDED_STATE_DICT"),
            ({}, {"fsdp_plugin_args": {"state_dict_type": "FULL_STATE_DICT"}}, "FULL_STATE_DICT"),
            ({"ACCELERATE_USE_DEEPSPEED": "true"}, {}, "DeepSpeed"),
            ({}, {"deepspeed": "zero3.json"}, "DeepSpeed"),
        ],
    )
    def test_sharding_is_part_of_the_topology(self, tmp_path, monkeypatch, launched, given, expected):
        for name, value in launched.items():
            monkeypatch.setenv(name, value)
        found = checkpoints.topology(SimpleNamespace(world_size=2, **given))
        assert found["sharding"] == expected
        folder = self.make(tmp_path, 3, sharding="another")
        with pytest.raises(
            ValueError, match=f"sharding another -> {expected}.* start a new run .* `ocr-hf merge` first"
        ):
            checkpoints.check_topology(folder, {"sharding": expected})

    def test_full_disk_leaves_the_model_that_was_there(self, make_trainer, tmp_path, monkeypatch):
        trainer, out = make_trainer(), tmp_path / "out"
        trainer.save_model(str(out))
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        save = type(trainer.model).save_pretrained

        def fail(model, folder, **options):
            save(model, folder, **options)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(type(trainer.model), "save_pretrained", fail)
        torch.nn.init.zeros_(trainer.model.get_input_embeddings().weight)
        with pytest.raises(OSError, match="No space left"):
            trainer.save_model(str(out))
        assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
        monkeypatch.undo()
        trainer.save_model(str(out))
        assert {path.name for path in out.iterdir()} == set(before)
        assert (out / "model.safetensors").read_bytes() != before["model.safetensors"]

    def test_a_part_that_no_disk_takes_is_named_with_its_process(self, make_trainer, monkeypatch, tmp_path):
        def full(*_):
            raise CheckpointException("write", {1: (OSError(28, "No space left on device"), None)})

        trainer = make_trainer(save_strategy="steps", save_steps=1, max_steps=1)
        monkeypatch.setattr("transformers.Trainer._save_rng_state", full)
        with pytest.raises(OSError, match=r"checkpoint-1 isn't whole, .* process 1 \(.*No space left on device\) "):
            trainer.train()
        assert checkpoints.last_checkpoint(tmp_path / "run") is None

    @pytest.mark.parametrize("kilobytes", [200, 1000])
    def test_a_checkpoint_that_no_disk_takes_is_named(self, make_trainer, tmp_path, kilobytes):
        """No file may be larger, by which the weights fail, or the optimizer's state: both by errors of their own."""
        trainer = make_trainer(save_strategy="steps", save_steps=1, max_steps=1)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, limits[1]))
        try:
            with pytest.raises(OSError, match=r"checkpoint-1 isn't whole, because process 0 \(.*free some space"):
                trainer.train()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        written = {path.name for path in (tmp_path / "run" / "checkpoint-1").iterdir()}
        assert ("model.safetensors" in written) == (kilobytes == 1000)
        assert checkpoints.last_checkpoint(tmp_path / "run") is None

    def test_best_model_is_restored(self, make_trainer, tmp_path):
        """transformers finds none of its names in the file, and would go on with the last weights."""
        trainer = make_trainer(save_strategy="steps", save_steps=1, max_steps=2, output_dir=str(tmp_path / "out"))
        trainer.train()
        best = tmp_path / "out" / "checkpoint-1"
        last = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        trainer.state.best_model_checkpoint = str(best)
        trainer._load_best_model()
        expected = type(trainer.model).from_pretrained(best).state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in trainer.model.state_dict().items())
        assert any(not torch.equal(value, last[name]) for name, value in expected.items())

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

    def test_a_checkpoint_is_not_whole_while_it_is_written_again(self, make_trainer, tmp_path, monkeypatch):
        """By a run that goes on from an earlier one: killed then, it leaves new weights beside the old optimizer."""
        settings = {"save_strategy": "steps", "save_steps": 1, "max_steps": 2, "output_dir": str(tmp_path / "out")}
        make_trainer(**settings).train()
        first, second = (tmp_path / "out" / f"checkpoint-{step}" for step in (1, 2))
        (second / "of-the-first-run").touch()
        assert checkpoints.last_checkpoint(tmp_path / "out") == second
        trainer = make_trainer(**settings)

        def killed(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(type(trainer), "_save_optimizer_and_scheduler", killed)
            trainer.train(resume_from_checkpoint=str(first))
        assert (second / "model.safetensors").exists()
        assert checkpoints.last_checkpoint(tmp_path / "out") == first
        make_trainer(**settings).train(resume_from_checkpoint=str(first))
        assert checkpoints.last_checkpoint(tmp_path / "out") == second
        assert not (second / "of-the-first-run").exists()

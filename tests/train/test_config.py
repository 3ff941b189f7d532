"""Bad input is refused before training starts, in one sentence with cause and way out."""

from __future__ import annotations

import inspect
from contextlib import nullcontext

import pytest
import transformers
from datasets import Dataset, concatenate_datasets
from trl import GRPOTrainer

from ocr_hf.models.load_model import load_processor
from ocr_hf.settings import extras
from ocr_hf.train import versions
from ocr_hf.train.clip_loader import BadRow
from ocr_hf.train.rewards import accuracy_reward
from ocr_hf.train.training_rows import checked, with_prompts
from tests.train.clips import make_rows
from tests.train.conftest import make_config, vowel_reward


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "magic"}, "strategy is 'magic'; choose one of grpo, ocr, noisy_rollout, t_grpo"),
        ({"strategy": "grppo"}, "strategy is 'grppo'; did you mean 'grpo'?"),
        ({"strategy_options": {"radius": 1}}, "strategy 'ocr' takes no options, but strategy_options has 'radius'"),
        ({"strategy_options": "radius"}, "strategy_options is 'radius' .* give KEY=VALUE, or a JSON object"),
        ({"mode": "geomtry"}, "mode is 'geomtry'; did you mean 'geometry'?"),
        ({"strength": 1.5}, "strength is 1.5; mode gaussian takes 0 to 1"),
        ({"score_under": "both"}, "score_under is 'both'; choose one of clean, own"),
        ({"select": "all"}, "select is 'all'; choose one of visible, queried, context"),
        ({"region": "there"}, "region is 'there'; choose one of objects, elsewhere"),
        ({"region": "elsewhere", "mode": "warp"}, "region is 'elsewhere', but mode warp alters the objects themselves"),
        ({"schedule": "steep"}, "schedule is 'steep'; choose one of linear"),
        ({"on_bad_video": "ignore"}, "on_bad_video is 'ignore'; choose one of stop, skip"),
        ({"num_generations": 5, "per_device_train_batch_size": 5}, r"5 rollouts .* choose a multiple of 2, or set"),
        ({"strategy": "t_grpo", "num_generations": 8}, r"8 rollouts .* choose a multiple of 3, or set num_noisy"),
        ({"strategy": "grpo", "num_noisy": 2}, "strategy 'grpo' has no noisy rollouts, but num_noisy is 2"),
        ({"num_noisy": 9}, "num_noisy is 9; a group has 4 rollouts"),
        ({"strategy": "t_grpo", "num_noisy": 3}, "leaves 1 of 4 rollouts .* strategy 't_grpo' needs at least 2"),
        ({"frames": 0}, "frames is 0; give 1 or more"),
        ({"timestep_midpoint": 40}, "timestep_midpoint is 40; it is a share of the run now, .* divide it by"),
        ({"timestep": 1000}, "timestep is 1000; the diffusion schedule has steps 0 to 999"),
        ({"use_transformers_continuous_batching": True}, "continuous batching takes no video; set it to false"),
    ],
)  # fmt: skip
def test_settings(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make_config(tmp_path, **settings)


def test_no_video_column(make_trainer, rows):
    data = Dataset.from_list(rows).rename_column("vanilla", "clip")
    with pytest.raises(ValueError, match="no video column 'vanilla' .*name the column with video_column, or set strat"):
        make_trainer(data=data)


def test_columns_of_the_strategy(make_trainer, rows):
    with pytest.raises(ValueError, match="strategy 'ocr' reads the columns footprints, which the data set lacks"):
        make_trainer(data=Dataset.from_list(rows).remove_columns("footprints"))


def test_t_grpo_needs_an_accuracy(make_trainer):
    with pytest.raises(ValueError, match="needs a reward function named 'accuracy_reward'"):
        make_trainer(strategy="t_grpo", num_noisy=2)


def test_t_grpo_needs_whole_groups(make_trainer):
    settings = {"strategy": "t_grpo", "num_generations": 6, "per_device_train_batch_size": 3}
    with pytest.raises(ValueError, match="set per_device_train_batch_size to a multiple of 6"):
        make_trainer(rewards=accuracy_reward, gradient_accumulation_steps=4, num_noisy=3, **settings)


def test_fewer_rows_than_a_batch(make_trainer):
    """TRL alone trains no step at all and says nothing."""
    with pytest.raises(ValueError, match="the data set has 4 rows, but a batch takes 5 .* no step could be trained"):
        make_trainer(per_device_train_batch_size=20)


def test_model_without_video_processor(tiny_folder, rows, tmp_path):
    from ocr_hf.train.trainer import OCRGRPOTrainer

    model = transformers.AutoModelForImageTextToText.from_pretrained(tiny_folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_folder)
    with pytest.raises(ValueError, match="has no video processor; use a video language model"):
        OCRGRPOTrainer(model, vowel_reward, make_config(tmp_path), Dataset.from_list(rows), processing_class=tokenizer)


def test_images_and_videos_in_one_batch(make_trainer, rows):
    from PIL import Image

    pictures = Dataset.from_dict({"image": [Image.new("RGB", (56, 56))] * 4})
    data = concatenate_datasets([Dataset.from_list(rows), pictures], axis=1)
    with pytest.raises(ValueError, match="mixes rows with images and rows with videos"):
        make_trainer(data=data).train()


def test_prompt_longer_than_the_context(make_trainer, rows):
    data = Dataset.from_list([rows[0] | {"prompt": [{"role": "user", "content": "x" * 5000}]}])
    with pytest.raises(ValueError, match=r"a prompt has 50\d\d tokens, 12 of them video, .* context of 4096"):
        make_trainer(data=data).train()


def test_video_block_without_a_clip(make_trainer, rows):
    content = [{"type": "video"}, {"type": "text", "text": "?"}]
    given = [row | {"prompt": [{"role": "user", "content": content}]} for row in rows]
    given[1]["vanilla"] = None
    data = Dataset.from_list(given, on_mixed_types="use_json")
    with pytest.raises(BadRow, match=r"row \(id 1, clip_id clip1\): its prompt has a video block, but no clip"):
        make_trainer(data=data, shuffle_dataset=False).train()


class TestRows:
    @pytest.fixture
    def processor(self, tiny_folder):
        return load_processor(tiny_folder)

    def data(self, folder, **changes):
        rows = make_rows(folder, 3)
        for row in rows:
            del row["prompt"]
            row["options"] = None
        rows[1] |= changes
        return with_prompts(Dataset.from_list(rows))

    def test_good_rows_pass(self, tmp_path, processor):
        data = self.data(tmp_path)
        assert checked(data, make_config(tmp_path), processor, 4096, 64) is data
        assert "<answer>" in data[0]["prompt"][0]["content"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"vanilla": "/nowhere.mp4"}, "its clip cannot be read"),
            ({"question": "very long " * 3000}, r"its prompt has \d{4,5} tokens, its video 12, and with 64"),
        ],
    )
    def test_bad_rows_are_named_or_left_out(self, tmp_path, processor, changes, message, caplog):
        data = self.data(tmp_path, clip_id="other", **changes)
        with pytest.raises(BadRow, match=rf"row \(id 1, clip_id other\): {message}"):
            checked(data, make_config(tmp_path), processor, 4096, 64)
        left = checked(data, make_config(tmp_path, on_bad_video="skip"), processor, 4096, 64)
        assert left["id"] == [0, 2] and "left out: row (id 1" in caplog.text

    def test_clip_shorter_than_the_frame_count_is_shown_whole(self, tmp_path, processor, caplog):
        data = self.data(tmp_path)
        assert checked(data, make_config(tmp_path, frames=9), processor, 4096, 64) is data
        assert "3 of 3 clips have fewer frames than frames = 9; each of them is shown whole" in caplog.text

    def test_nothing_left(self, tmp_path, processor):
        data = self.data(tmp_path).map(lambda _: {"vanilla": "/nowhere.mp4"})
        with pytest.raises(ValueError, match="no row of the data set can be used"):
            checked(data, make_config(tmp_path, on_bad_video="skip"), processor, 4096, 64)

    def test_columns_for_prompts(self, tmp_path):
        with pytest.raises(ValueError, match="lacks the columns question_type, from which prompts are made"):
            with_prompts(Dataset.from_list([{"question": "?"}]))


def test_what_a_run_is_watched_by_is_looked_for_first(tmp_path, monkeypatch):
    assert make_config(tmp_path, report_to="tensorboard").report_to == ["tensorboard"]
    monkeypatch.setattr("ocr_hf.train.config.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="report_to is trackio, which isn't installed; pip install trackio, or set it"):
        make_config(tmp_path, report_to="trackio")


class TestVersions:
    """The contract with TRL 1.16."""

    def test_installed_version_is_the_one(self):
        versions.check_trl()

    def test_another_version_is_refused_with_advice(self, monkeypatch):
        monkeypatch.setattr(versions, "version", lambda _: "1.17.0")
        with pytest.raises(ImportError, match=r"TRL 1.17.0 is installed, .* install it with `pip install 'trl==1.16"):
            versions.check_trl()

    def test_missing_trl(self, monkeypatch):
        def missing(_):
            raise versions.PackageNotFoundError

        monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "trl" else name)
        monkeypatch.setattr(versions, "version", missing)
        with pytest.raises(ImportError, match=r"training needs trl, which isn't installed; .* 'ocr-hf\[train\]'"):
            versions.check_trl()

    @pytest.mark.parametrize("name", versions.SEAMS)
    def test_changed_signature_is_refused(self, monkeypatch, name):
        monkeypatch.setattr(GRPOTrainer, name, lambda self, other: None)
        with pytest.raises(ImportError, match=f"GRPOTrainer.{name} of the installed TRL"):
            versions.check_trl()

    def test_every_override_is_in_the_contract(self):
        from ocr_hf.train.trainer import OCRGRPOTrainer

        own = {
            name
            for kind in OCRGRPOTrainer.__mro__[: OCRGRPOTrainer.__mro__.index(GRPOTrainer)]
            for name, value in vars(kind).items()
            if inspect.isfunction(value) and hasattr(GRPOTrainer, name) and name != "__init__"
        }
        assert own <= set(versions.SEAMS)
        for name in own:
            ours = [p for p in inspect.signature(getattr(OCRGRPOTrainer, name)).parameters if p != "kwargs"]
            assert ours == list(versions.SEAMS[name])[: len(ours)], name


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"torch": "2.13.0", "trl": "1.16.0"}, None),
        (
            {"torch": "2.12.1", "trl": "1.16.0"},
            "process 2 on node-1 has torch 2.12.1, and process 0 on node-0 2.13.0,",
        ),
        (
            {"torch": "2.13.0"},
            "process 2 on node-1 has trl not installed, and process 0 on node-0 1.16.0,",
        ),
    ],
)
def test_machines_with_unequal_libraries_are_refused(other, message):
    first = {"torch": "2.13.0", "trl": "1.16.0"}
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        versions.check_versions([("node-0", first), ("node-0", dict(first)), ("node-1", other), ("node-1", other)])

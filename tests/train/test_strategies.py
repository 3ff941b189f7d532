"""The registry of rollout strategies: a user's own, by name and as an instance, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, AutoProcessor

from ocr_hf.train.rollouts import STRATEGIES, Strategy, make_strategy
from ocr_hf.train.trainer import OCRGRPOTrainer
from ocr_hf.train.variants import Shuffled, Vanilla
from tests.train.conftest import make_config, vowel_reward


class Backwards(Strategy):
    """Three quarters of a group see the frames in another order; an option switches it off."""

    name = "backwards"
    help = "frames in another order"
    noisy_share = 3 / 4
    other = "turned"
    columns = ("id",)
    default_options = {"key": 5, "share": 0.5, "on": True, "label": None}

    def perturbed(self, row, step, total_steps):
        return Shuffled(self.options["key"]) if self.options["on"] else Vanilla()


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(STRATEGIES, "_entries", dict(STRATEGIES))  # looked at, so that ours are loaded
    return STRATEGIES.register(Backwards)


@pytest.mark.parametrize("options", [{"key": 7}, "key=7", '{"key": 7}'])
def test_a_registered_strategy_is_used_by_name_with_its_own_share_and_options(tmp_path, registered, options):
    config = make_config(tmp_path, strategy="backwards", strategy_options=options)
    made = make_strategy(config)
    assert made.layout == ("vanilla", "turned", "turned", "turned") and config.num_noisy == 3
    assert made.options == {"key": 7, "share": 0.5, "on": True, "label": None}
    assert made.variants({"id": 1}, 0, 9)["turned"] == Shuffled(7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kye": 7}, "strategy 'backwards': an option in strategy_options is 'kye'; did you mean 'key'?"),
        ({"key": "much"}, "option key in strategy_options is 'much'; give it the type of its default 5, int"),
        ({"key": True}, "option key in strategy_options is True; give it the type of its default 5, int"),
        ({"on": 1}, "option on in strategy_options is 1; give it the type of its default True, bool"),
    ],
)
def test_options_are_checked_against_what_the_strategy_declares(tmp_path, registered, options, message):
    with pytest.raises(ValueError, match=message):
        make_config(tmp_path, strategy="backwards", strategy_options=options)


def test_a_whole_number_does_for_a_float_and_anything_for_none():
    assert Backwards(share=1, label=[2]).options == {"key": 5, "share": 1, "on": True, "label": [2]}


def test_an_instance_takes_the_place_of_a_name(tiny_folder, rows, tmp_path):
    """It isn't registered; the trainer asks it for its share of the group, and it is what the rollouts are shown."""
    trainer = OCRGRPOTrainer(
        AutoModelForImageTextToText.from_pretrained(tiny_folder),
        vowel_reward,
        make_config(tmp_path, max_steps=1),
        Dataset.from_list(rows),
        strategy=Backwards(key=3),
        processing_class=AutoProcessor.from_pretrained(tiny_folder, padding_side="left"),
    )
    assert trainer.args.strategy == "backwards" and trainer.args.num_noisy == 3
    trainer.train()
    assert list(trainer._logs["extra"]["role"])[:4] == ["vanilla", "turned", "turned", "turned"]


def test_an_instance_checks_the_settings(tmp_path):
    class Careful(Backwards):
        def check(self, config):
            raise ValueError(f"careful: noise_seed is {config.noise_seed}; give another")

    with pytest.raises(ValueError, match="careful: noise_seed is 0"):
        make_config(tmp_path).with_strategy(Careful())
    with pytest.raises(ValueError, match="strategy 'grpo' has no noisy rollouts, but num_noisy is 2"):
        make_config(tmp_path, num_noisy=2).with_strategy(STRATEGIES["grpo"]())


def test_a_strategy_that_lacks_something_is_refused(registered):
    with pytest.raises(ValueError, match="strategy 'Nameless' lacks name"):
        STRATEGIES.register(type("Nameless", (Backwards,), {"name": ""}))
    with pytest.raises(ValueError, match="strategy 'idle' lacks perturbed"):
        STRATEGIES.register(type("Idle", (Strategy,), {"name": "idle", "help": "nothing"}))
    with pytest.raises(ValueError, match="there is a strategy 'ocr' already"):
        STRATEGIES.register(type("Other", (Backwards,), {"name": "ocr"}))


def test_every_strategy_says_what_it_does():
    assert list(STRATEGIES)[:4] == ["grpo", "ocr", "noisy_rollout", "t_grpo"]
    for name, entry in STRATEGIES.items():
        assert entry.name == name and len(entry.help.split()) > 3


def test_bonus_is_nothing_unless_written():
    assert Backwards().bonus(torch.ones(2, 4), torch.ones(2, 4, dtype=torch.bool)).sum() == 0

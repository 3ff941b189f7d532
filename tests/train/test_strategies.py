"""The registry of rollout strategies: a user's own, by name and as an instance, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, AutoProcessor

from ocr_hf.train.rollouts import STRATEGIES, Strategy, make_strategy
from ocr_hf.train.trainer import OCRGRPOTrainer
from ocr_hf.train.variants import Shuffled, Vanilla
from ocr_hf.train.view_loss import ScoredTokens
from tests.train.conftest import make_config, vowel_reward

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.parametrize("name", ["vanilla", "turned"])
def test_a_view_that_is_called_as_a_role_is_refused(tmp_path, name):
    """Both are looked up in one table, where one would be taken for the other."""
    clashing = type("Clashing", (Backwards,), {"view_names": ("other", name)})()
    with pytest.raises(ValueError, match="strategy 'backwards' has a view and a role of one name; rename the view"):
        clashing.bound(make_config(tmp_path))


def test_every_strategy_says_what_it_does():
    assert list(STRATEGIES)[:4] == ["grpo", "ocr", "noisy_rollout", "t_grpo"]
    for name, entry in STRATEGIES.items():
        assert entry.name == name and len(entry.help.split()) > 3


def test_the_page_states_every_default_of_an_option():
    rows = [line for line in (ROOT / "docs" / "strategies.md").read_text("utf-8").splitlines() if "options `" in line]
    for name, entry in STRATEGIES.items():
        for option, default in entry.default_options.items():
            (row,) = (row for row in rows if f"`{name}`" in row.split("|")[1])
            assert f"`{option}` ({default})" in row


def test_papo_cuts_a_tokens_divergence_at_ten():
    policy = torch.tensor([[-1.0, -1.0, -1.0]])
    masked = policy + torch.tensor([[-1.0, -10.9, -60.0]])
    scored = ScoredTokens(policy, {"masked": masked}, torch.zeros(1), torch.ones(1, dtype=torch.bool))
    weight, divergence = STRATEGIES["papo"](gamma=0.5).loss_values(scored)["masked_kl"]
    # k3 of -1 is 1/e; of -10.9 it is 9.9
    assert weight == -0.5 and divergence[0].tolist() == pytest.approx([0.3679, 9.9, 10.0], abs=1e-3)


def test_bonus_and_stored_videos_are_nothing_unless_written():
    assert Backwards().stored_videos({"id": 1}) == ()
    assert Backwards().bonus(torch.ones(2, 4), torch.ones(2, 4, dtype=torch.bool)).sum() == 0

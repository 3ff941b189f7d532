"""Groups without variance are replaced by mixed ones of other rows, whole with their videos, and counted."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset

from ocr_hf.train.dynamic_sampling import check_dynamic_sampling, flat_groups, with_groups_of
from tests.train.conftest import history, make_config
from tests.train.test_seeing import score

NAN = float("nan")


def in_some_clips(completions, id, **_):
    """A reward that tells the rollouts of rows 2 and 3 apart, and none of rows 0 and 1."""
    places = [sum(other == row for other in id[:place]) for place, row in enumerate(id)]
    return [float(place % 2) if row > 1 else 0.5 for place, row in zip(places, id, strict=True)]


@pytest.mark.parametrize(
    ("rewards", "flat"),
    [
        ([1.0, 1.0, 1.0], True),
        ([1.0, 0.0, 1.0], False),
        ([1.0, NAN, 1.0 + 1e-8], True),
        ([1.0, NAN, 0.5], False),
        ([NAN, NAN, 1.0], True),
        ([NAN, NAN, NAN], True),
    ],
)
def test_what_a_group_teaches(rewards, flat):
    assert flat_groups(torch.tensor([rewards])).tolist() == [flat]


def test_groups_of_unlike_length_change_places():
    def batch(first: int, prompt: int, completion: int) -> dict:
        rows = torch.arange(first, first + 4)[:, None]
        return {
            "prompt_ids": rows.repeat(1, prompt),
            "prompt_mask": torch.ones(4, prompt, dtype=torch.long),
            "completion_ids": rows.repeat(1, completion),
            "completion_mask": torch.ones(4, completion, dtype=torch.long),
            "old_per_token_logps": -rows.float().repeat(1, completion),
            "advantages": rows[:, 0].float(),
            "scored_media": [f"clip{first + row}" for row in range(4)],
            "num_items_in_batch": torch.tensor(8),
            "nothing": None,
        }

    found = with_groups_of(batch(0, 3, 2), batch(10, 5, 1), [0], [1], size=2, pad=99)
    assert found["scored_media"] == ["clip12", "clip13", "clip2", "clip3"]
    assert found["advantages"].tolist() == [12.0, 13.0, 2.0, 3.0] and found["nothing"] is None
    # Prompts are filled up in front, completions behind
    assert found["prompt_ids"].tolist() == [[12] * 5, [13] * 5, [99, 99, 2, 2, 2], [99, 99, 3, 3, 3]]
    assert found["prompt_mask"].sum(1).tolist() == [5, 5, 3, 3]
    assert found["completion_ids"].tolist() == [[12, 99], [13, 99], [2, 2], [3, 3]]
    assert found["completion_mask"].tolist() == [[1, 0], [1, 0], [1, 1], [1, 1]]
    assert found["old_per_token_logps"].tolist() == [[-12, 0], [-13, 0], [-2, -2], [-3, -3]]


@pytest.mark.parametrize("rounds", [0, 20])
def test_every_group_that_is_trained_on_is_mixed(make_trainer, rows, rounds, monkeypatch):
    trainer = make_trainer(
        rewards=in_some_clips, dynamic_sampling=rounds, per_device_train_batch_size=8, max_steps=3, score_under="own",
        num_iterations=2, beta=0.04,
    )  # fmt: skip
    batches, prepare = [], trainer._prepare_inputs

    def prepared(generated):
        batch = prepare(generated)
        # The videos of replaced groups are at hand, and score as they did when they were sampled
        rescored = score(trainer, batch)
        tokens = batch["completion_mask"].bool()
        if trainer.state.global_step % 2 == 0:
            torch.testing.assert_close(rescored[tokens], batch["old_per_token_logps"][tokens], atol=1e-5, rtol=0)
        assert set(trainer.videos["train"].videos) >= set(batch["scored_media"])
        batches.append((batch["advantages"].view(-1, 4).clone(), batch["num_items_in_batch"], tokens.sum()))
        return batch

    monkeypatch.setattr(trainer, "_prepare_inputs", prepared)
    trainer.train()
    flat = [bool((advantages == 0).all(1).any()) for advantages, *_ in batches]
    assert all(int(items) == int(tokens) for _, items, tokens in batches)
    if rounds == 0:
        assert any(flat) and not history(trainer, "groups/replaced")
        return
    assert not any(flat)
    replaced, left = history(trainer, "groups/replaced"), history(trainer, "groups/flat")
    assert sum(replaced) > 0 and sum(left) == 0
    assert [count > 0 for count in replaced] == [count > 0 for count in history(trainer, "groups/rounds")]


def test_it_ends_where_no_row_is_mixed(make_trainer):
    trainer = make_trainer(rewards=lambda completions, **_: [1.0] * len(completions), dynamic_sampling=2, max_steps=1)
    trainer.train()
    counts = {name: history(trainer, f"groups/{name}") for name in ("replaced", "flat", "rounds")}
    assert counts == {"replaced": [0.0], "flat": [1.0], "rounds": [2.0]}


def test_further_rows_follow_from_seed_step_and_round(make_trainer):
    first, again, other = (make_trainer(dynamic_sampling=1, seed=seed) for seed in (1, 1, 2))
    torch.manual_seed(3)

    def asked(trainer, number: int) -> list[int]:
        return [row["id"] for row in trainer._further_rows(16, number)]

    assert [asked(first, number) for number in range(4)] == [asked(again, number) for number in range(4)]
    assert asked(first, 0) == sorted(asked(first, 0), key=asked(first, 0).index) and len(set(asked(first, 0))) == 4
    assert [asked(first, number) for number in range(4)] != [asked(other, number) for number in range(4)]
    assert len({str(asked(first, number)) for number in range(4)}) > 1


def test_every_generation_of_a_step_asks_further_rows_of_its_own(make_trainer, tmp_path):
    """With steps_per_generation below gradient_accumulation_steps; a resumed run asks what the unbroken one does."""
    settings = {
        "rewards": lambda completions, **_: [1.0] * len(completions), "dynamic_sampling": 2, "max_steps": 3,
        "per_device_train_batch_size": 8, "steps_per_generation": 1, "gradient_accumulation_steps": 2,
        "save_strategy": "steps", "save_steps": 1, "max_completion_length": 2,
    }  # fmt: skip

    def asked(resume: str | None) -> dict[int, list[tuple[int, list[int]]]]:
        trainer, found = make_trainer(**settings), {}
        further = trainer._further_rows

        def noting(count: int, number: int) -> list[dict]:
            rows = further(count, number)
            found.setdefault(trainer.state.global_step, []).append((number, [row["id"] for row in rows][::4]))
            return rows

        trainer._further_rows = noting
        trainer.train(resume_from_checkpoint=resume)
        return found

    whole = asked(None)
    assert {step: [number for number, _ in rounds] for step, rounds in whole.items()} == {
        step: [0, 1, 2, 3] for step in range(3)
    }
    assert all(rounds[:2] != rounds[2:] for rounds in ([ids for _, ids in found] for found in whole.values()))
    assert asked(str(tmp_path / "run" / "checkpoint-1")) == {step: whole[step] for step in (1, 2)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale_rewards": "batch"}, "scale_rewards 'batch' .* normalises over the whole batch"),
        ({"dynamic_sampling": -1}, "dynamic_sampling is -1; give 0 or more"),
    ],
)
def test_what_can_not_be_replaced_is_refused(make_trainer, settings, message):
    with pytest.raises(ValueError, match=message):
        make_trainer(**{"dynamic_sampling": 1, **settings})


def test_parts_of_groups_are_refused(tmp_path):
    """Two processes of 12 rollouts have three groups of 8, one of them spread over both."""
    args = make_config(tmp_path, dynamic_sampling=1)
    args.per_device_train_batch_size, args.steps_per_generation, args.num_generations = 4, 3, 8
    with pytest.raises(
        ValueError, match="a process has 12 rollouts .*, no multiple of num_generations = 8; make it one"
    ):
        check_dynamic_sampling(args, [])


def test_streamed_rows_are_refused(make_trainer, rows):
    with pytest.raises(ValueError, match="which a streamed data set can't give; set it to 0"):
        make_trainer(dynamic_sampling=1, data=Dataset.from_list(rows).to_iterable_dataset())

"""The recipe from end to end in small: every stage leaves a model, and a killed one continues with the same result."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from ocr_hf.data.build_plan import plan_scenes
from ocr_hf.vsi_bench.ocr_vsi_test import ROOMS
from recipes.ocr_vsi_tiny.clip_arrays import clip_rows
from recipes.ocr_vsi_tiny.config import EXTRA, RecipeConfig
from recipes.ocr_vsi_tiny.grpo import grpo_rows
from recipes.ocr_vsi_tiny.model import freeze, insert_layer, load
from recipes.ocr_vsi_tiny.question_tokenizer import QuestionTokenizer, TokenizedQuestion, mirror_table, question_rows
from recipes.ocr_vsi_tiny.sampling import Batch, BatchSampler, choose_frames, choose_questions
from recipes.ocr_vsi_tiny.sft import rate, train_sft
from recipes.ocr_vsi_tiny.sft_model import SFTModel, clip_grid, seconds_per_grid
from recipes.ocr_vsi_tiny.train import train_stages
from recipes.ocr_vsi_tiny.training_data import load_data, split_off
from recipes.ocr_vsi_tiny.vocabulary import labels


@pytest.fixture(scope="module")
def trained(prepared, small, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "reference"
    shutil.copytree(prepared, out)
    train_stages(small, out, echo=lambda text: None)
    return out


@pytest.mark.slow
def test_every_stage_leaves_a_model_and_what_it_cost(trained):
    start = AutoModelForImageTextToText.from_pretrained(trained / "untrained").state_dict()
    before = {name: value.bfloat16().float() for name, value in start.items()}
    for stage in ("sft", "grpo", "text-only"):
        told = json.loads((trained / stage / "training.json").read_text())
        assert told["stage"] == stage and told["seconds"] > 0 and told["config"]["sft_steps"] == 2
        model = AutoModelForImageTextToText.from_pretrained(trained / stage / "model")
        assert {each.dtype for each in model.parameters()} == {torch.bfloat16}
        after = model.state_dict()
        moved = {name for name, value in before.items() if (value - after[name].float()).abs().max() > 0}
        tower = {name for name in before if "visual" in name}
        assert moved - tower, stage
        assert bool(moved & tower) == (stage != "text-only"), stage
        facts = json.loads((trained / stage / "model" / "ocr_hf.json").read_text())
        assert facts == {"frames": 8, "max_pixels": 9408, "prompt": "official"}
        size = (trained / stage / "model" / "model.safetensors").stat().st_size
        assert size < 20e6
        lines = [json.loads(line) for line in (trained / stage / "log.jsonl").read_text().splitlines()]
        assert lines[-1]["step"] == (1 if stage == "grpo" else 5)
        assert any("held_out" in line for line in lines)
    assert "reward" in (trained / "grpo" / "log.jsonl").read_text()


@pytest.mark.slow
def test_finished_stages_are_kept_and_others_begun_anew(trained, small):
    stamp = (trained / "sft" / "training.json").stat().st_mtime_ns
    (trained / "text-only" / "training.json").unlink()
    told = []
    train_stages(small, trained, echo=told.append)
    assert [text.split(":")[0] for text in told] == ["text-only"]
    assert (trained / "sft" / "training.json").stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_killed_sft_goes_on_after_its_last_finished_phase(trained, small, tmp_path):
    """And ends with the same model, log and cost."""
    out = tmp_path / "reference"
    out.mkdir()
    for name in ("train", "cache", "untrained"):
        (out / name).symlink_to(trained / name)
    shutil.copytree(trained / "sft", out / "sft")
    shutil.rmtree(out / "sft" / "model")
    (out / "sft" / "training.json").unlink()
    before = [json.loads(line) for line in (out / "sft" / "log.jsonl").read_text().splitlines()]
    with (out / "sft" / "log.jsonl").open("a") as lines:
        lines.write(json.dumps({"step": 4, "seconds": 1e6, "loss": 9.0}) + "\n")
    train_stages(small, out, ("sft",), echo=lambda text: None)
    after = [json.loads(line) for line in (out / "sft" / "log.jsonl").read_text().splitlines()]
    assert after[:3] == before[:3] and [line["step"] for line in after] == [1, 2, 3, 5]
    assert after[3]["loss"] == before[3]["loss"] and after[2]["seconds"] < after[3]["seconds"] < 1e6
    model = [(folder / "sft" / "model" / "model.safetensors").read_bytes() for folder in (trained, out)]
    assert model[0] == model[1]


@pytest.mark.slow
def test_a_phase_killed_in_its_middle_ends_with_the_same_weights(prepared, small, tmp_path):
    """Killed after its second step of three, whose state was kept."""
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    phase = replace(small.phases[-1], start=0, steps=3, schedule=3)
    weights, logs = [], []
    for steps in ((3,), (2, 3)):
        folder = tmp_path / str(len(steps))
        folder.mkdir()
        for end in steps:
            torch.manual_seed(0)
            model = insert_layer(load(prepared / "untrained"), 6)
            sft_model = SFTModel(model, processor, small)
            rest, held_out = split_off(load_data(small, prepared, sft_model.question_tokenizer), 2)
            if end == 2:
                with pytest.MonkeyPatch.context() as monkey, pytest.raises(KeyboardInterrupt):
                    stop_after(2, monkey)
                    train_sft(sft_model, rest, held_out, phase, folder, 0.0, every=2)
            else:
                train_sft(sft_model, rest, held_out, phase, folder, 0.0, every=2)
        weights.append([each.detach() for each in sft_model.parameters()])
        logs.append([json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))
    assert len(logs[0]) >= 1 and logs[0][-1:] == logs[1][-1:]


def test_heads_first(prepared, small, tmp_path):
    """Until then the model keeps its weights, and the heads don't."""
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    sft_model = SFTModel(insert_layer(load(prepared / "untrained"), 6), processor, small)
    rest, held_out = split_off(load_data(small, prepared, sft_model.question_tokenizer), 2)
    before = [each.detach().clone() for each in sft_model.parameters()]
    phase = replace(small.phases[-1], start=0, steps=1, schedule=3, heads_first=1, extra=EXTRA)
    train_sft(sft_model, rest, held_out, phase, tmp_path, 0.0)
    moved = [not torch.equal(one, other) for one, other in zip(before, sft_model.parameters(), strict=True)]
    heads = len(sft_model.head_parameters())
    assert not any(moved[:-heads]) and all(moved[-heads:])


def test_a_fresh_layer_changes_nothing_at_first(prepared):
    model = load(prepared / "untrained")
    torch.manual_seed(1)
    deeper = insert_layer(model, 6)
    ids = torch.arange(30)[None]
    with torch.no_grad():
        before, after = model(input_ids=ids), deeper(input_ids=ids)
    torch.testing.assert_close(before.logits, after.logits)
    kept, more = model.model.language_model.layers, deeper.model.language_model.layers
    assert len(more) == len(kept) + 1 == deeper.config.text_config.num_hidden_layers
    old = [number for number in range(9) if number != 6]
    for one, other in zip(kept, (more[number] for number in old), strict=True):
        assert torch.equal(one.mlp.up_proj.weight, other.mlp.up_proj.weight)
    fresh = more[6]
    assert not fresh.mlp.down_proj.weight.any() and fresh.mlp.up_proj.weight.std() > 0.01


def test_frozen_parts_stay_as_they_are(prepared, small, tmp_path):
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    model = insert_layer(load(prepared / "untrained"), 6)
    freeze(model, 4)
    sft_model = SFTModel(model, processor, small)
    rest, held_out = split_off(load_data(small, prepared, sft_model.question_tokenizer), 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    phase = replace(small.phases[2], start=0, steps=2, schedule=3)
    train_sft(sft_model, rest, held_out, phase, tmp_path, 0.0)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    layers = {int(name.split("layers.")[1].split(".")[0]) for name in moved if "layers." in name}
    assert layers == {4, 5, 6, 7, 8} and not any("visual" in name or "embed" in name for name in moved)
    line = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert {"fetch", "pick", "paired_bearing", "decided_right"} <= set(line) and "look" not in line


def stop_after(steps, monkey):
    """Interrupt the training when it asks for the batch after so many steps."""
    original, made = BatchSampler.next_batch, []

    def next_batch(self):
        if len(made) == steps:
            raise KeyboardInterrupt
        made.append(None)
        return original(self)

    monkey.setattr(BatchSampler, "next_batch", next_batch)


def test_unknown_stage(small, tmp_path):
    with pytest.raises(ValueError, match="no stage 'rl'; choose of data, sft, grpo, text-only"):
        train_stages(small, tmp_path, ("rl",))


def test_grpo_needs_the_sft_model(prepared, small):
    with pytest.raises(FileNotFoundError, match="run the stage 'sft' first"):
        train_stages(small, prepared, ("grpo",))


def test_held_out_scenes_are_not_trained_on(prepared, small):
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    data = load_data(small, prepared, QuestionTokenizer(processor))
    rest, held_out = split_off(data, 2, most=5)
    assert len(rest.clips) == len(held_out.clips) == 2 == len(rest.questions)
    assert [len(questions) for questions in held_out.questions] == [5, 5]
    assert not np.array_equal(rest.clips.patches, held_out.clips.patches)


def test_frames_are_placed_as_evaluation_places_them(prepared, small):
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    assert clip_grid(processor, small).tolist() == [[8, 6, 8]]
    assert seconds_per_grid(small) == pytest.approx(15 / 7)


def test_frames_are_sampled_in_order_one_from_each_part():
    rng = np.random.default_rng(0)
    sampled = np.stack([choose_frames(rng, 16, 8) for _ in range(200)])
    assert (sampled // 2 == np.arange(8)).all()
    assert {tuple(np.unique(column)) for column in (sampled % 2).T} == {(0, 1)}


def test_every_task_gets_its_questions():
    def questions(kind, count):
        return [TokenizedQuestion([number], [], kind, "") for number in range(count)]

    kinds = ("object_counting", "room_size_estimation", "object_abs_distance", "route_planning")
    tasks = [questions(kind, count) for kind, count in zip(kinds, (5, 1, 3, 4), strict=True)]
    chosen = choose_questions(np.random.default_rng(1), tasks, 7)
    counts = Counter(each.question_type for each in chosen)
    assert counts["room_size_estimation"] == counts["route_planning"] == 1  # the long ones only once
    assert sorted((counts["object_counting"], counts["object_abs_distance"])) == [2, 3]
    assert len({(each.question_type, *each.ids) for each in chosen}) == 7
    assert len(choose_questions(np.random.default_rng(1), tasks, 100)) == 10
    chosen = choose_questions(np.random.default_rng(1), tasks, 100, more=("object_abs_distance",))
    counts = Counter(each.question_type for each in chosen)
    assert counts == dict.fromkeys(kinds, 1) | {"object_abs_distance": 3}


def test_a_mirrored_question_is_the_question_about_the_mirrored_room(prepared):
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    tokenizer, table = QuestionTokenizer(processor), mirror_table(processor.tokenizer)
    row = {
        "question_type": "object_rel_direction_hard",
        "question": "If I am standing by the bed and facing the tv, is the chair to my front-left, front-right, "
        "back-left, or back-right?\nThe directions refer to the quadrants of a Cartesian plane (if I am standing at "
        "the origin and facing along the positive y-axis).",
        "options": ["A. front-left", "B. back-left", "C. back-right", "D. front-right"],
        "ground_truth": "B",
    }
    other = row | {"options": ["A. front-right", "B. back-right", "C. back-left", "D. front-left"]}
    assert tokenizer.encode(row).mirrored(table) == tokenizer.encode(other)
    route = row | {"question_type": "route_planning", "question": "Where?", "options": ["A. Turn Left", "B. Turn Back"]}
    other = route | {"options": ["A. Turn Right", "B. Turn Back"]}
    assert tokenizer.encode(route).mirrored(table) == tokenizer.encode(other)
    assert tokenizer.encode(other).mirrored(table).mirrored(table) == tokenizer.encode(other)


def test_words_that_name_an_object(prepared):
    """Also a label of several tokens, where its last one stands."""
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    question = "Measuring from the closest point of each object, what is the distance between the coat rack and the tv?"
    row = {"question_type": "object_abs_distance", "question": question, "ground_truth": "1.0"}
    question = QuestionTokenizer(processor).encode(row)
    assert [labels()[number] for _, number in question.names] == ["coat rack", "tv"]
    for place, number in question.names:
        assert processor.tokenizer.decode(question.ids[: place + 1]).endswith(labels()[number])


def test_training_and_benchmark_share_no_room() -> None:
    config = RecipeConfig()
    trained = {scene.name for seed in config.parts for scene in plan_scenes(config.part(seed))}
    tested = {scene.name for scene in plan_scenes(ROOMS)}
    assert len(tested) == 240 and len(trained) >= 100 and not tested & trained


def test_every_object_of_the_training_data_has_a_label(prepared):
    shown = {item["label"] for row in clip_rows(prepared / "train" / "21" / "train") for item in row["objects"]}
    assert shown <= set(labels())


def test_batches(prepared, small):
    """First few questions, then many; a black batch shows nothing and only its answers are learnt."""
    processor = AutoProcessor.from_pretrained(prepared / "untrained")
    model = insert_layer(load(prepared / "untrained"), 6)
    config = replace(small, black=1.0, first_questions=1, questions_per_clip=3)
    sft_model = SFTModel(model, processor, config)
    data = load_data(config, prepared, sft_model.question_tokenizer)
    mirror = mirror_table(processor.tokenizer)
    samplers = [BatchSampler(data, config, phase, np.random.default_rng(0), mirror, 8) for phase in config.phases]
    first, second, *_ = samplers
    batch = first.next_batch()
    assert not batch.black and [len(each) for each in batch.questions] == [1, 1] and batch.clips.patches.any()
    assert batch.clips.patches.shape[:2] == (2, 8)
    losses = sft_model.losses(batch)
    words = {"answer", "named", "paired", "decided", "fetch", "judge", "letter", "pick"}
    assert {name.split("_")[0] for name in losses} == words | {"look", "seen", "placed", "camera"}
    assert sft_model.total(losses).item() > losses["answer"].item()
    assert {name.split("_")[0] for name in sft_model.losses(batch, ("related",))} == words - {"judge", "letter"}
    assert {name.split("_")[0] for name in sft_model.losses(batch, ())} == {"answer", "named"}
    batch = second.next_batch()
    assert batch.black and [len(each) for each in batch.questions] == [3, 3] and not batch.clips.patches.any()
    assert set(sft_model.losses(batch)) == {"answer"}
    # What the words name is supervised without video, too
    blind = SFTModel(model, processor, config, video=False)
    rows = question_rows(prepared / "train" / "21", "train")[:3]
    questions = [[blind.question_tokenizer.encode(row) for row in rows]]
    losses = blind.losses(Batch(batch.clips[:1], questions))
    assert {name.split("_")[0] for name in losses} == words


def test_learning_rate_rises_and_falls():
    rates = [rate(step, 100, 10) for step in range(1, 101)]
    assert rate(0, 100, 10) == rate(-5, 100, 10) == 0.0
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert np.all(np.diff(rates[9:]) < 0) and rates[-1] == pytest.approx(0.02)


def test_grpo_asks_every_task_of_every_clip(prepared):
    rows = grpo_rows(prepared / "train" / "21", 3, 0)
    assert len(set(rows["clip_id"])) == 3
    pairs = list(zip(rows["clip_id"], [kind[:18] for kind in rows["question_type"]], strict=True))
    assert len(pairs) == len(set(pairs)) and 15 <= len(pairs) <= 24
    row = rows[0]
    assert Path(row["vanilla"]["path"]).is_file() and row["footprints"] and row["prompt"][0]["role"] == "user"

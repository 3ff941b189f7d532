"""`ocr-hf eval` as a user types it: on a generated ocr-vsi folder with all audits, on other models, on predictions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocr_hf.cli import main as cli
from ocr_hf.data.video import read_frames, uniform_indices
from ocr_hf.vsi_bench.audits import AUDITS, NEED_OBJECTS, asked_audits
from ocr_hf.vsi_bench.open_benchmark import open_benchmark
from tests.vsi_bench.conftest import questions


def main(arguments: list[str]) -> None:
    """Run `ocr-hf`; a success, which ends with status 0 too, returns."""
    try:
        cli(arguments)
    except SystemExit as end:
        if end.code:
            raise


def test_all_audits_on_a_generated_ocr_vsi_folder(lively_model, ocr_vsi, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    flags = ["--frames", "4", "--batch-size", "8", "--max-new-tokens", "2", "--limit", "24", "--draws", "20"]
    main(["eval", "--model", str(lively_model), "--data", str(ocr_vsi), "--audit", "all", "--out", str(out), *flags])
    printed = capsys.readouterr().out
    assert "former query-lock index" in printed and "can't tell a locked model" in " ".join(printed.split())
    assert "audit context_noised" in printed
    results = json.loads((out / "results.json").read_text())
    assert set(results["audits"]) == set(AUDITS) - {"recovery"} and results["n"] == 24 and results["n_scenes"] == 2
    table = pd.read_parquet(out / "predictions.parquet").set_index(["audit", "id"])
    benchmark = open_benchmark(str(ocr_vsi))
    for audit in NEED_OBJECTS[:3]:
        part = table.loc[audit]
        assert len(part) == 24 - results["audits"][audit]["n_not_asked"] > 10
        assert (part.asked_px > 0).all() and (part.changed_px <= part.asked_px).all()
        for row in (row for row in benchmark.rows if row["id"] in part.index):
            assert benchmark.objects(row)["queried_objects"]
    assert (table.loc["queried_noised"].changed_px == table.loc["queried_noised"].asked_px).all()
    assert (table.loc["queried_noised"].asked_px == table.loc["context_noised"].asked_px).all()
    lock = results["query_lock"]
    assert lock["n"] + lock["n_unmatched"] == results["audits"]["context_noised"]["n"]
    assert lock["index"] == pytest.approx(lock["change_queried"] - lock["change_context"])
    part = results["measure"]["recovery"]
    named = results["audits"]["queried_erased"]["n"]
    assert part["n"] + part["n_unmatched"] == named and part["n"] > 0
    arms = asked_audits(["recovery"], (0.25, 0.5, 1.0), 2)
    assert len(arms) == 12 and set(table.index.get_level_values("audit")) == {"vanilla", *AUDITS, *arms} - {"recovery"}
    for arm in arms:
        own = table.loc[arm]
        assert len(own) == part["n"] and (own.changed_px > 0).all()
        assert set(own.index) == set(table.loc[arms[0]].index)
    assert part["overall"]["n"] == part["n"] and len(part["overall"]["strengths"]) == 3
    floor, rate = results["measure"]["floor"], results["measure"]["hallucination"]
    assert floor["n"] == 24 and rate["n"] == named and results["measure"]["twins"] is None
    report = (out / "report.md").read_text()
    assert "## Audits" in report and "**Former query-lock index" in report and "### Context recovery" in report
    assert "Not asked in this run: twins" in report and "numerical floor" in printed
    assert "## Published" not in report, "other data than VSI-Bench can't be compared"


def test_score_somebody_elses_predictions(make_vsi_bench, tmp_path, capsys) -> None:
    rows = [{"id": row["id"], "response": f"{row['ground_truth']}. It is."} for row in questions()]
    (tmp_path / "theirs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["eval", "--predictions", str(tmp_path / "theirs.jsonl"), "--data", str(make_vsi_bench())]
    main([*arguments, "--out", str(tmp_path / "out")])
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["overall"] == 100.0 and results["debiased"]["n"] == 20 and results["references"]
    assert "100.0" in capsys.readouterr().out
    main([*arguments, "--split", "debiased", "--out", str(tmp_path / "half")])
    results = json.loads((tmp_path / "half" / "results.json").read_text())
    assert (results["n"], results["n_elsewhere"], results["n_unanswered"]) == (20, 10, 0)
    # They can be compared like the answers of a model that was asked
    main(["compare", str(tmp_path / "out"), str(tmp_path / "half"), "--common", "--out", str(tmp_path / "both")])
    found = json.loads((tmp_path / "both" / "comparison.json").read_text())
    assert (found["n"], found["n_left_out"], list(found["differing"])) == (20, 10, ["split"])
    assert found["scores"]["half"]["overall"]["score"] == 100.0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "a run needs a model and data"),
        (["--model", "m", "--data", "nowhere"], "'nowhere' is neither a folder nor an ORG/NAME of the Hub"),
        (["--frames", "0"], "frames is 0; give at least 1"),
        (["--prompt", "haiku"], "prompt is 'haiku'; choose one of official"),
        (["--extraction", "x"], "extraction is 'x'; choose one of official, answer_tag"),
        (["--strength", "2"], "strength is 2.0; give 0 to 1"),
        (["--predictions", "nothing.txt"], "nothing.txt is not one of .jsonl"),
    ],
)
def test_mistakes_end_with_one_sentence(flags: list[str], message: str, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as error:
        main(["eval", *flags])
    assert error.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("ocr-hf eval: ") and message in told and told.count("\n") == 1


def test_unknown_split_model_and_audit(make_vsi_bench, lively_model, tmp_path, capsys) -> None:
    data = ["eval", "--data", str(make_vsi_bench()), "--out", str(tmp_path / "out")]
    for flags, message in [
        (["--model", "nobody/nothing"], "'nobody/nothing' is not in the cache"),
        (["--model", str(lively_model), "--split", "train"], "VSI-Bench has no split 'train'"),
        (["--model", str(lively_model), "--audit", "queried_erased"], "audit 'queried_erased' needs to know where"),
        (["--model", str(lively_model), "--audit", "blur"], "audit 'blur' is unknown"),
    ]:
        with pytest.raises(SystemExit):
            main([*data, *flags])
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    """A tiny LLaVA-OneVision: another family, with a video processor of another kind."""
    import torch
    import transformers

    from ocr_hf.models.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(512, 4096)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<video>"]})
    image, video = (tokenizer.convert_tokens_to_ids(token) for token in ("<image>", "<video>"))
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = transformers.SiglipVisionConfig(**small, image_size=28, patch_size=14)
    text = transformers.Qwen2Config(**small, num_key_value_heads=2, vocab_size=len(tokenizer))
    config = transformers.LlavaOnevisionConfig(
        vision_config=vision, text_config=text, image_token_id=image, video_token_id=video
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.LlavaOnevisionForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    template = (
        "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'video' %}<video>"
        "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    )
    size = {"height": 28, "width": 28}
    processor = transformers.LlavaOnevisionProcessor(
        transformers.LlavaOnevisionImageProcessor(size=size),
        tokenizer,
        transformers.LlavaOnevisionVideoProcessor(size=size),
        num_image_tokens=4,
        vision_feature_select_strategy="full",
        chat_template=template,
        image_token="<image>",
        video_token="<video>",
    )
    folder = tmp_path_factory.mktemp("llava")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_any_family_with_a_video_processor(llava, make_vsi_bench, tmp_path, monkeypatch) -> None:
    from transformers import AutoProcessor, LlavaOnevisionForConditionalGeneration

    calls: list[dict] = []
    original = LlavaOnevisionForConditionalGeneration.generate

    def generate(self, **inputs):
        calls.append(inputs)
        return original(self, **inputs)

    monkeypatch.setattr(LlavaOnevisionForConditionalGeneration, "generate", generate)
    data = make_vsi_bench()
    flags = ["--frames", "4", "--limit", "2", "--max-new-tokens", "2", "--audit", "text_only", "--batch-size", "2"]
    main(["eval", "--model", str(llava), "--data", str(data), "--out", str(tmp_path / "out"), *flags])
    with_video, without = calls
    assert with_video["pixel_values_videos"].shape == (2, 4, 3, 28, 28) and "pixel_values_videos" not in without
    benchmark = open_benchmark(str(data))
    processor = AutoProcessor.from_pretrained(llava).video_processor
    for pixels, row in zip(with_video["pixel_values_videos"], (questions()[0], questions()[-1]), strict=True):
        frames, _ = read_frames(benchmark.video(row), uniform_indices(12, 4))
        alone = processor(videos=[frames], do_sample_frames=False, return_tensors="pt")["pixel_values_videos"][0]
        assert np.abs(pixels.numpy() - alone.numpy()).max() < 1e-6
    with pytest.raises(SystemExit):
        main(["eval", "--model", str(llava), "--data", str(data), "--out", str(tmp_path / "x"), "--max-pixels", "999"])


def test_help_names_the_meaning_of_ocr() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ocr_hf.cli", "eval", "--help"], capture_output=True, text=True, check=True
    )
    assert "Object-Centric 3D Rollout" in done.stdout

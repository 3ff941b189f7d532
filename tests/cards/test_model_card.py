"""A card states what was measured: every number has its file, and a changed number, file or result is refused."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st

from ocr_hf.cards.check import check_model_card
from ocr_hf.cards.model_card import write_model_card
from ocr_hf.cards.numbers import stated_numbers
from ocr_hf.cards.sourced import CardError, Figure, Literal, Renderer, Sourced
from ocr_hf.hub.hub_errors import RefusedError
from ocr_hf.hub.push_plan import plan_push
from tests.cards.measured import make_measured
from tests.hub.folders import make_model

REPO = "org/ocr-model"


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A model with a rendered card; tests that change it work on copies."""
    folders = make_measured(tmp_path_factory.mktemp("measured"))
    write_model_card(folders["model"], REPO, evaluations=[folders["evaluation"]], training=[folders["sft"]])
    return folders


@pytest.fixture
def copied(measured, tmp_path):
    return Path(shutil.copytree(measured["model"], tmp_path / "model"))


def resolve(pointer: str, document):
    for key in pointer.split("/")[1:]:
        key = key.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def test_every_value_of_the_card_is_at_its_pointer_in_its_file(measured):
    folder = measured["model"]
    record = json.loads((folder / "sources/card.json").read_text())
    readme = (folder / "README.md").read_text()
    assert len(record["printed"]) > 80
    for entry in record["printed"]:
        text = (folder / entry["file"]).read_text()
        document = json.loads(text) if entry["file"].endswith(".json") else yaml.safe_load(text)
        value = resolve(entry["pointer"], document)
        shown = ("yes" if value else "no") if isinstance(value, bool) else format(value, entry["format"])
        assert shown == entry["text"] and entry["text"] in readme


def test_every_number_of_the_card_is_a_value_or_of_the_template(measured):
    folder = measured["model"]
    readme = (folder / "README.md").read_text()
    printed = " ".join(entry["text"] for entry in json.loads((folder / "sources/card.json").read_text())["printed"])
    template = "95 2511.13190"  # the intervals' level, the paper
    assert stated_numbers(readme) <= stated_numbers(f"{printed} {template}")
    assert len(stated_numbers(readme)) > 60


def test_metadata_and_results_are_the_hubs(measured):
    folder = measured["model"]
    card = ModelCard.load(folder / "README.md")
    results = json.loads((measured["evaluation"] / "results.json").read_text())
    assert card.data.pipeline_tag == "video-text-to-text" and card.data.library_name == "transformers"
    assert card.data.datasets == ["org/ocr-vsi"] and card.data.base_model is None
    (entry,) = card.data.eval_results
    assert entry.metric_value == results["overall"] and entry.metric_type == "vsi_bench"
    assert entry.dataset_type == "org/ocr-vsi" and entry.dataset_revision == "c" * 40
    (written,) = yaml.safe_load((folder / ".eval_results/ocr-vsi.yaml").read_text())
    assert written["value"] == results["overall"]
    assert written["dataset"] == {"id": "org/ocr-vsi", "task_id": "test", "revision": "c" * 40}


def test_nothing_of_this_machine_is_in_the_card(measured):
    readme = (measured["model"] / "README.md").read_text()
    assert "/home/someone" not in readme and str(measured["model"].parent) not in readme


def test_the_card_passes_the_push_and_rendering_again_changes_nothing(measured, copied):
    assert list(check_model_card(copied)) == []
    plan = plan_push("model", copied, REPO)
    assert {"sources/card.json", ".eval_results/ocr-vsi.yaml"} <= {file.path for file in plan.files}
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    write_model_card(copied, REPO, evaluations=[measured["evaluation"]], training=[measured["sft"]])
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


@settings(max_examples=20)
@given(st.data())
def test_any_changed_number_is_refused(measured, tmp_path_factory, data):
    folder = Path(shutil.copytree(measured["model"], tmp_path_factory.mktemp("changed") / "model"))
    readme = (folder / "README.md").read_text()
    body = readme.index("\n# ")
    spots = [spot for spot in re.finditer(r"\d+\.\d+", readme) if spot.start() > body]
    spots = [spot for spot in spots if spot.group() in stated_numbers(readme[spot.start() - 3 :].split("\n")[0])]
    spot = data.draw(st.sampled_from(spots))
    other = data.draw(
        st.floats(0.01, 99.9).map("{:.2f}7".format).filter(lambda text: text not in stated_numbers(readme))
    )
    (folder / "README.md").write_text(readme[: spot.start()] + other + readme[spot.end() :])
    findings = list(check_model_card(folder))
    changed = stated_numbers((folder / "README.md").read_text()) - stated_numbers(readme)
    assert bool(findings) == bool(changed)  # equal only where the spot is code or a name, which state no result
    if changed:
        line = readme[: spot.start()].count("\n") + 1
        assert f"line {line}: no source file gives {other}" in findings[0]


def test_text_may_be_edited_but_not_results_or_sources(copied):
    readme = copied / "README.md"
    readme.write_text(readme.read_text() + "\nThanks to everybody. Run with `n=12345`.\n")
    assert list(check_model_card(copied)) == []
    sound = readme.read_text()
    readme.write_text(re.sub(r"value: [\d.]+", "value: 99.9", sound))
    assert any("model-index" in finding for finding in check_model_card(copied))
    readme.write_text(sound)
    entry = copied / ".eval_results/ocr-vsi.yaml"
    entry.write_text(re.sub(r"value: [\d.]+", "value: 99.9", entry.read_text()))
    assert any(".eval_results" in finding for finding in check_model_card(copied))
    entry.unlink()
    assert any(".eval_results" in finding for finding in check_model_card(copied))


def test_a_changed_or_lost_source_is_refused(copied):
    results = copied / "sources/ocr-vsi-test/results.json"
    document = json.loads(results.read_text())
    results.write_text(json.dumps({**document, "overall": 99.9}))
    findings = list(check_model_card(copied))
    assert any("changed since" in finding for finding in findings) and any("no source file" in f for f in findings)
    results.unlink()
    assert any("is missing" in finding for finding in check_model_card(copied))
    with pytest.raises(RefusedError):
        plan_push("model", copied, REPO)


def test_a_card_without_sources_states_no_number(tmp_path):
    folder = make_model(tmp_path / "model")
    assert list(check_model_card(folder)) == []
    readme = folder / "README.md"
    readme.write_text(readme.read_text() + "\nOur Qwen2.5-VL-3B scores 63.2 points.\n")
    (finding,) = check_model_card(folder)
    assert "63.2" in finding and "2.5" not in finding and "ocr-hf card" in finding


def test_results_of_another_model_are_refused(measured, copied, tmp_path):
    weights = copied / "model-00001-of-00002.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(CardError, match="was measured on weights"):
        write_model_card(copied, REPO, evaluations=[measured["evaluation"]])
    results = json.loads((measured["evaluation"] / "results.json").read_text())
    results["settings"] |= {"model": "org/another", "model_revision": "a" * 40}
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(CardError, match="org/another, the card is for org/ocr-model"):
        write_model_card(copied, REPO, evaluations=[tmp_path / "results.json"])


def test_a_base_model_with_a_licence_of_its_own_must_be_named(tmp_path):
    folders = make_measured(tmp_path)
    config = yaml.safe_load((folders["model"] / "resolved_config.yaml").read_text())
    config["model"] |= {"model": "Qwen/Qwen2.5-VL-3B-Instruct"}
    (folders["model"] / "resolved_config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(CardError, match="--licence"):
        write_model_card(folders["model"], REPO)
    write_model_card(folders["model"], REPO, licence="other")
    data = ModelCard.load(folders["model"] / "README.md").data
    assert data.base_model == "Qwen/Qwen2.5-VL-3B-Instruct" and data.base_model_relation == "finetune"
    assert data.license == "other"


@pytest.mark.parametrize("text", ("[]", '{"base_model_name_or_path": 3}', "{"))
def test_an_adapter_that_does_not_say_its_base_is_refused(tmp_path, text):
    folder = tmp_path / "model"
    make_model(folder)
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(CardError, match="adapter_config.json"):
        write_model_card(folder, "org/ocr-model")


def test_a_model_that_was_not_measured_says_so(tmp_path):
    folder = make_model(tmp_path / "model")
    card = write_model_card(folder, REPO)
    assert "has not been evaluated yet" in card.readme and "not trained by its method" in card.readme
    assert stated_numbers(card.readme) == {"2511.13190"} and list(check_model_card(folder)) == []


def test_the_command_renders_and_says_what_is_next(measured, copied, capsys):
    from ocr_hf.cli import main

    arguments = ["card", copied, "--repo", REPO, "--results", measured["evaluation"], "--training", measured["sft"]]
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr().out
    assert ended.value.code in (0, None)
    assert "values from 6 files" in printed and f"ocr-hf push model {copied} --repo {REPO}" in printed
    with pytest.raises(SystemExit) as ended:
        main(["card", str(copied), "--repo", REPO, "--results", str(copied)])
    assert ended.value.code == 1 and "holds no results.json" in capsys.readouterr().err


# The engine


@pytest.mark.parametrize("value", [33.97, 7, "7 of 9", True])
def test_the_engine_prints_no_value_without_a_source(value):
    with pytest.raises(CardError, match="no source file"):
        Renderer().render("score {{ value }}", value=value)


def test_the_engine_prints_figures_literals_and_text():
    document = Sourced({"a/b": {"c": [1.25, None, "seven", 12345, True]}}, "results.json")
    values = document["a/b"].c
    renderer = Renderer()
    template = "{{ v[0] | fixed(1) }} {{ v[2] }} {{ v[3] | count }} {{ v[4] }} {{ name }} {{ text }}"
    assert (
        renderer.render(template, v=values, name=Literal("Qwen2.5"), text="plain")
        == "1.2 seven 12,345 yes Qwen2.5 plain"
    )
    assert renderer.printed[0] == {"text": "1.2", "file": "results.json", "pointer": "/a~1b/c/0", "format": ".1f"}
    assert values[1] is None and document.get("a/b", "nothing", "below") is None
    with pytest.raises(CardError, match="without a format"):
        renderer.render("{{ v }}", v=Figure(1.5, "f", "/x"))
    with pytest.raises(CardError, match="sources lack"):
        renderer.render("{{ v.missing }}", v=document)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("**63.2** [61.0, 65.4] of 5,130 questions", {"63.2", "61.0", "65.4", "5130"}),
        ("| Abs. Dist | +3.1 | -0.5 % |", {"3.1", "0.5"}),
        ("Qwen2.5-VL-3B and GPT-4o, `limit 12`, [2511.13190](https://x.org/2511)", {"2511.13190"}),
        ("392x280 frames at 0.5s, n=12", {"392", "280", "0.5", "12"}),
        ("---\nlicense: 5\n---\ntext\n```\n99\n```\n<!-- 7 -->", set()),
    ],
)
def test_stated_numbers(text, numbers):
    assert stated_numbers(text) == numbers

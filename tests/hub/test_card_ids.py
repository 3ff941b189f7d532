"""A pushed card loads the repository it lies in, and names nothing that the Hub doesn't have."""

import gc
import re
import shutil

import pytest
import yaml
from huggingface_hub import ModelCard

from ocr_hf.cards.model_card import write_model_card
from ocr_hf.hub.card_ids import with_own_id
from ocr_hf.hub.download import pull
from ocr_hf.hub.hub_errors import HubError
from ocr_hf.hub.push_plan import PushPlan, plan_push
from ocr_hf.hub.repo_files import list_files
from ocr_hf.hub.upload import push
from tests.cards.measured import make_measured
from tests.hub.folders import make_dataset, make_model


def sent_card(plan) -> str:
    return next(file.source for file in plan.files if file.path == "README.md").read_text()


def code_of(card: str) -> str:
    return "\n".join(re.findall(r"```.*?```", card, re.DOTALL))


def test_a_data_sets_card_loads_it_from_where_it_is_pushed_and_from_where_it_is_pushed_next(hub_api, tmp_path):
    folder, api = make_dataset(tmp_path / "clips"), hub_api()
    written = (folder / "README.md").read_text()
    assert 'load_dataset("ocr-vsi")' in code_of(written)
    plan = plan_push("dataset", folder, "org/rooms")
    assert 'load_dataset("org/rooms")' in code_of(sent_card(plan)) and '"ocr-vsi"' not in code_of(sent_card(plan))
    assert "on the Hub it is `org/rooms`" in sent_card(plan) and "`ocr-vsi` is this folder" in sent_card(plan)
    assert not plan.added and (folder / "README.md").read_text() == written
    push(plan, api)
    pulled = pull("dataset", "org/rooms", tmp_path / "pulled", api)
    assert 'load_dataset("org/rooms", "recipes")' in sent_card(plan_push("dataset", pulled.folder, "org/rooms"))
    assert 'load_dataset("lab/better", "recipes")' in sent_card(plan_push("dataset", pulled.folder, "lab/better"))


def test_a_models_card_loads_it_from_where_it_is_pushed(tmp_path):
    folder = make_model(tmp_path / "user")  # a word of the snippet
    write_model_card(folder, "org/ocr-model")
    card = sent_card(plan_push("model", folder, "lab/other"))
    assert '"lab/other", revision="main"' in card and "org/ocr-model" not in card and '"role": "user"' in card


def test_the_metrics_card_loads_it_from_the_hub(root):
    card = sent_card(plan_push("metric", root / "spaces/vsi_bench", "lab/vsi_bench"))
    assert 'evaluate.load("lab/vsi_bench")' in code_of(card) and "spaces/vsi_bench" not in code_of(card)
    assert 'evaluate.load("lab/vsi_bench", revision="<commit>")' in card and "<org>" not in card


def test_only_what_loads_it_is_rewritten_and_once(tmp_path):
    card = (
        'about "ocr-vsi"\n```python\nname = "ocr-vsi"\nx = load_dataset(\'ocr-vsi\'); y = load_dataset("other")\n```\n'
    )
    sent = with_own_id(card, tmp_path, "lab/a")
    assert sent == card.replace("load_dataset('ocr-vsi')", "load_dataset('lab/a')")
    assert with_own_id(sent, tmp_path, "lab/a") == sent


def test_a_plan_leaves_nothing_behind(tmp_path):
    plan = plan_push("dataset", make_dataset(tmp_path / "clips"), "org/rooms")
    scratch = plan.scratch
    assert scratch.is_dir()
    del plan
    gc.collect()
    assert not scratch.exists()


# What the card names


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folders = make_measured(tmp_path_factory.mktemp("measured"))
    config = yaml.safe_load((folders["model"] / "resolved_config.yaml").read_text())
    config["model"]["model"] = "org/base"
    (folders["model"] / "resolved_config.yaml").write_text(yaml.safe_dump(config))
    folders["sft"].joinpath("resolved_config.yaml").write_text(yaml.safe_dump(config))
    made = {"evaluations": [folders["evaluation"]], "training": [folders["sft"]], "licence": "other"}
    write_model_card(folders["model"], "org/m", **made)
    return folders


def test_a_model_is_not_pushed_before_what_its_card_names(measured, hub_api, local_hub, tmp_path):
    """Base, data set, and the revision that the results were measured on: each must be there."""
    api = hub_api()
    plan = plan_push("model", shutil.copytree(measured["model"], tmp_path / "m"), "org/m")
    with pytest.raises(HubError, match=r"README.md, base_model, names the model 'org/base', which isn't on the Hub"):
        push(plan, api)
    api.create_repo("org/base")
    with pytest.raises(HubError, match=r"README.md, datasets, names the data set 'org/ocr-vsi', which isn't"):
        push(plan, api)
    api.create_repo("org/ocr-vsi", repo_type="dataset")
    with pytest.raises(HubError, match=rf"model-index, names the data set 'org/ocr-vsi' at revision '{'c' * 40}'"):
        push(plan, api)
    assert not api.repo_exists("org/m") and local_hub.traffic.requests("preupload") == 0


def test_results_in_the_hubs_format_name_data_sets_of_the_hub(hub_api, tmp_path):
    folder, api = make_model(tmp_path / "m"), hub_api()
    (folder / ".eval_results").mkdir()
    entry = folder / ".eval_results" / "x.yaml"
    entry.write_text(yaml.safe_dump([{"dataset": {"id": "org/x", "task_id": "test"}, "value": 1.0}]))
    plan = PushPlan("model", folder, "org/m", list_files(folder)[0], ())  # the checks of files ask for its source
    with pytest.raises(HubError, match=r"\.eval_results/x\.yaml names the data set 'org/x', which isn't on the Hub"):
        push(plan, api)
    api.create_repo("org/x", repo_type="dataset")
    assert ".eval_results/x.yaml" in push(plan, api).changed


def test_results_measured_on_a_folder_are_in_the_cards_text_alone(tmp_path):
    """`rooms` is nobody's id on the Hub, or a stranger's."""
    folders = make_measured(tmp_path, data="outputs/rooms", commit="")
    card = write_model_card(folders["model"], "org/m", evaluations=[folders["evaluation"]])
    assert "### rooms" in card.readme and not card.eval_results
    assert ModelCard(card.readme).data.eval_results is None

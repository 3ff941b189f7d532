"""Any OCR checkpoint loads by id and revision: full, sharded, adapter; from the cache offline; refusals say why."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from ocr_hf.cards.model_card import write_model_card
from ocr_hf.data.video import write_mp4
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.models.load_model import load_model
from ocr_hf.models.tiny import build_tiny
from tests.hub.folders import noise_frames
from tests.hub_server.accounts import STRANGER
from tests.without_our_package import PREAMBLE

LOGITS = """
import sys

import numpy as np
import torch

from ocr_hf.cards.model_card import write_model_card
from ocr_hf.data.video import write_mp4
from ocr_hf.hub.push_plan import plan_push
from ocr_hf.models.load_model import load_model
from ocr_hf.models.media import encode_video, model_inputs, prompt_ids

def logits(source, **options):
    loaded = load_model(source, device="cpu", dtype="float32", **options)
    frames = np.random.Generator(np.random.Philox(1)).integers(0, 255, (4, 56, 56, 3), dtype=np.uint8)
    video = encode_video(loaded.processor, frames, fps=1.0)
    chat = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "How many chairs?"}]}]
    ids = torch.tensor([prompt_ids(loaded.processor, chat, [video])])
    inputs = model_inputs(loaded.model, loaded.processor, ids, [video])
    with torch.no_grad():
        return loaded.model(**inputs).logits, loaded
"""


def save_sharded(tiny: Path, out: Path) -> None:
    shutil.copytree(tiny, out, ignore=shutil.ignore_patterns("*.safetensors"))
    load_model(tiny, device="cpu").model.save_pretrained(out, max_shard_size="200KB")
    assert len(list(out.glob("*.safetensors"))) > 1


def save_adapter(tiny: Path, out: Path) -> None:
    """An adapter that changes something, with its base on the Hub."""
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(load_model(tiny, device="cpu").model, LoraConfig(target_modules=["q_proj"], r=4))
    with torch.no_grad():
        for name, value in tuned.named_parameters():
            if "lora_B" in name:
                value.fill_(0.1)
    tuned.save_pretrained(out)
    config = json.loads((out / "adapter_config.json").read_text())
    on_hub = {**config, "base_model_name_or_path": "org/full", "revision": "v1"}
    (out / "adapter_config.json").write_text(json.dumps(on_hub))


@pytest.fixture
def repositories(hub_api, tmp_path):
    """`org/full` (two revisions), `org/sharded` and `org/adapter`, whose base is `org/full` at v1."""
    api = hub_api()
    tiny = build_tiny(tmp_path / "tiny", "0.2M", seed=1)
    other = build_tiny(tmp_path / "other", "0.2M", seed=2)
    save_sharded(tiny, tmp_path / "sharded")
    save_adapter(tiny, tmp_path / "adapter")
    for name, folder, tag in (
        ("full", tiny, "v1"),
        ("full", other, "v2"),
        ("sharded", None, "v1"),
        ("adapter", None, "v1"),
    ):
        api.create_repo(f"org/{name}", exist_ok=True)
        api.upload_folder(repo_id=f"org/{name}", folder_path=folder or tmp_path / name)
        api.create_tag(f"org/{name}", tag=tag)


@pytest.mark.slow
def test_full_sharded_and_adapter_load_by_id_and_revision_also_offline(repositories, hub_client, local_hub, tmp_path):
    source = (
        LOGITS
        + f"""
local, _ = logits("{tmp_path / "tiny"}")
full, loaded = logits("org/full", revision="v1")
assert torch.equal(local, full) and loaded.revision == "v1"
assert torch.equal(local, logits("org/sharded")[0])
newer, _ = logits("org/full")
assert not torch.equal(local, newer)
merged, with_merged = logits("org/adapter")
beside, with_beside = logits("org/adapter", merge_adapter=False)
assert not torch.equal(merged, full) and torch.allclose(merged, beside, atol=1e-5)
assert not [name for name, _ in with_merged.model.named_parameters() if "lora" in name]
with with_beside.model.disable_adapter(), torch.no_grad():
    pass
print(torch.cat([full, newer, merged]).double().sum().item())
"""
    )
    first = hub_client(source)
    local_hub.traffic.clear()
    environment = "import os; os.environ['HF_HUB_OFFLINE'] = '1'\n"
    assert hub_client(environment + source) == first
    assert local_hub.traffic.requests() == 0


@pytest.mark.slow
def test_the_snippet_of_an_adapters_card_runs(repositories, hub_client, tmp_path):
    card = write_model_card(tmp_path / "adapter", "org/adapter", licence="apache-2.0", revision="v1")
    plan_push("model", tmp_path / "adapter", "org/adapter")
    write_mp4(tmp_path / "room.mp4", noise_frames(seed=1, frames=40, side=56), 8.0)
    snippet = re.search(r"```python\n(.*?)```", card.readme, re.DOTALL).group(1)
    hub_client(PREAMBLE + snippet + "assert answer.shape[0] == 1\n")


REFUSALS = """
import json
from ocr_hf.models.load_model import ModelLoadError, load_model

for source, revision in json.loads('{cases}'):
    try:
        load_model(source, revision)
    except ModelLoadError as error:
        print(error)
"""


@pytest.mark.slow
def test_what_cannot_be_loaded_says_why(hub_api, hub_client, tmp_path):
    api = hub_api()
    tiny = build_tiny(tmp_path / "tiny", "0.2M", seed=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    for name, folder in (("full", tiny), ("gated", tiny), ("pickled", tiny), ("other", tmp_path / "other")):
        api.create_repo(f"org/{name}")
        api.upload_folder(repo_id=f"org/{name}", folder_path=folder)
    api.update_repo_settings("org/gated", gated="auto")
    api.delete_file("model.safetensors", "org/pickled")
    api.upload_file(repo_id="org/pickled", path_or_fileobj=b"\x80\x04N.", path_in_repo="pytorch_model.bin")
    api.create_repo("org/adapter")
    adapter = json.dumps({"base_model_name_or_path": "org/full", "peft_type": "LORA"}).encode()
    api.upload_file(repo_id="org/adapter", path_or_fileobj=adapter, path_in_repo="adapter_config.json")
    api.upload_file(repo_id="org/adapter", path_or_fileobj=b"\x80\x04N.", path_in_repo="adapter_model.bin")
    expected = {
        ("org/gated", None): "is gated; accept its terms",
        ("org/nothing", None): "no model on the Hub that your token sees",
        ("org/full", "v9"): "'org/full' at revision 'v9' does not exist",
        ("org/other", None): "type 'bert', which transformers does not load for image and text to text",
        ("org/pickled", None): "no weights in safetensors format, and others are not read",
        ("org/adapter", None): "has no adapter_model.safetensors, and other weights are not read",
    }
    said = hub_client(REFUSALS.format(cases=json.dumps(list(expected))), account=STRANGER).splitlines()
    assert len(said) == len(expected)
    for line, words in zip(said, expected.values(), strict=True):
        assert words in line
    offline = "import os; os.environ['HF_HUB_OFFLINE'] = '1'\n"
    said = hub_client(offline + REFUSALS.format(cases=json.dumps([("org/never-seen", None)])))
    assert "not in the cache and the Hub can't be reached" in said

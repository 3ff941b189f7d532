"""Each entry of the registry says what is true of its family, and a family from outside is used like our own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
import yaml

from ocr_hf.models.families import (
    MODEL_FAMILIES,
    OTHER,
    ModelFamily,
    VideoProcessing,
    family_of,
    processing_of,
    trainable_family,
    unwrapped_layers,
)
from ocr_hf.models.load_model import ModelLoadError, load_model
from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.models.tiny import PRESETS, build_tiny, make_tiny, tiny_families

ROOT = Path(__file__).resolve().parents[2]
QUESTION = with_video([{"role": "user", "content": "How many chairs are there?"}])


@pytest.fixture(scope="module")
def small_pairs(tmp_path_factory) -> Path:
    from ocr_hf.data.build_config import BuildConfig
    from ocr_hf.data.build_folder import build_folder

    folder = tmp_path_factory.mktemp("built") / "ocr-vsi"
    build_folder(BuildConfig(scenes=1, rooms=1, frames=8, seconds=8.0, width=112, height=84, seed=3), folder)
    return folder


@pytest.fixture(scope="module", params=tiny_families())
def tiny(request):
    model, processor = make_tiny(PRESETS["0.2M"], request.param)
    return request.param, MODEL_FAMILIES[request.param], model.eval(), processor


def clip(frames: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, 112, 112, 3), dtype=np.uint8)


def test_model_and_entry_agree_on_the_type(tiny):
    name, family, model, _ = tiny
    assert model.config.model_type == name
    assert family_of(model.config) is trainable_family(model.config) is family


def test_processing_is_what_the_processor_does(tiny):
    _, family, _, processor = tiny
    assert processing_of(processor) is family.processing
    assert type(processor) is family.processing.processor_class()
    assert family.processing.seconds_per_grid == ("second_per_grid_ts" in processor.model_input_names)
    longest = processor.video_processor.size["longest_edge"]
    short, long = (encode_video(processor, np.tile(clip(n), (1, 8, 8, 1)), fps=1.0) for n in (8, 32))
    pixels = [int(v.video_grid_thw.prod()) * processor.video_processor.patch_size**2 for v in (short, long)]
    whole = [each * processor.video_processor.temporal_patch_size for each in pixels]
    if family.processing.pixel_bound == "frame":
        assert whole[1] == 4 * whole[0]
    else:
        assert max(whole) <= longest and whole[1] < 4 * whole[0]


@pytest.mark.parametrize("frames", [4, 32])
def test_max_pixels_bounds_one_frame_in_every_family(tiny, frames):
    _, _, _, processor = tiny
    video = encode_video(processor, np.tile(clip(frames), (1, 4, 4, 1)), fps=1.0, max_pixels=96 * 96)
    _, height, width = video.video_grid_thw[0].tolist()
    assert 64 * 64 < height * width * processor.video_processor.patch_size**2 <= 96 * 96


def test_tower_and_layers_are_where_the_entry_says(tiny):
    _, family, model, _ = tiny
    tower = family.vision_tower(model)
    classes = {type(module).__name__ for module in model.modules()}
    assert set(family.layer_classes) <= classes
    assert family.tower.layer in {type(module).__name__ for module in tower.modules()}
    assert family.decoder_layer not in {type(module).__name__ for module in tower.modules()}
    names = {name for name, module in model.named_modules() if re.match(family.lora_targets, name)}
    layers = model.config.get_text_config().num_hidden_layers
    assert len(names) == 7 * layers and not names & {f"model.visual.{name}" for name, _ in tower.named_modules()}


def test_features_of_a_pair_of_frames_depend_on_nothing_else_where_the_entry_says_so(tiny):
    _, family, model, processor = tiny
    frames, other = clip(8), clip(8)
    other[4:] = clip(4, seed=1)
    with torch.no_grad():
        videos = [encode_video(processor, each, fps=1.0) for each in (frames, other)]
        first, second = (
            family.video_features(model, v.pixel_values_videos, v.video_grid_thw)[0]["pooler_output"] for v in videos
        )
    half = len(first) // 2
    assert not torch.allclose(first[half:], second[half:])
    assert torch.allclose(first[:half], second[:half], atol=1e-6) == (family.tower.attends_within == "pair")


def test_kept_features_give_the_logits_of_pixels(tiny):
    _, family, model, processor = tiny
    assert family.tower.features_last
    videos = [encode_video(processor, clip(seed=seed), fps=1.0) for seed in (1, 2)]
    inputs = model_inputs(model, processor, [prompt_ids(processor, QUESTION, [v]) for v in videos], videos)
    with torch.no_grad():
        expected = model(**inputs).logits
        parts = [family.video_features(model, v.pixel_values_videos, v.video_grid_thw)[0] for v in videos]
        del inputs["pixel_values_videos"]
        found = model(**inputs, mm_encoder_outputs={"video": family.joined_features(parts)}).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert ("deepstack_features" in parts[0]) == family.tower.deep_stack


def test_media_tokens_are_not_sampled(tiny):
    _, family, model, processor = tiny
    assert family.unsampled_tokens(model.config) == {processor.video_token_id, processor.image_token_id}


@pytest.mark.parametrize("recipe", ["fsdp2", "two_nodes"])
def test_fsdp_recipes_wrap_the_layers_of_the_family_that_they_train(recipe):
    settings = yaml.safe_load((ROOT / "recipes" / "accelerate" / f"{recipe}.yaml").read_text())["fsdp_config"]
    wrapped = settings["fsdp_transformer_layer_cls_to_wrap"].split(",")
    assert unwrapped_layers(MODEL_FAMILIES["qwen2_5_vl"], wrapped) is None
    with_other = unwrapped_layers(MODEL_FAMILIES["qwen3_vl"], wrapped)
    assert "Qwen3-VL has the layers Qwen3VLTextDecoderLayer,Qwen3VLVisionBlock; set it to these" in with_other
    assert unwrapped_layers(MODEL_FAMILIES["qwen3_vl"], ()) is None


def test_parts_of_two_models_are_refused(tmp_path):
    folder = build_tiny(tmp_path / "tiny", "0.2M")
    config = transformers.AutoConfig.from_pretrained(folder)
    config.vision_config.temporal_patch_size = 4
    config.save_pretrained(folder)
    with pytest.raises(ModelLoadError, match="temporal_patch_size of 4, its video processor of 2; put the config"):
        load_model(folder)
    config.vision_config.temporal_patch_size, config.video_token_id = 2, 5
    config.save_pretrained(folder)
    with pytest.raises(ModelLoadError, match="configuration has video_token_id 5, its processor 947"):
        load_model(folder)


def test_type_without_an_entry_is_evaluated_but_not_trained():
    config = transformers.LlavaNextVideoConfig()
    assert family_of(config) is OTHER
    with pytest.raises(ValueError, match="type 'llava_next_video' can be evaluated but not trained here; train one of"):
        trainable_family(config)


def test_entry_that_lacks_something_is_refused():
    with pytest.raises(ValueError, match="'Half' is to be trained, but lacks tower, decoder_layer, lora_targets"):
        ModelFamily("Half", processing=VideoProcessing("Qwen2VLProcessor", "frame", False), trains=True)
    with pytest.raises(ValueError, match="there is a model family 'qwen3_vl' already"):
        MODEL_FAMILIES.register("qwen3_vl", replace(MODEL_FAMILIES["qwen3_vl"], title="Mine"))
    with pytest.raises(ValueError, match="model family is 'qwen3'; did you mean 'qwen3_vl'"):
        MODEL_FAMILIES.find("qwen3")


def test_families_of_one_processor_must_agree(monkeypatch):
    processor = make_tiny(PRESETS["0.2M"], "qwen3_vl")[1]
    mine = replace(MODEL_FAMILIES["qwen3_vl"], processing=VideoProcessing("Qwen3VLProcessor", "frame", False))
    monkeypatch.setitem(MODEL_FAMILIES._entries, "mine", mine)
    with pytest.raises(ValueError, match="two model families say different things of the class Qwen3VLProcessor"):
        processing_of(processor)
    own = type("MyProcessor", (type(processor),), {})
    monkeypatch.setitem(MODEL_FAMILIES._entries, "mine", replace(mine, processing=VideoProcessing(own, "frame", False)))
    assert processing_of(processor).pixel_bound == "video"
    processor.__class__ = own  # the nearest class decides
    assert processing_of(processor).pixel_bound == "frame"


PLUGIN = '''
"""A family of somebody's own: Qwen2.5-VL under another name."""
from dataclasses import replace
from transformers import (
    AutoConfig, AutoModelForImageTextToText, AutoProcessor, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
)
from ocr_hf.models.families import MODEL_FAMILIES

class RoomVLConfig(Qwen2_5_VLConfig):
    model_type = "room_vl"

class RoomVL(Qwen2_5_VLForConditionalGeneration):
    config_class = RoomVLConfig

AutoConfig.register("room_vl", RoomVLConfig)
AutoModelForImageTextToText.register(RoomVLConfig, RoomVL)
AutoProcessor.register(RoomVLConfig, Qwen2_5_VLProcessor)
MODEL_FAMILIES.register("room_vl", replace(MODEL_FAMILIES["qwen2_5_vl"], title="Room-VL", trains=TRAINS, tiny=None))
'''


def run_with_plugin(
    folder: Path, trains: bool, code: str, *arguments: str, plugins: str = "room_vl"
) -> subprocess.CompletedProcess:
    (folder / "room_vl.py").write_text(PLUGIN.replace("TRAINS", str(trains)))
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "OCR_HF_PLUGINS": plugins}
    command = [sys.executable, *code.split(), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
@pytest.mark.parametrize("trains", [True, False], ids=["trains", "evaluates"])
def test_family_from_outside_is_evaluated_and_trained_as_it_declares(tmp_path, small_pairs, trains):
    """A user's module registers a type that transformers doesn't know; commands take it by `--model`."""
    model = build_tiny(tmp_path / "model", "0.2M")
    config = (model / "config.json").read_text()
    (model / "config.json").write_text(config.replace('"model_type": "qwen2_5_vl"', '"model_type": "room_vl"'))
    if trains:
        settings = ["--data", str(small_pairs), "--frames", "4", "--limit", "4", "--split", "train"]
        out = tmp_path / "answers"
        settings += ["--plugin", "room_vl", "--out", str(out)]
        command = "-m ocr_hf.cli eval"
        done = run_with_plugin(tmp_path, trains, command, "--model", str(model), *settings, plugins="")
        assert done.returncode == 0, done.stderr
        assert '"model_type": "room_vl"' in (out / "results.json").read_text()
    code = (
        "import sys\nfrom ocr_hf.models.load_model import check_config, load_processor\n"
        "config = check_config(sys.argv[1], training=True)\n"
        "print(type(config).__name__, type(load_processor(sys.argv[1], None, config)).__name__)"
    )
    (tmp_path / "start.py").write_text(code)
    done = run_with_plugin(tmp_path, trains, str(tmp_path / "start.py"), str(model))
    if trains:
        assert done.stdout.split() == ["RoomVLConfig", "Qwen2_5_VLProcessor"], done.stderr
    else:
        assert "models of type 'room_vl' can be evaluated but not trained here; train one of qwen2_5_vl" in done.stderr


def test_the_documentation_lists_every_entry():
    rows = {}
    for line in (ROOT / "docs" / "model-families.md").read_text().splitlines():
        if line.startswith("| `") and not line.startswith("| `model_type`"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name.strip("`")] = cells
    asked = {name: family for name, family in MODEL_FAMILIES.items() if family.processing is None}
    assert list(rows) == [name for name in MODEL_FAMILIES if name not in asked] + list(asked)
    for name, family in asked.items():
        assert rows[name] == [family.title, "yes", f"no: {family.why_not_trained}"]
    for name, family in MODEL_FAMILIES.items():
        if name in asked:
            continue
        title, bound, times, tower, layers, tiny, evaluates, trains, by_vllm = rows[name]
        assert title == family.title
        assert bound == {"frame": "one frame", "video": "whole video"}[family.processing.pixel_bound]
        assert (times == "seconds per grid step") == family.processing.seconds_per_grid
        stated = f"`{family.tower.path}`, within a {family.tower.attends_within}"
        assert tower == stated + (", deep stack" if family.tower.deep_stack else "")
        assert layers == ", ".join(f"`{name}`" for name in family.layer_classes)
        declared = (family.tiny, True, family.trains, family.samples_by_vllm)
        assert [tiny, evaluates, trains, by_vllm] == ["yes" if each else "no" for each in declared]

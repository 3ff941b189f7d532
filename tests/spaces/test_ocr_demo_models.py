"""Which models the demo offers, and that each is asked as it was trained."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.spaces.ocr_demo_rooms import SPACE

from room_demo import answers, cards, checkpoints  # isort: skip
from room_demo.answers import Models  # isort: skip
from room_demo.question_prompt import prompt_of_text  # isort: skip
from room_demo.checkpoints import FRAMES, UNTRAINED, default_models  # isort: skip
from room_demo.problems import Problem  # isort: skip

from ocr_hf.models.tiny import build_tiny
from ocr_hf.models.usage import FILE, Usage, write_usage

VIDEO = np.arange(40 * 56 * 56 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 56, 56, 3)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory):
    """A folder as `model_cards/ocr-vsi-tiny` is one: complete, and with how it wants to be asked."""
    folder = build_tiny(tmp_path_factory.mktemp("model_cards") / "ocr-vsi-tiny", "0.2M", seed=1)
    write_usage(folder, Usage(frames=8, prompt="official", max_pixels=56 * 56))
    return folder


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch):
    for name in ("OCR_DEMO_MODELS", "OCR_DEMO_REFERENCE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_a_checkpoint_the_models_are_untrained(no_variables, tmp_path) -> None:
    assert default_models(tmp_path / "ocr-vsi-tiny") == UNTRAINED
    (tmp_path / "ocr-vsi-tiny").mkdir()  # a folder that holds the card alone is no model
    (tmp_path / "ocr-vsi-tiny" / "README.md").write_text("# Card")
    assert default_models(tmp_path / "ocr-vsi-tiny") == UNTRAINED


def test_the_checkouts_checkpoint_comes_first_then_the_hubs(no_variables, reference, tmp_path) -> None:
    no_variables.setenv("OCR_DEMO_REFERENCE", "org/ocr-vsi-tiny@v1")
    assert default_models(reference) == (str(reference.resolve()), UNTRAINED[0])
    assert default_models(tmp_path) == ("org/ocr-vsi-tiny@v1", UNTRAINED[0])
    no_variables.setenv("OCR_DEMO_MODELS", "org/one, org/two@v2")
    assert default_models(reference) == ("org/one", "org/two@v2")


def test_the_checkpoint_is_looked_for_in_model_cards_of_the_checkout() -> None:
    assert checkpoints.REFERENCE_FOLDER.resolve() == SPACE.parents[1] / "model_cards" / "ocr-vsi-tiny"


def test_a_checkpoint_is_asked_as_it_was_trained(reference, monkeypatch) -> None:
    seen = []
    inner = answers.generate

    def spy(name, prompt, videos, fps, max_pixels, stop):
        seen.append((name, [video.shape for video in videos], fps, max_pixels))
        return inner(name, prompt, videos, fps, max_pixels, stop)

    monkeypatch.setattr(answers, "generate", spy)
    models = Models((str(reference), UNTRAINED[0]))
    monkeypatch.setenv("OCR_DEMO_TINY", "0.2M")
    found = [models.answer(name, prompt_of_text("What?"), [VIDEO] * 2, 10.0, [("a", "1"), ("a", "2")])
             for name in models.names]  # fmt: skip
    assert found[0][0] == found[0][1] and models.names[0] == "ocr-vsi-tiny"
    rate = 10.0 * 7 / 39, 10.0 * 15 / 39  # of the frames that are shown
    assert [(name, shapes, pixels) for name, shapes, _, pixels in seen] == [
        ("ocr-vsi-tiny", [(8, 56, 56, 3)] * 2, 56 * 56),
        (UNTRAINED[0], [(FRAMES, 56, 56, 3)] * 2, None),
    ]
    np.testing.assert_allclose([fps for _, _, fps, _ in seen], rate)
    assert Models((str(reference),), frames=5).frames("ocr-vsi-tiny") == 5


def test_the_prompt_is_the_trained_one_unless_the_visitor_wants_thoughts(reference, tmp_path) -> None:
    models = Models((str(reference),))
    assert models.style("ocr-vsi-tiny") == "official" and models.style("ocr-vsi-tiny", True) == "thinking"
    thinker = shutil.copytree(reference, tmp_path / "thinker")
    write_usage(thinker, Usage(prompt="thinking"))
    assert Models((str(thinker),)).style("thinker") == "thinking"


@pytest.mark.parametrize("told", ['{"num_frames": 0}', '{"prompt": "shouting"}', "[]"])
def test_wishes_that_make_no_sense_are_one_sentence(tmp_path, told) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / FILE).write_text(told)
    with pytest.raises(Problem, match=r"^The model 'odd' [^\n]+$") as caught:
        Models((str(tmp_path / "odd"),)).frames("odd")
    assert str(tmp_path.parent) not in str(caught.value)


def test_a_revision_comes_after_the_id(monkeypatch) -> None:
    loads = []
    monkeypatch.setattr("ocr_hf.models.load_model.load_model", lambda *told, **named: loads.append(told))
    models = Models(("org/model@v2", "org/model"))
    assert models.names == ("org/model@v2", "org/model")
    models.preload(every=True)
    assert loads == [("org/model", "v2"), ("org/model", None)]


def test_untrained_models_are_called_so_before_and_after_the_question() -> None:
    prompt = prompt_of_text("What?")
    answer = prompt.read("x", None)
    for name, warned in ((UNTRAINED[0], True), ("org/real", False)):
        told = cards.answers_value("?", [cards.Compared(name, 4, (prompt, prompt), (answer, answer))], ("", ""), "")
        assert ("Untrained model" in told) == warned
    labels = dict(Models(("org/real", *UNTRAINED)).labels())
    assert labels == {"real": "org/real", **{f"{name}, untrained": name for name in UNTRAINED}}


def test_a_models_folder_is_not_told() -> None:
    models = Models(("org/model", str(SPACE)))
    assert models.names == ("org/model", "ocr_demo")


def test_a_model_that_cannot_be_loaded_is_one_sentence(tmp_path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    models = Models((str(tmp_path / "broken"),))
    with pytest.raises(Problem) as caught:
        models.answer(models.names[0], prompt_of_text("What?"), [VIDEO[:2]], 1.0, [("a", "b")])
    told = str(caught.value)
    assert "'broken' can't be loaded" in told and "\n" not in told and str(tmp_path.parent) not in told
    with pytest.raises(Problem, match="not started with"):
        models.check("other/model")

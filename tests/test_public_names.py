"""The public names of `ocr_hf`: lazy when Python runs, real to editors and type checkers."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ocr_hf

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "OCRMap", "BuildConfig", "build_folder", "OcrVsi", "OCRSFTConfig", "OCRSFTTrainer", "OCRGRPOConfig",
    "OCRGRPOTrainer", "RecordedScene", "load_model", "EvalConfig", "run_evaluation", "score_answers", "Scene", "Clip",
}  # fmt: skip
LIGHT = """
import ocr_hf
from ocr_hf import (
    BuildConfig, Clip, EvalConfig, OCRMap, RecordedScene, Scene, build_folder, run_evaluation, score_answers
)

OCRMap(mode="nonsense", wrong=1)                     # error: reportCallIssue
OCRMap(mode="nonsense")                              # error: reportArgumentType
OCRMap(select="queried", mode="geometry", strength=0.1, max_objects=2)
OCRMap().nothing                                     # error: reportAttributeAccessIssue
ocr_hf.OCRmap                                        # error: reportAttributeAccessIssue
reveal_type(ocr_hf.OCRMap().noise_strength)          # type: float
BuildConfig(scenes=2, frames=8, seed=7)
BuildConfig(scene=2)                                 # error: reportCallIssue
BuildConfig(frames="many")                           # error: reportArgumentType
build_folder(BuildConfig(), "out", num_proc=2)
build_folder("procedural", "out")                    # error: reportArgumentType
reveal_type(build_folder(BuildConfig(), "out"))      # type: dict[str, Any]
EvalConfig(model="m", data="d", frames=8)
EvalConfig(num_frames=8)                             # error: reportCallIssue
reveal_type(run_evaluation(EvalConfig(), "out"))     # type: dict[str, Any] | None
reveal_type(score_answers(["A"], ["A"], ["route_planning"]))  # type: Scored
score_answers("A")                                   # error: reportCallIssue

def what_is_known(scene: Scene, clip: Clip) -> None:
    reveal_type(scene.objects)                       # type: tuple[SceneObject, ...]
    reveal_type(clip.scene)                          # type: Scene
    RecordedScene("a")                               # error: reportCallIssue
    camera = (clip.frames, clip.camera_to_world, clip.intrinsics, clip.intrinsics[0])
    reveal_type(RecordedScene("a", *camera, scene.objects).write("out"))  # type: Path
    clip.depth.shape                                 # error: reportOptionalMemberAccess
    clip.frame                                       # error: reportAttributeAccessIssue
"""
HEAVY = """
from ocr_hf import (
    BuildConfig, OCRGRPOConfig, OCRGRPOTrainer, OCRSFTConfig, OCRSFTTrainer, OcrVsi, load_model
)

loaded = load_model("org/model", "v1", dtype="bfloat16")
reveal_type(loaded.model)                            # type: PreTrainedModel
load_model()                                         # error: reportCallIssue
reveal_type(OCRGRPOConfig(strategy="ocr", learning_rate=1e-6).num_vanilla)  # type: int
OCRGRPOConfig(strategie="ocr")                       # error: reportCallIssue
OCRSFTConfig(learning_rate="high")                   # error: reportArgumentType
OCRGRPOTrainer(loaded.model, [], OCRGRPOConfig()).train()
OCRGRPOTrainer(loaded.model, [], OCRSFTConfig())     # error: reportArgumentType
OCRSFTTrainer(loaded.model, OCRSFTConfig(), [], loaded.processor).train()
OCRSFTTrainer(loaded.model, OCRGRPOConfig(), [], loaded.processor)  # error: reportArgumentType
OcrVsi(config_name="pairs", build=BuildConfig(), folder="ocr-vsi").download_and_prepare(num_proc=2)
OcrVsi().prepare()                                   # error: reportAttributeAccessIssue
"""
SOURCES = {"light.py": LIGHT, "with_torch.py": HEAVY}


@pytest.fixture(scope="module")
def found_types(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[int, str], dict[int, str]]]:
    """What the type checker finds in each source: (line -> rule of the error, line -> revealed type)."""
    folder = tmp_path_factory.mktemp("uses")
    for name, source in SOURCES.items():
        (folder / name).write_text(source)
    # All in one run: most of its time it reads the package and what that imports
    settings = {"include": list(SOURCES), "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    told: dict[str, tuple[dict[int, str], dict[int, str]]] = {name: ({}, {}) for name in SOURCES}
    for found in json.loads(done.stdout)["generalDiagnostics"]:
        line = found["range"]["start"]["line"]
        errors, revealed = told[Path(found["file"]).name]
        if found["severity"] == "error":
            errors[line] = found["rule"]
        elif found["severity"] == "information":
            revealed[line] = re.search(r' is "(.*)"$', found["message"], re.DOTALL)[1]
    return told


def wanted(source: str, kind: str) -> dict[int, str]:
    found = {number: re.search(rf"# {kind}: (.*)$", line) for number, line in enumerate(source.splitlines())}
    return {number: match[1] for number, match in found.items() if match}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_a_type_checker_accepts_right_uses_and_rejects_wrong_ones(name: str, found_types) -> None:
    errors, revealed = found_types[name]
    assert errors == wanted(SOURCES[name], "error")
    assert revealed == wanted(SOURCES[name], "type")


def test_every_public_name_is_checked_above() -> None:
    assert all(re.search(rf"\b{name}\(|: {name}\b", LIGHT + HEAVY) for name in NAMES)


def test_all_dir_and_the_types_name_the_same() -> None:
    tree = ast.parse(Path(ocr_hf.__file__).read_text())
    (typed,) = (
        node for node in tree.body if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    )
    imported = {alias.name: item.module for item in typed.body for alias in item.names}
    assert imported == ocr_hf._MODULES and set(imported) == NAMES
    assert sorted(ocr_hf.__all__) == sorted([*NAMES, "__version__"])
    assert set(ocr_hf.__all__) <= set(dir(ocr_hf))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_is_what_its_module_defines(name: str) -> None:
    found = getattr(ocr_hf, name)
    assert (found.__module__, found.__qualname__) == (ocr_hf._MODULES[name], name)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="module 'ocr_hf' has no attribute 'OCRmap'; its public names .* OCRMap"):
        ocr_hf.OCRmap  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'OCRmap'"):
        exec("from ocr_hf import OCRmap")


def test_the_marker_of_typed_packages_is_shipped() -> None:
    """PEP 561: without py.typed in the installed package, type checkers ignore its annotations."""
    assert (ROOT / "ocr_hf" / "py.typed").read_bytes() == b""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["ocr_hf"]
    assert any(fnmatch.fnmatch("py.typed", pattern) for pattern in patterns)

"""What every command has: -h, --config, --traceback, both spellings, one sentence for a mistake, completion."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ocr_hf.cli import COMMANDS, main
from ocr_hf.settings.command_options import as_flags, command_of, make, options, settings_of
from ocr_hf.settings.completion import OTHER, SHARED, TRAINING, declared_fields
from ocr_hf.settings.names import RENAMED
from ocr_hf.settings.read_value import is_list
from ocr_hf.settings.run_command import call, load, run

CONFIGURED = ["build", "eval", "sft", "grpo"]
"""Commands whose settings are dataclasses."""


def end(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run `ocr-hf`; return its status and what it printed to stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    told = capsys.readouterr()
    return ended.value.code or 0, told.out, told.err


def kinds_of(command: str) -> list[type]:
    return list(load(COMMANDS[command][0])._kinds())


def read(command: str, *words: str) -> tuple:
    """Return the dataclasses that a command's words make."""
    function = load(COMMANDS[command][0])
    return call(options(function._kinds)(lambda *configs: configs), [*map(str, words)], command)


def make_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no name be cut short, whatever terminal another test has left behind."""
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 200)
    for name, value in (("COLUMNS", "200"), ("LINES", "50")):
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    make_wide(monkeypatch)
    status, short, _ = end(capsys, command, "-h")
    assert status == 0 and end(capsys, command, "--help")[:2] == (0, short)
    for option in ("--config", "--traceback", "--help"):
        assert option in short
    assert "Qwen2.5-VL" in short or "OCR" in short or "VSI-Bench" in short
    for setting in settings_of(*kinds_of(command)) if command in CONFIGURED else ():
        assert f"--{setting.replace('_', '-')} " in short, setting


def test_ours_come_before_trls(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    make_wide(monkeypatch)
    _, text, _ = end(capsys, "grpo", "-h")
    ours, theirs = text.split("Options of transformers", 1)
    for option in ("--data ", "--model ", "--rewards ", "--strategy ", "--frames ", "--config "):
        assert option in ours and option not in theirs
    for option in ("--learning-rate ", "--num-generations ", "--lora-r ", "--output-dir "):
        assert option in theirs and option not in ours


@pytest.mark.parametrize("command", COMMANDS)
def test_config_file_and_mistakes(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown key is refused with the nearest name by every command; with --traceback one sees where."""
    file = tmp_path / "settings.yaml"
    (known, *_) = (param.name for param in command_of(load(COMMANDS[command][0]), command).params)
    file.write_text(yaml.safe_dump({f"{known}x": 1}))
    status, out, told = end(capsys, command, "--config", file)
    sentence = f"{file}: there is no setting {known}x; did you mean {known}?"
    assert (status, out, told) == (1, "", f"ocr-hf {command}: {sentence}\n")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        main([command, "--config", str(file), "--traceback"])
    file.write_text("- a\n")
    assert end(capsys, command, "--config", file)[2].endswith("holds a list; give a file of lines `name: value`\n")
    file.write_text("a: [\n")
    assert "is not YAML in line 2" in end(capsys, command, "--config", file)[2]
    assert "no such file; --config takes" in end(capsys, command, "--config", tmp_path / "none.yaml")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_flag(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, told = end(capsys, command, "--confg", "x")
    assert (status, out) == (2, "")
    assert told == (
        f"ocr-hf {command}: there is no setting --confg; did you mean --config? (ocr-hf {command} -h shows how)\n"
    )


@pytest.mark.parametrize("command", CONFIGURED)
def test_old_names_are_refused_with_the_new(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As flag in both spellings, in YAML and in Python."""
    kinds = kinds_of(command)
    known = settings_of(*kinds)
    assert not RENAMED.keys() & known.keys()
    for old, new in RENAMED.items():
        if new not in known:
            continue
        for flag in (f"--{old}", "--" + old.replace("_", "-")):
            status, _, told = end(capsys, command, flag, "x")
            words = (f"--{old.replace('_', '-')}", f"--{new.replace('_', '-')}")
            assert status == 2 and f"{words[0]} is now called {words[1]}; use that" in told
        (tmp_path / "old.yaml").write_text(f"{old}: x\n")
        status, _, told = end(capsys, command, "--config", tmp_path / "old.yaml")
        assert status == 1 and f"old.yaml: {old} is now called {new}; use that" in told
        (kind,) = [kind for kind in kinds if new in settings_of(kind)]
        with pytest.raises(TypeError, match=f"{old} is now called {new}; use that"):
            kind(**{old: "x"})


def as_text(value: object) -> object:
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    return value if isinstance(value, bool) else json.dumps(value) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("command", CONFIGURED)
def test_every_field_is_the_same_as_flag_in_yaml_and_in_python(command: str) -> None:
    """Each default that isn't null is written as flag and as YAML, and read again."""
    for kind in kinds_of(command):
        settings = settings_of(kind)
        values = {"use_cpu": True, "bf16": False} if "bf16" in settings else {}  # defaults want a GPU
        python = kind(**values)
        for name, setting in settings.items():
            item = setting.field
            default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
            default = getattr(default, "value", default)
            if name not in values and default is not None and not (is_list(setting.hint) and not default):
                values[name] = list(default) if isinstance(default, tuple) else default
        (flags,) = make([kind], {name: as_text(value) for name, value in values.items()}, {})
        (file,) = make([kind], {}, yaml.safe_load(yaml.safe_dump(values)))
        for name in settings:
            wanted = getattr(python, name)
            if name in ("run_name", "logging_dir"):  # transformers stamps them with the time
                continue
            assert getattr(flags, name) == getattr(file, name) == wanted, name
            assert type(getattr(flags, name)) is type(getattr(file, name)), name
            assert isinstance(wanted, bool) == isinstance(getattr(file, name), bool), name


def test_both_spellings_and_both_ways_to_say_no(tmp_path: Path) -> None:
    def made(*words: str) -> object:
        return read("grpo", "--output-dir", tmp_path, "--use-cpu", *words)[2]

    for words in (
        ["--max_steps", "7", "--no_bf16", "--reward_weights=1"],
        ["--max-steps", "7", "--no-bf16", "--reward-weights", "1"],
        ["--max-steps=7", "--bf16", "false", "--reward-weights=1.0"],
        ["--max_steps=7", "--bf16=False", "--reward_weights", "1e0"],
    ):
        config = made(*words)
        assert (config.max_steps, config.bf16, config.reward_weights) == (7, False, [1.0])
    assert made("--bf16", "false", "--check_data", "false").check_data is False
    rewards = read("grpo", "--output-dir", tmp_path, "--use_cpu", "true", "--bf16=0", "--rewards", "format", "length")
    assert rewards[1].rewards == ["format", "length"]


def test_own_parameters_come_from_the_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "questions.yaml"
    file.write_text("scene: procedural:2\nseed: 3\njson: true\nquestion_types: object_counting\n")
    status, out, _ = end(capsys, "questions", "--config", file)
    told = json.loads(out)
    assert status == 0 and told["scene_name"] == "procedural_000002"
    assert {row["question_type"] for row in told["questions"]} == {"object_counting"}
    _, flags, _ = end(capsys, "questions", "--config", file, "--seed", "4", "procedural:2")
    plain = end(capsys, "questions", "procedural:2", "--seed", "4", "--json", "--question_types", "object_counting")[1]
    assert flags == plain != out


def test_config_as_flags_is_read_again(tmp_path: Path) -> None:
    words = ["--scenes", "3", "--frames", "8", "--question-types", "object_counting", "--mode", "geometry"]
    (config,) = read("build", *words)
    assert read("build", *as_flags(config)) == (config,)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["bild"], 2, "ocr-hf has no command 'bild'; did you mean 'build'?\n"),
        (["build", "--frames"], 2, "ocr-hf build: --frames needs a value (ocr-hf build -h shows how)\n"),
        (["build", "--frames", "few"], 2, "ocr-hf build: --frames is 'few'; give a whole number (ocr-hf build -h s"),
        (["push", "model", "."], 2, "ocr-hf push: Missing option '--repo' (ocr-hf push -h shows how)\n"),
        (["eval", "--plugin", "not_there"], 1, "ocr-hf eval: plugin 'not_there' can't be imported"),
    ],
)
def test_mistakes(words: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.delenv("OCR_HF_PLUGINS", raising=False)
    found = end(capsys, *words)
    monkeypatch.delenv("OCR_HF_PLUGINS", raising=False)
    assert found[0] == status and not found[1] and found[2].startswith(message) and found[2].count("\n") == 1


def test_an_interrupted_command_ends_with_130(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    from ocr_hf.scenes.homes import procedural

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(procedural, "procedural_scene", interrupted)
    assert end(capsys, "questions", "procedural:1") == (130, "", "ocr-hf questions: interrupted\n")


def test_version_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    from ocr_hf import __version__

    main(["--version"])
    assert capsys.readouterr().out == f"{__version__}\n"
    status, out, _ = end(capsys)
    assert status == 2 and all(name in out for name in COMMANDS)
    assert end(capsys, "-h")[0] == end(capsys, "--help")[0] == 0


def completed(words: str) -> tuple[list[str], set[str]]:
    """What a shell is offered for the last word, and which heavy packages were imported for it."""
    code = (
        "import atexit, sys; from ocr_hf.cli import main\n"
        "heavy = {'torch', 'trl', 'transformers', 'datasets', 'open3d', 'gradio'}\n"
        "atexit.register(lambda: print(*(heavy & {*sys.modules}), file=sys.stderr))\nmain([])"
    )
    shell = {"_OCR_HF_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | shell, capture_output=True, text=True)
    return done.stdout.split(), set(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ocr-hf p", {"place", "push", "pull"}),
        ("ocr-hf build --clips", {"--clips-per-scene"}),
        ("ocr-hf grpo --num-gen", {"--num-generations", "--num-generations-eval"}),
        ("ocr-hf sft --on-b", {"--on-bad-video"}),
    ],
)
def test_completion_imports_nothing_heavy(words: str, offered: set[str]) -> None:
    found, imported = completed(words)
    assert sorted(found) == sorted(offered) and not imported


@pytest.mark.parametrize("command", ["sft", "grpo"])
def test_completion_knows_every_option_of_training(command: str) -> None:
    found = declared_fields(TRAINING[command] + SHARED, OTHER[command])
    assert settings_of(*kinds_of(command)).keys() <= set(found)
    assert len(set(found) - settings_of(*kinds_of(command)).keys()) < 8  # what only Python can set


@pytest.mark.parametrize(
    ("code", "missing", "message"),
    [
        ("from ocr_hf.cli import main; main(['grpo'])", "trl", "grpo: training needs trl, "),
        ("from ocr_hf.cli import main; main(['view', 'x', '--rerun', 'y'])", "rerun", "'ocr-hf[view]'"),
        ("from ocr_hf.cli import main; main(['build'])", "shapely", "build: this needs shapely, "),
        ("import ocr_hf.data.scale", "datatrove", "'ocr-hf[scale]'"),
        ("import runpy; runpy.run_path('spaces/ocr_demo/app.py', run_name='__main__')", "gradio", "'ocr-hf[space]'"),
    ],
)
def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    root: Path, code: str, missing: str, message: str
) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; sys.path.insert(0, 'spaces/ocr_demo')\n{code}"
    if missing == "trl":
        code = (
            "import importlib.metadata as m; real = m.version\n"
            "def version(name):\n    if name == 'trl': raise m.PackageNotFoundError(name)\n    return real(name)\n"
            f"m.version = version\n{code}"
        )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 1
    assert f"needs {missing}, which isn't installed; pip install 'ocr-hf[" in done.stderr and message in done.stderr
    if missing != "datatrove":
        assert "Traceback" not in done.stderr


def test_a_module_that_cannot_be_imported_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("ocr_hf.nowhere:main", "ocr-hf nothing", [])
    assert ended.value.code == 1 and "No module named 'ocr_hf.nowhere'" in capsys.readouterr().err

"""The card of the released checkpoint, rendered from what its training leaves; and the one that is in model_cards/."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ocr_hf.cards.check import check_model_card
from ocr_hf.cards.model_card import write_model_card
from ocr_hf.cards.numbers import stated_numbers
from ocr_hf.cards.sourced import CardError
from ocr_hf.cli import main
from ocr_hf.data.video import write_mp4
from ocr_hf.hub.push_plan import plan_push
from tests.cards.release import FRAMES, NAME, REPO, as_options, make_release, without
from tests.cards.test_model_card import resolve
from tests.hub.folders import noise_frames
from tests.without_our_package import PREAMBLE

RELEASED = Path(__file__).resolve().parents[2] / "model_cards" / NAME


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release whose card was rendered by the command."""
    made = make_release(tmp_path_factory.mktemp("release"))
    with pytest.raises(SystemExit) as ended:
        main(as_options(made))
    assert ended.value.code in (0, None)
    return made


def readme(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_tells_data_stages_scores_and_the_other_models(release):
    text = readme(release["model"][0])
    results = [json.loads((path / "results.json").read_text()) for path in release["results"] + release["compare"]]
    for found in results:
        assert f"{found['overall']:.1f}" in text and f"{found['query_lock']['index']:+.1f}" in text
    assert "| data-1 | train | 2 | 2 | 4 | procedural, cc0-1.0 |" in text and "| data-2 |" in text
    sft, grpo = text.index("Supervised fine-tuning with dense supervision"), text.index("### Reinforcement learning")
    assert sft < grpo and "| clips | 1160 |" in text[sft:grpo] and "| questions | 3210 |" in text[grpo:]
    assert text.count("75 steps.") == 2 and text.count("Held-out score 21.370 at step 25, 48.620 at step 75") == 2
    assert "**Object-Centric 3D Rollout**" in text and "It was trained with" in text
    assert "small reference checkpoint" in text and "trained from random weights" in text
    assert f'"num_frames": {FRAMES}, "fps": None}}' in text
    assert "made by `ocr-hf build`, listed below" in text and "queried objects noised" in text
    assert "| sft |" in text and "| text-only |" in text


def test_every_number_has_its_file_and_pointer(release):
    folder = release["model"][0]
    record = json.loads((folder / "sources/card.json").read_text())
    printed = set()
    for entry in record["printed"]:
        text = (folder / entry["file"]).read_text()
        lines = [json.loads(line) for line in text.splitlines()] if entry["file"].endswith(".jsonl") else None
        value = resolve(entry["pointer"], json.loads(text) if lines is None else lines)
        assert entry["text"] == (format(value, entry["format"]) if not isinstance(value, bool) else entry["text"])
        printed |= stated_numbers(entry["text"])
    assert stated_numbers(readme(folder)) - printed <= {"95", "2511.13190"}
    kinds = {Path(entry["file"]).name for entry in record["printed"]}
    assert kinds == {"results.json", "training.json", "log.jsonl", "ocr_vsi.json", "card.json"}
    assert set(record["files"]) > {"ocr_hf.json"} and list(check_model_card(folder)) == []


def test_it_may_be_pushed(release, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["push", "model", str(release["model"][0]), "--repo", REPO, "--dry-run"])
    assert ended.value.code in (0, None) and "nothing was sent" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["data-1/ocr_vsi.json", "training-2/log.jsonl", "compared/sft/results.json"])
def test_a_changed_source_of_any_kind_is_seen(release, tmp_path, file):
    folder = without(release["model"][0], tmp_path / NAME)
    path = folder / "sources" / file
    path.write_text(re.sub(r"\d", "7", path.read_text()))
    findings = list(check_model_card(folder))
    assert any(f"{file} changed since" in finding for finding in findings) and len(findings) > 1


def test_a_gathering_that_fails_leaves_the_sources_that_were_there(release, tmp_path):
    folder = without(release["model"][0], tmp_path / NAME)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(CardError, match="holds no"):
        write_model_card(folder, REPO, evaluations=release["results"], training=[tmp_path])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_only_equal_questions_are_compared(release, tmp_path):
    results = json.loads((release["compare"][0] / "results.json").read_text())
    results["settings"]["frames"] = 16
    (tmp_path / "results.json").write_text(json.dumps(results))
    folder = without(release["model"][0], tmp_path / NAME)
    with pytest.raises(CardError, match="measured with frames = 16, this model with 8"):
        write_model_card(folder, REPO, evaluations=release["results"], comparisons=[tmp_path])
    with pytest.raises(CardError, match="name this model's own results first"):
        write_model_card(folder, REPO, comparisons=release["compare"])


def changed_results(place: Path, out: Path, **changes) -> Path:
    """A copy of a results file with other values at its top level; those of `settings` are added to the old ones."""
    results = json.loads((place / "results.json").read_text())
    results["settings"] |= changes.pop("settings", {})
    out.mkdir(parents=True)
    (out / "results.json").write_text(json.dumps(results | changes))
    return out


def test_a_comparison_says_what_was_shown(release, tmp_path):
    """A rival that was trained without video is not listed by what it gets from videos alone."""
    audit = {"macro": 88.25, "micro": 80.0, "interval": {"macro": [81.5, 92.5], "micro": [0.0, 1.0]}, "n": 100,
             "vanilla_macro": 12.5, "difference": 75.75, "difference_interval": None}  # fmt: skip
    rival = changed_results(release["compare"][1], tmp_path / "text-only" / "rooms", audits={"text_only": audit})
    folder = without(release["model"][0], tmp_path / NAME)
    text = write_model_card(folder, REPO, evaluations=release["results"], comparisons=[rival]).readme
    assert "asked in the same way" not in text
    assert re.search(r"\| text-only \| 8 frames \| [\d.]+ \|", text)
    assert "| text-only | no video | 88.2 | 81.5 to 92.5 | - |" in text
    assert list(check_model_card(folder)) == []


def test_a_rival_has_the_name_of_its_model_whatever_folder_its_results_are_in(release, tmp_path):
    folder = without(release["model"][0], tmp_path / NAME)
    local, hub = "blake2b:77", "a" * 40
    named = [("runs/grpo", local, "grpo (sft)"), ("org/big", hub, "org/big (sft)"), ("runs/sft/model", local, "sft")]
    for number, (model, revision, name) in enumerate(named):
        place = tmp_path / str(number) / "sft" / "rooms"
        rival = changed_results(release["compare"][0], place, settings={"model": model, "model_revision": revision})
        text = write_model_card(folder, REPO, evaluations=release["results"], comparisons=[rival]).readme
        assert f"| {name} | {FRAMES} frames |" in text and list(check_model_card(folder)) == []


ROW = re.compile(r"^\| (\*\*)?(ocr-vsi-tiny|sft|text-only)(\*\*)? \|.*$", re.MULTILINE)


def swap_names(text):
    assert "| sft |" in text
    return (
        text.replace("| sft |", "| other |").replace("| text-only |", "| sft |").replace("| other |", "| text-only |")
    )


def swap_own(text):
    """The rival's score for one's own."""
    own, rival = (match[0].split("|") for match in list(ROW.finditer(text))[:2])
    return text.replace("|".join(own), "|".join([*own[:3], *rival[3:]]))


def leave_out_a_rival(text):
    return re.sub(r"^\| sft \|.*\n", "", text, flags=re.MULTILINE)


def move_to_another_section(text):
    score = re.search(r"^\*\*[\d.]+\*\* \[.*$", text, re.MULTILINE)[0]
    return text.replace(f"{score}\n", "").replace("## Training\n", f"## Training\n\n{score}\n")


def swap_bounds(text):
    return re.sub(r"^(\*\*[\d.]+\*\*) \[([\d.]+), ([\d.]+)\]", r"\1 [\3, \2]", text, count=1, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swap_names, "not for '| text-only |"),
        (swap_own, r"not for '| \*\*ocr-vsi-tiny"),
        (leave_out_a_rival, r"leaves out the row \| sft \|"),
        (move_to_another_section, r"not for '\*\*"),
        (swap_bounds, r"not for '\*\*"),
    ],
)
def test_numbers_stay_with_what_they_were_measured_of(release, tmp_path, change, words):
    """Every number of these cards is one that the sources give: only where it stands is wrong."""
    folder = without(release["model"][0], tmp_path / NAME)
    text = readme(folder)
    (folder / "README.md").write_text(change(text))
    assert stated_numbers(change(text)) <= stated_numbers(text) and change(text) != text
    findings = list(check_model_card(folder))
    assert re.search(words, "\n".join(findings)) and not any("no source file" in finding for finding in findings)


def test_words_may_be_bettered_paragraphs_wrapped_and_tables_left_away(release, tmp_path):
    folder = without(release["model"][0], tmp_path / NAME)
    text = textwrap_paragraphs(readme(folder).replace("answers could not be read", "replies were unreadable"))
    text = re.sub(r"### Training data\n.*?(?=\n## )", "", text, flags=re.DOTALL)
    (folder / "README.md").write_text(text + "\nThanks to all of `12` people.\n")
    assert text != readme(release["model"][0]) and list(check_model_card(folder)) == []


def textwrap_paragraphs(text):
    head, body = text.split("# ocr-vsi-tiny", 1)
    lines = [line if line[:1] in "|`#>- " else textwrap.fill(line, 60) for line in body.split("\n")]
    return head + "# ocr-vsi-tiny" + "\n".join(lines)


def test_a_licence_is_that_of_the_sources(release, tmp_path):
    folder = without(release["model"][0], tmp_path / NAME)
    (folder / "README.md").write_text(readme(folder).replace("license: apache-2.0", "license: mit"))
    (finding,) = check_model_card(folder)
    assert "the license is mit, but apache-2.0 by the sources" in finding


def test_a_section_that_is_worse_than_blind_says_so(release, tmp_path):
    constants = {name: {"macro": 5.0, "micro": 5.0, "tasks": {}} for name in ("random", "always_a")}
    blind = {
        "macro": 44.5,
        "micro": 1.0,
        "vanilla_macro": 32.5,
        "difference": 12.0,
        "n": 9,
        "difference_interval": None,
    }
    values = {"overall": 32.5, "audits": {"text_only": blind}, "references": constants}
    for number, (overall, worse) in enumerate([(32.5, True), (60.0, False)]):
        made = changed_results(release["results"][0], tmp_path / str(number), **values | {"overall": overall})
        folder = without(release["model"][0], tmp_path / f"{number}" / NAME)
        text = write_model_card(folder, REPO, evaluations=[made]).readme
        assert ("**Worse than without looking:** this model with no video gets 44.5." in text) == worse


def test_a_part_of_the_questions_and_missing_answers_are_stated_wherever_the_score_is(release, tmp_path):
    import yaml
    from huggingface_hub import ModelCard

    made = changed_results(
        release["results"][0], tmp_path / "some", n=200, n_unanswered=7, unanswered="zero",
        settings={"limit": 200, "data": "org/bench", "data_revision": "c" * 40, "min_pixels": 784, "seed": 3},
    )  # fmt: skip
    folder = without(release["model"][0], tmp_path / NAME)
    text = write_model_card(folder, REPO, evaluations=[made]).readme
    assert "7 questions have no answer and score nothing." in text and "limit 200" in text
    (entry,) = ModelCard(text).data.eval_results
    (written,) = yaml.safe_load((folder / ".eval_results" / "bench.yaml").read_text())
    for stated in (entry.metric_name, written["notes"]):
        assert "only 200 questions (limit 200)" in stated and "7 without an answer, scored 0" in stated
    assert (
        entry.metric_args["limit"] == 200 and entry.metric_args["min_pixels"] == 784 and entry.metric_args["seed"] == 3
    )
    assert "min_pixels 784" in written["notes"] and "seed 3" in written["notes"]


def test_an_endpoint_is_not_taken_for_the_weights(release, tmp_path):
    made = changed_results(release["results"][0], tmp_path / "some", settings={"endpoint": "http://localhost:8000/v1"})
    folder = without(release["model"][0], tmp_path / NAME)
    with pytest.raises(CardError, match="through an endpoint"):
        write_model_card(folder, REPO, evaluations=[made])


def test_a_stage_that_the_models_folder_holds_a_copy_of_counts_once(release, tmp_path):
    from tests.cards.measured import make_measured

    measured = make_measured(tmp_path)
    run = Path(shutil.copytree(measured["model"], tmp_path / "run"))
    card = write_model_card(measured["model"], REPO, training=[measured["sft"], run])
    assert card.readme.count("### Reinforcement learning") == card.readme.count("### Supervised fine-tuning") == 1


# The snippet, as somebody runs it who has transformers and not this package

SEEN = """
grid = inputs["video_grid_thw"][0].tolist()
print(grid, model.config.vision_config.temporal_patch_size, model.config.vision_config.patch_size)
"""


def run_snippet(folder: Path, cwd: Path, repo: str) -> tuple[str, list[int], int, int]:
    """Run the card's snippet beside a folder called like the repository; (answer, grid, temporal patch, patch)."""
    (cwd / repo).parent.mkdir(parents=True)
    (cwd / repo).symlink_to(folder.resolve())
    write_mp4(cwd / "room.mp4", noise_frames(seed=1, frames=40, side=168), 8.0)
    snippet = re.search(r"```python\n(.*?)```", readme(folder), re.DOTALL).group(1)
    command = [sys.executable, "-c", PREAMBLE + snippet + SEEN]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    *answer, seen = done.stdout.splitlines()
    grid, temporal, patch = re.fullmatch(r"(\[.*\]) (\d+) (\d+)", seen).groups()
    return "\n".join(answer), json.loads(grid), int(temporal), int(patch)


@pytest.mark.slow
def test_the_snippet_runs_without_our_package_and_shows_what_was_evaluated(tmp_path):
    """Evaluated with smaller frames than the processor's own; the released card's snippet has those."""
    made = make_release(tmp_path / "made", max_pixels=56 * 56)
    folder = made["model"][0]
    write_model_card(folder, REPO, evaluations=made["results"])
    (tmp_path / "elsewhere").mkdir()
    _, (steps, rows, columns), temporal, patch = run_snippet(folder, tmp_path / "elsewhere", REPO)
    assert steps * temporal == FRAMES and rows == columns and rows * columns * patch**2 == 56 * 56


def test_the_released_checkpoint_may_be_pushed_as_it_is():
    plan = plan_push("model", RELEASED, REPO)
    assert {"README.md", "model.safetensors", "ocr_hf.json", "sources/card.json"} <= {file.path for file in plan.files}
    assert not plan.left_out and plan.bytes < 25e6
    assert "## Evaluation" in readme(RELEASED) and "has not been evaluated" not in readme(RELEASED)


@pytest.mark.slow
def test_the_released_cards_snippet_answers(tmp_path):
    frames = json.loads((RELEASED / "ocr_hf.json").read_text())["num_frames"]
    repo = json.loads((RELEASED / "sources/card.json").read_text())["inputs"]["repo"]
    answer, (steps, rows, columns), temporal, patch = run_snippet(RELEASED, tmp_path, repo)
    assert answer.strip() and steps * temporal == frames
    most = json.loads((RELEASED / "ocr_hf.json").read_text())["max_pixels"]
    assert 0.5 * most < rows * columns * patch**2 <= most

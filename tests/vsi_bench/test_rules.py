"""Every rule gives what its harness gives: vectors that were recorded from the harnesses' own code, and tables of them.

`harness_vectors.json`: texts of ours with the scores that these programs gave them:
official_unstripped, lmms_eval@0.7.2 and lmms_eval@0.7.3 the wheels lmms-eval 0.6.1, 0.7.2 and 0.7.3 of PyPI (0.6.1 has
thinking-in-space's scorer unchanged); vlmevalkit and easi the functions in open-compass/VLMEvalKit at baeb71b and
EvolvingLMMs-Lab/VLMEvalKit at 485f04c. official and vlmevalkit were given stripped texts, as wrappers pass them on.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_hf.cli import main as cli
from ocr_hf.vsi_bench.eval_config import EvalConfig
from ocr_hf.vsi_bench.extract import parse_letter, parse_number
from ocr_hf.vsi_bench.extraction_rules import EXTRACTIONS, chosen_rules
from ocr_hf.vsi_bench.harness_rules import strip_reasoning
from ocr_hf.vsi_bench.references import published_rows
from ocr_hf.vsi_bench.rule_table import check_rule_fits, rule_rows
from ocr_hf.vsi_bench.rules import OWN_RULES, Rule, extract
from ocr_hf.vsi_bench.scoring import STRICT_TOLERANCES, mean_relative_accuracy, score_answer, score_answers
from tests.vsi_bench.conftest import questions

RECORDED = json.loads(Path(__file__).with_name("harness_vectors.json").read_text(encoding="utf-8"))
COUNT, CHOICE = "object_counting", "object_rel_distance"


@pytest.mark.parametrize("name", RECORDED["rules"])
def test_a_rule_scores_as_its_harness_did(name: str) -> None:
    place = 3 + RECORDED["rules"].index(name)
    kinds, truths, texts = ([vector[column] for vector in RECORDED["vectors"]] for column in range(3))
    recorded = [vector[place] for vector in RECORDED["vectors"]]
    assert len(recorded) > 250 and 0.2 < sum(recorded) / len(recorded) < 0.9
    one_by_one = [score_answer(*row, name) for row in zip(kinds, texts, truths, strict=True)]
    wrong = [row for row, score in zip(RECORDED["vectors"], one_by_one, strict=True) if abs(score - row[place]) > 1e-9]
    assert not wrong
    assert score_answers(texts, truths, kinds, name).scores.tolist() == one_by_one


def test_no_two_rules_are_the_same() -> None:
    columns = list(zip(*(vector[3:] for vector in RECORDED["vectors"]), strict=True))
    assert len(set(columns)) == len(RECORDED["rules"])


def test_the_documented_differences() -> None:
    def read(text: str, kind: str = COUNT) -> dict[str, str]:
        return {name: extract(text, kind, name) for name in OWN_RULES}

    for text in ("four", "There are 4"):
        got = read(text)
        assert got["lmms_eval@0.7.3"] == got["easi"] == got["answer_tag"] == "4"
        assert "4" not in (got["official"], got["vlmevalkit"], got["lmms_eval@0.7.2"])
    assert read("60cm")["lmms_eval@0.7.3"] == "60" and read("60cm")["official"] == "60cm"
    assert read("4-5")["lmms_eval@0.7.3"] == "4" and read("4-5")["easi"] == "-5"
    assert read("one chair, room 2")["lmms_eval@0.7.3"] == "1"
    assert read("three hundred and twenty-one")["lmms_eval@0.7.3"] == "321"
    assert read("A. chair", CHOICE)["vlmevalkit"] == "A" and read("A chair", CHOICE)["vlmevalkit"] == "A chair"
    assert read("The answer is (B), not C", CHOICE)["easi"] == "B"


def test_the_documented_table_of_texts(root: Path) -> None:
    page = (root / "docs" / "extractions.md").read_text().partition("| text |")[2].partition("\n\n")[0]
    header, _, *lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in page.splitlines()]
    names = [name.strip("`") for name in header]
    assert len(lines) > 10 and set(names) < set(OWN_RULES)
    for text, *answers in lines:
        text = text.strip("`")
        kind = CHOICE if set(answers) & set("AB") else "room_size_estimation" if "m²" in text else COUNT
        read = [parse_letter(extract(text, kind, name)) for name in names]
        if kind != CHOICE:
            numbers = [parse_number(extract(text, kind, name)) for name in names]
            read = [None if number is None else f"{number:g}" for number in numbers]
        assert [answer or "–" for answer in read] == answers, text


@given(st.text(" \t\n\r", max_size=4), st.text(" \t\n\r", max_size=4), st.sampled_from(sorted(OWN_RULES)))
def test_white_space_around_an_answer_never_decides(before: str, after: str, name: str) -> None:
    if name != "official_unstripped":
        assert score_answer(CHOICE, f"{before}B{after}", "B", name) == 1.0
        assert score_answer(COUNT, f"{before}4{after}", "4", name) == 1.0


def test_strict_comparison_loses_the_boundary() -> None:
    assert len(STRICT_TOLERANCES) == 10
    assert mean_relative_accuracy(3.0, 4.0) == 0.6 and mean_relative_accuracy(3.0, 4.0, strict=True) == 0.5
    assert score_answer(COUNT, "3", "4") == 0.6 and score_answer(COUNT, "3", "4", "vlmevalkit") == 0.5
    assert mean_relative_accuracy(4.0, 4.0, strict=True) == 1.0


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>a</think> B ", "B"),
        ("a</think>B", "B"),
        ("a</think>b</think>C", "C"),
        ("<think>a", "<think>a"),
        ("<THINK>a</THINK>B", "<THINK>a</THINK>B"),
        ("<analysis>a</analysis><think>b</think>C", "C"),
        ("<th<think>x</think>ink>a</think>B", "B"),
        ("a</think>B<think>c", "a</think>B<think>c"),
    ],
)
def test_reasoning_is_removed_as_lmms_eval_does(text: str, left: str) -> None:
    assert strip_reasoning(text) == left


def test_settings_name_rules_and_suggest_the_nearest() -> None:
    assert EvalConfig(rules=("all",)).rules == tuple(EXTRACTIONS) and list(EXTRACTIONS)[: len(OWN_RULES)] == [
        *OWN_RULES
    ]
    assert EvalConfig(rules=("easi", "easi")).rules == ("easi",) and EvalConfig().rules == ()
    with pytest.raises(ValueError, match="extraction is 'lmms_eval'; did you mean 'lmms_eval@0.7.3'"):
        EvalConfig(extraction="lmms_eval")
    with pytest.raises(ValueError, match="rules is 'official_'; did you mean 'official'"):
        chosen_rules(["official_"])
    with pytest.raises(ValueError, match="missing is 'drop'; choose one of zero, leave-out"):
        EvalConfig(missing="drop")


def test_a_rule_of_ones_own_is_read_scored_and_listed() -> None:
    shout = Rule("shout", "upper case", "1", "here", lambda text, unit: text.upper().strip("!"), average="micro")
    EXTRACTIONS.register(shout)
    try:
        assert score_answer(CHOICE, "!!b!!", "B", "shout") == 1.0
        assert EvalConfig(extraction="shout").extraction == "shout"
        assert rule_rows(["b!"], ["B"], [CHOICE], ["all"])[-1]["rule"] == "shout"
    finally:
        EXTRACTIONS._entries.pop("shout")


def test_the_rules_that_made_published_tables_are_rules() -> None:
    rows = published_rows()
    assert all("rule" in row for row in rows)
    named = {row["rule"] for row in rows} - {None}
    assert named == {"official", "easi", "lmms_eval@0.7.2"} and named <= set(OWN_RULES)


def test_a_table_of_rules() -> None:
    kinds = [COUNT, COUNT, CHOICE]
    rows = rule_rows(["3", "There are 4", None], ["4", "4", "A"], kinds, ["all"], [0.5, 0.0, 0.0])
    found = {row["rule"]: row for row in rows}
    assert list(found) == list(EXTRACTIONS)
    assert (found["vlmevalkit"]["macro"], found["vlmevalkit"]["micro"]) == (pytest.approx(12.5), pytest.approx(50 / 3))
    assert found["vlmevalkit"]["average"] == "micro" and found["vlmevalkit"]["reproduces"] == {"n": 3, "of": 3}
    assert found["official"]["reproduces"] == {"n": 2, "of": 3} and found["official"]["n_unparsed"] == 2
    assert "arXiv 2412.14171" in found["official"]["published"] and found["answer_tag"]["published"] == []


def test_a_rule_that_reads_nothing_of_a_file_is_told() -> None:
    texts, truths = ["<think>x</think><answer>4</answer>"] * 3 + [None], ["4"] * 4
    with pytest.raises(ValueError, match=r"extraction official reads none of the 3 answers.*answer_tag reads 3; add"):
        check_rule_fits(texts, truths, [COUNT] * 4, "official")
    check_rule_fits(texts, truths, [COUNT] * 4, "answer_tag")
    check_rule_fits(["?", "no idea"], ["4", "4"], [COUNT] * 2, "official")  # nobody reads these: an honest 0
    check_rule_fits([None, ""], ["4", "4"], [COUNT] * 2, "official")


def run(arguments: list[str]) -> int:
    try:
        cli(["eval", *arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_prints_ones_number_under_each_rule(make_vsi_bench, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    asked = questions()
    texts = {row["id"]: f"There are {row['ground_truth']}" if row["options"] is None else " A." for row in asked}
    file = tmp_path / "theirs.json"
    file.write_text(json.dumps({str(key): text for key, text in list(texts.items())[:-2]}))
    words = ["--predictions", str(file), "--data", str(make_vsi_bench()), "--draws", "0"]
    assert run([*words, "--rules", "all", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "Your number under each rule" in printed and all(name in printed for name in OWN_RULES)
    assert "2 questions have no answer; they score 0" in printed
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    found = {row["rule"]: row for row in results["rules"]}
    assert found["official"]["macro"] == results["macro"] < found["lmms_eval@0.7.3"]["macro"]
    assert (results["n"], results["n_unanswered"], results["unanswered"]) == (len(asked), 2, "zero")
    report = (tmp_path / "out" / "report.md").read_text()
    assert f"n = {len(asked)}. " in report.replace(",", "") and "**2 of these have no answer and score 0.**" in report
    assert "## Your number under each rule" in report and "| `lmms_eval@0.7.3` | **" in report
    assert run([*words, "--missing", "leave-out", "--out", str(tmp_path / "less")]) == 0
    assert json.loads((tmp_path / "less" / "results.json").read_text())["n"] == len(asked) - 2
    assert "(missing leave-out).**" in (tmp_path / "less" / "report.md").read_text()


def test_mistakes_end_with_one_sentence_and_lose_nothing(make_vsi_bench, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text("{}")
    answers = {row["id"]: "1" if row["options"] is None else "A" for row in questions()}
    thinking = json.dumps({key: f"<think>x</think><answer>{text}</answer>" for key, text in answers.items()})
    twice = json.dumps([{"id": 0, "output": "1"}, {"id": 0.0, "output": "2"}])
    data = str(make_vsi_bench())
    for text, flags, message in [
        (thinking, [], "extraction official reads none of the"),
        (twice, [], "row 1: id 0 was answered before, in row 0 ('1', here '2')"),
        ('{"results": {}, "configs": {}}', [], "this looks like a file of averages"),
        ('[{"Type": "overall", "Count": 1, "Score_sum": 1}]', [], "this looks like VLMEvalKit's table of averages"),
        (twice, ["--rules", "spacer"], "rules is 'spacer'; "),
    ]:
        (tmp_path / "p.json").write_text(text)
        words = ["--predictions", str(tmp_path / "p.json"), "--data", data, "--out", str(out)]
        assert run([*words, *flags]) == 1
        told = capsys.readouterr().err
        assert message in told and told.count("\n") == 1
        assert (out / "results.json").read_text() == "{}" and list(out.iterdir()) == [out / "results.json"]

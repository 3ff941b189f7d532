"""Scores of pairs of videos: who doesn't look gets nothing, whoever looks everything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ocr_hf.vsi_bench.scoring import score_answers
from ocr_hf.vsi_bench.tasks import QUESTION_TYPES, is_numeric
from ocr_hf.vsi_bench.twin_scores import blind_tables, pair_scores, twin_table
from ocr_hf.vsi_bench.twins_layout import asked_rows

LETTERS = "ABCD"


def made_up_twins(questions: int = 400, seed: int = 0) -> list[dict]:
    """Rows of config `twins`: the right answer is drawn, the edit changes it, its control doesn't."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(questions):
        kind = QUESTION_TYPES[number % len(QUESTION_TYPES)]
        if is_numeric(kind):
            before = f"{rng.uniform(2.0, 9.0):.1f}"
            after = f"{float(before) * rng.uniform(2.1, 3.0) ** rng.choice([-1, 1]):.1f}"
        else:
            before, after = (LETTERS[place] for place in rng.permutation(4)[:2])
        shared = {
            "dataset": "procedural",
            "scene_name": f"procedural_{number // 8:06d}",
            "question_type": kind,
            "question": f"question {number}?",
            "options": None if is_numeric(kind) else [f"{letter}. {number} {letter}" for letter in LETTERS],
            "ground_truth": before,
            "clip_id": f"clip{number // 8}",
            "vanilla_file_name": f"vanilla/{number // 8}.mp4",
        }
        for relation, truth, control in (("changes", after, None), ("keeps", before, 2 * number)):
            own = {"relation": relation, "control_of": control, "edited_ground_truth": truth}
            row_id = 2 * number + (relation == "keeps")
            rows.append({**shared, **own, "id": row_id, "edited_file_name": f"edited/{row_id}.mp4"})
    return rows


@pytest.fixture(scope="module")
def asked() -> list[dict]:
    return list(asked_rows(made_up_twins()))


def played(asked: list[dict], answer: Callable[[dict], str]) -> np.ndarray:
    """Return the score of each row for somebody who answers so."""
    kinds = [row["question_type"] for row in asked]
    return score_answers([answer(row) for row in asked], [row["ground_truth"] for row in asked], kinds).scores


def by_words(row: dict) -> str:
    """An answer that depends on the words alone: as right as any before the edit, and the same after it."""
    return "3" if is_numeric(row["question_type"]) else LETTERS[hash(row["question"]) % 4]


def test_each_question_is_asked_of_three_videos(asked: list[dict]) -> None:
    assert len(asked) == 3 * 400 and len({row["id"] for row in asked}) == len(asked)
    assert [row["video"] for row in asked[:3]] == ["vanilla", "changes", "keeps"]
    first = asked[:3]
    assert first[0]["ground_truth"] == first[2]["ground_truth"] != first[1]["ground_truth"]
    assert [row["file_name"] for row in first] == ["vanilla/0.mp4", "edited/0.mp4", "edited/1.mp4"]


class TestAgents:
    def test_who_sees_everything_gets_everything(self, asked: list[dict]) -> None:
        table = twin_table(asked, played(asked, lambda row: row["ground_truth"]), draws=50)
        assert all(table[name]["macro"] == 100.0 for name in ("pairs", "changes", "keeps"))
        assert table["letter_pairs"] == 100.0 and table["pairs"]["n"] == 800
        assert table["pairs"]["interval"]["macro"] == [100.0, 100.0]

    def test_who_reads_the_words_gets_no_pair_of_letters(self, asked: list[dict]) -> None:
        scores = played(asked, by_words)
        assert scores.mean() > 0.1  # single answers are right now and then
        table = twin_table(asked, scores, draws=0)
        assert table["letter_pairs"] == 0.0

    def test_who_never_notices_an_edit_gets_nothing(self, asked: list[dict]) -> None:
        """Right before the edit and after the control, but the same answer after the edit that changes it."""
        before = {row["question_id"]: row["ground_truth"] for row in asked if row["video"] == "vanilla"}
        table = twin_table(asked, played(asked, lambda row: before[row["question_id"]]), draws=0)
        assert [table[name]["macro"] for name in ("pairs", "changes", "keeps")] == [0.0, 0.0, 0.0]

    def test_who_takes_every_edit_for_a_change_gets_half(self, asked: list[dict]) -> None:
        """Right about both videos of a `changes` pair; fooled by the control."""
        after = {row["question_id"]: row["ground_truth"] for row in asked if row["video"] == "changes"}
        fooled = played(
            asked, lambda row: row["ground_truth"] if row["video"] == "vanilla" else after[row["question_id"]]
        )
        table = twin_table(asked, fooled, draws=0)
        assert (table["changes"]["macro"], table["keeps"]["macro"], table["pairs"]["macro"]) == (100.0, 0.0, 50.0)

    def test_who_guesses_anew_each_time_gets_little(self, asked: list[dict]) -> None:
        rng = np.random.default_rng(1)
        letters = [row for row in asked if not is_numeric(row["question_type"])]
        scores = played(letters, lambda row: LETTERS[rng.integers(4)])
        table = twin_table(letters, scores, draws=0)
        # 1 / 16 of the `changes` pairs, 1 / 64 of the `keeps` pairs
        assert 1.0 < table["letter_pairs"] < 8.0 and table["keeps"]["micro"] < table["changes"]["micro"]


def test_numbers_score_what_both_answers_keep_to() -> None:
    asked = list(asked_rows(made_up_twins(10)))
    scores = np.linspace(0.0, 1.0, len(asked)).round(1)
    pairs, found = pair_scores(asked, scores)
    by_video = {(row["question_id"], row["video"]): score for row, score in zip(asked, scores, strict=True)}
    for pair, score in zip(pairs, found, strict=True):
        videos = ("vanilla", "changes") if pair["relation"] == "changes" else ("vanilla", "changes", "keeps")
        assert score == min(by_video[pair["question_id"], video] for video in videos)


def test_what_was_asked_in_part_counts_in_part(asked: list[dict]) -> None:
    perfect = played(asked, lambda row: row["ground_truth"])
    some = [place for place, row in enumerate(asked) if row["video"] != "keeps"]
    table = twin_table([asked[place] for place in some], perfect[some], draws=0)
    assert "keeps" not in table and table["changes"]["n"] == table["pairs"]["n"] == 400
    alone = [place for place, row in enumerate(asked) if row["video"] == "vanilla"]
    assert twin_table([asked[place] for place in alone], perfect[alone], draws=0) is None


def test_blind_rows_get_no_pair_of_letters(asked: list[dict]) -> None:
    tables = blind_tables(asked)
    assert set(tables) == {"most_frequent", "always_a", "text_statistic"}
    assert all(table["letter_pairs"] == 0.0 for table in tables.values())


def test_a_control_of_nothing_is_left_out() -> None:
    rows = made_up_twins(8)
    lonely = [row for row in rows if row["relation"] == "keeps"]
    assert list(asked_rows(lonely)) == []

"""A file of annotations survives what happens to files, and tells which of its lines count."""

import json
from pathlib import Path
from typing import Any

import pytest
from planned_clips import answer, measured

from prismaudio.errors import CannotWrite
from prismaudio.planning.annotation import Annotation, BadAnnotations, Ledger, annotations, latest
from prismaudio.planning.wire import read

CLIP = "a" * 64


def row(number: int = 0, **others: Any) -> Annotation:
    known: dict[str, Any] = {
        "id": f"clip{number}",
        "video": f"clips/clip{number}.mp4",
        "sha256": f"{number:064x}",
        "duration": 8.0,
        "teacher": "gemini:gemini-2.5-pro",
        "prompt": "p",
        "plan": read(answer(), 8.0),
    }
    return Annotation(**(known | others))


def failure(number: int = 0, **others: Any) -> Annotation:
    return row(number, plan=None, error="no answer", **others)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plans.jsonl"


def filled(path: Path, *rows: Annotation) -> Ledger:
    ledger = Ledger(path)
    for each in rows:
        ledger.add(each)
    return ledger


def test_a_line_comes_back_as_it_was(path: Path) -> None:
    full = row(
        avoid=("music",),
        hint="two\nlines",
        language="中文",
        plan=measured().plan,
        thoughts={"semantic": "é\u2028"},
        read=7,
        written=3,
        seconds=1.5,
        cost=0.25,
    )
    filled(path, full, row(1))
    assert list(annotations(path)) == [full, row(1)]
    assert len(path.read_bytes().splitlines()) == 2
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[0])["plan"]["version"] == 1


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_torn_last_line_is_cut_off_and_its_clip_is_due_again(path: Path, cut: int) -> None:
    filled(path, row(0), row(1))
    whole = path.read_bytes()
    path.write_bytes(whole[: -1 - cut])
    assert list(annotations(path)) == [row(0)]
    ledger = Ledger(path)
    assert path.read_bytes() == whole[: len(row(0).to_line())]
    assert ledger.answered(row(0).key)
    assert not ledger.answered(row(1).key)
    ledger.add(row(1))
    assert path.read_bytes() == whole


def test_a_whole_last_line_without_its_end_is_kept(path: Path) -> None:
    filled(path, row(0), row(1))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert list(annotations(path)) == [row(0), row(1)]
    filled(path, row(2))
    assert path.read_bytes() == whole + row(2).to_line()


def test_a_damaged_line_in_the_middle_is_named(path: Path) -> None:
    filled(path, row(0), row(1))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first[:50] + b"\n" + second)
    with pytest.raises(BadAnnotations, match=r"plans\.jsonl, line 1: .*; mend the line, or delete it"):
        Ledger(path)


def test_of_two_lines_about_one_question_the_later_counts(path: Path) -> None:
    ledger = filled(path, row(0, hint="old"), row(1), row(0, hint="new"))
    assert [(each.id, each.hint) for each in latest(path)] == [("clip1", ""), ("clip0", "new")]
    ledger.tidy()
    assert list(annotations(path)) == [row(1), row(0, hint="new")]
    ledger.add(row(1, hint="newer"))
    ledger.tidy()
    assert [each.hint for each in annotations(path)] == ["new", "newer"]


def test_other_teachers_and_other_questions_stand_side_by_side(path: Path) -> None:
    rows = [row(0), row(0, teacher="openai:x"), row(0, prompt="q"), failure(0, teacher="local:y")]
    ledger = filled(path, *rows)
    ledger.tidy()
    assert list(annotations(path)) == rows
    assert ledger.failed(rows[3].key)
    assert not ledger.answered(rows[3].key)


def test_a_failure_goes_when_the_teacher_answers_even_to_another_question(path: Path) -> None:
    ledger = filled(path, failure(0), failure(1), row(0, prompt="other"))
    assert not ledger.failed(row(0).key)
    assert ledger.failed(row(1).key)
    assert latest(path) == [failure(1), row(0, prompt="other")]


def test_a_plan_of_a_video_that_was_replaced_counts_no_more(path: Path) -> None:
    filled(path, row(0), row(0, sha256=CLIP), row(1))
    assert latest(path) == [row(0, sha256=CLIP), row(1)]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="choose a place"):
        Ledger(tmp_path / "nowhere" / "plans.jsonl")
    with pytest.raises(BadAnnotations, match="check the path"):
        latest(tmp_path / "none.jsonl")

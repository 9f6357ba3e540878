"""`prismaudio generate --candidates`: the best takes are written under the names of takes, with their cards."""

import json
from pathlib import Path

import pytest
from command import Command
from panels import judge_files

from prismaudio import read_audio
from prismaudio.dimensions.plan import DIMENSIONS

QUICK = ("--steps", 1)


@pytest.fixture(scope="session")
def judges(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = judge_files(tmp_path_factory.mktemp("judges"))
    return [part for name in DIMENSIONS for part in ("--judge", f"{name}=embedded:{folder}")]


def test_the_best_of_three_is_the_take_of_its_seed(prismaudio: Command, clip: Path, judges: list[str]):
    exact = (*QUICK, "--dtype", "float32")
    outcome = prismaudio("generate", clip, *exact, "--candidates", 3, "--seed", 4, *judges)
    sound, card = clip.with_name("clip.sound.mp4"), clip.with_name("clip.sound.card.json")
    assert outcome.code == 0
    assert {sound, card} <= set(clip.parent.iterdir())
    kept = json.loads(card.read_text())
    ranked = [line.lstrip("* ").split() for line in outcome.out.splitlines()[-4:-1]]
    totals = [float(line[-1]) for line in ranked]
    assert totals == sorted(totals, reverse=True)
    assert {int(line[0]) for line in ranked} == {4, 5, 6}
    assert int(ranked[0][0]) == kept["seed"]
    assert (kept["rank"], kept["candidates"], kept["chosen_by"]) == (1, 3, "total")
    assert kept["total"] >= kept["mean"]["total"]
    alone = clip.with_name("alone.mp4")
    assert prismaudio("generate", clip, "-o", alone, *exact, "--seed", kept["seed"]).code == 0
    again = clip.with_name("again.json")
    assert prismaudio("score", alone, *judges, "--json", again).code == 0
    scored = json.loads(again.read_text())["scores"][0]
    for name in DIMENSIONS:  # but for the lossy track in between
        assert scored["rewards"][name] == pytest.approx(kept["rewards"][name], abs=0.02)


def test_several_are_kept_under_the_names_of_takes(
    prismaudio: Command, clip: Path, tmp_path: Path, judges: list[str]
):
    out = tmp_path / "sounds"
    outcome = prismaudio(
        *("generate", clip, "-o", out, *QUICK, "--candidates", 3, "--keep", 2, "--choose-by", "spatial"),
        *judges,
    )
    assert outcome.code == 0
    cards = {path.name: json.loads(path.read_text()) for path in out.glob("*.card.json")}
    assert len(cards) == 2
    for name, card in cards.items():
        assert name == f"clip.sound.{card['seed']}.card.json"
        assert read_audio(out / f"clip.sound.{card['seed']}.mp4").duration == pytest.approx(2, abs=0.05)
        assert card["chosen_by"] == "spatial"
    first, second = sorted(cards.values(), key=lambda card: card["rank"])
    assert first["rewards"]["spatial"] >= second["rewards"]["spatial"]
    assert outcome.out.count("wrote") == 4


def test_a_card_goes_where_it_is_wanted_and_nothing_is_overwritten(
    prismaudio: Command, clip: Path, judges: list[str]
):
    card = clip.with_name("why.json")
    command = ("generate", clip, *QUICK, "--candidates", 2, "--card", card, *judges)
    assert prismaudio(*command).code == 0
    assert json.loads(card.read_text())["candidates"] == 2
    clip.with_name("clip.sound.mp4").unlink()
    outcome = prismaudio(*command)
    assert outcome.code == 1
    assert "why.json: it exists" in outcome.err
    assert not clip.with_name("clip.sound.mp4").exists()


def test_without_its_judge_a_choice_is_refused_before_work_begins(
    prismaudio: Command, clip: Path, tmp_path: Path
):
    outcome = prismaudio(
        *(
            "generate",
            clip,
            "--candidates",
            2,
            "--choose-by",
            "temporal",
            "--judge",
            f"temporal=embedded:{tmp_path}",
        )
    )
    assert outcome.code == 1
    assert "nobody can choose by temporal: temporal is n/a: no weights at" in outcome.err
    assert list(clip.parent.glob("*.sound.*")) == []


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--keep", 2), 2, "give --candidates N"),
        (("--card", "card.json"), 2, "give --candidates N"),
        (("--choose-by", "spatial"), 2, "give --candidates N"),
        (("--candidates", 2, "--takes", 2), 2, "give one of them"),
        (("--candidates", 2, "--keep", 3), 1, "make more candidates"),
        (("--candidates", 2, "--choose-by", "luck"), 1, "--candidates: by"),
        (("--candidates", 3, "--keep", 2, "--card", "card.json"), 2, "card.json is one file"),
        (("--candidates", 3, "--keep", 2, "--audio", "a.wav"), 2, "a.wav is one file"),
    ],
)
def test_wishes_that_contradict_each_other_are_told(
    prismaudio: Command, clip: Path, judges: list[str], options: tuple[object, ...], code: int, told: str
):
    outcome = prismaudio("generate", clip, *options, *judges)
    assert outcome.code == code
    assert told in outcome.err


@pytest.mark.slow
def test_what_choosing_gains_is_measured(prismaudio: Command, tmp_path: Path, judges: list[str]):
    out = tmp_path / "candidates.json"
    command = ("evaluate", "candidates", "--count", 2, "--candidates", 2, *QUICK, *judges)
    outcome = prismaudio(*command, "--out", out)
    assert outcome.code == 0
    assert "best of 2" in outcome.out
    report = json.loads(out.read_text())
    by_total = {gain["figure"]: gain for gain in report["gains"] if gain["chosen_by"] == "total"}
    assert {*DIMENSIONS, "total", "onset F1", "proxy_sync", "class probability"} <= set(by_total)
    assert by_total["total"]["gain"][0] >= 0
    assert [len(takes) for takes in report["takes"]] == [2, 2]
    assert (report["settings"]["scenes"]["count"], report["failures"]) == (2, {})
    assert prismaudio(*command, "--out", out).code == 1  # it exists

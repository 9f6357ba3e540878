"""The best takes are kept: ranks, ties, what could not be judged, and the cards that say why."""

import json
import math
from pathlib import Path

import pytest
import torch
from panels import PLAN, MadeReward, film
from small_judges import noise

from prismaudio.backends.availability import NotAvailable
from prismaudio.config import BadConfig
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.scoring import SILENT, Panel, Verdict, Weights
from prismaudio.errors import PrismAudioError
from prismaudio.generation.candidates import (
    Best,
    Choice,
    asked_for,
    best_of,
    best_of_many,
    check_panel,
    ranking,
    remarks,
)
from prismaudio.generation.cards import Rated, Rules, mean_rewards, overview, rated
from prismaudio.generation.judging import NoJudge
from prismaudio.generation.many import Failure
from prismaudio.generation.pipeline import Generation
from prismaudio.generation.thinking import Job
from prismaudio.types import Audio

NAN = math.nan
FILM = film(1.0)


class Takes:
    """Stands in for the pipeline: a known sound for every seed, all made in one batch."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.plan, self.batches = plan, []

    def batch(self, jobs: list[Job], *, progress=None, **choices) -> list[Generation]:
        self.batches.append(([job.seed for job in jobs], choices))
        timings = {"generate": 1.0}
        return [
            Generation(job.video, sound(job.seed), self.plan, job.seed, -23.0, timings, {"generator": "made"})
            for job in jobs
        ]


class FailingTakes(Takes):
    def batch(self, jobs: list[Job], **choices) -> list[Generation]:
        if jobs[0].seed == 0:
            raise PrismAudioError("no picture")
        return super().batch(jobs, **choices)


def sound(seed: int) -> Audio:
    """Seed 13 is silent."""
    return Audio(noise(1.0, seed=seed).samples[0] * (seed != 13), 44100)


def panel(**members) -> Panel:
    return Panel(dict.fromkeys(DIMENSIONS, NotAvailable("x", "no weights")) | members)


def best(judging: Panel, choice: Choice | None = None, seed: int = 0) -> Best:
    return best_of(Takes(), Job(FILM, seed=seed), judging, choice)


def rating(total: float | None, **rewards: float) -> Rated:
    missing = {name: "no weights" for name in DIMENSIONS if name not in rewards}
    return Rated(rewards=dict.fromkeys(DIMENSIONS) | rewards, total=total, raw={}, reasons=missing)


def test_takes_have_rising_seeds_and_are_made_together():
    takes = Takes()
    best_of(takes, Job(FILM, seed=5), panel(temporal=MadeReward(0, 1, 2)), Choice(candidates=3), steps=7)
    assert takes.batches == [([5, 6, 7], {"steps": 7})]


def test_the_best_by_total_is_kept_with_its_card():
    judging = panel(temporal=MadeReward(0.2, 0.9, 0.4), spatial=MadeReward(0.5, 0.3, 1.0))
    weights = Weights(temporal=1, spatial=2)
    found = best(judging, Choice(candidates=3, weights=weights), seed=10)
    (kept,) = found.kept
    assert kept.sound.seed == kept.card.seed == 12
    assert torch.equal(kept.sound.audio.samples, sound(12).samples)
    assert (kept.card.rank, kept.card.candidates, kept.card.chosen_by) == (1, 3, "total")
    assert kept.card.total == pytest.approx((0.4 + 2) / 3)
    assert kept.card.mean["temporal"] == pytest.approx(0.5)
    assert kept.card.rules == Rules.of(judging, weights)
    assert kept.card.made_by == {"generator": "made"}
    assert list(found.ratings) == [12, 11, 10]  # totals 0.8, 0.5, 0.4
    assert found.notes == ()


@pytest.mark.parametrize(("by", "seeds"), [("temporal", [1, 2]), ("spatial", [2, 0]), ("total", [1, 2])])
def test_the_choice_may_be_by_one_dimension_and_of_several(by: str, seeds: list[int]):
    judging = panel(temporal=MadeReward(0.2, 0.9, 0.4), spatial=MadeReward(0.5, 0.3, 0.7))
    choice = Choice(candidates=3, keep=2, by=by, weights=Weights(temporal=1, spatial=0.1))
    found = best(judging, choice)
    assert [kept.card.seed for kept in found.kept] == seeds
    assert [kept.card.rank for kept in found.kept] == [1, 2]


def test_judging_is_a_stage_that_all_takes_share():
    found = best(panel(temporal=MadeReward(0.1, 0.2)), Choice(candidates=2, keep=2))
    first, second = (kept.sound.timings for kept in found.kept)
    assert first is second
    assert first.keys() == {"generate", "judge"}


def test_of_equal_takes_the_first_seeds_are_kept_and_a_note_says_so():
    found = best(panel(temporal=MadeReward(0.5, 0.7, 0.5, 0.5)), Choice(candidates=4, keep=2))
    assert [kept.card.seed for kept in found.kept] == [1, 0]
    assert found.notes == ("3 candidates are equally good by total; of them the first seeds were kept",)
    assert found.kept[0].card.notes == found.notes


def test_a_tie_that_decides_nothing_is_not_mentioned():
    assert best(panel(temporal=MadeReward(0.7, 0.5, 0.5)), Choice(candidates=3)).notes == ()
    assert best(panel(temporal=MadeReward(0.5, 0.5)), Choice(candidates=2, keep=2)).notes == ()


def test_what_could_not_be_judged_ranks_last():
    found = best(panel(temporal=MadeReward(0.1, 0.2, 0.9, 0.1)), Choice(candidates=4), seed=11)
    assert list(found.ratings) == [12, 11, 14, 13]  # 13 is silent, whatever is said of it
    assert found.ratings[13].total is None
    assert found.ratings[13].reasons["temporal"] == SILENT
    assert "1 of 4 candidates could not be judged (" in found.notes[0]
    assert "temporal: the sound is silent" in found.notes[0]


def test_if_nothing_can_be_judged_the_first_are_kept_and_a_note_says_why():
    found = best(panel(spatial=MadeReward(NAN, NAN, NAN)), Choice(candidates=3, keep=2))
    assert [kept.card.seed for kept in found.kept] == [0, 1]
    assert found.notes[0].startswith("no candidate could be judged (")
    assert "spatial: there is nothing to say" in found.notes[0]
    assert found.kept[0].card.total is None


@pytest.mark.parametrize("by", ["total", "semantic"])
def test_without_the_judge_that_is_to_choose_nothing_is_made(by: str):
    judging, takes = panel(temporal=MadeReward(0.5)), Takes()
    choice = Choice(by=by, weights=Weights(temporal=0))
    with pytest.raises(NoJudge, match=f"by {by}: semantic is n/a: no weights"):
        best_of(takes, Job(FILM), judging, choice)
    assert takes.batches == []
    check_panel(judging, Choice(by="temporal"))
    check_panel(judging, Choice())  # one of the judges of the total is enough


def test_more_cannot_be_kept_than_are_made():
    with pytest.raises(BadConfig, match="make more candidates"):
        Choice.parse({"candidates": 2, "keep": 3}, source="--candidates")
    with pytest.raises(BadConfig, match="by"):
        Choice.parse({"by": "loudness"}, source="--candidates")


def test_a_video_that_fails_does_not_keep_others_from_being_made():
    jobs, judging = [Job(FILM, seed=0), Job(FILM, seed=1)], panel(temporal=MadeReward(0.5, 0.6))
    failed, made = best_of_many(FailingTakes(), jobs, judging, Choice(candidates=2))
    assert isinstance(failed, Failure)
    assert str(failed.error) == "no picture"
    assert isinstance(made, Best)


def test_a_caption_is_what_was_asked_for():
    plan = asked_for(PLAN, Job(FILM, caption="rain on a roof"))
    assert plan.paragraphs()["semantic"] == "rain on a roof"
    assert asked_for(PLAN, Job(FILM)) is PLAN


def test_ranks_are_stable_and_unknown_figures_last():
    assert ranking([0.5, None, 0.9, -1.0, 0.5, None]) == [2, 0, 4, 3, 1, 5]


def test_remarks_are_about_the_figure_chosen_by():
    ranked = [rating(0.5, temporal=0.5), rating(0.5, temporal=0.4)]
    assert remarks(ranked, Choice(candidates=2, by="temporal")) == ()
    assert "equally good by total" in remarks(ranked, Choice(candidates=2))[0]


def test_a_card_is_kept_as_json_in_which_the_unknown_is_null(tmp_path: Path):
    card = best(panel(temporal=MadeReward(0.25, 0.5)), Choice(candidates=2)).kept[0].card
    card.save(tmp_path / "card.json")
    kept = json.loads((tmp_path / "card.json").read_text())
    assert kept["rewards"] == {"semantic": None, "temporal": 0.5, "aesthetic": None, "spatial": None}
    assert kept["reasons"]["semantic"] == "no weights"
    assert kept["raw"] == {"temporal.doubled": 1.0}
    assert kept["rules"]["judges"]["temporal"] == "made"
    assert kept["rules"]["weights"]["temporal"] == 0.6
    assert type(card).model_validate(kept) == card


def test_reasons_are_of_the_sounds_that_have_no_reward():
    verdict = Verdict(
        torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, NAN]]), {"spatial.x": torch.tensor([1, NAN])},
        {"spatial": "nothing there"},
    )  # fmt: skip
    first, second = rated(verdict, Weights())
    assert (first.reasons, second.reasons) == ({}, {"spatial": "nothing there"})
    assert second.raw == {"spatial.x": None}
    assert mean_rewards([first, second])["spatial"] == 0.5


def test_tables_tell_rewards_judges_and_reasons():
    judging = panel(temporal=MadeReward(0.25))
    found = best(judging, Choice(candidates=1))
    lines = found.kept[0].card.table(found.kept[0].card.rules).splitlines()
    assert lines[0] == "semantic   n/a: no weights"
    assert lines[1] == "temporal   0.25  made: doubled 0.50"
    assert lines[-1] == "total      0.25"
    many = overview(["a", "bb"], [rating(0.5, temporal=0.5), rating(None)], "take").splitlines()
    assert many[1].split() == ["a", "n/a", "0.50", "n/a", "n/a", "0.50"]
    assert many[2].split() == ["bb", *["n/a"] * 5]
    assert found.table().splitlines()[1].startswith("* 0")

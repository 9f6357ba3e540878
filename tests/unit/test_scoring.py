"""A panel: rewards in their order, what is missing with its reason, and totals over what there is."""

import math

import pytest
import torch
from panels import PLAN, VIEW, MadeReward
from small_judges import noise

from prismaudio.backends.availability import NotAvailable
from prismaudio.backends.base import Sounds, Unjudgeable
from prismaudio.config import BadConfig
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Case
from prismaudio.dimensions.scoring import EVEN, SILENT, Panel, Weights, balanced, total
from prismaudio.media.preprocess import View

CASE = Case(PLAN)
NAN = math.nan


class Refusing(MadeReward):
    def __call__(self, sounds: Sounds, case: Case):
        raise Unjudgeable("too short")


def panel(**members) -> Panel:
    return Panel(dict.fromkeys(DIMENSIONS, NotAvailable("x", "no weights")) | members)


def test_the_default_weights_are_the_released_trainers():
    assert Weights().vector().tolist() == pytest.approx([1.0, 0.6, 0.1, 0.4])


def test_a_total_is_the_weighted_mean():
    rewards = torch.tensor([[1.0, 0.5, 0.0, 0.25]])
    weights = Weights(semantic=1, temporal=2, aesthetic=3, spatial=4)
    assert total(rewards, weights).item() == pytest.approx((1 + 1 + 0 + 1) / 10)


def test_rewards_below_0_are_rewards():
    """Those of direction are, in the published scaling."""
    found = total(torch.tensor([[0.5, NAN, NAN, -2.0]]), Weights(semantic=1, spatial=1))
    assert found.item() == pytest.approx(-0.75)


def test_what_was_not_scored_does_not_count():
    rewards = torch.tensor([[0.2, NAN, NAN, 0.8], [NAN] * 4, [NAN, 1.0, NAN, NAN]])
    found = total(rewards, Weights(semantic=1, temporal=0, aesthetic=1, spatial=3))
    assert found[0].item() == pytest.approx((0.2 + 3 * 0.8) / 4)
    assert found[1].isnan()
    assert found[2].isnan()  # scored, but it has no weight


def test_balanced_every_dimension_decides_however_little_it_spreads():
    rewards = torch.tensor([[0.9, 0.50, 0.5, 0.5], [0.1, 0.52, 0.5, 0.5], [0.1, 0.48, 0.5, math.nan]])
    found = balanced(rewards, EVEN)
    # standardised: semantic 1.41, -0.71, -0.71; temporal 0, 1.22, -1.22; the others are equal
    expected = torch.tensor([1.4142 / 4, (1.2247 - 0.7071) / 4, -1.9319 / 3])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(balanced(rewards * 0.1 + 3, EVEN), found, atol=1e-3, rtol=0)
    assert balanced(torch.full((2, 4), math.nan), EVEN).isnan().all()


def test_rewards_between_0_and_1_have_a_total_between_0_and_1():
    rewards = torch.rand(1000, 4, generator=torch.Generator().manual_seed(0))
    rewards[torch.rand(1000, 4, generator=torch.Generator().manual_seed(1)) < 0.3] = NAN
    found = total(rewards, Weights())
    assert ((found >= 0) & (found <= 1) | found.isnan()).all()
    assert torch.equal(found.isnan(), rewards.isnan().all(dim=1))
    torch.testing.assert_close(total(rewards, EVEN), rewards.nanmean(dim=1), equal_nan=True)


@pytest.mark.parametrize("wrong", [{"semantic": -1}, {"semantic": NAN}, {"spatial": math.inf}, {"loud": 1}])
def test_weights_that_mean_nothing_are_refused(wrong: dict[str, float]):
    with pytest.raises(BadConfig):
        Weights.parse(wrong, source="weights")


def test_something_must_count():
    with pytest.raises(BadConfig, match="at least one dimension"):
        Weights.parse(dict.fromkeys(DIMENSIONS, 0), source="weights")


def test_rewards_come_in_the_order_of_the_dimensions_with_the_judges_own_figures():
    judging = Panel({"spatial": MadeReward(0.4, 0.3), "temporal": MadeReward(0.2, 0.1)})
    verdict = judging.judge(noise(1.0, count=2), CASE)
    torch.testing.assert_close(
        verdict.rewards, torch.tensor([[NAN, 0.2, NAN, 0.4], [NAN, 0.1, NAN, 0.3]]), equal_nan=True
    )
    assert verdict.raw["spatial.doubled"].tolist() == pytest.approx([0.8, 0.6])
    assert verdict.reasons == dict.fromkeys(("semantic", "aesthetic"), "nobody was asked")


def test_who_is_not_there_or_cannot_judge_is_a_reason_and_never_a_zero():
    verdict = panel(temporal=Refusing(), spatial=MadeReward(0.5, NAN)).judge(noise(1.0, count=2), CASE)
    assert verdict.reasons == {
        "semantic": "no weights",
        "temporal": "too short",
        "aesthetic": "no weights",
        "spatial": "there is nothing to say",
    }
    assert verdict.rewards[:, :3].isnan().all()
    assert verdict.rewards[0, 3] == 0.5
    assert verdict.total(Weights())[1].isnan()


def test_a_silent_sound_is_not_scored():
    sounds = noise(1.0, count=3)
    sounds.samples[1] = 0
    sounds.samples[2] = 1e-6  # -120 dBFS
    verdict = panel(temporal=MadeReward(0.5, 0.6, 0.7)).judge(sounds, CASE)
    assert verdict.rewards[0, 1] == 0.5
    assert verdict.rewards[1:].isnan().all()
    assert verdict.raw["temporal.doubled"].isnan().tolist() == [False, True, True]
    assert verdict.reasons["temporal"] == SILENT


def test_several_causes_are_all_told():
    sounds = noise(1.0, count=2)
    sounds.samples[1] = 0
    verdict = panel(spatial=MadeReward(NAN, 0.5)).judge(sounds, CASE)
    assert verdict.reasons["spatial"] == f"{SILENT}, or there is nothing to say"


def test_a_panel_names_its_judges_and_what_their_opinions_rest_on():
    judging = panel(semantic=MadeReward(0.5))
    assert judging.names["semantic"] == "made"
    assert judging.names["spatial"] == "n/a: no weights"
    assert judging.versions == {"made": {"weights": "none"}}


def test_every_view_of_the_film_is_wanted_once():
    other = View(8, 8, 8, fit="stretch")
    judging = panel(temporal=MadeReward(0.5, views=(VIEW,)), spatial=MadeReward(0.5, views=(other, VIEW)))
    assert judging.views == (VIEW, other)
    assert panel().views == ()

"""How opinions are read: every dimension from 0 to 1 by default, and in the numbers of the released trainer by name."""

import pytest
import torch
from panels import PLAN, VIEW, Made, MadeSynchrony, film
from small_judges import noise

from prismaudio.backends.base import Sounds, Unjudgeable
from prismaudio.backends.embedded.interaural import InterauralJudge
from prismaudio.backends.synchrony import OFFSETS, Synchrony
from prismaudio.dimensions import aesthetic, semantic, spatial, temporal
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.rewards import (
    Case,
    PublishedPlaceReward,
    QualityReward,
    ReferenceReward,
    SeenPlaceReward,
    TimeReward,
    WordsReward,
)
from prismaudio.dimensions.semantic import SemanticThought

CASE = Case(PLAN, {VIEW: film(1.0, 5)}, noise(1.0))
SOUNDS = noise(1.0, count=3)


def test_a_cosine_becomes_half_of_one_plus_it_whatever_rounding_does():
    cosine = torch.tensor([-1.0000001, -1, 0, 0.5, 1, 1.0000001])
    assert semantic.reward(cosine).tolist() == [0, 0, 0.5, 0.75, 1, 1]


def test_the_published_semantic_reward_is_the_scaled_cosine_over_80():
    """Spec rewards.md 1.1: logit_scale.exp() * cos / 80."""
    assert semantic.published_reward(torch.tensor([0.5]), 100.0).item() == pytest.approx(0.625)


def test_words_are_asked_for_without_what_must_not_be_heard():
    judge = Made(torch.tensor([0.5, -0.5, 1.0]))
    plan = PLAN.model_copy(update={"semantic": PLAN.semantic.model_copy(update={"avoid": ("music",)})})
    opinion = WordsReward(judge)(SOUNDS, CASE._replace(plan=plan))
    assert opinion.reward.tolist() == [0.75, 0.25, 1.0]
    assert opinion.raw["cosine"].tolist() == [0.5, -0.5, 1.0]
    assert "a dog barking" in judge.asked[0]
    assert "music" not in judge.asked[0]


def test_words_may_be_all_four_thoughts_and_scaled_as_published():
    judge = Made(torch.tensor([0.5]))
    opinion = WordsReward(judge, "published", whole=True)(noise(1.0), CASE)
    assert opinion.reward.item() == pytest.approx(0.5 * 40 / 80)
    assert judge.asked == [PLAN.render("plain")]
    assert "clear, crisp and clean" in judge.asked[0]


@pytest.mark.parametrize("thought", [{}, {"prose": ""}, {"avoid": ("music",)}, {"prose": "Avoid music."}])
def test_a_plan_without_words_cannot_be_asked_for(thought: dict[str, object]):
    with pytest.raises(Unjudgeable, match="name its events"):
        WordsReward(Made(torch.zeros(3)))(SOUNDS, Case(Plan(duration=1, semantic=SemanticThought(**thought))))


def test_prose_and_what_lies_in_the_background_can_be_asked_for():
    judge = Made(torch.zeros(3))
    WordsReward(judge)(SOUNDS, Case(Plan(duration=1, semantic=SemanticThought(prose="Thunder."))))
    assert judge.asked == ["Thunder."]
    WordsReward(judge)(SOUNDS, Case(Plan(duration=1, semantic=SemanticThought(ambience=("wind",)))))
    assert judge.asked == ["In the background, wind."]


def test_synchrony_is_one_minus_the_expected_offset_over_two_seconds_of_all_windows():
    opinion = TimeReward(MadeSynchrony(torch.tensor([[10, 10], [10, 20], [0, 20]])))(SOUNDS, CASE)
    assert opinion.reward.tolist() == pytest.approx([1.0, 0.5, 0.0], abs=1e-6)
    assert opinion.raw["desync"].tolist() == pytest.approx([0, 1, 2], abs=1e-6)


def test_synchrony_stays_within_0_and_1_whatever_rounding_does():
    """Where the two seconds at either end share all votes, they may add up to a hair more than two."""
    logits = 4 * torch.randn(512, 3, OFFSETS, generator=torch.Generator().manual_seed(3))
    logits[:256, :, 1:-1] -= 40
    synchrony = Synchrony(logits, (0, 1, 2))
    assert synchrony.expected().min() < 0
    assert temporal.reward(synchrony).min() == 0


def test_the_published_temporal_reward_hears_the_first_window_only():
    """Spec rewards.md 1.2: (2 - |likeliest offset|) / 4."""
    opinion = TimeReward(MadeSynchrony(torch.tensor([[10, 0], [15, 10], [0, 10]])), "published")(SOUNDS, CASE)
    assert opinion.reward.tolist() == pytest.approx([0.5, 0.25, 0.0], abs=1e-6)


def test_audiobox_is_read_without_its_complexity_and_cleanness_as_it_is():
    """Spec rewards.md 1.3: (CE + CU + PQ - 3) / 27, from points between 1 and 10."""
    points = torch.tensor([[1.0, 1, 5, 1], [10, 10, 1, 10], [4, 4, 10, 4], [-3, 1, 1, 1], [11, 12, 1, 13]])
    axes = ("CE", "CU", "PC", "PQ")
    assert aesthetic.reward(points, axes).tolist() == pytest.approx([0, 1, 1 / 3, 0, 1])
    assert aesthetic.reward(points[:, [3, 2, 1, 0]], ("PQ", "PC", "CU", "CE"))[2] == pytest.approx(1 / 3)
    assert aesthetic.reward(torch.tensor([[0.25], [1.5]]), ("cleanness",)).tolist() == [0.25, 1]


def test_the_published_aesthetic_reward_punishes_complexity():
    """(CE + CU - PC + PQ) / 40"""
    judge = Made(torch.tensor([[6.0, 7, 3, 8], [6, 7, 8, 8]]), axes=("CE", "CU", "PC", "PQ"))
    opinion = QualityReward(judge, "published")(noise(1.0, count=2), CASE)
    assert opinion.reward.tolist() == pytest.approx([18 / 40, 13 / 40])
    assert opinion.raw["PC"].tolist() == [3, 8]


@pytest.mark.parametrize("read", [aesthetic.reward, aesthetic.published_reward])
def test_axes_that_nobody_knows_to_read_are_refused(read):
    with pytest.raises(aesthetic.UnknownAxes, match="beauty"):
        read(torch.zeros(1, 1), ("beauty",))
    with pytest.raises(aesthetic.UnknownAxes, match="cleanness"):
        aesthetic.published_reward(torch.zeros(1, 1), ("cleanness",))


def test_places_keep_their_closeness_and_nan_where_there_is_none():
    says = torch.tensor([0.25, torch.nan, 1.25])
    for reward in (SeenPlaceReward(Made(says)), ReferenceReward(Made(says))):
        found = reward(SOUNDS, CASE).reward
        assert found[[0, 2]].tolist() == [0.25, 1]
        assert found[1].isnan()


def test_the_published_spatial_reward_is_of_squared_milliseconds():
    """Spec rewards.md 1.4: -(1.25 d_crw^2 + 2.5 d_gcc^2)."""
    off = torch.tensor([1e-3]), torch.tensor([-2e-3])
    assert spatial.published_reward(*off).item() == pytest.approx(-(1.25 + 10))
    gcc, crw = Made(torch.tensor([0, 1e-3, torch.nan])), Made(torch.tensor([2e-3, 0, 0]), "crw")
    both = PublishedPlaceReward(gcc, crw)(SOUNDS, CASE)
    assert both.reward[:2].tolist() == pytest.approx([-5, -2.5])
    assert both.reward[2].isnan()
    assert both.raw.keys() == {"crw_off", "gcc_off"}
    alone = PublishedPlaceReward(gcc)
    assert alone(SOUNDS, CASE).reward[:2].tolist() == pytest.approx([0, -2.5])
    assert [judge.name for judge in alone.judges] == ["made"]


def test_what_a_judge_needs_and_is_not_there_is_said():
    bare = Case(PLAN)
    with pytest.raises(Unjudgeable, match="no picture"):
        TimeReward(MadeSynchrony(torch.tensor([[0]])))(noise(1.0), bare)
    with pytest.raises(Unjudgeable, match="no picture"):
        SeenPlaceReward(Made(torch.zeros(1)))(noise(1.0), bare)
    with pytest.raises(Unjudgeable, match="no true sound"):
        ReferenceReward(Made(torch.zeros(1)))(noise(1.0), bare)
    with pytest.raises(Unjudgeable, match="two channels"):
        ReferenceReward(Made(torch.zeros(1)))(noise(1.0, channels=1), CASE)


def test_the_true_sound_is_right_and_its_mirror_image_is_not():
    one = noise(2.0)
    delayed = one.samples.clone()
    delayed[:, 1] = torch.roll(one.samples[:, 0], 15, dims=-1)
    true = one._replace(samples=delayed)
    mirrored = one._replace(samples=torch.cat([delayed, delayed.flip(1)]))
    found = ReferenceReward(InterauralJudge())(mirrored, Case(PLAN, {}, true)).reward
    assert found[0] == pytest.approx(1)
    assert found[1] < 0.1


def test_a_mono_true_sound_has_no_direction_to_keep():
    mono = noise(2.0)
    mono = mono._replace(samples=mono.samples[:, :1].expand(-1, 2, -1))
    assert ReferenceReward(InterauralJudge())(SOUNDS, Case(PLAN, {}, mono)).reward.isnan().all()


def test_the_true_sound_is_heard_once_for_all_sounds():
    heard = []

    class Listening(InterauralJudge):
        def score(self, sounds: Sounds, references: Sounds) -> torch.Tensor:
            heard.append((len(sounds.samples), len(references.samples)))
            return super().score(sounds, references)

    together = ReferenceReward(Listening())(SOUNDS, CASE).reward
    alone = [
        ReferenceReward(InterauralJudge())(Sounds(one[None], SOUNDS.sample_rate), CASE).reward.item()
        for one in SOUNDS.samples
    ]
    assert heard == [(3, 1)]
    assert together.tolist() == pytest.approx(alone)

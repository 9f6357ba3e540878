"""A panel as post-training hears it: every sound beside its own prompt, whatever the order; judges are asked early."""

from collections.abc import Sequence

import pytest
import torch

from prismaudio.backends.availability import NotAvailable
from prismaudio.backends.base import Sounds
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.rewards import Case, Opinion
from prismaudio.dimensions.scoring import Panel
from prismaudio.errors import UnknownChoice
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.posttraining.heard import Heard
from prismaudio.posttraining.panel_listener import (
    PanelListener,
    UnjudgedReward,
    check_judges,
    check_rewards,
    quick_codec,
)
from prismaudio.types import Audio

RATE = 44_100


class Reward:
    """The level of a sound plus the length of its film: tells which sound met which case, and how long it was."""

    judges, views = (), ()

    def __init__(self) -> None:
        self.batches: list[tuple[int, float]] = []

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        self.batches.append((len(sounds.samples), sounds.duration))
        return Opinion(sounds.samples.amax(dim=(1, 2)) + case.plan.duration, {})


def panel(reward: Reward) -> Panel:
    members = {name: NotAvailable(name, "nobody was asked") for name in DIMENSIONS}
    return Panel({**members, "temporal": reward})


def sound(level: float, seconds: float = 3.0) -> Audio:
    return Audio(torch.full((2, round(seconds * RATE)), level), RATE)


def test_every_sound_meets_the_case_of_its_prompt():
    reward, cases = Reward(), [Case(Plan(duration=1.0)), Case(Plan(duration=2.0))]
    listener = PanelListener(panel(reward), cases.__getitem__)
    assert listener.names == DIMENSIONS
    rewards = listener([sound(0.1), sound(0.2), sound(0.3)], [1, 0, 1])
    torch.testing.assert_close(rewards[:, 1], torch.tensor([2.1, 1.2, 2.3]))
    assert rewards[:, [0, 2, 3]].isnan().all()
    assert reward.batches == [(2, 2.0), (1, 1.0)]  # of one prompt together, as long as its film


def test_rewards_are_of_known_names_and_some_weight():
    assert check_rewards({"spatial": 2}) == {
        "semantic": 0.0,
        "temporal": 0.0,
        "aesthetic": 0.0,
        "spatial": 2.0,
    }
    with pytest.raises(UnknownChoice, match="unknown reward 'beauty'"):
        check_rewards({"beauty": 1.0})
    with pytest.raises(UnjudgedReward, match="no reward has a weight"):
        check_rewards({"spatial": 0.0})


def test_a_judge_is_missed_only_where_its_reward_counts():
    check_judges(panel(Reward()), check_rewards({"temporal": 1}))
    with pytest.raises(UnjudgedReward, match="nobody can judge the spatial reward: nobody was asked"):
        check_judges(panel(Reward()), check_rewards({"temporal": 1, "spatial": 0.1}))
    with pytest.raises(UnjudgedReward, match="nobody can judge the spatial reward"):
        check_judges(Panel({"temporal": Reward()}), check_rewards({"spatial": 1}))


def test_fewer_phase_rounds_leave_the_codec_itself_as_it_was():
    codec = MelStereoCodec(mel_channels=4, mel_bands=16, width=8, encoder_blocks=0, decoder_blocks=0)
    quick = quick_codec(codec, 2)
    assert isinstance(quick, MelStereoCodec)
    assert (quick.phase_rounds, codec.phase_rounds) == (2, 60)
    assert quick.vae is codec.vae
    assert quick_codec(codec, None) is codec
    with torch.device("meta"):
        waveform = OobleckVAE(2, 4, (1, 2), (2, 4), 8, RATE)
    assert quick_codec(waveform, 2) is waveform


class Played:
    """A codec whose latents are its sound."""

    sample_rate = RATE

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return latents


class Loudest:
    names = ("loudest",)

    def __call__(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> torch.Tensor:
        return torch.stack([sound.samples.abs().max() for sound in sounds])[:, None]


def test_kept_peaks_are_turned_up_like_the_rest_and_limited_ones_are_not():
    """A click far above a quiet noise: at broadcast level it would pass full scale."""
    noise = torch.randn(1, 2, 2 * RATE, generator=torch.Generator().manual_seed(0)) * 0.003
    noise[..., 1000] = 0.5
    codec, listener = Played(), Loudest()
    kept, limited = (Heard(codec, listener, peaks=peaks) for peaks in ("kept", "limited"))  # type: ignore[arg-type]
    assert kept(noise, [0]) > 2
    assert limited(noise, [0]) < 1
    for scale in (0.5, 2.0):  # whatever level it had
        torch.testing.assert_close(kept(noise * scale, [0]), kept(noise, [0]), rtol=1e-3, atol=0)
    assert kept.play(torch.zeros(1, 2, RATE))[0].samples.abs().max() == 0

"""The four rewards as post-training hears them: a panel of judges, asked about all sounds of one prompt together.

Shapes: N sounds.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prismaudio.backends.availability import NotAvailable
from prismaudio.backends.base import Sounds
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Case
from prismaudio.dimensions.scoring import Panel
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.media.audio import fit_length
from prismaudio.models.codec import Codec
from prismaudio.models.mel_codec import MelStereoCodec
from prismaudio.types import Audio


class UnjudgedReward(PrismAudioError):
    """A reward that counts, and nobody to give it."""


@dataclass(frozen=True, eq=False)
class PanelListener:
    """A `Listener`. Of a prompt it needs the case, whose constant parts judges keep by content.

    A dimension that the panel cannot judge fails (NaN) for every sound; `check_judges` tells before a run.
    """

    panel: Panel
    case: Callable[[int], Case]  # of a prompt

    @property
    def names(self) -> tuple[str, ...]:
        return DIMENSIONS

    def __call__(self, sounds: Sequence[Audio], prompts: Sequence[int]) -> Tensor:
        """-> (N, 4); sounds are cut to the length of their prompt's plan"""

        def played(members: Sequence[int], seconds: float) -> Sounds:
            return Sounds.together([fit_length(sounds[number], seconds) for number in members])

        return judged(self.panel, self.case, prompts, played)


def judged(
    panel: Panel,
    case_of: Callable[[int], Case],
    prompts: Sequence[int],
    sounds_of: Callable[[Sequence[int], float], Sounds],
) -> Tensor:
    """-> (N, 4): the sounds of a prompt together, beside its case.

    prompts: of every sound. sounds_of: those of these numbers, as long as the plan's seconds.
    """
    rewards = torch.full((len(prompts), len(DIMENSIONS)), torch.nan)
    for prompt in dict.fromkeys(prompts):
        members = [number for number, other in enumerate(prompts) if other == prompt]
        case = case_of(prompt)
        rewards[members] = panel.judge(sounds_of(members, case.plan.duration), case).rewards
    return rewards


def check_rewards(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights of all four dimensions; one that is not named is watched only."""
    for name in weights:
        if name not in DIMENSIONS:
            raise UnknownChoice("reward", name, DIMENSIONS)
    if not any(weights.values()):
        raise UnjudgedReward("no reward has a weight; give at least one, as in --rewards semantic=1")
    return {name: float(weights.get(name, 0.0)) for name in DIMENSIONS}


def check_judges(panel: Panel, weights: Mapping[str, float]) -> None:
    """Raise unless somebody judges every dimension that counts."""
    for name, weight in weights.items():
        member = panel.members.get(name, NotAvailable(name, "nobody was asked"))
        if weight and isinstance(member, NotAvailable):
            raise UnjudgedReward(
                f"nobody can judge the {name} reward: {member.reason}; choose another judge with --judges "
                f"{name}=..., or leave it out with --rewards {name}=0"
            )


def quick_codec(codec: Codec, phase_rounds: int | None) -> Codec:
    """The same codec guessing phase in fewer rounds, which is most of its time; others have no phase to guess."""
    if phase_rounds is None or not isinstance(codec, MelStereoCodec):
        return codec
    quick = copy.copy(codec)  # shares all weights
    quick.phase_rounds = phase_rounds
    return quick

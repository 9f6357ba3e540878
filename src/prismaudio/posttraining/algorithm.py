"""The algorithms as values of one type: they differ in these few things, and a run may switch between them by name.

How many steps, sounds, updates, which rewards and how near to the start model: that is a run's, not an algorithm's.
"""

from dataclasses import dataclass
from typing import Literal

from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.flow.sde import ODE, DanceSDE, Dynamics, FlowSDE
from prismaudio.posttraining.advantage import Advantage, NormaliseThenSum, Scale, SumThenNormalise
from prismaudio.posttraining.items import AWM, NFT, PPO, Guard, Objective
from prismaudio.posttraining.route import Tail
from prismaudio.posttraining.window import Full, NoWindow, RandomWindow, Scattered, Sliding, Window


class BadGroup(PrismAudioError):
    """A group that cannot be made of so many starts."""


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    """One way to make sounds that can be compared, and to learn from the comparison."""

    name: str
    dynamics: Dynamics  # of the noisy steps
    window: Window  # which steps are noisy, which learned from
    starts: int | None  # initial noises per group; None: as many as members, which share nothing
    advantage: Advantage
    objective: Objective
    tail: Tail | None = None  # how the path ends after the window; None: in the schedule's steps
    sampled_by: Literal["policy", "old"] = "policy"  # "old": a slow average, moved after every iteration

    def branch(self, group: int) -> int:
        """How many of `group` sounds come from one start; they are one until the window begins."""
        starts = self.starts or group
        if group % starts or group < 2:
            raise BadGroup(
                f"{self.name} makes a group of {starts} starts, and {group} sounds are not; "
                f"choose a multiple of {starts}, 2 or more"
            )
        return group // starts


# K 16 = 2 x 8, noise 0.7, window 2 in the noisy half; the spread is of centred sums (spec rl.md sections 2 and 8)
FAST_GRPO = Algorithm(
    name="fast-grpo",
    dynamics=FlowSDE(0.7),
    window=RandomWindow(width=2, within=0.5),
    starts=2,
    advantage=SumThenNormalise("global-centred"),
    objective=PPO(clip=1e-4),
)
# All steps are noisy, nothing is shared.
FLOW_GRPO = Algorithm(
    name="flow-grpo",
    dynamics=FlowSDE(0.7),
    window=Full(share=0.99),
    starts=None,
    advantage=SumThenNormalise("global-centred"),
    objective=PPO(clip=1e-4),
)
# All steps noisy from one start, 60 % of them learned from (spec rl.md section 7).
DANCE_GRPO = Algorithm(
    name="dance-grpo",
    dynamics=DanceSDE(0.3),
    window=Scattered(share=0.6),
    starts=1,
    advantage=SumThenNormalise("group", Scale(1e-8, unbiased=True)),
    objective=PPO(clip=1e-4),
)
# A window that slides from noise to data; one start per group, so that what precedes the window is made once.
MIX_GRPO = Algorithm(
    name="mix-grpo",
    dynamics=FlowSDE(0.7),
    window=Sliding(width=4, every=25, stride=1, roll_back=True),
    starts=1,
    advantage=NormaliseThenSum(Scale(1e-8, unbiased=True), whiten=None),
    objective=PPO(clip=1e-4),
)
# Fast-GRPO whose ratios have one scale at every step.
GUARDED_GRPO = Algorithm(
    name="guarded-grpo",
    dynamics=FlowSDE(0.7),
    window=RandomWindow(width=2, within=0.5),
    starts=2,
    advantage=SumThenNormalise("group"),
    objective=Guard(clip=2e-6),
)
# No noisy steps: the finished sounds are data, noised anew (spec rl.md section 7).
DIFFUSION_NFT = Algorithm(
    name="nft",
    dynamics=ODE(),
    window=NoWindow(),
    starts=None,
    advantage=SumThenNormalise("global-centred"),
    objective=NFT(beta=1.0),
    tail=Tail(share=1.0),
    sampled_by="old",
)
AWM_GRPO = Algorithm(
    name="awm",
    dynamics=ODE(),
    window=NoWindow(),
    starts=None,
    advantage=SumThenNormalise("global-centred"),
    objective=AWM(clip=1e-4, weighting="uniform"),
)

ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (FAST_GRPO, FLOW_GRPO, DANCE_GRPO, MIX_GRPO, GUARDED_GRPO, DIFFUSION_NFT, AWM_GRPO)
}


def choose_algorithm(name: str) -> Algorithm:
    """One of `ALGORITHMS`."""
    if name not in ALGORITHMS:
        raise UnknownChoice("algorithm", name, list(ALGORITHMS))
    return ALGORITHMS[name]

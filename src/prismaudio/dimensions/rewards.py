"""From what a judge says to a reward: one reader for each kind of judge.

Shapes: B sounds of one film.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from prismaudio.backends.base import (
    AudioTextJudge,
    Judge,
    QualityJudge,
    SeenPlaceJudge,
    Sounds,
    SpatialJudge,
    SyncJudge,
    Unjudgeable,
)
from prismaudio.dimensions import aesthetic, semantic, spatial, temporal
from prismaudio.dimensions.plan import Plan
from prismaudio.media.preprocess import View
from prismaudio.types import Frames

Scaling = Literal["unit", "published"]


class Case(NamedTuple):
    """What the sounds of one film are judged by."""

    plan: Plan
    views: Mapping[View, Frames] = {}  # the film as judges want to see it
    reference: Sounds | None = None  # one sound: the true one


class Opinion(NamedTuple):
    """What a judge says of the sounds of one film."""

    reward: Tensor  # (B,) higher is better; NaN where there is nothing to judge
    raw: dict[str, Tensor]  # figures in the judge's own units, (B,) each


NO_NUMBER = "the judge has no number for it"


class Reward(Protocol):
    """A judge, and how its opinion is read."""

    @property
    def judges(self) -> tuple[Judge, ...]: ...

    @property
    def nothing(self) -> str:
        """What it means if the reward is NaN."""
        ...

    @property
    def views(self) -> tuple[View, ...]:
        """In which it wants to see the film."""
        ...

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        """A `PrismAudioError` says why these sounds cannot be judged."""
        ...


class WordsReward:
    """Semantic: does it sound like the thought of what sounds?

    whole: ask with all four thoughts, as the released trainer does (and its text encoder then cuts).
    """

    nothing = NO_NUMBER
    views: tuple[View, ...] = ()

    def __init__(self, judge: AudioTextJudge, scaling: Scaling = "unit", *, whole: bool = False) -> None:
        self.judge, self.scaling, self.whole = judge, scaling, whole
        self.judges = (judge,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        thought = semantic.without_avoid(case.plan.semantic)
        if not semantic.names_something(thought):
            raise Unjudgeable("the plan says nothing of what sounds; name its events")
        plan = case.plan.model_copy(update={"semantic": thought})
        text = plan.render("plain") if self.whole else plan.paragraphs()["semantic"]
        cosine = self.judge.hear(sounds) @ self.judge.read([text])[0]
        if self.scaling == "published":
            return Opinion(semantic.published_reward(cosine, self.judge.sharpness), {"cosine": cosine})
        return Opinion(semantic.reward(cosine), {"cosine": cosine})


class TimeReward:
    """Temporal: does it sound when things move?"""

    nothing = NO_NUMBER

    def __init__(self, judge: SyncJudge, scaling: Scaling = "unit") -> None:
        self.judge, self.scaling = judge, scaling
        self.judges, self.views = (judge,), (judge.view,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        synchrony = self.judge.score(sounds, seen(case, self.judge.view))
        read = temporal.published_reward if self.scaling == "published" else temporal.reward
        return Opinion(read(synchrony), {"desync": synchrony.desync()})


class QualityReward:
    """Aesthetic: does it sound good?"""

    nothing = NO_NUMBER
    views: tuple[View, ...] = ()

    def __init__(self, judge: QualityJudge, scaling: Scaling = "unit") -> None:
        self.judge, self.scaling = judge, scaling
        self.judges = (judge,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        points = self.judge.score(sounds)
        read = aesthetic.published_reward if self.scaling == "published" else aesthetic.reward
        return Opinion(
            read(points, self.judge.axes), dict(zip(self.judge.axes, points.unbind(-1), strict=True))
        )


class SeenPlaceReward:
    """Spatial: does it come from where it is seen?"""

    nothing = "nothing that is seen is heard for long enough to have a place"

    def __init__(self, judge: SeenPlaceJudge) -> None:
        self.judge = judge
        self.judges, self.views = (judge,), (judge.view,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        closeness = self.judge.score(sounds, seen(case, self.judge.view))
        return Opinion(spatial.reward(closeness), {"agreement": closeness})


class ReferenceReward:
    """Spatial: does it come from where the true sound comes from?"""

    nothing = "the true sound is mono or silent and has no direction to keep"
    views: tuple[View, ...] = ()

    def __init__(self, judge: SpatialJudge) -> None:
        self.judge = judge
        self.judges = (judge,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        closeness = self.judge.score(sounds, beside(case, sounds))
        return Opinion(spatial.reward(closeness), {"agreement": closeness})


class PublishedPlaceReward:
    """Spatial, as the authors meant it: squared errors of the mean delays of both judges.

    crw: None leaves its half 0, as the released program has it, which never loads its weights (spec rewards.md 1.4).
    """

    nothing = "it or the true sound is silent and has no direction"
    views: tuple[View, ...] = ()

    def __init__(self, gcc: SpatialJudge, crw: SpatialJudge | None = None) -> None:
        self.gcc, self.crw = gcc, crw
        self.judges = (gcc,) if crw is None else (crw, gcc)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        true = beside(case, sounds)
        gcc_off = mean_delay(self.gcc, sounds) - mean_delay(self.gcc, true)
        if self.crw is None:
            reward = spatial.published_reward(torch.zeros_like(gcc_off), gcc_off)
            return Opinion(reward, {"gcc_off": gcc_off})
        crw_off = mean_delay(self.crw, sounds) - mean_delay(self.crw, true)
        reward = spatial.published_reward(crw_off, gcc_off)
        return Opinion(reward, {"crw_off": crw_off, "gcc_off": gcc_off})


def mean_delay(judge: SpatialJudge, sounds: Sounds) -> Tensor:
    """-> (B,) seconds, over the moments that have a direction; on the CPU"""
    return judge.delays(sounds).nanmean(dim=-1).cpu()


def seen(case: Case, view: View) -> Frames:
    """The film, if the case has one."""
    if view not in case.views:
        raise Unjudgeable("there is no picture to judge the sound by; give a video")
    return case.views[view]


def beside(case: Case, sounds: Sounds) -> Sounds:
    """The true sound: one, beside which all sounds stand, so that it is heard once."""
    if case.reference is None:
        raise Unjudgeable("there is no true sound to compare with; give a reference, or judge by the picture")
    if case.reference.samples.shape[1] != 2 or sounds.samples.shape[1] != 2:
        raise Unjudgeable("direction needs two channels; give stereo sound")
    return case.reference

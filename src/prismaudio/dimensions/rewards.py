"""From what a judge says to a reward: one reader for each kind of judge.

Shapes: B sounds of one film.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

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


class Reward(Protocol):
    """A judge, and how its opinion is read."""

    @property
    def judges(self) -> tuple[Judge, ...]: ...

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

    views: tuple[View, ...] = ()

    def __init__(self, judge: AudioTextJudge, scaling: Scaling = "unit", *, whole: bool = False) -> None:
        self.judge, self.scaling, self.whole = judge, scaling, whole
        self.judges = (judge,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        plan = case.plan.model_copy(update={"semantic": semantic.without_avoid(case.plan.semantic)})
        text = plan.render("plain") if self.whole else plan.paragraphs()["semantic"]
        if not text:
            raise Unjudgeable("the plan says nothing of what sounds; name its events")
        cosine = self.judge.hear(sounds) @ self.judge.read([text])[0]
        if self.scaling == "published":
            return Opinion(semantic.published_reward(cosine, self.judge.sharpness), {"cosine": cosine})
        return Opinion(semantic.reward(cosine), {"cosine": cosine})


class TimeReward:
    """Temporal: does it sound when things move?"""

    def __init__(self, judge: SyncJudge, scaling: Scaling = "unit") -> None:
        self.judge, self.scaling = judge, scaling
        self.judges, self.views = (judge,), (judge.view,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        synchrony = self.judge.score(sounds, seen(case, self.judge.view))
        read = temporal.published_reward if self.scaling == "published" else temporal.reward
        return Opinion(read(synchrony), {"desync": synchrony.desync()})


class QualityReward:
    """Aesthetic: does it sound good?"""

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

    def __init__(self, judge: SeenPlaceJudge) -> None:
        self.judge = judge
        self.judges, self.views = (judge,), (judge.view,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        closeness = self.judge.score(sounds, seen(case, self.judge.view))
        return Opinion(spatial.reward(closeness), {"agreement": closeness})


class ReferenceReward:
    """Spatial: does it come from where the true sound comes from?"""

    views: tuple[View, ...] = ()

    def __init__(self, judge: SpatialJudge) -> None:
        self.judge = judge
        self.judges = (judge,)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        closeness = self.judge.score(sounds, beside(case, sounds))
        return Opinion(spatial.reward(closeness), {"agreement": closeness})


class PublishedPlaceReward:
    """Spatial, as the authors meant it: squared errors of the mean delays of both judges. `crw` needs its weights."""

    views: tuple[View, ...] = ()

    def __init__(self, crw: SpatialJudge, gcc: SpatialJudge) -> None:
        self.crw, self.gcc = crw, gcc
        self.judges = (crw, gcc)

    def __call__(self, sounds: Sounds, case: Case) -> Opinion:
        true = beside(case, sounds)
        off = [
            (judge.delays(sounds).nanmean(dim=-1) - judge.delays(true).nanmean(dim=-1)).cpu()
            for judge in self.judges
        ]
        return Opinion(spatial.published_reward(*off), {"crw_off": off[0], "gcc_off": off[1]})


def seen(case: Case, view: View) -> Frames:
    """The film, if the case has one."""
    if view not in case.views:
        raise Unjudgeable("there is no picture to judge the sound by; give a video")
    return case.views[view]


def beside(case: Case, sounds: Sounds) -> Sounds:
    """The true sound, once for every sound."""
    if case.reference is None:
        raise Unjudgeable("there is no true sound to compare with; give a reference, or judge by the picture")
    if case.reference.samples.shape[1] != 2 or sounds.samples.shape[1] != 2:
        raise Unjudgeable("direction needs two channels; give stereo sound")
    count = len(sounds.samples)
    return Sounds(case.reference.samples.expand(count, -1, -1), case.reference.sample_rate)

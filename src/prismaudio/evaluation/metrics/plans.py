"""How near is a plan to what happened? Moments, names and places of its events against those of the truth.

Only what is on screen can be seen: sources that are only heard are left out of the truth unless they are asked for.

Shapes: P events of the plan, T events of the truth.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.parse import parse
from prismaudio.dimensions.plan import InvalidPlan, Plan
from prismaudio.dimensions.semantic import Event
from prismaudio.dimensions.temporal import Span
from prismaudio.evaluation.metrics.onsets import Matches, onset_f1

Rankings = Mapping[str, Sequence[str]]  # event of a plan -> labels, the likeliest first
SAME = 0.3  # agreement from which an event of the plan is one of the truth
FPS = 25.0  # moments a second at which places are compared
GUESSES = 5
ROUNDED = 0.0051  # seconds by which a moment moves when it is told in hundredths


class PlanScores(NamedTuple):
    """One plan measured against the truth of its scene."""

    onsets: Matches  # against what is on screen
    all_onsets: Matches  # against everything that sounds
    events: Matches  # events that are the same, of those planned and those on screen
    named: tuple[bool, ...]  # of each matched event: is its label right?
    among_five: (
        tuple[bool, ...] | None
    )  # and is the right one among the first five? None: the planner ranks none
    azimuth_errors: tuple[
        float, ...
    ]  # of each matched event that both place: mean over the seconds it sounds
    valid: bool


def score_plan(plan: Plan, truth: Plan, rankings: Rankings | None = None) -> PlanScores:
    """`plan` against `truth`. `rankings`: of the events whose names the planner chose among several."""
    seen = truth.on_screen()
    pairs = matched_events(plan, seen)
    true, planned = _by_id(seen), _by_id(plan)
    errors = (azimuth_error(plan, seen, a, b) for a, b in pairs.items())
    return PlanScores(
        onsets=onset_f1(plan.onsets(), seen.onsets()),
        all_onsets=onset_f1(plan.onsets(), truth.onsets()),
        events=Matches(len(pairs), len(planned), len(true)),
        named=tuple(planned[a].label == true[b].label for a, b in pairs.items()),
        among_five=None
        if rankings is None
        else tuple(true[b].label in rankings.get(a, ())[:GUESSES] for a, b in pairs.items()),
        azimuth_errors=tuple(error for error in errors if error is not None),
        valid=valid(plan),
    )


def matched_events(plan: Plan, truth: Plan) -> dict[str, str]:
    """Event of `plan` -> event of `truth`, one to one, for the most agreement in total.

    Two events that strike agree by the F1 of their onsets at 80 ms, two that sound on and on by the share of time
    they have in common; one of each kind not at all. Names and places play no part.
    """
    ours, theirs = list(_by_id(plan)), list(_by_id(truth))
    agreement = np.array([[_agreement(_spans(plan, a), _spans(truth, b)) for b in theirs] for a in ours])
    if not agreement.size:
        return {}
    pairs = zip(*linear_sum_assignment(agreement, maximize=True), strict=True)
    return {ours[a]: theirs[b] for a, b in pairs if agreement[a, b] >= SAME}


def _agreement(ours: Sequence[Span], theirs: Sequence[Span]) -> float:
    strike = any(span.hits for span in theirs)
    if not ours or not theirs or any(span.hits for span in ours) != strike:
        return 0.0
    if strike:
        return onset_f1(_onsets(ours), _onsets(theirs)).f1
    shared = sum(max(0.0, min(a.offset, b.offset) - max(a.onset, b.onset)) for a in ours for b in theirs)
    return shared / (sum(span.offset - span.onset for span in (*ours, *theirs)) - shared)


def azimuth_error(plan: Plan, truth: Plan, ours: str, theirs: str) -> float | None:
    """Mean distance of the two paths while the event of the truth sounds; the screen is 2 wide. None: not placed."""
    paths = [
        next((place for place in part.spatial.places if place.event == event), None)
        for part, event in ((plan, ours), (truth, theirs))
    ]
    if paths[0] is None or paths[1] is None:
        return None
    spans = _spans(truth, theirs)
    moments = np.concatenate([np.arange(span.onset, span.offset, 1 / FPS) for span in spans])
    return float(np.abs(paths[0].azimuth_at(moments) - paths[1].azimuth_at(moments)).mean())


def valid(plan: Plan) -> bool:
    """Whether its text, with every number told, reads back to the same events, placed in time, without any error."""
    try:
        back = parse(plan.render(timing="numeric"), plan.duration)
    except InvalidPlan:
        return False
    same = list(back.sounds().values()) == list(plan.sounds().values())
    heard = {span.event for span in back.temporal.spans} == set(back.sounds())
    moments = len(back.onsets()) == len(plan.onsets()) and np.allclose(
        back.onsets(), plan.onsets(), rtol=0, atol=ROUNDED
    )
    return same and heard and moments and not any(found.severity == "error" for found in lint(back))


def _by_id(plan: Plan) -> dict[str, Event]:
    return {event.id: event for event in plan.semantic.events}


def _spans(plan: Plan, event: str) -> list[Span]:
    return [span for span in plan.temporal.spans if span.event == event]


def _onsets(spans: Sequence[Span]) -> list[float]:
    return [onset for span in spans for onset in span.onsets()]

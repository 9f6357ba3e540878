"""The arms of the paper's ablation: how much of the four thoughts a model is given, and in what order.

The published model reads its plan as text alone, so there an arm is a text. A model that is told numbers, too, would go
on knowing when and where while its text says nothing, and the ablation would measure nothing: so an arm decides about
both, by one rule. Numbers are told where the text is told dimension by dimension, and are as wrong as the text is.

| arm | text | numbers |
|---|---|---|
| none | nothing | none |
| random | the sentences of all four, dealt out over the dimensions | spans and places, dealt out over the events |
| monolithic | one undivided paragraph | none: a caption has no numbers |
| decomposed | four paragraphs | all |
| without-X | three paragraphs | all but those of X |

Right concepts in disorder: random keeps every sentence and every number, and loses what belongs to what. The plan of one
event keeps its numbers, as its sentences stay true under any heading.

A dimension that is left out leaves no trace in the others. Without semantics, time and place speak of "a sound"; without
time, everything that is heard is heard from beginning to end, since what never sounds has no place either.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.plan import Plan, Style, Timing, arranged
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.errors import UnknownChoice

UNNAMED = "a sound"
UNSAID = ""  # as prose: a dimension in which nothing is said


class Arm(StrEnum):
    """What a model is given of a plan."""

    NONE = "none"
    RANDOM = "random"
    MONOLITHIC = "monolithic"
    DECOMPOSED = "decomposed"
    WITHOUT_SEMANTIC = "without-semantic"
    WITHOUT_TEMPORAL = "without-temporal"
    WITHOUT_AESTHETIC = "without-aesthetic"
    WITHOUT_SPATIAL = "without-spatial"


def arm_named(name: str) -> Arm:
    """'random' -> Arm.RANDOM"""
    known = [arm.value for arm in Arm]
    if name not in known:
        raise UnknownChoice("arm", name, known)
    return Arm(name)


class Told(NamedTuple):
    """What a model is told of a plan."""

    text: str
    numbers: Plan | None  # what may be drawn over time; None: nothing


def tell(plan: Plan, arm: Arm, seed: int = 0, style: Style = "tagged", timing: Timing = "ordinal") -> Told:
    """The text and the numbers of one arm; `seed` is of the random one."""
    return Told(arm_text(plan, arm, seed, style, timing), arm_plan(plan, arm, seed))


def arm_text(plan: Plan, arm: Arm, seed: int = 0, style: Style = "tagged", timing: Timing = "ordinal") -> str:
    """What the model reads."""
    if arm is Arm.NONE:
        return ""
    if arm is Arm.RANDOM:
        return arranged(dealt(plan.paragraphs(timing), seed), style)
    if arm is Arm.MONOLITHIC:
        return plan.render("plain", timing)
    return _kept(plan, arm).render(style, timing)


def arm_plan(plan: Plan, arm: Arm, seed: int = 0) -> Plan | None:
    """What may be drawn over time; None: nothing."""
    if arm in (Arm.NONE, Arm.MONOLITHIC):
        return None
    return exchanged(plan, seed) if arm is Arm.RANDOM else _kept(plan, arm)


def sentences(paragraph: str) -> list[str]:
    """A full stop within a number ends nothing."""
    return [part for part in re.split(r"(?<=[.!?])\s+", paragraph) if part]


def dealt(paragraphs: Mapping[str, str], seed: int) -> dict[str, str]:
    """Every sentence once, in as many paragraphs of as many sentences, by chance; not in its old order if that can be."""
    hands = {name: sentences(text) for name, text in paragraphs.items()}
    deck = [sentence for hand in hands.values() for sentence in hand]
    order = iter(_shuffled(len(deck), np.random.default_rng((seed, 0))))
    return {name: " ".join(deck[next(order)] for _ in hand) for name, hand in hands.items()}


def exchanged(plan: Plan, seed: int) -> Plan:
    """Every event with the spans of one and the places of another, by chance; the sentences that say so are gone."""
    ids = [event.id for event in plan.semantic.events]
    rng = np.random.default_rng((seed, 1))
    timed, placed = (
        {ids[i]: ids[j] for i, j in enumerate(_shuffled(len(ids), rng))} for _ in ("spans", "places")
    )
    spans = tuple(span.model_copy(update={"event": timed[span.event]}) for span in plan.temporal.spans)
    places = tuple(place.model_copy(update={"event": placed[place.event]}) for place in plan.spatial.places)
    return plan.model_copy(
        update={"temporal": TemporalThought(spans=spans), "spatial": SpatialThought(places=places)}
    )


def _shuffled(count: int, rng: np.random.Generator) -> list[int]:
    """A permutation of `count` that moves something, if there is something to move."""
    order = np.arange(count)
    while count > 1 and (order == np.arange(count)).all():
        order = rng.permutation(count)
    return order.tolist()


def _kept(plan: Plan, arm: Arm) -> Plan:
    """The plan without the dimension that `arm` leaves out."""
    left_out = arm.removeprefix("without-")
    if left_out == "semantic":
        return unnamed(plan)
    if left_out == "temporal":
        return untimed(plan)
    bare = {"aesthetic": AestheticThought(prose=UNSAID), "spatial": SpatialThought(prose=UNSAID)}
    return plan.model_copy(update={left_out: bare[left_out]}) if left_out in bare else plan


def unnamed(plan: Plan) -> Plan:
    """Time and place of sounds that nobody names; prose would name them, so numbers speak or nothing does."""
    events = tuple(Event(id=event.id, sound=UNNAMED) for event in plan.semantic.events)
    temporal, spatial = plan.temporal, plan.spatial
    if temporal.prose is not None:
        temporal = TemporalThought(spans=temporal.spans, prose=None if temporal.spans else UNSAID)
    if spatial.prose is not None:
        spatial = SpatialThought(places=spatial.places, prose=None if spatial.places else UNSAID)
    semantic = SemanticThought(events=events, prose=UNSAID)
    return plan.model_copy(update={"semantic": semantic, "temporal": temporal, "spatial": spatial})


def untimed(plan: Plan) -> Plan:
    """Everything that is heard is heard throughout."""
    heard = dict.fromkeys(span.event for span in plan.temporal.spans)
    spans = tuple(Span(event=event, onset=0.0, offset=plan.duration) for event in heard)
    return plan.model_copy(update={"temporal": TemporalThought(spans=spans, prose=UNSAID)})

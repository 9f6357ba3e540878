"""What a prompt means: words for what the planner saw, in the places and at the moments where it saw them.

A prompt is a list of phrases, separated by commas.
- Plain phrases are all that shall sound. They name the planner's events, the most certain first; events left without
  a phrase are dropped; phrases left without an event sound throughout.
- A phrase that begins with '+' is added to the rest and sounds throughout.
- Phrases of a negative prompt are what the sound is steered away from; events of that name are left out.
"""

from collections.abc import Sequence

from prismaudio.dimensions import semantic
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.wishes import avoiding


def apply_prompt(plan: Plan, prompt: str | None, negative_prompt: str | None) -> Plan:
    """The plan with the words of a user; None and empty prompts change nothing."""
    wanted = phrases(prompt)
    added = [phrase.lstrip("+ ") for phrase in wanted if phrase.startswith("+")]
    if renames(prompt):
        plan = renamed(plan, [phrase for phrase in wanted if not phrase.startswith("+")])
    return avoiding(sustaining(plan, added, on_screen=False), phrases(negative_prompt))


def phrases(text: str | None) -> list[str]:
    """'a dog, + rain,' -> ['a dog', '+ rain']"""
    parts = [" ".join(part.split()) for part in (text or "").split(",")]
    return [part for part in parts if part.strip("+ ")]


def renames(prompt: str | None) -> bool:
    """Whether it says all that shall sound, and not only what is added."""
    return any(not phrase.startswith("+") for phrase in phrases(prompt))


def renamed(plan: Plan, words: Sequence[str]) -> Plan:
    """Exactly `words`, as the names of the most certain events and, past those, as sounds throughout."""
    certain = sorted(plan.semantic.events, key=lambda event: -event.confidence)
    names = dict(zip([event.id for event in certain], words, strict=False))
    events = tuple(
        event.model_copy(update={"sound": names[event.id], "label": None, "confidence": 1.0})
        for event in plan.semantic.events
        if event.id in names
    )
    spans = tuple(span for span in plan.temporal.spans if span.event in names)
    places = tuple(place for place in plan.spatial.places if place.event in names)
    kept = plan.model_copy(
        update={
            "semantic": SemanticThought(events=events, avoid=plan.semantic.avoid),
            "temporal": TemporalThought(spans=spans),
            "spatial": SpatialThought(places=places),
        }
    )
    return sustaining(kept, words[len(names) :], on_screen=not events)


def sustaining(plan: Plan, words: Sequence[str], *, on_screen: bool) -> Plan:
    """The plan and events that sound from its beginning to its end, all around."""
    if not words:
        return plan
    taken = {event.id for event in plan.semantic.events}
    free = [name for n in range(len(words) + len(taken)) if (name := f"p{n + 1}") not in taken]
    events = [
        Event(id=name, sound=sound, on_screen=on_screen) for name, sound in zip(free, words, strict=False)
    ]
    spans = [Span(event=event.id, onset=0.0, offset=plan.duration) for event in events]
    return plan.model_copy(
        update={
            "semantic": semantic.adding(plan.semantic, events),
            "temporal": TemporalThought(spans=(*plan.temporal.spans, *spans)),
        }
    )


def negative_plan(plan: Plan) -> Plan | None:
    """What the plan avoids, as the plan of a clip in which all of it sounds throughout; None if there is nothing."""
    if not plan.semantic.avoid:
        return None
    return sustaining(Plan(duration=plan.duration), plan.semantic.avoid, on_screen=True)


def without_avoid(plan: Plan) -> Plan:
    """What the transformer is told: no word of what it should not play, for it does not understand 'avoid'."""
    return plan.model_copy(update={"semantic": semantic.without_avoid(plan.semantic)})

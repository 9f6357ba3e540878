"""The planners that are always there: what the embedded networks write of what they measured.

They read no language. Of a hint they take the names of sounds that they know, for things they are not sure of.
"""

from collections.abc import Callable

from prismaudio.backends.embedded.vocabulary import VOCABULARY, Word
from prismaudio.dimensions.lift import stems
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.wishes import avoiding, noting, unheard

SURE = 0.5  # confidence from which a name is not given up for a hint


Writer = Callable[[Evidence, float], Plan]  # of a clip of so many seconds


def handed_on(evidence: Evidence, duration: float) -> Plan:
    """The evidence as the plan that it is."""
    return evidence.plan


class PerceptionPlanner:
    """A `Planner` that needs the evidence alone; `write` makes a plan of it."""

    measures = True

    def __init__(self, name: str = "embedded", write: Writer = handed_on) -> None:
        self.name = name
        self.write = write

    def plan(self, request: PlanRequest) -> Plan:
        plan = self.write(evidence_of(request), request.duration)
        notes = unheard(request, hint=False)
        if request.hint:
            plan, note = hinted(plan, request.hint)
            notes.append(note)
        return avoiding(noting(plan, *notes), request.avoid)


def evidence_of(request: PlanRequest) -> Evidence:
    if request.evidence is None:
        raise PlannerFailed("nothing was measured in the picture; let the embedded networks watch it first")
    return request.evidence


def hinted(plan: Plan, hint: str) -> tuple[Plan, str]:
    """The plan with names from `hint` for unsure events, the surest first; and a note on what was done."""
    named = {event.label for event in plan.semantic.events if event.confidence >= SURE}
    words = [word for word in known_sounds(hint) if word.name not in named]
    unsure = sorted(
        (event for event in plan.semantic.events if event.confidence < SURE),
        key=lambda event: -event.confidence,
    )
    given = {event.id: word for event, word in zip(unsure, words, strict=False)}
    if not given:
        return plan, "the hint changed nothing: it names no known sound for anything that is unsure"
    events = tuple(
        event.model_copy(
            update={"sound": given[event.id].words, "label": given[event.id].name, "confidence": 1.0}
        )
        if event.id in given
        else event
        for event in plan.semantic.events
    )
    semantic = plan.semantic.model_copy(update={"events": events})
    told = ", ".join(f"{event} is {word.words}" for event, word in given.items())
    return plan.model_copy(update={"semantic": semantic}), f"from the hint: {told}"


def known_sounds(text: str) -> list[Word]:
    """The sounds of the vocabulary whose names `text` mentions, in its order."""
    said = [stem for word in text.split() for stem in stems(word)]
    known = {word: stems(word.name.replace("_", " ")) for word in VOCABULARY}
    found = [word for word, name in known.items() if name and name <= set(said)]
    return sorted(found, key=lambda word: min(said.index(stem) for stem in known[word]))

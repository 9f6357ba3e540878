"""The planner that is always there: the plan that the embedded networks wrote from what they measured.

It reads no language. Of a hint it takes the names of sounds that it knows, for things it is not sure of.
"""

from prismaudio.backends.embedded.vocabulary import VOCABULARY, Word
from prismaudio.dimensions.lift import stems
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.wishes import avoiding, noting, unheard

SURE = 0.5  # confidence from which a name is not given up for a hint


class PerceptionPlanner:
    """A `Planner`: hands on the evidence as the plan it is."""

    name = "embedded"
    measures = True

    def plan(self, request: PlanRequest) -> Plan:
        plan = evidence_of(request).plan
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

"""What a user asks of any plan beside what is seen: sounds to leave out, and notes on wishes that could not be met."""

from collections.abc import Sequence

from prismaudio.dimensions.lift import stems
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.base import ENGLISH, PlanRequest


def noting(plan: Plan, *notes: str) -> Plan:
    """The plan, with more for its reader to know."""
    signed = plan.provenance.model_copy(update={"notes": (*plan.provenance.notes, *notes)})
    return plan.model_copy(update={"provenance": signed})


def english(request: PlanRequest) -> bool:
    return request.language.casefold() in (ENGLISH.casefold(), "en")


def unheard(request: PlanRequest, *, hint: bool = True) -> list[str]:
    """Notes on wishes that only a language model can grant. `hint`: the hint is one of them."""
    notes = (
        []
        if english(request)
        else [f"the words are not in {request.language}: only language models translate"]
    )
    if hint and request.hint:
        notes.append("the hint was not used: only language models read it")
    return notes


def avoiding(plan: Plan, words: Sequence[str]) -> Plan:
    """The plan that says what must not be heard, and asks for nothing of the kind."""
    if not words:
        return plan
    unwanted = {event.id: event.sound for event in plan.semantic.events if _any_in(words, event.sound)}
    under = [sound for sound in plan.semantic.ambience if _any_in(words, sound)]
    if unwanted or under:
        told = ", ".join([*unwanted.values(), *under])
        plan = noting(without(plan, [*unwanted], under), f"left out what is to be avoided: {told}")
    avoid = tuple(dict.fromkeys([*plan.semantic.avoid, *words]))
    return plan.model_copy(update={"semantic": plan.semantic.model_copy(update={"avoid": avoid})})


def _any_in(words: Sequence[str], sound: str) -> bool:
    """Whether `sound` is one of `words`: 'a dog barking' is 'dogs'."""
    return any(stems(word) and stems(word) <= stems(sound) for word in words)


def without(plan: Plan, events: Sequence[str], ambience: Sequence[str] = ()) -> Plan:
    """The plan without these events; prose, which may speak of them, gives way to generated sentences."""
    plan = plan.without_prose()
    semantic = {
        "events": tuple(event for event in plan.semantic.events if event.id not in events),
        "ambience": tuple(sound for sound in plan.semantic.ambience if sound not in ambience),
    }
    spans = tuple(span for span in plan.temporal.spans if span.event not in events)
    places = tuple(place for place in plan.spatial.places if place.event not in events)
    return plan.model_copy(
        update={
            "semantic": plan.semantic.model_copy(update=semantic),
            "temporal": plan.temporal.model_copy(update={"spans": spans}),
            "spatial": plan.spatial.model_copy(update={"places": places}),
        }
    )

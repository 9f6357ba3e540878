"""What a language model is asked: four questions, what was measured, what the user wants, and the form of the answer."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from prismaudio.dimensions import aesthetic, semantic, spatial, temporal
from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.base import PlanRequest
from prismaudio.planning.wishes import english

QUESTIONS = dict(
    zip(DIMENSIONS, (module.QUESTION for module in (semantic, temporal, aesthetic, spatial)), strict=True)
)
EXAMPLE = Plan(
    duration=8,
    semantic=SemanticThought(
        events=(Event(id="s1", sound="a dog barking"), Event(id="s2", sound="a car driving")),
        avoid=("music",),
    ),
    temporal=TemporalThought(
        spans=(
            Span(event="s1", onset=0.5, offset=2.1, hits=(0.5, 1.1, 1.7)),
            Span(event="s2", onset=3, offset=8),
        )
    ),
    aesthetic=AestheticThought(room="room"),
    spatial=SpatialThought(
        places=(
            Place(event="s1", keys=(Key(0.5, -0.6),)),
            Place(event="s2", keys=(Key(3, -1), Key(8, 1)), distance=0.7),
        )
    ),
)


class Form(NamedTuple):
    """How an answer is to be given."""

    schema: dict[str, Any] | None  # None: in four paragraphs
    enforced: bool = False  # the model is shown the schema by its server, and held to it
    prose: bool = False
    listening: bool = False  # the video has its sound


def question(request: PlanRequest, form: Form) -> str:
    """The whole text that goes with the pictures."""
    return "\n".join(_paragraphs(request, form))


def objection(problem: str) -> str:
    """What is said to an answer that cannot be used."""
    return f"That cannot be used: {problem}. Give the whole answer again, mended, in the same form."


def _paragraphs(request: PlanRequest, form: Form) -> Iterator[str]:
    duration = f"{request.duration:.2f}"
    footage = "a video clip with its sound" if form.listening else "a silent video clip"
    yield f"This is {footage}. Plan the sound of its first {duration} seconds, so that it fits the picture:"
    yield from (f"{name.capitalize()}: {words}" for name, words in QUESTIONS.items())
    yield (
        "Name each sound in a few plain words, such as 'a dog barking', and give it a time and a place. "
        f"Moments are seconds between 0 and {duration}. What strikes, barks or knocks has a hit at each instant; "
        "what sounds on and on has none. "
        "Azimuth is -1 at the left edge of the picture, 0 in the middle, 1 at the right edge. "
        "Distance is 0 at the camera and 1 at the horizon; quality is 1 for a clean recording and 0 for a ruined one."
    )
    yield from _measured(request)
    yield from _wished(request)
    yield from _answered(request, form)


def _measured(request: PlanRequest) -> Iterator[str]:
    told = request.evidence.told() if request.evidence else ""
    if told:
        yield "Measured in the picture; trust the moments and places, not the names, and leave out what is silent:"
        yield told


def _wished(request: PlanRequest) -> Iterator[str]:
    if request.hint:
        yield f"The user knows about the clip: {' '.join(request.hint.split())}"
    if request.avoid:
        yield f"Must not be heard, and belongs into what to avoid: {', '.join(request.avoid)}"
    if not english(request):
        yield f"Write all words in {request.language}."


def _answered(request: PlanRequest, form: Form) -> Iterator[str]:
    if form.schema is None:
        yield "Answer with four lines in the form of this example of another clip, and nothing else:"
        yield EXAMPLE.render("tagged", "numeric")
        return
    if form.prose:
        yield "In each 'prose', write one paragraph that says the same as the numbers, in vivid words."
    yield "Answer with one JSON object and nothing else. Events have ids s1, s2, ... to which spans and places refer."
    if not form.enforced:
        yield f"Its JSON schema: {json.dumps(form.schema, separators=(',', ':'))}"

"""One sentence to four thoughts: its words say what sounds, the picture says when and where.

The sentence is kept word for word. Moments in seconds and sides that it names hold; all others are measured.
"""

import re

from prismaudio.dimensions import lift
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.planning.evidence import Evidence, Track
from prismaudio.planning.perception import evidence_of
from prismaudio.planning.wishes import avoiding, noting, unheard

_AVOID = re.compile(r"[,;]?\s*\b(?:(?:but|and)\s+)?(?:avoid(?:ing)?|without)\b([^.;\n]*)", re.IGNORECASE)
_BACKGROUND = re.compile(
    r"[,;]?\s*(?:\b(?:and|with|while)\s+)?(?P<item>(?:(?!\b(?:and|with|while)\b)[^,.;\n])+?)\s+in the background"
    r"|\bin the background,?\s+(?P<after>[^.;\n]+)",
    re.IGNORECASE,
)
_LATER = r"(?:then|followed by|afterwards?|after that|finally)"
_ORDER = re.compile(rf"\b{_LATER}\b", re.IGNORECASE)
_JOINT = re.compile(
    rf"\s*(?:,(?!\s*\d)|[;!?\n]|\.(?!\d))+\s*(?:(?:and|next|while|as|{_LATER})\b,?\s*)*"
    rf"|\s+(?:and\s+)?(?:while|whilst|{_LATER})\b,?\s+"
    r"|\s+as\s+(?=(?:an?|the|some)\s)",
    re.IGNORECASE,
)
_AND = re.compile(r"\s+and\s+(?!\d)", re.IGNORECASE)
_GOES_ON = lift.stems(
    "wind breeze rain river stream waterfall waves sea water engine motor traffic crowd applause fire crickets "
    "insects helicopter airplane plane train machine fan humming buzzing rustling music"
)
_FIRST = re.compile(r"\b(?:first(?:ly)?|initially),?\s+(?=\w)", re.IGNORECASE)
_LEAD = re.compile(
    r"^(?:please )?(?:(?:generate|create|produce|add|make|we hear)\b:? )?"
    r"(?:(?:the |a )?(?:sounds?|audio|noises?) of )?",
    re.IGNORECASE,
)


class CaptionPlanner:
    """A `Planner` that is told what sounds."""

    name = "caption"
    measures = True

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        self.phrases = phrases(self.text)
        if not self.phrases:
            raise PlannerFailed(f"the caption {text!r} names no sound; say what sounds: 'a dog barks twice'")

    def plan(self, request: PlanRequest) -> Plan:
        events = [Event(id=f"s{number}", sound=words) for number, words in enumerate(self.phrases, start=1)]
        tracks = follow(events, evidence_of(request), ordered=bool(_ORDER.search(self.text)))
        spans = [span for event in events for span in when(event, tracks.get(event.id), request.duration)]
        heard = TemporalThought(spans=tuple(spans))
        stretches = heard.heard()
        places = [
            where(event, tracks.get(event.id), stretches[event.id], request.duration) for event in events
        ]
        plan = Plan(
            duration=request.duration,
            semantic=SemanticThought(
                events=tuple(events),
                ambience=tuple(background(self.text)),
                avoid=tuple(avoided(self.text)),
                prose=self.text,
            ),
            temporal=heard,
            spatial=SpatialThought(places=tuple(place for place in places if place)),
            provenance=Provenance(planner=self.name),
        )
        unseen = [event.sound for event in events if event.id not in tracks]
        notes = [f"no measured moments for: {', '.join(unseen)}"] if unseen else []
        return avoiding(noting(plan, *notes, *unheard(request)), request.avoid)


def phrases(text: str) -> list[str]:
    """'First a dog barks, then rain and wind.' -> ['a dog barks', 'rain', 'wind']"""
    bare = _FIRST.sub("", _BACKGROUND.sub("", _AVOID.sub("", text)))
    parts = [part for clause in _JOINT.split(bare) for part in _apart(clause)]
    found = [_LEAD.sub("", part.strip(" ,.;:!?\"'")).strip() for part in parts]
    return list(dict.fromkeys(part for part in found if lift.stems(part)))


def _apart(clause: str) -> list[str]:
    """'rain and wind' are two; 'a dog barks and growls' is one dog, for which the second has no name of its own."""
    parts = _AND.split(clause)
    joined = parts[:1]
    for part in parts[1:]:
        if len(part.split()) == 1 and len(joined[-1].split()) > 1:
            joined[-1] += f" and {part}"
        else:
            joined.append(part)
    return joined


def background(text: str) -> list[str]:
    """What the sentence puts in the background."""
    items = [match["item"] or match["after"] for match in _BACKGROUND.finditer(_AVOID.sub("", text))]
    return [item.strip(" ,.;") for item in items]


def avoided(text: str) -> list[str]:
    """What the sentence does not want."""
    return [
        item
        for match in _AVOID.finditer(text)
        for part in re.split(r"\s*,\s*|\s+(?:and|or)\s+", match[1])
        if (item := re.sub(r"^(?:(?:any|all|the|and|or)\s+)+", "", part.strip(" .!?")))
    ]


def follow(events: list[Event], evidence: Evidence, *, ordered: bool) -> dict[str, Track]:
    """Event -> the track it goes by: first those that are called alike, then one after the other, but no wind strikes.

    The strongest track comes first, or, in a sentence that tells an order, the earliest.
    """
    free = evidence.tracks()
    if ordered:
        free.sort(key=lambda track: track.spans[0].onset if track.spans else evidence.plan.duration)
    found: dict[str, Track] = {}
    for event in events:
        alike = next((t for t in free if lift.stems(t.event.sound) & lift.stems(event.sound)), None)
        if alike is not None:
            found[event.id] = alike
            free.remove(alike)
    for event in events:
        fits = (track for track in free if not (goes_on(event.sound) and strikes(track)))
        if event.id not in found and (track := next(fits, None)):
            found[event.id] = track
            free.remove(track)
    return found


def goes_on(sound: str) -> bool:
    """Whether nothing in it strikes, as far as its words tell."""
    return bool(lift.stems(sound) & _GOES_ON)


def strikes(track: Track) -> bool:
    return any(span.hits for span in track.spans)


def when(event: Event, track: Track | None, duration: float) -> list[Span]:
    """As its words say in seconds, else as measured, else all the time."""
    if lift.seconds_named(event.sound):
        said = lift.spans(event.sound, {event.id: event.sound}, duration)
        if all(span.offset <= duration for span in said):
            return list(said)
    if track is not None and track.spans:
        return [span.model_copy(update={"event": event.id}) for span in track.spans]
    return [Span(event=event.id, onset=0.0, offset=duration)]


def where(event: Event, track: Track | None, heard: tuple[float, float], duration: float) -> Place | None:
    """On the side that its words name, else as measured."""
    for place in lift.places(event.sound, {event.id: event.sound}, {event.id: heard}, duration):
        return place
    if track is not None and track.place is not None:
        return track.place.model_copy(update={"event": event.id})
    return None

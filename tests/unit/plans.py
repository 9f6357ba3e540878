"""Random plans: any that the schema allows, and consistent ones in which nothing is to be mended."""

import random
from itertools import pairwise

from hypothesis import strategies as st

from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.provenance import Provenance
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span, TemporalThought
from prismaudio.dimensions.thought import CLOSING_TAG, FENCE, TAG

LONGEST = 60.0
SOUNDS = (
    "a dog barking", "thunder rumbling", "glass breaking", "a bell ringing", "birds singing", "a frog croaking",
    "someone knocking on wood", "coins clinking", "an engine idling", "Wellen am Strand", "雨が降る", "a 747 taking off",
)  # fmt: skip
AWKWARD = (
    "rain, wind and hail", "salt and pepper", 'a "quoted" click', "first then finally", "once", "a dog to the end",
    "3 times at a regular pace", "the sound surrounds the listener", "comes from the left", "a bell (the second)",
    "<Temporal> inside", "[spatial]", "Spatial: x", "a dog barking.", "back\\slash", "`code`", "tab\tand newline\n",
    "ßtraße", "İstanbul", "no", "null", "1.5",
)  # fmt: skip

words = st.one_of(
    st.sampled_from(SOUNDS + AWKWARD),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: bool(text.strip())),
)
prose = st.one_of(
    st.just(""),
    st.sampled_from(["The dog goes wild.", "Avoid music, or voices.", "First x,\nthen y\n- finally z"]),
    st.text(st.characters(codec="utf-8"), max_size=40).filter(
        lambda text: not (TAG.search(text) or CLOSING_TAG.search(text) or FENCE in text)
    ),
)
maybe_prose = st.one_of(st.none(), st.none(), st.none(), prose)
seconds = st.floats(0, LONGEST, allow_nan=False)
share = st.floats(0, 1)


@st.composite
def spans(draw: st.DrawFn, event: str) -> Span:
    onset = draw(seconds)
    offset = onset + draw(st.floats(1e-3, LONGEST))
    hits = tuple(sorted(draw(st.lists(st.floats(onset, offset), max_size=6))))
    strengths = draw(st.lists(share, min_size=len(hits), max_size=len(hits))) if draw(st.booleans()) else ()
    return Span(event=event, onset=onset, offset=offset, hits=hits, strengths=tuple(strengths))


@st.composite
def places(draw: st.DrawFn, event: str) -> Place:
    times = sorted(draw(st.lists(seconds, min_size=1, max_size=8)))
    keys = tuple(Key(time, draw(st.floats(-1, 1))) for time in times)
    return Place(event=event, keys=keys, distance=draw(share))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan that the schema allows."""
    ids = draw(st.lists(st.text(min_size=1, max_size=4), max_size=4, unique=True))
    some = st.lists(st.sampled_from(ids), max_size=5) if ids else st.just([])
    return Plan(
        duration=draw(st.floats(0.1, LONGEST)),
        semantic=SemanticThought(
            events=tuple(
                Event(
                    id=name,
                    sound=draw(words),
                    label=draw(st.none() | words),
                    on_screen=draw(st.booleans()),
                    confidence=draw(share),
                )
                for name in ids
            ),
            ambience=tuple(draw(st.lists(words, max_size=2))),
            avoid=tuple(draw(st.lists(words, max_size=2))),
            prose=draw(maybe_prose),
        ),
        temporal=TemporalThought(
            spans=tuple(draw(spans(name)) for name in draw(some)),
            prose=draw(maybe_prose),
        ),
        aesthetic=AestheticThought(
            quality=draw(share),
            flaws=tuple(draw(st.lists(st.sampled_from(["noise", "hum", "clipping", "dull"]), max_size=3))),
            loudness=draw(st.sampled_from(["quiet", "balanced", "loud"])),
            room=draw(st.sampled_from(["dry", "room", "hall"])),
            prose=draw(maybe_prose),
        ),
        spatial=SpatialThought(
            places=tuple(draw(places(name)) for name in draw(some)),
            prose=draw(maybe_prose),
        ),
        provenance=Provenance(
            planner=draw(st.text(max_size=8)),
            video_sha256=draw(st.none() | st.just("0f" * 32)),
            versions=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
            written=draw(st.none() | st.dates()),
            notes=tuple(draw(st.lists(st.text(max_size=10), max_size=2))),
        ),
    )


def consistent(seed: int) -> Plan:
    """A plan as a careful planner writes it, in hundredths: numbers survive its numeric text, and nothing contradicts."""
    rng = random.Random(seed)
    duration = rng.randint(300, 1200) / 100
    ids = [f"s{number}" for number in range(1, rng.randint(1, 4) + 1)]
    events = tuple(
        Event(id=name, sound=sound, on_screen=rng.random() < 0.8)
        for name, sound in zip(ids, rng.sample(SOUNDS, len(ids)), strict=True)
    )
    clean = rng.random() < 0.5
    return Plan(
        duration=duration,
        semantic=SemanticThought(
            events=events,
            ambience=tuple(rng.sample(["wind", "distant traffic, and a fan"], rng.randint(0, 2))),
            avoid=tuple(rng.sample(["music", "voices, or talk"], rng.randint(0, 2))),
        ),
        temporal=TemporalThought(spans=_spans(rng, ids, round(duration * 100))),
        aesthetic=AestheticThought(
            quality=rng.randint(81, 100) / 100 if clean else rng.randint(0, 80) / 100,
            flaws=() if clean else tuple(rng.sample(["noise", "hum", "dull"], rng.randint(0, 2))),
            loudness=rng.choice(["quiet", "balanced", "loud"]),
            room=rng.choice(["dry", "room", "hall"]),
        ),
        spatial=SpatialThought(places=tuple(_place(rng, name, round(duration * 100)) for name in ids)),
    )


def _spans(rng: random.Random, ids: list[str], length: int) -> tuple[Span, ...]:
    """One or two per event, apart from one another; `length` and all moments in hundredths of a second."""
    found = []
    for name in ids:
        edges = sorted(rng.sample(range(length + 1), 2 * rng.randint(1, 2)))
        for onset, offset in list(pairwise(edges))[::2]:
            hits = sorted(rng.sample(range(onset, offset + 1), min(rng.randint(0, 5), offset - onset + 1)))
            strengths = tuple(rng.randint(0, 100) / 100 for _ in hits) if rng.random() < 0.5 else ()
            found.append(
                Span(
                    event=name,
                    onset=onset / 100,
                    offset=offset / 100,
                    hits=tuple(hit / 100 for hit in hits),
                    strengths=strengths,
                )
            )
    return tuple(sorted(found, key=lambda span: span.onset))


def _place(rng: random.Random, name: str, length: int) -> Place:
    times = sorted(rng.sample(range(0, length + 1, 100), rng.randint(1, 4)))  # a second apart: slow enough
    keys = tuple(Key(time / 100, rng.randint(-100, 100) / 100) for time in times)
    return Place(event=name, keys=keys, distance=rng.randint(0, 100) / 100)

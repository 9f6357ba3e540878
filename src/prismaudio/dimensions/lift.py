"""What can be recognised in paragraphs that people and models wrote freely; their words themselves are kept as prose."""

import re
from collections.abc import Mapping

from prismaudio.dimensions import spatial, temporal
from prismaudio.dimensions.aesthetic import AestheticThought, Flaw, Loudness, Room
from prismaudio.dimensions.spatial import Place
from prismaudio.dimensions.temporal import Span

_EMPTY_WORDS = re.compile(
    "a|an|the|this|that|its?|of|in|on|at|or|and|with|to|from|by|as|is|are|be|being|then|there|up|out|into|onto|over"
    "|for|while|some|any|no|sounds?|audio|noise|generate"
)
_LEAD = re.compile(
    r"^(?:please )?(?:generate|create|produce|synthesi[sz]e|(?:start|begin)(?: with)?|(?:we|you) hear|add|include)\b"
    r"[: ]*(?:the |a )?(?:(?:clear |realistic )?(?:sounds?|audio|noises?)(?: effects?)? of )?",
    re.IGNORECASE,
)
_BETWEEN_SOUNDS = re.compile(
    r"\s*(?:,|;)\s*(?:and |then |followed by |with )*|\s+(?:and then|followed by|then|and|with)\s+",
    re.IGNORECASE,
)
_AVOID = re.compile(r"\bavoid(?:ing)?\b(?P<items>[^.;\n]*)", re.IGNORECASE)
_BACKGROUND = re.compile(r"\bin the background,?\s+(?P<items>[^.;\n]*)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")
_ORDER = re.compile(
    r"\b(?:first(?:ly)?|initially|then|next|afterwards?|after that|followed by|(?:and )?finally|lastly)\b,?",
    re.IGNORECASE,
)
_SECOND = r"(\d{1,5}(?:\.\d+)?)"  # none is longer than a day
_UNIT = r"\s*(?:s|secs?|seconds?)\b"
_NO_MOMENT = r"(?<![\d.])(?<!for )(?<!every )(?<!lasting )(?<!another )"  # a length of time
_SECONDS = re.compile(
    rf"{_NO_MOMENT}{_SECOND}(?:(?:{_UNIT})?\s*(?:,|-|–|to|and|until)\s*{_SECOND})*{_UNIT}", re.IGNORECASE
)
_STRETCH = re.compile(rf"{_SECOND}(?:{_UNIT})?\s*(?:-|–|to|and|until)\s*{_SECOND}{_UNIT}", re.IGNORECASE)
_THROUGHOUT = re.compile(
    r"\b(?:throughout|continuous(?:ly)?|constant(?:ly)?|the (?:whole|entire))\b", re.IGNORECASE
)
_COUNTS = {"once": 1, "twice": 2, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_COUNT = re.compile(r"\b(once|twice|(?:(two|three|four|five|six|\d{1,2}) times))\b", re.IGNORECASE)
_SIDE = re.compile(
    r"\b(left|right(?! (?:after|before|at|when|as|away|now)\b)|cent(?:er|re)|middle)\b(?: ?-?hand)?",
    re.IGNORECASE,
)
_FAR = re.compile(r"\b(?:far|distant|distance)\b", re.IGNORECASE)
_CLOSE = re.compile(r"\b(?:close|near|nearby)\b", re.IGNORECASE)


def stems(text: str) -> frozenset[str]:
    """The words that carry meaning, without their endings: 'two dogs barking' -> two, dog, bark."""
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return frozenset(_stem(word) for word in words if not _EMPTY_WORDS.fullmatch(word))


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    word = word.removesuffix("e")
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def sounds(text: str) -> list[str]:
    """The things a semantic paragraph asks to hear."""
    found: list[str] = []
    for sentence in _SENTENCE_END.split(_BACKGROUND.sub("", _AVOID.sub("", text))):
        lead = _LEAD.match(sentence.strip())
        if lead:
            found += _items(sentence.strip()[lead.end() :], _BETWEEN_SOUNDS)
    return list(dict.fromkeys(found))


def avoided(text: str) -> list[str]:
    """What a paragraph says not to play."""
    return _after(_AVOID, text)


def background(text: str) -> list[str]:
    """What a paragraph says lies under everything."""
    return _after(_BACKGROUND, text)


def _after(pattern: re.Pattern[str], text: str) -> list[str]:
    separator = re.compile(r"\s*,\s*(?:and |or )?|\s+(?:and|or)\s+", re.IGNORECASE)
    lists = [_items(match["items"], separator) for match in pattern.finditer(text)]
    return list(dict.fromkeys(item for items in lists for item in items))


def _items(text: str, separator: re.Pattern[str]) -> list[str]:
    drop = re.compile(r"^(?:any|all|adding|using|including|other|the)\s+", re.IGNORECASE)
    items = [part.strip(" .,;:!?*-\"'") for part in separator.split(text)]
    return [bare for item in items if (bare := drop.sub("", drop.sub("", item)).strip())]


def seconds_named(text: str) -> list[float]:
    """Every moment that the text gives in seconds."""
    return [float(second) for match in _SECONDS.finditer(text) for second in re.findall(_SECOND, match[0])]


def named(clause: str, sounds_of: Mapping[str, str]) -> str | None:
    """The event whose words share most with those of `clause`; None if none does. `sounds_of`: event id -> words."""
    said = stems(clause)
    shared = {event: len(said & stems(sound)) for event, sound in sounds_of.items()}
    best = max(shared, key=lambda event: shared[event], default=None)
    return best if best is not None and shared[best] else None


def spans(text: str, sounds_of: Mapping[str, str], duration: float) -> tuple[Span, ...]:
    """A span for each clause that names an event: where it says so, or one after the other."""
    clauses = [(clause, named(clause, sounds_of)) for clause in _clauses(text)]
    about = [(clause, event) for clause, event in clauses if event is not None]
    slot = duration / max(len(about), 1)
    return tuple(
        _span(clause, event, (number * slot, (number + 1) * slot), duration)
        for number, (clause, event) in enumerate(about)
    )


def _clauses(text: str) -> list[str]:
    sentences = [part for sentence in _SENTENCE_END.split(text) for part in _ORDER.split(sentence)]
    return [sentence for sentence in sentences if sentence.strip()]


def _span(clause: str, event: str, slot: tuple[float, float], duration: float) -> Span:
    stretch, moments = _STRETCH.search(clause), sorted(seconds_named(clause))
    if stretch and float(stretch[1]) < float(stretch[2]):
        return Span(event=event, onset=float(stretch[1]), offset=float(stretch[2]))
    if moments:
        end = max(min(moments[-1] + temporal.RING, duration), moments[-1] + 0.01)
        return Span(event=event, onset=moments[0], offset=end, hits=tuple(moments))
    if _THROUGHOUT.search(clause):
        return Span(event=event, onset=0.0, offset=duration)
    count = _COUNT.search(clause)
    hits: tuple[float, ...] = ()
    if count:
        words = (count[2] or count[1]).lower()
        hits = temporal.laid(_COUNTS.get(words) or int(words), temporal.REGULAR, *slot)
    return Span(event=event, onset=slot[0], offset=slot[1], hits=hits)


_ROOMS: dict[Room, str] = {
    "hall": r"halls?|cathedral|church|cavern\w*|echo\w*|long reverb\w*",
    "room": r"natural reverb\w*|room|reverb\w*",
    "dry": r"dry|close-mic\w*|anechoic",
}
_LOUDNESS: dict[Loudness, str] = {
    "quiet": r"quiet\w*|soft\w*|faint\w*|subtle",
    "balanced": r"balanced|moderate\w*|natural loudness",
    "loud": r"loud|powerful\w*|strong\w*",
}
_FLAWS: dict[Flaw, str] = {
    "noise": r"hiss\w*|noisy|noise",
    "hum": r"hum",
    "clipping": r"clipp\w*|distort\w*",
    "dull": r"muffled|dull",
}
_POOR = r"poor\w*|degraded|low[- ]quality|lo-?fi|muddy"
_FAIR = r"fair quality|average quality"
_NEGATED = r"(?<!no )(?<!not )(?<!without )(?<!without any )(?<!free of )(?<!any )(?<!avoid )(?<!avoiding )"


def _says(text: str, words: str) -> bool:
    return re.search(rf"{_NEGATED}\b(?:{words})\b", text, re.IGNORECASE) is not None


def loudness(text: str) -> Loudness | None:
    """The least loudness that the text names."""
    return next((name for name, words in _LOUDNESS.items() if _says(text, words)), None)


def room(text: str) -> Room | None:
    """The most reverberant room that the text names."""
    return next((name for name, words in _ROOMS.items() if _says(text, words)), None)


def aesthetic(text: str) -> AestheticThought:
    """What the text says of quality, loudness and room; clean, balanced and dry where it says nothing."""
    quality = 0.3 if _says(text, _POOR) else 0.65 if _says(text, _FAIR) else 1.0
    return AestheticThought(
        quality=quality,
        flaws=tuple(flaw for flaw, words in _FLAWS.items() if _says(text, words)),
        loudness=loudness(text) or "balanced",
        room=room(text) or "dry",
    )


def sides(text: str) -> list[str]:
    """The sides that a clause names, in its order: 'from the left to the right' -> left, right."""
    same = {"centre": "center", "middle": "center"}
    return [same.get(word.lower(), word.lower()) for word in _SIDE.findall(text)]


def places(
    text: str, sounds_of: Mapping[str, str], heard: Mapping[str, tuple[float, float]], duration: float
) -> tuple[Place, ...]:
    """A place for each event whose clause names a side; what is said of no event in particular is said of all others."""
    own: dict[str, str] = {}
    general = None
    for event, clause in _subjects(text, sounds_of):
        if not sides(clause):
            continue
        if event is None:
            general = general or clause
        else:
            own[event] = f"{own.get(event, '')} {clause}"
    placed = [_place(event, clause, heard.get(event, (0.0, duration))) for event, clause in own.items()]
    if general is not None:
        stretches = list(heard.values()) or [(0.0, duration)]
        together = min(first for first, _ in stretches), max(last for _, last in stretches)
        placed += [_place(event, general, together) for event in sounds_of if event not in own]
    return tuple(placed)


def _subjects(text: str, sounds_of: Mapping[str, str]) -> list[tuple[str | None, str]]:
    """What is said of which event: the parts of a sentence belong to the event that was named last in it."""
    found: list[tuple[str | None, str]] = []
    for sentence in _SENTENCE_END.split(text):
        subject, said = None, ""
        for part in re.split(r",| while | whereas | but ", sentence):
            event = named(part, sounds_of)
            if event not in (None, subject) and sides(said):
                found.append((subject, said))
                said = ""
            subject, said = event or subject, f"{said},{part}"
        found.append((subject, said))
    return found


def _place(event: str, clause: str, stretch: tuple[float, float]) -> Place:
    far = ", far away" if _FAR.search(clause) else ", close" if _CLOSE.search(clause) else ""
    keys = spatial.laid(sides(clause), *stretch)
    return Place(event=event, keys=keys, distance=spatial.DISTANCES[far])

"""The filters of a benchmark: what each measures, from where on a clip goes, and what it can and cannot see."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from prismaudio.config import Config
from prismaudio.errors import UnknownChoice
from prismaudio.evaluation.canvas.evidence import Level, Seconds, SeenOnsets, Share, Voiced
from prismaudio.evaluation.canvas.manifest import Entry
from prismaudio.evaluation.sound_classifier import load_classifier
from prismaudio.evaluation.suite.judged import SeenPlace
from prismaudio.evaluation.suite.judges import Judges
from prismaudio.evaluation.suite.metric import Metric

SPOKEN = ("crowd_talk",)  # of the embedded classifier's classes: it knows no single voice
PLAYED = ("piano", "guitar", "brass_wind")
SPEECH, MUSIC = 0, 137  # of AudioSet's 527 classes
TALKING = {"speech", "talk", "talking", "speaking", "voice", "conversation", "narration", "singing", "crowd"}
PLAYING = {
    "music",
    "playing",
    "song",
    "band",
    "orchestra",
    "piano",
    "guitar",
    "flute",
    "drum",
    "violin",
    "brass",
}
TESTS = ("short", "silence", "speech", "music", "off-screen", "unseen-onsets", "voice")
TWINS = ("duplicates", "near-duplicates")
NAMES = ("undecodable", *TESTS[:2], *TWINS, *TESTS[2:])
ON_REQUEST = (
    "off-screen",
    "unseen-onsets",
    "voice",
)  # not known to be right on camera films, or known not to be


class BuildConfig(Config):
    """Which filters, from where on, and how many clips of a class."""

    filters: tuple[str, ...] = tuple(name for name in NAMES if name not in ON_REQUEST)
    shortest: float = Field(2.0, gt=0, description="seconds of picture and of sound")
    silence: float = Field(-60.0, description="LUFS")
    off_screen: float = Field(0.6, ge=0, le=1, description="agreement of places, seen and heard")
    unseen_onsets: float = Field(0.05, ge=0, le=1, description="agreement of onsets and motion")
    speech: float = Field(0.5, ge=0, le=1, description="share of what is heard")
    music: float = Field(0.5, ge=0, le=1)
    voice: float = Field(0.5, ge=0, le=1, description="share of seconds")
    per_class: PositiveInt | None = None
    seed: NonNegativeInt = 0

    def asked(self, filters: str, per_class: int | None, seed: int) -> "BuildConfig":
        """With names between commas; 'all' are all but those that must be named."""
        wanted = [name.strip() for name in filters.split(",") if name.strip()]
        for name in wanted:
            if name not in ("all", *NAMES):
                raise UnknownChoice("filter", name, ["all", *NAMES])
        default = BuildConfig.model_fields["filters"].default
        chosen = [name for name in NAMES if name in wanted or ("all" in wanted and name in default)]
        return self.model_copy(update={"filters": tuple(chosen), "per_class": per_class, "seed": seed})


class Test(NamedTuple):
    """One filter that looks at one clip at a time."""

    name: str
    metric: Metric
    limit: float
    side: Literal["below", "above"]  # on which side of the limit a clip goes
    sees: str
    exempt: frozenset[str] = frozenset()  # words in the name of a class that this is no fault of
    unknown: Literal["stays", "goes"] = "stays"  # a clip of which nothing can be measured

    def strikes(self, value: float, entry: Entry) -> bool:
        """Whether the clip goes."""
        if self.exempt & words_of(entry):
            return False
        if np.isnan(value):
            return self.unknown == "goes"
        return value < self.limit if self.side == "below" else value > self.limit


def words_of(entry: Entry) -> set[str]:
    return {
        word for name in entry.classes for word in name.lower().replace("_", " ").replace(",", " ").split()
    }


def tests_of(config: BuildConfig, weights: Mapping[str, Path]) -> list[Test]:
    """Those that are asked for. With weights of PANNs it judges speech and music, else the embedded classifier."""
    judges = Judges(weights)
    makers: dict[str, Callable[[], Test]] = {
        "short": lambda: Test(
            "short", Seconds(), config.shortest, "below", "the shorter of picture and sound, in seconds"
        ),
        "silence": lambda: Test(
            "silence", Level(), config.silence, "below",
            "gated loudness of the whole clip (BS.1770); a clip that is silent but for one sound stays",
        ),
        "off-screen": lambda: Test(
            "off-screen", SeenPlace("embedded_seen_place", judges.placing()), config.off_screen, "below",
            "whether something that moves as sounding things do is where the sound comes from (embedded_seen_place, "
            "learned from stage scenes); nothing of that kind in sight counts as off screen; mono sound comes from "
            "the middle",
            unknown="goes",
        ),
        "unseen-onsets": lambda: Test(
            "unseen-onsets", SeenOnsets(), config.unseen_onsets, "below",
            "whether sound begins when something begins to move (as proxy_sync, no weights); it cannot tell what "
            "steadily sounds",
        ),
        "speech": lambda: _heard("speech", judges, weights, SPEECH, SPOKEN, config.speech, TALKING),
        "music": lambda: _heard("music", judges, weights, MUSIC, PLAYED, config.music, PLAYING),
        "voice": lambda: Test(
            "voice", Voiced(), config.voice, "above",
            "gliding pitch in the rhythm of syllables (proxy_voice, no weights); misses crowds and voices under other "
            "sounds, takes some animals for voices",
            frozenset(TALKING),
        ),
    }  # fmt: skip
    return [makers[name]() for name in config.filters if name in makers]


def _heard(
    name: str, judges: Judges, weights: Mapping[str, Path], number: int, classes: tuple[str, ...], limit: float,
    exempt: set[str],
) -> Test:  # fmt: skip
    if "PANNs" in weights:
        metric = Share(f"PANNs {name}", judges.embedding("PANNs"), (number,))
        sees = f"PANNs' class {name!r} of AudioSet, as a share of all it hears"
        return Test(name, metric, limit, "above", sees, frozenset(exempt))
    known = load_classifier().class_names
    metric = Share(f"embedded {name}", judges.embedding("embedded"), tuple(known.index(c) for c in classes))
    sees = (
        f"the embedded classifier's classes {', '.join(classes)} only; give --weights PANNs=FILE for a judge that "
        f"knows {name} as such"
    )
    return Test(name, metric, limit, "above", sees, frozenset(exempt))

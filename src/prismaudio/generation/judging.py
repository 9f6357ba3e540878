"""Who judges, and what of a film they see: from names to a panel, and from a video to a case."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from prismaudio.backends.availability import available
from prismaudio.backends.base import Sounds
from prismaudio.backends.embedded.interaural import InterauralJudge
from prismaudio.backends.embedded.judges import load_cleanness, load_offset, load_seen_place, load_words
from prismaudio.backends.embedded.senses import Senses
from prismaudio.backends.pretrained.audiobox import HUB_ID as AUDIOBOX
from prismaudio.backends.pretrained.audiobox import AudioboxJudge
from prismaudio.backends.pretrained.laion_clap import HUB_ID as LAION_CLAP
from prismaudio.backends.pretrained.laion_clap import TOKENIZER_ID as ROBERTA
from prismaudio.backends.pretrained.laion_clap import LaionCLAPJudge
from prismaudio.backends.pretrained.msclap import HUB_ID as MS_CLAP
from prismaudio.backends.pretrained.msclap import MSCLAPJudge
from prismaudio.backends.pretrained.msclap_text import HUB_ID as GPT2
from prismaudio.backends.pretrained.stereocrw import StereoCRWJudge
from prismaudio.backends.pretrained.synchformer_judge import HUB_ID as SYNCHFORMER
from prismaudio.backends.pretrained.synchformer_judge import SynchformerJudge
from prismaudio.config import Config
from prismaudio.dimensions.plan import DIMENSIONS, Plan
from prismaudio.dimensions.rewards import (
    Case,
    PublishedPlaceReward,
    QualityReward,
    ReferenceReward,
    Reward,
    Scaling,
    SeenPlaceReward,
    TimeReward,
    WordsReward,
)
from prismaudio.dimensions.scoring import Panel, Weights
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.generation.loading import assets
from prismaudio.generation.pictures import Film
from prismaudio.media.loudness import TARGET_LUFS, normalise
from prismaudio.media.preprocess import View
from prismaudio.types import Audio, Frames

KNOWN = {  # by dimension; "off" asks nobody
    "semantic": ("embedded", "ms-clap", "laion-clap", "off"),
    "temporal": ("embedded", "synchformer", "off"),
    "aesthetic": ("embedded", "audiobox", "off"),
    "spatial": ("embedded", "gcc", "gcc+ild", "crw", "off"),
}
WEIGHTLESS = ("gcc", "gcc+ild", "off")


class NoJudge(PrismAudioError):
    """A judge who was not asked, or who needs what was not given."""


class Judges(Config):
    """Who judges each dimension: a name of `KNOWN`, and after a colon where its weights are."""

    semantic: str = "embedded"
    temporal: str = "embedded"
    aesthetic: str = "embedded"
    spatial: str = "embedded"
    scaling: Scaling = "unit"
    whole_text: bool = False  # ask the judge of words with all four thoughts
    device: str = "cpu"  # of the published ones


EMBEDDED = Judges()
PUBLISHED = Judges(semantic="ms-clap", temporal="synchformer", aesthetic="audiobox", spatial="gcc")
PANELS = {"embedded": EMBEDDED, "published": PUBLISHED}


def judges_named(
    panel: str, changes: Sequence[str] = (), *, scaling: str = "unit", device: str = "cpu"
) -> Judges:
    """panel: "embedded" or "published"; changes: "semantic=ms-clap:FILE" and so on, instead of its own judge."""
    if panel not in PANELS:
        raise UnknownChoice("panel of judges", panel, list(PANELS))
    instead = {}
    for change in changes:
        dimension, equals, wanted = (part.strip() for part in change.partition("="))
        if not equals:
            raise NoJudge(f"a judge {change!r} has no '='; write semantic=ms-clap, or temporal=off")
        if dimension not in DIMENSIONS:
            raise UnknownChoice("dimension", dimension, DIMENSIONS)
        instead[dimension] = wanted
    asked = PANELS[panel].model_dump() | instead | {"scaling": scaling, "device": device}
    return Judges.parse(asked, source="judges")


def weights_of(text: str) -> Weights:
    """'semantic=1,temporal=.6': how much dimensions count; those that are not named as they are by default."""
    return Weights.resolve(overrides=[part for part in text.split(",") if part.strip()], option="--weights")


class _Seeing(NamedTuple):
    """What judges share who look at films."""

    senses: Senses  # of the embedded judges
    films: Path | None


def choose_panel(judges: Judges = EMBEDDED, films: Path | None = None) -> Panel:
    """A judge who cannot be had is `NotAvailable` in the panel; an unknown name is an error.

    films: a folder that keeps what slow judges saw of films, for who judges sounds of many films again and again.
    """
    seeing = _Seeing(Senses(), films)
    builders = {
        dimension: _builder(dimension, getattr(judges, dimension), judges, seeing) for dimension in DIMENSIONS
    }
    members = {dimension: available(dimension, build) for dimension, build in builders.items()}
    return Panel(members, judges.scaling)


def _builder(dimension: str, wanted: str, judges: Judges, seeing: _Seeing) -> Callable[[], Reward]:
    kind, _, where = (part.strip() for part in wanted.partition(":"))
    if kind not in KNOWN[dimension]:
        raise UnknownChoice(f"judge of the {dimension} dimension", kind, KNOWN[dimension])
    if where and kind in WEIGHTLESS:
        raise NoJudge(f"{dimension}={wanted}: {kind} takes no weights; write {dimension}={kind}")
    if kind == "off":
        return _nobody
    make = {"semantic": _words, "temporal": _time, "aesthetic": _quality, "spatial": _place}[dimension]
    return lambda: make(kind, where, judges, seeing)


def _nobody() -> Reward:
    raise NoJudge("nobody was asked")


def _words(kind: str, where: str, judges: Judges, seeing: _Seeing) -> Reward:
    match kind:
        case "ms-clap":
            words = _beside(where, GPT2)
            judge = MSCLAPJudge.from_pretrained(where or MS_CLAP, words, device=judges.device)
            return WordsReward(judge, judges.scaling, whole=judges.whole_text)
        case "laion-clap":
            words = _beside(where, ROBERTA)
            other = LaionCLAPJudge.from_pretrained(where or LAION_CLAP, words, device=judges.device)
            return WordsReward(other, judges.scaling, whole=judges.whole_text)
        case _:
            return WordsReward(load_words(_folder(where)), judges.scaling, whole=judges.whole_text)


def _time(kind: str, where: str, judges: Judges, seeing: _Seeing) -> Reward:
    if kind == "synchformer":
        judge = SynchformerJudge.from_pretrained(where or SYNCHFORMER, judges.device, seeing.films)
        return TimeReward(judge, judges.scaling)
    return TimeReward(load_offset(_folder(where), seeing.senses), judges.scaling)


def _quality(kind: str, where: str, judges: Judges, seeing: _Seeing) -> Reward:
    if kind == "audiobox":
        judge = AudioboxJudge.from_pretrained(where or AUDIOBOX, device=judges.device)
        return QualityReward(judge, judges.scaling)
    return QualityReward(load_cleanness(_folder(where), seeing.senses), judges.scaling)


def _place(kind: str, where: str, judges: Judges, seeing: _Seeing) -> Reward:
    match kind:
        case "crw":
            if not where:
                raise NoJudge("StereoCRW has no public weights any more; write crw:FILE, or use gcc")
            crw = StereoCRWJudge.from_file(Path(where), device=judges.device)
            if judges.scaling == "published":
                return PublishedPlaceReward(InterauralJudge(), crw)
            return ReferenceReward(crw)
        case "gcc":
            gcc = InterauralJudge("delay")
            return PublishedPlaceReward(gcc) if judges.scaling == "published" else ReferenceReward(gcc)
        case _ if judges.scaling == "published":
            raise NoJudge(f"the published scaling reads delays, not what {kind} says; use gcc or crw:FILE")
        case "gcc+ild":
            return ReferenceReward(InterauralJudge("both"))
        case _:
            return SeenPlaceReward(load_seen_place(_folder(where), seeing.senses))


def _beside(where: str, tokenizer: str) -> str | Path:
    """The tokenizer in the folder of the weights, if one is there; else the published one."""
    folder = Path(where) if Path(where).is_dir() else Path(where).parent
    return folder if where and (folder / "vocab.json").is_file() else tokenizer


def _folder(where: str) -> Path:
    return Path(where) if where else assets()


def case_of(panel: Panel, film: Film, plan: Plan, seconds: float, reference: Audio | None = None) -> Case:
    """The film's first `seconds` in all views of the panel, decoded once."""
    views = views_of(film, panel.views, seconds)
    return Case(plan, views, None if reference is None else levelled([reference]))


def views_of(film: Film, views: Sequence[View], seconds: float) -> dict[View, Frames]:
    """The film's first `seconds` in every view, decoded once."""
    names = {str(number): view for number, view in enumerate(views)}
    parts: dict[str, list[Frames]] = {name: [] for name in names}
    if names:
        for chunk in film.watch(names, seconds):
            for name in names:
                parts[name].append(chunk.frames[name])
    return {names[name]: joined(stretches) for name, stretches in parts.items()}


def joined(parts: Sequence[Frames]) -> Frames:
    """Stretches of one film, one after the other."""
    return Frames(np.concatenate([part.images for part in parts]), parts[0].fps)


def levelled(sounds: Sequence[Audio], loudness: float = TARGET_LUFS) -> Sounds:
    """Sounds of one length, each brought to one loudness for itself, so that no judge likes one for its level."""
    return Sounds.together([normalise(sound, loudness).audio for sound in sounds])

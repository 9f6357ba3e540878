"""Make a listening test: a folder to hand to raters, and a key to keep from them."""

import json
import math
import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

from pydantic import Field, PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.errors import CannotWrite, PrismAudioError
from prismaudio.evaluation.listening.design import Item, Trial, orders
from prismaudio.evaluation.listening.stimuli import (
    ANCHOR,
    REFERENCE,
    Sources,
    Stimulus,
    common_clips,
    conditions_of,
    file_of_video,
    opaque,
    source_audio,
    write_checks,
    write_stimulus,
)
from prismaudio.media.loudness import TARGET_LUFS

Kind = Literal["mos-q", "mos-c", "ab"]
QUESTIONS: dict[Kind, str] = {
    "mos-q": "How good is the quality of this sound? Judge how natural and clean it is, not whether you like it.",
    "mos-c": "How well does the sound fit the film: what sounds, when, and from where?",
    "ab": "Which of the two do you prefer?",
}
OFF_LEVEL = 1.0  # LU from the target that are worth telling


class BadTest(PrismAudioError):
    """A listening test that cannot be made as it was asked for."""


class ListeningConfig(Config):
    """What kind of test, and how large."""

    kind: Kind = "mos-q"
    title: str = "Listening test"
    raters: PositiveInt = Field(24, description="orders that are prepared; more raters need another test")
    clips: PositiveInt | None = Field(None, description="how many, drawn at random; default: all")
    clips_per_rater: PositiveInt | None = None
    headphones: bool = Field(True, description="raters must tell left from right first")
    seed: int = 0


class KeyItem(Config):
    """What an item of the page really is."""

    clip: str
    conditions: tuple[str, ...]
    loudness: tuple[float | None, ...]  # LUFS; None: silence
    true_peak: tuple[float | None, ...]  # dBTP


class Key(Config):
    """The secret of a test; without it no answer can be read."""

    format: Literal["prismaudio-listening-key/1"] = "prismaudio-listening-key/1"
    test: str
    kind: Kind
    conditions: tuple[str, ...]
    items: dict[str, KeyItem]
    settings: ListeningConfig

    @classmethod
    def load(cls, path: Path) -> "Key":
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise BadTest(f"{path} is no key of 'prismaudio listen make': {reason}") from error


class Made(NamedTuple):
    page: Path
    key: Path
    clips: int
    conditions: list[str]
    off_level: list[str]  # stimuli that could not be brought to the loudness, as "clip condition"


def make_test(sources: Sources, config: ListeningConfig, folder: Path) -> Made:
    """folder/page is for raters, folder/key.json is not. Written beside first, so it appears whole."""
    check(sources, config, folder)
    pairs = config.kind == "ab"
    clips = common_clips(sources, config.clips, config.seed)
    conditions = conditions_of([*sources.systems], pairs=pairs, reference=sources.references is not None)
    plan = orders(
        clips, conditions, raters=config.raters, pairs=pairs,
        clips_per_rater=config.clips_per_rater, seed=config.seed,
    )  # fmt: skip
    beside = folder.resolve().with_name(f".prismaudio-{uuid4().hex[:12]}")
    media = beside / "page" / "media"
    try:
        media.mkdir(parents=True)
        made = _write_stimuli(sources, clips, conditions, config, media)
        checks = write_checks(media, config.seed) if config.headphones else []
        test = opaque(config.model_dump_json(), *(f"{c} {s.file}" for (c, _), s in made.items()))
        manifest = _manifest(test, config, plan, made, checks)
        _write_page(beside / "page", manifest)
        key = _key(test, config, conditions, plan, made)
        (beside / "key.json").write_text(key.model_dump_json(indent=1) + "\n", encoding="utf-8")
        beside.replace(folder)
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        raise CannotWrite(folder, reason, "choose a new folder") from problem
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    off = [f"{clip} {c}" for (clip, c), s in made.items() if abs(s.loudness - TARGET_LUFS) > OFF_LEVEL]
    return Made(folder / "page" / "index.html", folder / "key.json", len(clips), conditions, off)


def check(sources: Sources, config: ListeningConfig, folder: Path) -> None:
    """Refuse at once what would fail or mislead later."""
    if folder.exists():
        raise CannotWrite(folder, "it exists", "give the name of a new folder")
    if taken := {REFERENCE, ANCHOR} & sources.systems.keys():
        raise BadTest(f"a system is named {', '.join(sorted(taken))}, as a hidden stimulus is; rename it")
    if config.kind == "mos-c" and sources.videos is None:
        raise BadTest("consistency is judged with the film; give --video DIR")
    if config.kind == "mos-q" and sources.videos is not None:
        raise BadTest("quality is judged by the sound alone; leave --video out, or ask for mos-c")
    if config.kind != "ab" and sources.references is None:
        raise BadTest("opinions need a hidden reference to know good raters by; give --gt DIR")
    if len(sources.systems) < (2 if config.kind == "ab" else 1):
        raise BadTest("too few systems; give --system NAME=DIR, twice or more for ab")


def _write_stimuli(
    sources: Sources, clips: Sequence[str], conditions: Sequence[str], config: ListeningConfig, media: Path
) -> dict[tuple[str, str], Stimulus]:
    """(clip, condition) -> its file."""
    made = {}
    for clip in tqdm(clips, desc="stimuli", disable=None):
        video = file_of_video(sources, clip)
        for condition in conditions:
            audio = source_audio(condition, clip, sources, anchor_late=config.kind == "mos-c")
            name = opaque(str(config.seed), config.kind, clip, condition)
            made[clip, condition] = write_stimulus(audio, video, media, name)
    return made


def _item_id(item: Item, test: str) -> str:
    return opaque(test, item.clip, *item.conditions)


def _manifest(
    test: str,
    config: ListeningConfig,
    plan: Sequence[Sequence[Trial]],
    made: dict[tuple[str, str], Stimulus],
    checks: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """What the page knows: files and orders, not what they are."""
    items = {trial.item for trials in plan for trial in trials}
    return {
        "format": "prismaudio-listening-test/1",
        "test": test,
        "kind": config.kind,
        "title": config.title,
        "question": QUESTIONS[config.kind],
        "checks": [{"file": file, "side": side} for file, side in checks],
        "items": {
            _item_id(item, test): [made[item.clip, c].file for c in item.conditions]
            for item in sorted(items, key=lambda item: _item_id(item, test))
        },
        "raters": [
            [{"item": _item_id(trial.item, test), "swapped": trial.swapped} for trial in trials]
            for trials in plan
        ],
    }


def _key(
    test: str,
    config: ListeningConfig,
    conditions: Sequence[str],
    plan: Sequence[Sequence[Trial]],
    made: dict[tuple[str, str], Stimulus],
) -> Key:
    items = {}
    for item in sorted({trial.item for trials in plan for trial in trials}):
        stimuli = [made[item.clip, condition] for condition in item.conditions]
        items[_item_id(item, test)] = KeyItem(
            clip=item.clip,
            conditions=item.conditions,
            loudness=tuple(_level(stimulus.loudness) for stimulus in stimuli),
            true_peak=tuple(_level(stimulus.true_peak) for stimulus in stimuli),
        )
    return Key(test=test, kind=config.kind, conditions=tuple(conditions), items=items, settings=config)


def _level(decibels: float) -> float | None:
    return decibels if math.isfinite(decibels) else None


def _write_page(folder: Path, manifest: dict[str, Any]) -> None:
    """The manifest as a file, and inside the page: a page opened from a disk may not read files."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    page = (files("prismaudio") / "evaluation" / "listening" / "page.html").read_text(encoding="utf-8")
    inside = text.replace("<", "\\u003c")  # nothing in a title can end the script
    (folder / "index.html").write_text(page.replace("MANIFEST", inside), encoding="utf-8")

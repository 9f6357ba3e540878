"""From a manifest to a better one: every clip that goes is named, with the filter, what was measured, and its limit."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from prismaudio.backends.extractor import Extractor
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.canvas.collecting import relative_to
from prismaudio.evaluation.canvas.filters import BuildConfig as BuildConfig
from prismaudio.evaluation.canvas.filters import Test, tests_of
from prismaudio.evaluation.canvas.layout import CUTS, reference_of, video_of
from prismaudio.evaluation.canvas.manifest import Entry, Manifest
from prismaudio.evaluation.canvas.prints import (
    PicturePrint,
    SoundPrint,
    Twins,
    picture_twins,
    print_of,
    sound_twins,
)
from prismaudio.evaluation.report import Saved, aligned
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.clips import Clip
from prismaudio.evaluation.suite.gather import Gathering, Reading, gather
from prismaudio.evaluation.suite.metric import ClipValues, Extracting, Gathered, Role

SEES = {
    "undecodable": "whether all of the picture and of the sound can be read",
    "duplicates": "equal bytes of the video's part, or of the sound; the first clip of the manifest stays",
    "near-duplicates": "fingerprints: most pictures alike, or one recording in both; not mirrored pictures, not other "
    "speeds. Scenes that share a background or a recording are taken for copies",
    "balance": "at most so many single, and so many multi clips of each class, drawn with the seed",
}


class Removed(Config):
    """Why one clip is not in the benchmark."""

    filter: str
    reason: str
    value: float | None = None
    limit: float | None = None


class BuildReport(Saved):
    format: Literal["prismaudio-canvas-build/1"] = "prismaudio-canvas-build/1"
    source: str  # SHA-256 of the manifest it began with
    settings: BuildConfig
    sees: dict[str, str]  # filter -> what it can and cannot see
    before: int
    after: int
    removed: dict[str, Removed]  # clip -> why, the first filter that struck
    classes: dict[str, dict[str, int]]  # event -> class -> clips that stay

    def counts(self) -> dict[str, int]:
        """filter -> clips, of all that were asked."""
        found = Counter(why.filter for why in self.removed.values())
        return {name: found[name] for name in self.sees}

    def table(self) -> str:
        rows = [["filter", "clips out", "what it sees"]]
        rows += [[name, str(count), self.sees[name]] for name, count in self.counts().items()]
        return "\n".join([*aligned(rows), "", f"{self.after} of {self.before} clips stay."])


class Built(NamedTuple):
    manifest: Manifest
    report: BuildReport


class EmptyBenchmark(PrismAudioError):
    """Filters that let nothing through."""


class Fingerprints:
    """The prints of a clip, extracted with everything else."""

    extracts: Mapping[Role, Extractor]

    def __init__(self) -> None:
        self.picture, self.sound = PicturePrint(), SoundPrint()
        self.extracts = {"video": self.picture, "sound": self.sound}


def build_benchmark(
    manifest: Manifest,
    out: Path,
    config: BuildConfig,
    cache: FeatureCache,
    weights: Mapping[str, Path] | None = None,
) -> Built:
    """What the filters let through, in the order it had. Features are kept, so that interrupted work is found again."""
    tests, prints = tests_of(config, weights or {}), Fingerprints()
    wanted: list[Extracting] = [*(test.metric for test in tests), prints]  # so every picture is looked at
    removed: dict[str, Removed] = {}
    clips = list(_clips(manifest, cache.folder / CUTS, removed))
    gathering = gather(tqdm(clips, desc="clips", disable=None), wanted, cache, Reading())
    for name, problem in gathering.problems.items():
        removed[name] = Removed(filter="undecodable", reason=f"{problem.kind}: {problem.detail}")
    entries = {entry.id: entry for entry in manifest.entries}
    for name in config.filters:
        if name == "duplicates":
            _strike(removed, _copies(manifest, gathering, removed))
        elif name == "near-duplicates":
            _strike(removed, _twins(gathering, prints, removed))
        else:
            for test in (test for test in tests if test.name == name):
                _strike(removed, _struck(test, gathering.clips, entries))
    if config.per_class is not None:
        kept = [entry for entry in manifest.entries if entry.id not in removed]
        _strike(removed, _surplus(kept, config.per_class, config.seed))
    stay = [_moved(entry, manifest, out) for entry in manifest.entries if entry.id not in removed]
    if not stay:
        first, why = next(iter(removed.items()), ("", None))
        example = f"; first: {first}: {why.filter}: {why.reason}" if why else ""
        raise EmptyBenchmark(
            f"no clip of {manifest.path} is left{example}; ask for fewer filters or other limits"
        )
    made_by = manifest.head.made_by | {"built_from": manifest.sha256, "filters": ",".join(config.filters)}
    return Built(
        Manifest.of(out, out.stem, stay, truth=manifest.head.truth, made_by=made_by),
        _report(manifest, config, tests, removed, stay),
    )


def _clips(manifest: Manifest, cuts: Path, removed: dict[str, Removed]) -> Iterator[Clip]:
    """Those whose files can be had."""
    for entry in manifest.entries:
        try:
            if entry.audio is None:
                removed[entry.id] = Removed(filter="undecodable", reason="it has no true sound")
                continue
            yield Clip(entry.id, reference_of(manifest, entry, cuts), video=video_of(manifest, entry, cuts))
        except PrismAudioError as problem:
            removed[entry.id] = Removed(filter="undecodable", reason=str(problem))


def _strike(removed: dict[str, Removed], struck: Mapping[str, Removed]) -> None:
    """The first filter that strikes is the one that counts."""
    for name, why in struck.items():
        removed.setdefault(name, why)


def _struck(test: Test, clips: Sequence[Gathered], entries: Mapping[str, Entry]) -> dict[str, Removed]:
    if not clips:
        return {}
    measured = test.metric.measure(clips)
    assert isinstance(measured, ClipValues), test.name
    reasons = measured.reasons or ("",) * len(clips)
    return {
        clip.name: Removed(
            filter=test.name,
            reason=why(test, float(value), reason),
            value=float(value),
            limit=test.limit,
        )
        for clip, value, reason in zip(clips, measured.values, reasons, strict=True)
        if test.strikes(float(value), entries[clip.name])
    }


def why(test: Test, value: float, reason: str) -> str:
    """In words; `reason` is that of a metric which can say nothing."""
    if np.isnan(value):
        return f"{test.metric.name}: {reason or 'nothing can be measured'}"
    return f"{test.metric.name} {value:.3g} {test.metric.unit} is {test.side} {test.limit:g}"


def _copies(manifest: Manifest, gathering: Gathering, removed: Mapping[str, Removed]) -> dict[str, Removed]:
    """Clips of which the same seconds of the same bytes came before."""
    first: dict[tuple[str, str], str] = {}
    struck = {}
    for entry in manifest.entries:
        if entry.id in removed:
            continue
        keys = [("video", f"{entry.sha256} {entry.start} {entry.end}")]
        keys += [("sound", digest)] if (digest := gathering.digests[entry.id].get("sound")) else []
        copied = next(((what, first[what, key]) for what, key in keys if (what, key) in first), None)
        if copied is not None:
            struck[entry.id] = Removed(filter="duplicates", reason=f"the same {copied[0]} as {copied[1]}")
            continue
        first |= dict.fromkeys(keys, entry.id)
    return struck


def _twins(gathering: Gathering, prints: Fingerprints, removed: Mapping[str, Removed]) -> dict[str, Removed]:
    """Of clips that look or sound alike the first stays."""
    clips = [clip for clip in gathering.clips if clip.name not in removed]
    found: list[tuple[str, Twins]] = []
    for what, role, extractor, search in (
        ("pictures", "video", prints.picture, picture_twins),
        ("recording", "sound", prints.sound, sound_twins),
    ):
        own = [print_of(clip.features[role, extractor.identity.name]) for clip in clips]  # type: ignore[index]
        found += [(what, twins) for twins in search(own)]
    struck: dict[str, Removed] = {}
    for what, twins in sorted(found, key=lambda pair: pair[1][:2]):
        kept, gone = clips[twins.first].name, clips[twins.second].name
        if kept in struck or gone in struck:
            continue
        struck[gone] = Removed(
            filter="near-duplicates", reason=f"the same {what} as {kept}", value=round(twins.likeness, 4)
        )
    return struck


def _surplus(entries: Sequence[Entry], most: int, seed: int) -> dict[str, Removed]:
    """Clips beyond `most` of a class, in an order that the seed decides and other clips do not change."""
    taken: Counter[tuple[str | None, str]] = Counter()
    struck = {}
    for entry in sorted(entries, key=lambda e: hashlib.sha256(f"{seed} {e.id}".encode()).digest()):
        keys = [(entry.event, name) for name in entry.classes]
        full = [name for event, name in keys if taken[event, name] >= most]
        if not keys or full:
            reason = f"{most} clips of {full[0]} are there" if full else "it has no class"
            struck[entry.id] = Removed(filter="balance", reason=reason)
        else:
            taken.update(keys)
    return struck


def _moved(entry: Entry, manifest: Manifest, out: Path) -> Entry:
    """With paths relative to where the new manifest lies."""
    paths = {name: getattr(entry, name) for name in ("video", "audio", "plan")}
    moved = {n: relative_to(manifest.file(path), out) for n, path in paths.items() if path is not None}
    return entry.model_copy(update=moved)


def _report(
    manifest: Manifest,
    config: BuildConfig,
    tests: Sequence[Test],
    removed: Mapping[str, Removed],
    stay: Sequence[Entry],
) -> BuildReport:
    told = SEES | {test.name: test.sees for test in tests}
    names = [
        "undecodable",
        *(n for n in config.filters if n != "undecodable"),
        *["balance"] * bool(config.per_class),
    ]
    classes: dict[str, Counter[str]] = {}
    for entry in stay:
        classes.setdefault(entry.event or "unknown", Counter()).update(entry.classes)
    return BuildReport(
        source=manifest.sha256,
        settings=config,
        sees={name: told[name] for name in names},
        before=len(manifest.entries),
        after=len(stay),
        removed={name: removed[name] for name in sorted(removed)},
        classes={event: dict(sorted(counts.items())) for event, counts in sorted(classes.items())},
    )

"""Evaluate a folder of sounds: find, read, extract, measure, and say how sure the figures are."""

import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.evaluation.metrics.paired import bootstrap_means
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.catalogue import choose
from prismaudio.evaluation.suite.clips import Folders, find_clips
from prismaudio.evaluation.suite.gather import Gathering, Reading, extractors, gather
from prismaudio.evaluation.suite.judges import Judges
from prismaudio.evaluation.suite.metric import ClipValues, Gathered, Metric, SetValue
from prismaudio.evaluation.suite.report import (
    ClipRecord,
    Counts,
    ExtractorRecord,
    Figure,
    FolderReport,
    ProblemRecord,
    Protocol,
)
from prismaudio.generation.engine import choose_engine

PACKAGES = ("prismaudio", "torch", "numpy", "scipy", "soxr", "av")
NORMAL_95 = 1.959964  # standard deviations on either side that hold 95 %
SHORT = 0.1  # seconds a clip may end early
FILMS = "films"  # folder within that of the features, for what Synchformer sees


class CoverageTooLow(PrismAudioError):
    """Too many clips could not be measured for the figures to stand for the folder."""


class SuiteConfig(Config):
    """What is measured and how sure it must be."""

    metrics: tuple[str, ...] = ("all",)
    reading: Reading = Reading()
    seed: int = 0
    rounds: PositiveInt = Field(10_000, description="of the bootstrap of values of clips")
    set_rounds: NonNegativeInt = Field(100, description="of that of figures of sets; 0: no intervals")
    min_coverage: NonNegativeFloat = Field(0.99, le=1)
    allow_small: bool = Field(False, description="FD of fewer sounds than features, and its extrapolation")
    device: str = Field("cpu", description="of the published judges")


def evaluate_folder(
    folders: Folders, config: SuiteConfig, cache: FeatureCache, weights: Mapping[str, Path] | None = None
) -> FolderReport:
    """Two calls on the same files give the same report. Clips that cannot be measured are counted with the reason."""
    device = choose_engine(config.device, "float32", "eager").device
    judges = Judges(weights, str(device), cache.folder / FILMS)
    choice = choose(config.metrics, folders, judges, allow_small=config.allow_small)
    found = find_clips(folders)
    bar = tqdm(found.clips, desc="clips", disable=None)
    gathering = gather(bar, choice.metrics, cache, config.reading)
    problems = found.problems | gathering.problems
    measured, figures = {}, {}
    for metric in tqdm(choice.metrics, desc="figures", disable=None):
        found_by_it = measure(metric, gathering.clips)
        measured[metric.name] = found_by_it
        figures[metric.name] = figure_of(metric, found_by_it, len(gathering.clips), config)
    figures |= {name: Figure(reason=reason) for name, reason in choice.unavailable}
    figures = {name: figures[name] for name in choice.names}
    return FolderReport(
        system=folders.sounds.resolve().name,
        protocol=Protocol(reading=config.reading, seed=config.seed, allow_small=config.allow_small),
        rounds={"clips": config.rounds, "sets": config.set_rounds},
        extractors=_records(choice.metrics),
        versions={name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        revision=source_revision(),
        counts=Counts(
            expected=found.expected,
            measured=len(gathering.clips),
            unexpected=len(found.unexpected),
            short=sum(is_short(clip, config.reading) for clip in gathering.clips),
            problems=dict(sorted(Counter(problem.kind for problem in problems.values()).items())),
        ),
        metrics=figures,
        problems={n: ProblemRecord(kind=p.kind, detail=p.detail) for n, p in sorted(problems.items())},
        clips=_clips(gathering, measured),
    )


def check_coverage(report: FolderReport, least: float) -> None:
    """Raise unless enough of the expected clips were measured."""
    if report.counts.coverage < least:
        first = next(iter(report.problems.items()), None)
        example = f"; first: {first[0]}: {first[1].kind}" if first else ""
        raise CoverageTooLow(
            f"only {report.counts.measured} of {report.counts.expected} clips could be measured, "
            f"{least:.1%} are asked for{example}; mend the files, or lower --min-coverage"
        )


def measure(metric: Metric, clips: Sequence[Gathered]) -> ClipValues | SetValue | str:
    """What it gives, or why it gives nothing."""
    if not clips:
        return "no clip could be measured"
    try:
        measured = metric.measure(clips)
        if isinstance(measured, SetValue):
            measured.statistic(np.arange(len(clips)))  # what it refuses, it refuses now
        return measured
    except PrismAudioError as problem:
        return str(problem)


def figure_of(
    metric: Metric, measured: ClipValues | SetValue | str, clips: int, config: SuiteConfig
) -> Figure:
    """The figure with its interval over clips."""
    named = Figure(
        unit=metric.unit,
        better=metric.better,
        extracts={role: extractor.identity.name for role, extractor in metric.extracts.items()},
    )
    if isinstance(measured, str):
        return named.model_copy(update={"reason": measured})
    if isinstance(measured, SetValue):
        interval = set_interval(measured, clips, config.set_rounds, config.seed)
        return named.model_copy(update=_parts(interval) | {"clips": clips, "note": measured.note})
    known = measured.values[~np.isnan(measured.values)]
    if not len(known):
        return named.model_copy(update={"reason": next(iter(measured.reasons), "no clip has a value")})
    return named.model_copy(
        update=_parts(mean_interval(known, config)) | {"clips": len(known), "note": measured.note}
    )


def mean_interval(values: NDArray[np.float64], config: SuiteConfig) -> Interval:
    """(N,) -> the mean and its percentile interval."""
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    low, high = np.quantile(bootstrap_means(values, config.rounds, config.seed), [0.025, 0.975])
    return Interval(mean, float(low), float(high))


def set_interval(measured: SetValue, clips: int, rounds: int, seed: int) -> Interval:
    """The figure, and 1.96 standard deviations of the bootstrap on either side.

    Not the percentiles: a clip that is drawn twice makes a set look less varied, which shifts all rounds alike.
    """
    value = measured.statistic(np.arange(clips))
    rng = np.random.default_rng(seed)
    draws = [measured.statistic(rng.integers(clips, size=clips)) for _ in range(rounds)]
    if len(draws) < 2:
        return Interval(value, np.nan, np.nan)
    reach = NORMAL_95 * float(np.std(draws, ddof=1))
    return Interval(value, value - reach, value + reach)


def is_short(clip: Gathered, reading: Reading) -> bool:
    seconds = float(clip.features["sound", "basics"]["seconds"])
    return reading.seconds is not None and seconds < reading.seconds - SHORT


def source_revision() -> str | None:
    """Of the checkout this program runs from; None for an installed package."""
    try:
        run = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip() or None


def _parts(interval: Interval) -> dict[str, float | None]:
    return {name: None if np.isnan(x) else x for name, x in interval._asdict().items()}


def _records(metrics: Sequence[Metric]) -> dict[str, ExtractorRecord]:
    identities = {e.identity for by_name in extractors(metrics).values() for e in by_name.values()}
    return {i.name: ExtractorRecord(version=i.version, digest=i.digest) for i in sorted(identities)}


def _clips(
    gathering: Gathering, measured: Mapping[str, ClipValues | SetValue | str]
) -> dict[str, ClipRecord]:
    """Every clip's values of the metrics that have some."""
    values = {name: found for name, found in measured.items() if isinstance(found, ClipValues)}
    records = {}
    for number, gathered in enumerate(gathering.clips):
        own = {name: float(found.values[number]) for name, found in values.items()}
        records[gathered.name] = ClipRecord(
            files=gathering.digests[gathered.name],
            text=gathered.text,
            seconds=float(gathered.features["sound", "basics"]["seconds"]),
            values={name: None if np.isnan(value) else value for name, value in own.items()},
            reasons={name: values[name].reasons[number] for name, value in own.items() if np.isnan(value)},
        )
    return records

"""Judge the sounds of any systems on a benchmark: all clips, single and multi events, every class.

Which metrics there are, how files are read and how figures are drawn is the suite's business (`evaluation.suite`).
"""

import platform
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.canvas.columns import fill, wanted_metrics
from prismaudio.evaluation.canvas.layout import Laid
from prismaudio.evaluation.canvas.manifest import Manifest, TextKind
from prismaudio.evaluation.canvas.opinions import Opinions, unknown_systems
from prismaudio.evaluation.canvas.report import (
    ALL,
    CLASS,
    GROUPS,
    ITSELF,
    BenchmarkReport,
    GroupReport,
    RunProtocol,
    SystemRecord,
)
from prismaudio.evaluation.canvas.truth import MEASURES, score_sounds, truth_figures
from prismaudio.evaluation.scores import SceneScores
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.catalogue import Choice, choose, names
from prismaudio.evaluation.suite.clips import Folders, Found, Problem, find_clips
from prismaudio.evaluation.suite.gather import Gathering, Reading, extractors, gather
from prismaudio.evaluation.suite.judges import Judges
from prismaudio.evaluation.suite.metric import ClipValues, Metric, SetValue
from prismaudio.evaluation.suite.report import Counts, ExtractorRecord, Figure, ProblemRecord
from prismaudio.evaluation.suite.run import (
    PACKAGES,
    SuiteConfig,
    figure_of,
    is_short,
    measure,
    source_revision,
)

REFERENCE = "reference"  # the row of the true sounds


class RunConfig(Config):
    """What is measured, of how much, and how sure the figures are."""

    metrics: tuple[str, ...] = Field((), description="besides those of the columns")
    text: TextKind = "caption"
    reading: Reading = Reading()
    seed: NonNegativeInt = 0
    rounds: PositiveInt = 10_000
    set_rounds: NonNegativeInt = 100
    min_coverage: NonNegativeFloat = Field(0.99, le=1)
    allow_small: bool = False
    classes: bool = True

    @property
    def suite(self) -> SuiteConfig:
        return SuiteConfig(
            reading=self.reading, seed=self.seed, rounds=self.rounds, set_rounds=self.set_rounds,
            min_coverage=self.min_coverage, allow_small=self.allow_small,
        )  # fmt: skip


class LowCoverage(PrismAudioError):
    """Too few clips of a benchmark were measured for the figures to stand for it."""


@dataclass(frozen=True)
class System:
    """Sounds named by the clips' ids, whoever made them."""

    name: str
    sounds: Path
    made_by: Mapping[str, str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)


def run_benchmark(
    manifest: Manifest,
    laid: Laid,
    systems: Sequence[System],
    config: RunConfig,
    cache: FeatureCache,
    *,
    judges: Judges | None = None,
    opinions: Mapping[str, Opinions] | None = None,
) -> BenchmarkReport:
    """Two calls on the same files give the same report."""
    opinions, judges = opinions or {}, judges or Judges()
    metrics = wanted_metrics(names(), config.metrics)
    judged = [_Judged(manifest, laid, system, metrics, config, cache, judges) for system in systems]
    records = tuple(one.record(opinions) for one in judged)
    unheard = unknown_systems(opinions, [system.name for system in systems])
    reasons = {name: f"raters heard none of these systems; the test has {', '.join(opinions[name].key.conditions)}"
               for name in unheard}  # fmt: skip
    figures = _best_known([record.groups[ALL].figures for record in records])
    return BenchmarkReport(
        benchmark=manifest.head,
        manifest_sha256=manifest.sha256,
        expected={name: len(ids) for name, ids in groups(manifest, classes=config.classes).items()},
        columns=tuple(fill(figures, {name: reasons.get(name, "") for name in opinions}, config.metrics)),
        truth=tuple(MEASURES) if manifest.head.truth else (),
        systems=records,
        protocol=RunProtocol.model_validate(
            config.model_dump(include={"text", "reading", "seed", "rounds", "set_rounds", "allow_small"})
        ),
        extractors=_extractors([metric for one in judged for metric in one.choice.metrics]),
        versions={name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        revision=source_revision(),
        notes=laid.notes,
    )


def check_coverage(report: BenchmarkReport, least: float) -> None:
    """Raise unless enough of the benchmark's clips were measured, of every system."""
    for system in report.systems:
        if system.counts.coverage < least:
            first = next(iter(system.problems.items()), None)
            example = f"; first: {first[0]}: {first[1].kind}" if first else ""
            raise LowCoverage(
                f"only {system.counts.measured} of {system.counts.expected} clips of {system.name} could be measured, "
                f"{least:.1%} are asked for{example}; mend the files, or lower --min-coverage"
            )


def groups(manifest: Manifest, *, classes: bool = True) -> dict[str, set[str]]:
    """group -> ids; a clip of several classes counts in each."""
    found: dict[str, set[str]] = {name: set() for name in GROUPS}
    for entry in manifest.entries:
        own = [ALL, *([entry.event] if entry.event else [])]
        own += [CLASS + name for name in entry.classes] if classes else []
        for name in own:
            found.setdefault(name, set()).add(entry.id)
    return {name: found[name] for name in (*GROUPS, *sorted(found.keys() - set(GROUPS)))}


class _Judged:
    """One system on its way from files to figures."""

    def __init__(
        self, manifest: Manifest, laid: Laid, system: System, metrics: Sequence[str], config: RunConfig,
        cache: FeatureCache, judges: Judges,
    ) -> None:  # fmt: skip
        self.manifest, self.system, self.config = manifest, system, config
        folders = Folders(system.sounds, laid.references, laid.videos, laid.texts)
        self.choice: Choice = choose(metrics, folders, judges, allow_small=config.allow_small)
        self.found: Found = find_clips(folders)
        bar = tqdm(self.found.clips, desc=system.name, disable=None)
        self.gathering: Gathering = gather(bar, self.choice.metrics, cache, config.reading)
        sounds = {clip.name: clip.sound for clip in self.found.clips}
        self.scores = score_sounds(manifest, sounds) if manifest.head.truth else None

    def record(self, opinions: Mapping[str, Opinions]) -> SystemRecord:
        problems = self.found.problems | self.gathering.problems
        expected = {entry.id for entry in self.manifest.entries}
        for name in expected - problems.keys() - {clip.name for clip in self.gathering.clips}:
            problems[name] = Problem("video missing", "its file is not where the manifest says")
        return SystemRecord(
            name=self.system.name,
            made_by=dict(self.system.made_by),
            counts=Counts(
                expected=len(expected),
                measured=len(self.gathering.clips),
                unexpected=len(self.found.unexpected),
                short=sum(is_short(clip, self.config.reading) for clip in self.gathering.clips),
                problems=dict(sorted(Counter(problem.kind for problem in problems.values()).items())),
            ),
            problems={n: ProblemRecord(kind=p.kind, detail=p.detail) for n, p in sorted(problems.items())},
            failures=dict(self.system.failures),
            groups={
                name: self.group(name, ids, opinions)
                for name, ids in groups(self.manifest, classes=self.config.classes).items()
            },
            clips=self.values(),
        )

    def group(self, name: str, ids: Collection[str], opinions: Mapping[str, Opinions]) -> GroupReport:
        clips = [clip for clip in self.gathering.clips if clip.name in ids]
        figures: dict[str, Figure] = {}
        for metric in self.choice.metrics:
            figures[metric.name] = self.figure(metric, name, ids)
        figures |= {name: Figure(reason=reason) for name, reason in self.choice.unavailable}
        if self.scores is not None:
            figures |= truth_figures(self._scores(ids), self.config.seed)
        for column, test in opinions.items():
            rated = test.figures(ids, self.config.seed)
            figures[column] = rated.get(self.system.name, Figure(reason="no rater heard these clips"))
        return GroupReport(clips=len(clips), figures=figures)

    def figure(self, metric: Metric, group: str, ids: Collection[str]) -> Figure:
        clips = [clip for clip in self.gathering.clips if clip.name in ids]
        if self.system.name == REFERENCE and "reference" in metric.extracts:
            return figure_of(metric, ITSELF, 0, self.config.suite)
        measured: ClipValues | SetValue | str = measure(metric, clips)
        if group.startswith(CLASS) and isinstance(measured, SetValue):
            measured = "a figure of a set; one class has too few clips"
        return figure_of(metric, measured, len(clips), self.config.suite)

    def values(self) -> dict[str, dict[str, float | None]]:
        """clip -> metric -> value, of the metrics that have one a clip."""
        found: dict[str, dict[str, float | None]] = {clip.name: {} for clip in self.gathering.clips}
        for metric in self.choice.metrics:
            measured = measure(metric, self.gathering.clips)
            if isinstance(measured, ClipValues):
                for clip, value in zip(self.gathering.clips, measured.values, strict=True):
                    found[clip.name][metric.name] = None if np.isnan(value) else float(value)
        return found

    def _scores(self, ids: Collection[str]) -> list[SceneScores]:
        return [score for name, score in (self.scores or {}).items() if name in ids]


def _best_known(figures: Sequence[Mapping[str, Figure]]) -> dict[str, Figure]:
    """metric -> the figure of the first system that has it: a judge that heard any of them fills its column."""
    found: dict[str, Figure] = {}
    for by_name in figures:
        for name, figure in by_name.items():
            if name not in found or (found[name].reason and not figure.reason):
                found[name] = figure
    return found


def _extractors(metrics: Sequence[Metric]) -> dict[str, ExtractorRecord]:
    identities = {e.identity for by_name in extractors(metrics).values() for e in by_name.values()}
    return {i.name: ExtractorRecord(version=i.version, digest=i.digest) for i in sorted(identities)}

"""Is one system better than another? The same clips of both, the same protocol, and p for every figure.

Shapes: N clips.
"""

from typing import Any

import numpy as np

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.evaluation.metrics.paired import (
    ROUNDS,
    Difference,
    holm,
    paired_means,
    paired_statistics,
)
from prismaudio.evaluation.report import Saved
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.catalogue import of_set
from prismaudio.evaluation.suite.metric import Gathered, Metric, Role, SetValue
from prismaudio.evaluation.suite.report import ClipRecord, Figure, FolderReport
from prismaudio.types import Audio

SET_ROUNDS = 200


class ProtocolsDiffer(PrismAudioError):
    """Two evaluations that were not made alike."""


class Unknown(PrismAudioError):
    """A comparison for which something is no longer there."""


class Compared(Config):
    """The second system minus the first."""

    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None  # that there is no difference
    p_holm: float | None = None  # the same, as so many figures are tested at once
    clips: int = 0
    better: str = ""
    reason: str = ""  # why it cannot be compared


class Comparison(Saved):
    first: str
    second: str
    clips: int  # that both have
    metrics: dict[str, Compared]

    def table(self) -> str:
        rows = [["metric", f"{self.second} - {self.first}", "95 % interval", "p", "p (Holm)", "better", "N"]]
        for name, found in self.metrics.items():
            if found.difference is None:
                rows.append([name, "n/a", found.reason, "", "", "", ""])
                continue
            interval = f"[{found.low:+.4g}, {found.high:+.4g}]" if found.low is not None else ""
            chances = ["" if p is None else f"{p:.4f}" for p in (found.p, found.p_holm)]
            figures = [f"{found.difference:+.4g}", interval, *chances]
            rows.append([name, *figures, found.better, str(found.clips)])
        widths = [max(len(row[i]) for row in rows if row[1] != "n/a" or i != 2) for i in range(7)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, "", f"{self.clips} clips that both systems have; paired bootstrap."])


def compare(
    first: FolderReport, second: FolderReport, cache: FeatureCache, *, rounds: int = ROUNDS, seed: int = 0
) -> Comparison:
    """Figures of sets are computed again from the kept features, so that both are drawn over the same clips."""
    check_alike(first, second)
    names = sorted(first.clips.keys() & second.clips.keys())
    if not names:
        raise ProtocolsDiffer("the two evaluations have no clip in common; compare systems on the same clips")
    found = {
        metric: _difference(metric, first, second, names, cache, (rounds, seed))
        for metric in first.metrics
        if metric in second.metrics
    }
    adjusted = holm([np.nan if c.p is None else c.p for c in found.values()])
    return Comparison(
        first=first.system,
        second=second.system,
        clips=len(names),
        metrics={
            name: c.model_copy(update={"p_holm": None if np.isnan(p) else p})
            for (name, c), p in zip(found.items(), adjusted, strict=True)
        },
    )


def check_alike(first: FolderReport, second: FolderReport) -> None:
    """Raise and name what differs: how files were read, by what they were judged, what they were compared with."""
    differ = []
    one, other = (_flat(report.protocol.model_dump()) for report in (first, second))
    differ += [f"{key} is {one[key]} and {other[key]}" for key in one if one[key] != other[key]]
    for name in sorted(first.extractors.keys() & second.extractors.keys()):
        if first.extractors[name] != second.extractors[name]:
            differ.append(f"the extractor {name} is not the same")
    for what in ("reference", "video", "text"):
        changed = [
            clip
            for clip in sorted(first.clips.keys() & second.clips.keys())
            if _beside(first.clips[clip], what) != _beside(second.clips[clip], what)
        ]
        if changed:
            differ.append(f"the {what} of {len(changed)} clips is not the same ({changed[0]})")
    if differ:
        raise ProtocolsDiffer(
            f"cannot compare {first.system} and {second.system}: {'; '.join(differ)}; "
            "evaluate both in the same way"
        )


def _beside(clip: ClipRecord, what: str) -> str | None:
    """What a sound was judged beside, by its content."""
    return clip.text if what == "text" else clip.files.get(what)  # type: ignore[call-overload]  # a role


def _difference(
    metric: str,
    first: FolderReport,
    second: FolderReport,
    names: list[str],
    cache: FeatureCache,
    chance: tuple[int, int],
) -> Compared:
    """chance: rounds and seed."""
    figures = first.metrics[metric], second.metrics[metric]
    absent = next((f.reason for f in figures if f.reason), "")
    if absent:
        return Compared(reason=absent)
    values = [[report.clips[name].values.get(metric, np.nan) for name in names] for report in (first, second)]
    if any(metric in report.clips[name].values for report in (first, second) for name in names):
        one, other = ([np.nan if v is None else v for v in column] for column in values)
        return _compared(paired_means(one, other, *chance), figures[0])
    try:
        sets = [_statistic(metric, report, names, cache) for report in (first, second)]
    except PrismAudioError as problem:
        return Compared(reason=str(problem))
    rounds, seed = min(chance[0], SET_ROUNDS), chance[1]
    return _compared(
        paired_statistics(sets[0].statistic, sets[1].statistic, len(names), rounds, seed), figures[0]
    )


def _statistic(metric: str, report: FolderReport, names: list[str], cache: FeatureCache) -> SetValue:
    """The figure of a set as a function of clips, from features that an evaluation has kept."""
    figure = report.metrics[metric]
    again = _recorded(metric, report, figure)
    reading = report.protocol.reading
    clips = []
    for name in names:
        features: dict[tuple[Role, str], Tensors] = {}
        for role, extractor in again.extracts.items():
            digest = report.clips[name].files[role]
            kept = cache.load(digest, extractor.identity, reading.key(role))
            if kept is None:
                raise Unknown(f"the features of {name} are not kept any more; evaluate it again")
            features[role, extractor.identity.name] = kept
        clips.append(Gathered(name, None, features))
    measured = again.measure(clips)
    assert isinstance(measured, SetValue)
    return measured


def _recorded(metric: str, report: FolderReport, figure: Figure) -> Metric:
    """The metric that made a figure, without its network."""
    name = next(iter(figure.extracts.values()))
    extractor = Recorded(Identity(name, **report.extractors[name].model_dump()))
    found = of_set(metric, extractor, allow_small=report.protocol.allow_small)
    if found is None:
        raise Unknown(f"{metric} is a figure of a set that this program cannot compute again")
    return found


class Recorded:
    """An extractor of which only the kept features are needed."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def extract(self, audio: Audio) -> Tensors:
        raise Unknown(f"{self.identity.name} is not loaded; its features are read, not computed")


def _compared(found: Difference, figure: Figure) -> Compared:
    interval: Interval = found.interval
    numbers = interval._asdict() | {"p": found.p}
    known = {name: None if np.isnan(number) else float(number) for name, number in numbers.items()}
    return Compared(
        difference=known["value"],
        low=known["low"],
        high=known["high"],
        p=known["p"],
        clips=found.clips,
        better=figure.better,
        reason="" if known["value"] is not None else "no clip has a value in both",
    )


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": v for inner, v in _flat(value).items()}
        else:
            flat[key] = value
    return flat

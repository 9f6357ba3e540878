"""What an evaluation of folders found: figures, every clip's values, counts, and all that is needed to repeat it."""

import csv
import io
import math
from pathlib import Path
from typing import Literal, NamedTuple

from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.metrics.bootstrap import Interval
from prismaudio.evaluation.report import Saved
from prismaudio.evaluation.suite.gather import Reading
from prismaudio.evaluation.suite.metric import Better, Role
from prismaudio.media.files import replacing

DIGITS = 12  # of a digest, in a table


class BadReport(PrismAudioError):
    """A file that is no evaluation of folders."""


class Figure(Config):
    """One metric over all clips; without a value it says why."""

    value: float | None = None
    low: float | None = None  # 95 % interval over clips
    high: float | None = None
    clips: int = 0  # that have a value
    unit: str = ""
    better: Better = ""
    note: str = ""
    reason: str = ""  # why there is no value
    extracts: dict[Role, str] = {}  # role -> extractor

    @property
    def interval(self) -> Interval:
        return Interval(*(math.nan if x is None else x for x in (self.value, self.low, self.high)))


class ExtractorRecord(Config):
    version: str
    digest: str


class ClipRecord(Config):
    """One clip that was measured."""

    files: dict[Role, str]  # role -> SHA-256
    text: str | None = None
    seconds: float
    values: dict[str, float | None]  # metric -> value; None where it cannot be scored
    reasons: dict[str, str] = {}  # metric -> why not


class ProblemRecord(Config):
    kind: str
    detail: str


class Counts(Config):
    expected: int
    measured: int
    unexpected: int  # sounds that no name asked for
    short: int  # measured ones that end before the seconds that are judged
    problems: dict[str, int]  # kind -> clips

    @property
    def coverage(self) -> float:
        return self.measured / self.expected if self.expected else 0.0


class Protocol(Config):
    """What must be equal for two evaluations to be compared."""

    reading: Reading
    seed: int
    allow_small: bool


class FolderReport(Saved):
    format: Literal["prismaudio-folder-evaluation/1"] = "prismaudio-folder-evaluation/1"
    system: str  # the folder's name
    protocol: Protocol
    rounds: dict[str, int]  # of the bootstrap
    extractors: dict[str, ExtractorRecord]
    versions: dict[str, str]
    revision: str | None  # of this program's source, if it is known
    counts: Counts
    metrics: dict[str, Figure]
    problems: dict[str, ProblemRecord]
    clips: dict[str, ClipRecord]

    @classmethod
    def load(cls, path: Path) -> "FolderReport":
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise BadReport(f"{path} is no report of 'prismaudio evaluate folder': {reason}") from error

    def table(self) -> str:
        """One aligned line per metric, what is n/a by its reason, then the counts."""
        rows = [["metric", "value", "95 % interval", "better", "N", ""]]
        rows += [row_of(name, figure) for name, figure in self.metrics.items() if not figure.reason]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join([*(c.ljust(w) for c, w in zip(r[:5], widths, strict=True)), r[5]]).rstrip()
            for r in rows
        ]
        absent = [f"n/a: {', '.join(names)}: {reason}" for reason, names in self.absent().items()]
        judges = [f"{', '.join(names)}: {judge}" for judge, names in self.judges().items()]
        parts = [lines, judges, absent, [self.summary()]]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def judges(self) -> dict[str, list[str]]:
        """learned judge, its weights and how it is fed -> the metrics that rest on it"""
        found: dict[str, list[str]] = {}
        for metric, figure in self.metrics.items():
            for name in dict.fromkeys(figure.extracts.values()):
                record = self.extractors[name]
                if record.digest and not figure.reason:
                    judge = f"by {name}, weights {record.digest[:DIGITS]}, version {record.version}"
                    found.setdefault(judge, []).append(metric)
        return found

    def absent(self) -> dict[str, list[str]]:
        """reason -> the metrics that have no value for it."""
        found: dict[str, list[str]] = {}
        for name, figure in self.metrics.items():
            if figure.reason:
                found.setdefault(figure.reason, []).append(name)
        return found

    def summary(self) -> str:
        """Counts in words."""
        c = self.counts
        words = [f"{c.measured} of {c.expected} clips measured ({c.coverage:.1%})"]
        words += [f"{count} {kind}" for kind, count in sorted(c.problems.items())]
        words += [f"{c.unexpected} sounds nobody asked for"] * bool(c.unexpected)
        words += [f"{c.short} shorter than {self.protocol.reading.seconds} s"] * bool(c.short)
        return "; ".join(words) + "."

    def save_clips(self, path: Path) -> None:
        """One line per clip, .parquet or .csv: its values, and the content of its files."""
        if path.suffix == ".parquet":
            write_parquet(path, self._columns())
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self._columns()
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        with replacing(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")

    def _columns(self) -> dict[str, list[object]]:
        records = self.clips.values()
        columns: dict[str, list[object]] = {"clip": [*self.clips], "seconds": [r.seconds for r in records]}
        for name in next((r.values for r in records), {}):
            columns[name] = [r.values[name] for r in records]
        for role in next((r.files for r in records), {}):
            columns[f"{role}_sha256"] = [r.files[role] for r in records]
        return columns


class MissingParquet(PrismAudioError):
    """A .parquet file was asked for where it cannot be written."""


def write_parquet(path: Path, columns: dict[str, list[object]]) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingParquet("a .parquet needs pyarrow; pip install pyarrow, or ask for a .csv") from error
    with replacing(path) as temporary:
        parquet.write_table(pyarrow.table(columns), temporary)


def clips_path(report: Path) -> Path:
    """Where the table of clips belongs: beside the report, .parquet if it can be written."""
    import importlib.util

    ending = ".parquet" if importlib.util.find_spec("pyarrow") else ".csv"
    return report.with_name(f"{report.stem}.clips{ending}")


class Row(NamedTuple):
    """Parts of a figure as words."""

    value: str
    interval: str


def in_words(figure: Figure) -> Row:
    value, low, high = figure.interval
    if math.isnan(value):
        return Row("n/a", "")
    return Row(f"{value:.4g}", "" if math.isnan(low) else f"[{low:.4g}, {high:.4g}]")


def row_of(name: str, figure: Figure) -> list[str]:
    value, interval = in_words(figure)
    extra = ", ".join(part for part in (figure.unit, figure.note) if part)
    return [name, value, interval, figure.better, str(figure.clips), extra]

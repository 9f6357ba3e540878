"""What a run of a benchmark found: every figure of every system and group, who judged, and what was judged."""

from typing import Literal

from prismaudio.config import Config
from prismaudio.evaluation.canvas.columns import Column
from prismaudio.evaluation.canvas.manifest import Head, TextKind
from prismaudio.evaluation.report import Saved
from prismaudio.evaluation.suite.gather import Reading
from prismaudio.evaluation.suite.report import Counts, ExtractorRecord, Figure, ProblemRecord

ALL, CLASS = "all", "class: "
GROUPS = (ALL, "single", "multi")
ITSELF = "it is the reference itself"  # why a figure against the reference is none for the reference


class GroupReport(Config):
    """One system on some of the clips."""

    clips: int  # that were measured
    figures: dict[str, Figure]  # metric, truth measure or MOS column -> figure


class SystemRecord(Config):
    """One system on all of them."""

    name: str
    made_by: dict[str, str] = {}  # what for -> the model that did it, where this program made the sounds
    counts: Counts
    problems: dict[str, ProblemRecord]
    failures: dict[str, str] = {}  # clip -> why no sound was made
    groups: dict[str, GroupReport]
    clips: dict[str, dict[str, float | None]]  # clip -> metric -> value


class RunProtocol(Config):
    """What must be equal for two runs to be compared."""

    text: TextKind
    reading: Reading
    seed: int
    rounds: int
    set_rounds: int
    allow_small: bool


class BenchmarkReport(Saved):
    format: Literal["prismaudio-canvas-run/1"] = "prismaudio-canvas-run/1"
    benchmark: Head
    manifest_sha256: str
    expected: dict[str, int]  # group -> clips of the manifest
    columns: tuple[Column, ...]  # the paper's, in its order, then others that were asked for
    truth: tuple[str, ...]  # measures against known truth
    systems: tuple[SystemRecord, ...]
    protocol: RunProtocol
    extractors: dict[str, ExtractorRecord]
    versions: dict[str, str]
    revision: str | None
    notes: tuple[str, ...] = ()

"""The columns of the paper's tables, which metrics may fill them, and how a column is headed.

A published judge fills its column if its weights are there; else the embedded one of the same kind, under its own name.
Nothing weightless ever stands in a column of a learned judge (spec rewards.md 4).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prismaudio.config import Config
from prismaudio.evaluation.suite.metric import Better
from prismaudio.evaluation.suite.report import Figure

MOS = {"mos-q": "MOS-Q", "mos-c": "MOS-C"}
WEIGHTS = "@"  # in names of metrics, before that of the weights
ARROW: dict[Better, str] = {"higher": "↑", "lower": "↓", "": ""}


class Slot(NamedTuple):
    """A column, and the metrics that may fill it: the first that can be had does."""

    name: str
    metrics: tuple[str, ...]
    better: Better


SLOTS = (
    Slot("CLAP", ("CLAP_MS", "CLAP_LAION", "embedded_audio_text"), "higher"),
    Slot("DeSync", ("DeSync", "embedded_desync"), "lower"),
    Slot("PQ", ("PQ", "embedded_cleanness"), "higher"),
    Slot("CE", ("CE",), "higher"),
    Slot("GCC", ("GCC-ITD-MSE",), "lower"),
    Slot("CRW", ("CRW",), "lower"),
    Slot("FD", ("FD_VGGish", "FD_PANNs", "FD_PaSST", "FD_embedded"), "lower"),
    Slot("KL", ("KL_PaSST", "KL_PANNs", "KL_embedded"), "lower"),
)


class Column(Config):
    """A column as one report fills it; without a metric it says why."""

    name: str
    metric: str | None = None
    better: Better = ""
    unit: str = ""
    reason: str = ""

    @property
    def head(self) -> str:
        return f"{self.name}{ARROW[self.better]}"

    @property
    def judge(self) -> str:
        return self.metric or "n/a"


def wanted_metrics(known: Sequence[str], more: Sequence[str] = ()) -> tuple[str, ...]:
    """All that may fill a column, and what else was asked for, as far as the suite knows it."""
    asked = [metric for slot in SLOTS for metric in slot.metrics if metric in known]
    return tuple(dict.fromkeys([*asked, *more]))


def fill(
    figures: Mapping[str, Figure], opinions: Mapping[str, str], more: Sequence[str] = ()
) -> list[Column]:
    """figures: over all clips, by metric; opinions: MOS column -> reason, empty where it has figures.

    `more` metrics become columns of their own behind the paper's.
    """
    columns = [_filled(slot, figures) for slot in SLOTS]
    for name in MOS.values():
        reason = opinions.get(name, "no answers of raters were given; see 'prismaudio listen' and --ratings")
        columns.append(
            Column(name=name, metric=None if reason else "listening", better="higher", reason=reason)
        )
    taken = {column.metric for column in columns}
    for name in dict.fromkeys(more):
        if name not in taken and name in figures:
            columns.append(_own(name, name, figures[name]))
    return columns


def _filled(slot: Slot, figures: Mapping[str, Figure]) -> Column:
    known = [name for kind in slot.metrics for name in figures if name.partition(WEIGHTS)[0] == kind]
    for name in known:
        if not figures[name].reason:
            return _own(slot.name, name, figures[name])
    reasons = dict.fromkeys(figures[name].reason.partition(";")[0] for name in known)
    return Column(name=slot.name, better=slot.better, reason="; ".join(reasons or ["no such judge is known"]))


def _own(name: str, metric: str, figure: Figure) -> Column:
    return Column(name=name, metric=metric, better=figure.better, unit=figure.unit, reason=figure.reason)

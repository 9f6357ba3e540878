"""A report as tables for people: plain text, markdown and LaTeX, beside the paper's rows.

Every column is headed by its name, what is better, and the judge that really gave it.
"""

import math
from typing import NamedTuple

from prismaudio.evaluation.canvas.columns import ARROW, Column
from prismaudio.evaluation.canvas.published import COLUMNS, ROWS, WARNING
from prismaudio.evaluation.canvas.report import CLASS, GROUPS, ITSELF, BenchmarkReport, SystemRecord
from prismaudio.evaluation.canvas.truth import MEASURES
from prismaudio.evaluation.report import aligned
from prismaudio.evaluation.suite.report import Figure

NOTHING = "-"
TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$"}
)


class Table(NamedTuple):
    """Two lines of heads (what, and by whom it is judged) and rows, all as words."""

    title: str
    heads: tuple[list[str], list[str]]
    rows: list[list[str]]


def tables(report: BenchmarkReport) -> list[Table]:
    """The main one, the paper's, and one of classes for every system."""
    found = [_main(report), _published(report)]
    return found + [table for system in report.systems if (table := _classes(report, system)).rows]


def text(report: BenchmarkReport) -> str:
    """The first two as aligned lines, then what is n/a and what is counted; the classes are left to the files."""
    lines = []
    for table in tables(report)[:2]:
        lines += [table.title, *aligned([*table.heads, *table.rows]), ""]
    return "\n".join([*lines, *notes(report)])


def markdown(report: BenchmarkReport) -> str:
    lines = [f"# {report.benchmark.name}", ""]
    for table in tables(report):
        heads = [f"{head}<br>{judge}" if judge else head for head, judge in zip(*table.heads, strict=True)]
        body = [heads, ["---"] * len(heads), *table.rows]
        lines += [f"## {table.title}", "", *(f"| {' | '.join(row)} |" for row in body), ""]
    return "\n".join([*lines, *(f"- {note}" for note in notes(report)), ""])


def latex(report: BenchmarkReport) -> str:
    lines = []
    for table in tables(report):
        body = [
            " & ".join(cell.translate(TEX) for cell in row) + r" \\" for row in (*table.heads, *table.rows)
        ]
        body.insert(2, r"\midrule")
        columns = "ll" + "r" * (len(table.heads[0]) - 2)
        lines += [f"% {table.title}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *body, r"\bottomrule",
                  r"\end{tabular}", ""]  # fmt: skip
    return "\n".join([*lines, *(f"% {note}" for note in notes(report)), ""])


def notes(report: BenchmarkReport) -> list[str]:
    """How the figures are to be read, and what is missing."""
    lines = ["± is half the 95 % interval over clips (bootstrap)."]
    lines += [f"{column.name}: n/a: {column.reason}" for column in report.columns if column.reason]
    if report.truth:
        lines.append(
            f"Against the known truth: {', '.join(f'{n} ({MEASURES[n][1]})' for n in report.truth)}."
        )
    for system in report.systems:
        counts = system.counts
        lines.append(f"{system.name}: {counts.measured} of {counts.expected} clips measured"
                     + "".join(f"; {count} {kind}" for kind, count in counts.problems.items())
                     + f"; {counts.unexpected} sounds nobody asked for" * bool(counts.unexpected) + ".")  # fmt: skip
        if system.made_by:
            lines.append(
                f"{system.name}: {', '.join(f'{need} by {by}' for need, by in system.made_by.items())}."
            )
    lines.append(f"Words for judges: {report.protocol.text}. Manifest {report.manifest_sha256[:12]}.")
    return [*lines, *report.notes]


def _main(report: BenchmarkReport) -> Table:
    rows = [
        [system.name, group, str(system.groups[group].clips), *_cells(report, system, group)]
        for system in report.systems
        for group in GROUPS
        if report.expected.get(group)
    ]
    return Table(f"{report.benchmark.name}, {report.benchmark.clips} clips", _heads(report, "events"), rows)


def _classes(report: BenchmarkReport, system: SystemRecord) -> Table:
    rows = [
        [name.removeprefix(CLASS), str(group.clips), *_cells(report, system, name)]
        for name, group in system.groups.items()
        if name.startswith(CLASS)
    ]
    first, second = _heads(report, "")
    return Table(f"{system.name} by class", (["class", *first[2:]], ["", *second[2:]]), rows)


def _published(report: BenchmarkReport) -> Table:
    """Under the same heads, so that the eye may go up and down; never under our judges' names."""
    own = [column.name for column in report.columns if column.name in COLUMNS]
    rows = []
    for row in ROWS:
        values = dict(zip(COLUMNS, row.values, strict=True))
        cells = [NOTHING if (value := values[name]) is None else f"{value:.2f}" for name in own]
        rows.append([row.system, row.benchmark, "", *cells])
    arrows = [column.head for column in report.columns if column.name in own]
    return Table(WARNING, (["published", "data", "", *arrows], ["", "", "", *["paper"] * len(own)]), rows)


def _heads(report: BenchmarkReport, group: str) -> tuple[list[str], list[str]]:
    truth = [f"{name}{ARROW[MEASURES[name][2]]}" for name in report.truth]
    return (
        ["system", group, "clips", *(column.head for column in report.columns), *truth],
        ["", "", "", *(column.judge for column in report.columns), *["truth"] * len(truth)],
    )


def _cells(report: BenchmarkReport, system: SystemRecord, group: str) -> list[str]:
    figures = system.groups[group].figures
    keys = [*map(_key, report.columns), *report.truth]
    return [_cell(figures.get(key) if key else None) for key in keys]


def _key(column: Column) -> str | None:
    """Under what a column's figures are kept."""
    return column.name if column.metric == "listening" else column.metric


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return NOTHING if figure is not None and figure.reason == ITSELF else "n/a"
    digits = 0 if abs(figure.value) >= 1000 else 1 if abs(figure.value) >= 100 else 2
    value = f"{figure.value:.{digits}f}"
    if figure.low is None or figure.high is None or math.isnan(figure.high):
        return value
    return f"{value} ±{(figure.high - figure.low) / 2:.{digits}f}"

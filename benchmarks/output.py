"""What every benchmark says: progress to people, the result as a table, the same as JSON for programs."""

import json
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch

GIB = 2**30
LEFT = 2  # columns of words


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines of Markdown, aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index < LEFT else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * width if index < LEFT else "-" * (width - 1) + ":" for index, width in enumerate(widths)]
    return [lines[0], f"| {' | '.join(rule)} |", *lines[1:]]


def machine(device: torch.device) -> str:
    """Where this runs."""
    return f"{device_name(device)}, {os.cpu_count()} cores, torch {torch.__version__}"


@cache
def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {device.type}"


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def write(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def say(line: str) -> None:
    """How far it is."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # a benchmark's output is its purpose


def show(text: str) -> None:
    """The result."""
    print(text)  # noqa: T201

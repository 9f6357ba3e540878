"""The files of a run: a checkpoint that appears whole, and logs that forget what will be done again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from prismaudio.errors import PrismAudioError


class UnusableRun(PrismAudioError):
    """A checkpoint of another run, or rewards that do not fit the settings."""


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Beside, then renamed."""
    beside = path.with_suffix(".partial")
    torch.save(state, beside)
    beside.replace(path)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `write_checkpoint` wrote; `UnusableRun` if it is anything else."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        reason = str(error).splitlines()[0]
        raise UnusableRun(
            f"cannot continue from {path}: {reason}; delete it or choose another folder"
        ) from error


def cut(log: Path, before: int) -> None:
    """Keep the lines of iterations below `before`; one that was not written to its end goes too."""
    if not log.exists():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["iteration"] < before]
    beside = log.with_suffix(".partial")
    beside.write_text("".join(kept), encoding="utf-8")
    beside.replace(log)

"""Prepared scenes on disk: each is made once and written whole, so that an interrupted preparation goes on."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm


def prepare_missing(
    folder: Path, count: int, doing: str, state_of: Callable[[int], Mapping[str, Any]]
) -> None:
    """Write what `state_of` makes of scene k to `folder/0000k.pt`, for those that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in tqdm(range(count), desc=doing):
        path = folder / f"{index:05d}.pt"
        if not path.exists():
            save_whole(path, state_of(index))


def save_whole(path: Path, state: Mapping[str, Any]) -> None:
    """The file appears complete or not at all, also if several processes prepare the same one."""
    beside = path.with_suffix(f".{os.getpid()}.partial")
    torch.save(state, beside)
    beside.replace(path)

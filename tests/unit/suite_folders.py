"""Folders of short sounds and films for the evaluation suite."""

from pathlib import Path

import numpy as np
import torch
from media_clips import write_clip

from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.clips import Folders
from prismaudio.evaluation.suite.report import FolderReport
from prismaudio.evaluation.suite.run import SuiteConfig, evaluate_folder
from prismaudio.media.audio import write_audio
from prismaudio.types import Audio

RATE = 16_000
QUICK = ("loudness", "FD_logmel", "FDinf_logmel", "proxy_quality")


def sound(
    seed: int, seconds: float = 1.0, *, gain: float = 0.1, left: float = 1.0, right: float = 1.0
) -> Audio:
    """Bursts of noise, different for every seed, between silences."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, gain, round(seconds * RATE))
    samples *= np.abs(np.sin(np.arange(len(samples)) / RATE * (3 + seed % 5))) ** 4
    both = np.stack([samples * left, samples * right]).astype(np.float32)
    return Audio(torch.from_numpy(both), RATE)


def write_sounds(folder: Path, names: list[str], *, seed: int = 0, **choices: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        write_audio(folder / f"{name}.wav", sound(seed + number, **choices))
    return folder


def write_films(folder: Path, names: list[str]) -> Path:
    """A grey that jumps up and down."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        images = [np.full((32, 64, 3), 40, np.uint8) for _ in range(50)]
        for image in images[::7]:
            image[8:24, int(rng.integers(48)) :][:, :16] = 220
        write_clip(folder / f"{name}.mp4", images)
    return folder


def evaluated(
    tmp_path: Path, folders: Folders, metrics: tuple[str, ...] = QUICK, **choices: object
) -> FolderReport:
    config = SuiteConfig(metrics=metrics, rounds=200, set_rounds=5, **choices)
    return evaluate_folder(folders, config, FeatureCache(tmp_path / "cache"))

"""Extractors that need no download: lengths and levels, log-mel statistics, the shipped classifier, and the proxies'.

Shapes: C classes.
"""

from functools import cached_property
from pathlib import Path

import torch

from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.evaluation.metrics.divergence import from_probabilities
from prismaudio.evaluation.metrics.proxy_quality import quality
from prismaudio.evaluation.metrics.proxy_spatial import ears_of, watch
from prismaudio.evaluation.metrics.proxy_sync import VIEW, motion_curve, onset_curve
from prismaudio.evaluation.sound_classifier import WEIGHTS, load_classifier
from prismaudio.evaluation.suite.cache import digest_of
from prismaudio.generation.loading import assets
from prismaudio.media.audio import resample
from prismaudio.media.loudness import integrated_loudness
from prismaudio.models.interaural import in_blocks, side_to_middle, windowed
from prismaudio.models.sound_classifier import (
    SAMPLE_RATE,
    SoundClassifier,
    classifier_mel,
    loud_windows,
)
from prismaudio.models.spectral import log_mel, mel_filters, stft
from prismaudio.types import Audio, Frames

BANDS, SIZE, HOP = 64, 1024, 512


class Basics:
    """How long and how loud; every file is read for it, so none is counted that cannot be read."""

    identity = Identity("basics", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> seconds (), lufs (): -inf for silence"""
        values = {"seconds": audio.duration, "lufs": integrated_loudness(audio)}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


class LogMel:
    """Mean and deviation of 64 log-mel bands over time: a fingerprint of the spectrum (spec rewards.md 4.5)."""

    identity = Identity("logmel", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> features (128,)"""
        samples = resample(audio, SAMPLE_RATE).samples
        power = (stft(samples, SIZE, HOP).abs() ** 2).mean(dim=0)
        mel = log_mel(power, mel_filters(BANDS, SIZE, SAMPLE_RATE)).double()
        return {"features": torch.cat([mel.mean(dim=1), mel.std(dim=1, correction=0)])}


class EmbeddedClassifier:
    """The classifier of 92 classes that ships with the package: small, trained by us, offline; not a published judge."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or assets() / WEIGHTS

    @cached_property
    def identity(self) -> Identity:
        return Identity("embedded", "1", digest_of(self.path))

    @cached_property
    def network(self) -> SoundClassifier:
        return load_classifier(self.path)

    @torch.no_grad()
    def extract(self, audio: Audio) -> Tensors:
        """-> features (384,) before the last layer, log_posteriors (C,); windows weighed by their loudness"""
        mel = classifier_mel(resample(audio, SAMPLE_RATE).samples)
        windows, weights = loud_windows(mel)
        # one window at a time: what a window gives must not depend on how many are beside it
        features = torch.stack([self.network.features(window[None])[0] for window in windows]).double()
        chances = (
            torch.stack([self.network.head(row.float()[None])[0] for row in features]).double().softmax(1)
        )
        share = (weights / weights.sum()).double()
        log_posteriors = from_probabilities((share @ chances).numpy())
        return {"features": share @ features, "log_posteriors": torch.from_numpy(log_posteriors)}


class Onsets:
    """When it begins to sound, as a curve at 25 fps."""

    identity = Identity("onsets", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> curve (K,)"""
        return {"curve": torch.from_numpy(onset_curve(audio))}


class Motion:
    """When and where things move, at 25 fps."""

    identity = Identity("motion", "1", "")
    view = VIEW

    def extract_frames(self, frames: Frames) -> Tensors:
        """-> curve (K,), azimuths (K,), energy (K,), residual ()"""
        movement = watch(frames)
        return {
            "curve": torch.from_numpy(motion_curve(frames)),
            "azimuths": torch.from_numpy(movement.azimuths),
            "energy": torch.from_numpy(movement.energy),
            "residual": torch.tensor(movement.residual, dtype=torch.float64),
        }


class Interaural:
    """What differs between the ears, block by block, and how wide the sound is."""

    identity = Identity("interaural", "2", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> itd_ms, left, right, weight: (W,), of windows of 0.24 s; delay (T,) seconds, of blocks of 0.5 s;
        course (T, 1): the same, silence in the middle; width_db ()
        """
        samples = audio.samples[None]
        windows = windowed(samples, audio.sample_rate)
        found = {name: torch.from_numpy(values) for name, values in ears_of(windows)._asdict().items()}
        delay = in_blocks(windows, audio.duration).delay[0]
        width = side_to_middle(samples)[0]
        return found | {"delay": delay, "course": delay.nan_to_num(0.0)[:, None], "width_db": width}


class Defects:
    """The weightless mark of quality."""

    identity = Identity("defects", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        """-> mark ()"""
        return {"mark": torch.tensor(quality(audio), dtype=torch.float64)}

"""How many of everything a clip of so many seconds has (spec model.md sections 0 and 6).

Every count is at least what the models need to run: a clip shorter than one sync segment of 0.64 s gets one,
to be filled by repeating its last frame, where the published code fails (B6).
"""

import math

from torch import Tensor
from torch.nn import functional as F

from prismaudio.errors import PrismAudioError

SAMPLE_RATE = 44_100
HOP = 2048  # samples per latent frame
VIDEO_RATE = 4  # frames per second the video encoder sees
SYNC_RATE = 25  # frames per second the sync encoder sees
SEGMENT_FRAMES = 16
SEGMENT_HOP = 8
TOKENS_PER_SEGMENT = 8


class InvalidDuration(PrismAudioError):
    """A length of time no sound can have."""

    def __init__(self, duration: float) -> None:
        super().__init__(f"a clip cannot last {duration} seconds; give a positive number of seconds")


def latent_frames(duration: float, sample_rate: int = SAMPLE_RATE, hop: int = HOP) -> int:
    """Latent frames of a sound of `duration` seconds: 194 for 9 s."""
    return max(1, round(sample_rate * checked(duration) / hop))


def latent_samples(duration: float, sample_rate: int = SAMPLE_RATE, hop: int = HOP) -> int:
    """Samples those frames decode to, up to half a frame more or less than the clip: 397,312 for 9 s."""
    return latent_frames(duration, sample_rate, hop) * hop


def clip_samples(duration: float, sample_rate: int = SAMPLE_RATE) -> int:
    """Samples of the clip itself: 396,900 for 9 s."""
    return max(1, round(sample_rate * checked(duration)))


def video_frames(duration: float) -> int:
    """Frames for the video encoder: 36 for 9 s."""
    return max(1, int(VIDEO_RATE * checked(duration)))


def sync_frames(duration: float) -> int:
    """Frames for the sync encoder, never fewer than a segment: 225 for 9 s."""
    return max(SEGMENT_FRAMES, int(SYNC_RATE * checked(duration)))


def sync_segments(duration: float) -> int:
    """Segments of 16 frames, half overlapping, the last partial one left out: 27 for 9 s."""
    return (sync_frames(duration) - SEGMENT_FRAMES) // SEGMENT_HOP + 1


def sync_tokens(duration: float) -> int:
    """Tokens of those segments: 216 for 9 s."""
    return TOKENS_PER_SEGMENT * sync_segments(duration)


def fit_samples(audio: Tensor, samples: int) -> Tensor:
    """Cut `audio` or fill it with silence at its end: (..., N) -> (..., samples)"""
    kept = audio[..., :samples]
    return F.pad(kept, (0, samples - kept.shape[-1]))


def checked(duration: float) -> float:
    """`duration` if it is a positive, finite number of seconds."""
    if not (math.isfinite(duration) and duration > 0):
        raise InvalidDuration(duration)
    return duration

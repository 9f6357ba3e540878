"""What the embedded judges share: a film is watched once, and sounds are heard once, however many judges there are.

Shapes: B sounds, N samples, V motion frames at 25 Hz, D motion features.
"""

from collections.abc import Sequence

from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.content_cache import ContentCache, content_key
from prismaudio.backends.embedded.motion import MotionEncoder
from prismaudio.media.preprocess import View
from prismaudio.models.hearing import SAMPLE_RATE, Heard, hear
from prismaudio.models.resampling import resample
from prismaudio.models.sound_classifier import classifier_mel
from prismaudio.types import Frames

FILMS = 256  # kept in memory; 33 kB for 9 s each


class Senses:
    """Eyes and ears of a panel. Films are kept by content; of sounds, the last batch."""

    def __init__(self) -> None:
        self._eyes = MotionEncoder()
        self.view = View(self._eyes.fps, *self._eyes.frame_size, fit="stretch")
        self._films = ContentCache(in_memory=FILMS)
        # samples, how often they were changed, what was heard
        self._last: tuple[Tensor, int, Heard] | None = None

    def watch(self, frames: Frames) -> Tensor:
        """A film seen through `view` -> (V, D)"""
        return self._films.get(content_key(frames, self._eyes.name), lambda: self._eyes.encode(frames))

    def hear(self, sounds: Sounds) -> Heard:
        """Of stereo or mono sounds at any rate, or of those that are sketched."""
        if sounds.sketch is not None:
            return sounds.sketch.heard
        samples = sounds.samples
        if self._last is None or self._last[0] is not samples or self._last[1] != samples._version:
            self._last = samples, samples._version, hear(at_own_rate(sounds))
        return self._last[2]


def timbres(sounds: Sounds) -> Sequence[Tensor]:
    """-> B times (M, K) nats, by which the classifier and the judge of words know a sound"""
    if sounds.sketch is not None:
        return list(sounds.sketch.timbre)
    return [classifier_mel(samples) for samples in at_own_rate(sounds)]


def at_own_rate(sounds: Sounds) -> Tensor:
    """-> (B, 2, N) at 44.1 kHz; a mono sound comes from both sides alike"""
    samples = resample(sounds.samples.float(), sounds.sample_rate, SAMPLE_RATE)
    return samples.expand(-1, 2, -1) if samples.shape[1] == 1 else samples

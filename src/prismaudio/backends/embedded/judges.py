"""The embedded judges: small networks of ours, trained on stage scenes, behind the promises of the published ones.

An opinion of theirs is worth what it was measured to be worth on held-out scenes (docs/judges.md), and is never given
under the name of a published metric.

Shapes: B sounds, E embedding, W windows of a film, O offsets.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from prismaudio.backends.base import Sounds, Unjudgeable
from prismaudio.backends.embedded.senses import Senses, timbres
from prismaudio.backends.embedded.text import WordTable
from prismaudio.backends.pretrained.digest import sha256
from prismaudio.backends.synchrony import Synchrony
from prismaudio.models.checkpoints import load_weights
from prismaudio.models.hearing import FRAME_RATE, SAMPLE_RATE, STEREO_FRAMES, STEREO_HOP
from prismaudio.models.judges import (
    MOTION_RATE,
    AudioTextNetwork,
    OffsetNetwork,
    QualityNetwork,
    SeenPlaceNetwork,
)
from prismaudio.models.sound_classifier import loud_windows
from prismaudio.types import Frames

WINDOW = 4.0  # seconds that the judge of quality hears at once, as in training
LONGEST = 9.0  # that the judge of time does: what is seen to strike is rare, and the more of it the surer
STEP = STEREO_HOP * STEREO_FRAMES  # samples
UNHEARD = 1e-3  # of the mean power, below which a moment has no direction
LEAST_SEEN = 0.3  # probability from which something seen sounds
LEAST_MOMENTS = 3  # at which direction is both seen and heard


class _Judge:
    """What all four have: a network at rest, and the digest of its weights."""

    name: ClassVar[str]
    preparation: ClassVar[str]
    hears_sketches: ClassVar[bool] = True

    def __init__(self, network: torch.nn.Module, digest: str = "") -> None:
        self._network = network.eval().requires_grad_(False)
        self.versions: Mapping[str, str] = {"weights": digest, "preparation": self.preparation}


class WordsJudge(_Judge):
    """An `AudioTextJudge`; a score is a cosine, -1 to 1."""

    name = "embedded-audio-text"
    preparation = "44.1 kHz, windows of 2.2 s by loudness"

    def __init__(self, network: AudioTextNetwork, words: WordTable, digest: str = "") -> None:
        super().__init__(network, digest)
        self.network = network
        self.words = words

    @property
    def sharpness(self) -> float:
        return float(self.network.sharpness.exp())

    def score(self, sounds: Sounds, texts: Sequence[str]) -> Tensor:
        """One text a sound -> (B,)"""
        return (self.hear(sounds) * self.read(texts)).sum(dim=-1)

    def hear(self, sounds: Sounds) -> Tensor:
        """-> (B, E) of length 1"""
        parts = [loud_windows(mel) for mel in timbres(sounds)]
        embedded = self.network.embed_sound(torch.cat([windows for windows, _ in parts]))
        split = torch.split(embedded, [len(windows) for windows, _ in parts])
        means = [weights @ found for found, (_, weights) in zip(split, parts, strict=True)]
        return F.normalize(torch.stack(means), dim=-1)

    def read(self, texts: Sequence[str]) -> Tensor:
        """-> (len(texts), E) of length 1; `Unjudgeable` if a text has no words"""
        return torch.stack([self._read(text) for text in texts])

    def truncated(self, texts: Sequence[str]) -> tuple[bool, ...]:
        """None: all words of a text are read."""
        return (False,) * len(texts)

    def _read(self, text: str) -> Tensor:
        tokens = torch.from_numpy(self.words.tokens(text))
        if not len(tokens):
            raise Unjudgeable(f"the text {text!r} has no words; say what should be heard")
        return self.network.embed_words(tokens[None], torch.ones(1, len(tokens), dtype=torch.bool))[0]


class OffsetJudge(_Judge):
    """A `SyncJudge` over what moves and what begins to sound."""

    name = "embedded-offset"
    preparation = "44.1 kHz mel at 100 Hz, motion at 25 Hz, windows of 9 s that cover"

    def __init__(self, network: OffsetNetwork, digest: str = "", senses: Senses | None = None) -> None:
        super().__init__(network, digest)
        self.network = network
        self.senses = senses or Senses()
        self.view = self.senses.view

    def score(self, sounds: Sounds, frames: Frames) -> Synchrony:
        """Many sounds for one film, seen through `view`; `Unjudgeable` if either is shorter than a second"""
        seconds = min(sounds.duration, frames.duration)
        if seconds < 1:
            raise Unjudgeable(f"{seconds:.2f} s are too short to judge synchrony; give at least 1 s")
        motion = self.senses.watch(frames)
        mels = self.senses.hear(sounds).mel
        starts = window_starts(seconds, LONGEST)
        logits = []
        for start in starts:
            first, length = round(start * MOTION_RATE), round(min(LONGEST, seconds) * MOTION_RATE)
            seen = motion[first : first + length][None].expand(len(mels), -1, -1)
            ratio = FRAME_RATE // MOTION_RATE
            logits.append(self.network(mels[..., first * ratio : (first + length) * ratio], seen))
        return Synchrony(torch.stack(logits, dim=1), tuple(starts))


class CleannessJudge(_Judge):
    """A `QualityJudge`: how little noise, hum, clipping and loss of treble there is; beauty it does not know."""

    name = "embedded-cleanness"
    axes: tuple[str, ...] = ("cleanness",)
    preparation = "44.1 kHz mel at 100 Hz, mean over windows of 4 s"

    def __init__(self, network: QualityNetwork, digest: str = "", senses: Senses | None = None) -> None:
        super().__init__(network, digest)
        self.network = network
        self.senses = senses or Senses()

    def score(self, sounds: Sounds) -> Tensor:
        """-> (B, 1), 0 ruined to 1 clean"""
        heard = self.senses.hear(sounds)
        length = round(min(WINDOW, sounds.duration) * FRAME_RATE)
        found = [
            self.network(heard.mel[..., round(start * FRAME_RATE) :][..., :length], heard.marks)
            for start in window_starts(sounds.duration)
        ]
        return torch.stack(found).mean(dim=0)[:, None]


class SeenPlaceJudge(_Judge):
    """Does a sound come from where it is seen? Needs no reference."""

    name = "embedded-seen-place"
    preparation = "level and delay in steps of 46 ms, motion at 25 Hz"

    def __init__(self, network: SeenPlaceNetwork, digest: str = "", senses: Senses | None = None) -> None:
        super().__init__(network, digest)
        self.network = network
        self.senses = senses or Senses()
        self.view = self.senses.view

    def score(self, sounds: Sounds, frames: Frames) -> Tensor:
        """-> (B,) 0 to 1, one minus half the mean distance of seen and heard azimuth; NaN if nothing seen sounds"""
        heard, seen, weight = self.azimuths(sounds, frames)
        far = (weight * (heard - seen).abs()).sum(dim=-1) / weight.sum(dim=-1) / 2
        return torch.where((weight > 0).sum(dim=-1) >= LEAST_MOMENTS, 1 - far, torch.nan)

    def azimuths(self, sounds: Sounds, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
        """In steps of 46 ms: azimuth heard (B, T), azimuth seen (T,), and how much the moment counts (B, T)"""
        places, sounding = (x[0] for x in self.network.azimuth(self.senses.watch(frames)[None]))
        heard = self.senses.hear(sounds)
        moments = (torch.arange(heard.azimuth.shape[-1]) + 0.5) * STEP / SAMPLE_RATE * MOTION_RATE
        moments = moments.long().clamp(max=len(places) - 1)
        seen, probable = places[moments], sounding[moments]
        audible = heard.energy > UNHEARD * heard.energy.mean(dim=-1, keepdim=True)
        return heard.azimuth, seen, heard.energy.sqrt() * probable * audible * (probable > LEAST_SEEN)


def window_starts(seconds: float, window: float = WINDOW) -> list[float]:
    """Seconds at which windows begin: as few as cover all, evenly, the last one ending at the end."""
    spare = max(0.0, seconds - window)
    count = 1 + int(-(-spare // window))
    return [spare * number / max(count - 1, 1) for number in range(count)]


FILES = {
    "words": "judge_words.safetensors",
    "offset": "judge_offset.safetensors",
    "cleanness": "judge_cleanness.safetensors",
    "place": "judge_place.safetensors",
}


def load_words(folder: Path) -> WordsJudge:
    """From the folder with its file of `FILES`, as the other three."""
    network = AudioTextNetwork()
    return WordsJudge(network, WordTable(), _load(folder, "words", network))


def load_offset(folder: Path, senses: Senses | None = None) -> OffsetJudge:
    network = OffsetNetwork()
    return OffsetJudge(network, _load(folder, "offset", network), senses)


def load_cleanness(folder: Path, senses: Senses | None = None) -> CleannessJudge:
    network = QualityNetwork()
    return CleannessJudge(network, _load(folder, "cleanness", network), senses)


def load_seen_place(folder: Path, senses: Senses | None = None) -> SeenPlaceJudge:
    network = SeenPlaceNetwork()
    return SeenPlaceJudge(network, _load(folder, "place", network), senses)


def _load(folder: Path, name: str, network: torch.nn.Module) -> str:
    """Fill the network; -> the digest of its file"""
    load_weights(folder / FILES[name], network)
    return sha256(folder / FILES[name])

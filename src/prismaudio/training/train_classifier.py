"""Train the judge of what is heard: train-split recordings in windows, mixed, placed and damaged at random.

There are few recordings of a class, so everything that is not the class is made to vary: speed, gain, tone, room,
noise, ambience, company, moment.

Shapes: M mel bands, K frames, C classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import PositiveInt
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.config import Config
from prismaudio.models.sound_classifier import WINDOW_FRAMES, SoundClassifier, classifier_mel
from prismaudio.stage.corpus import SAMPLE_RATE, Corpus, Mode, Split, read_sound
from prismaudio.training.loop import LoopConfig, train

Mel = NDArray[np.float32]  # (M, K) nats
SPEEDS = (0.8, 0.9, 1.0, 1.11, 1.25)
SILENT_NATS = -16.1
LABEL_SMOOTHING = 0.05


class ClassifierTrainingConfig(Config):
    width: PositiveInt = 24
    loop: LoopConfig = LoopConfig(
        steps=3200, batch_size=32, learning_rate=2e-3, weight_decay=2e-2, warmup=100, ema_decay=0.998,
        checkpoint_every=250, validate_every=250,
    )  # fmt: skip


class Labelled(NamedTuple):
    mel: Mel
    class_index: int
    mode: Mode


class SoundWindows(Dataset[dict[str, Tensor]]):
    """Endless windows of one to three sounds, classes alike, with the share of each class as the target."""

    def __init__(self, sounds: Sequence[Labelled], classes: int, beds: Sequence[int], seed: int) -> None:
        self.by_class = [[s for s in sounds if s.class_index == number] for number in range(classes)]
        self.heard = [number for number, members in enumerate(self.by_class) if members]
        self.beds = [number for number in beds if self.by_class[number]]
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        target = np.zeros(len(self.by_class), dtype=np.float32)
        company = min(int(rng.choice(3, p=[0.5, 0.38, 0.12])), len(self.heard) - 1)
        chosen = [int(c) for c in rng.choice(self.heard, size=1 + company, replace=False)]
        levels = [0.0, *rng.uniform(-1.4, 0, company)]  # nats: down to -12 dB
        mel = np.full((len(self.by_class[chosen[0]][0].mel), WINDOW_FRAMES), SILENT_NATS, dtype=np.float32)
        for class_index, level in zip(chosen, levels, strict=True):
            mel = np.logaddexp(2 * mel, 2 * (self._layer(class_index, rng) + np.float32(level))) / 2
            target[class_index] = np.exp(level)
        mel = _damaged(_in_room(mel, rng), rng)
        if self.beds and rng.random() < 0.3:
            bed = self._layer(int(rng.choice(self.beds)), rng)
            mel = np.logaddexp(2 * mel, 2 * (bed - np.float32(rng.uniform(2, 4.5)))) / 2
        return {
            "mel": torch.from_numpy(mel.astype(np.float32)),
            "target": torch.from_numpy(target / target.sum()),
        }

    def _layer(self, class_index: int, rng: Generator) -> Mel:
        """One sound of the class in a window, with its own tone, its loudest moment at 0."""
        members = self.by_class[class_index]
        sound = members[int(rng.integers(len(members)))]
        track = _repeated(sound.mel, rng) if sound.mode != "sustained" else _excerpt(sound.mel, rng)
        if rng.random() < 0.8:
            track = track + _tone(len(track), rng, 0.5)[:, None]
        return track - track.max()


def _repeated(mel: Mel, rng: Generator) -> Mel:
    """A short sound, once or several times, beginning anywhere so that most of it is heard."""
    track = np.full((len(mel), WINDOW_FRAMES), SILENT_NATS, dtype=np.float32)
    for _ in range(int(rng.choice([1, 1, 2, 3, 4]))):
        _place(track, mel, int(rng.integers(-min(mel.shape[1] // 2, WINDOW_FRAMES), WINDOW_FRAMES - 12)), rng)
    return track if track.max() > SILENT_NATS + 1 else _excerpt(mel, rng)


def _place(track: Mel, mel: Mel, start: int, rng: Generator) -> None:
    first, last = max(start, 0), min(start + mel.shape[1], WINDOW_FRAMES)
    there = mel[:, first - start : last - start] + np.float32(rng.uniform(-0.7, 0))
    track[:, first:last] = np.maximum(track[:, first:last], there)


def _excerpt(mel: Mel, rng: Generator) -> Mel:
    """A window of a long sound, the loudest of two tries; a shorter one is repeated."""
    if mel.shape[1] < WINDOW_FRAMES:
        mel = np.tile(mel, (1, WINDOW_FRAMES // mel.shape[1] + 1))
    starts = rng.integers(mel.shape[1] - WINDOW_FRAMES + 1, size=2)
    windows = [mel[:, start : start + WINDOW_FRAMES] for start in starts]
    return max(windows, key=lambda window: float(np.exp(window).sum()))


def _in_room(mel: Mel, rng: Generator) -> Mel:
    """Half of them with reverberation: power that dies away exponentially."""
    if rng.random() < 0.5:
        return mel
    frames = int(rng.uniform(10, 80))
    decay = np.exp(-6.9 * np.arange(frames) / frames) * rng.uniform(0.02, 0.3) / frames * 8
    power = np.exp(2 * mel.astype(np.float64))
    spectrum = np.fft.rfft(power, 2 * WINDOW_FRAMES, axis=1) * np.fft.rfft(decay, 2 * WINDOW_FRAMES)
    tail = np.fft.irfft(spectrum, axis=1)[:, :WINDOW_FRAMES]
    return (0.5 * np.log(power + np.maximum(tail, 0))).astype(np.float32)


def _damaged(mel: Mel, rng: Generator) -> Mel:
    """A noise floor, a missing band, the roughness of a codec, or hidden stripes, each in some windows."""
    bands = len(mel)
    if rng.random() < 0.6:
        floor = mel.max() - np.float32(rng.uniform(2, 8)) + _tone(bands, rng, 1.0)[:, None]
        grain = np.float32(0.3) * rng.standard_normal(mel.shape, dtype=np.float32)
        mel = np.logaddexp(2 * mel, 2 * (floor + grain)) / 2
    if rng.random() < 0.25:
        beyond = np.maximum(np.arange(bands) - rng.uniform(0.4, 1.0) * bands, 0)
        mel = mel - (0.35 * beyond[:, None]).astype(np.float32)
    if rng.random() < 0.5:  # a codec keeps the outline and invents the grain
        mel = gaussian_filter(mel, rng.uniform(0, (2.0, 3.0)))
        mel = mel + np.float32(rng.uniform(0, 0.5)) * rng.standard_normal(mel.shape, dtype=np.float32)
    if rng.random() < 0.4:
        start, width = int(rng.integers(bands)), int(rng.integers(4, 16))
        mel[start : start + width] = SILENT_NATS
    return mel.astype(np.float32)


def _tone(bands: int, rng: Generator, spread: float) -> Mel:
    """-> (bands,) a smooth random equaliser curve in nats."""
    knots = rng.normal(0, spread, 6)
    return np.interp(np.linspace(0, 5, bands), np.arange(6), knots).astype(np.float32)


class ClassifierJob:
    """Cross-entropy with the shares of the classes in a window."""

    def __init__(self, held_out: Sequence[Labelled]) -> None:
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        logits = model(batch["mel"]).float()
        loss = F.cross_entropy(logits, batch["target"], label_smoothing=LABEL_SMOOTHING)
        first = (logits.argmax(dim=1) == batch["target"].argmax(dim=1)).float().mean()
        return {"loss": loss, "top1": first}

    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """Top-1 and top-5 accuracy on whole held-out recordings."""
        return accuracy(model, self.held_out)  # type: ignore[arg-type]  # the loop's averaged copy of the classifier


def accuracy(model: SoundClassifier, sounds: Sequence[Labelled]) -> dict[str, float]:
    """Share of recordings whose class is the first guess, or among the first five."""
    ranks = [rank_of(model.probabilities(torch.from_numpy(s.mel)), s.class_index) for s in sounds]
    return {f"top{k}": float(np.mean([rank < k for rank in ranks])) for k in (1, 5)}


def rank_of(probabilities: Tensor, class_index: int) -> int:
    """How many classes are thought likelier."""
    return int((probabilities > probabilities[class_index]).sum())


def labelled_mels(corpus: Corpus, split: Split, speeds: Sequence[float] = (1.0,)) -> list[Labelled]:
    """Every recording of `split` at every speed; classes are numbered as `corpus.classes` lists them."""
    numbers = {name: number for number, name in enumerate(corpus.classes)}
    return [
        Labelled(_mel_at(read_sound(r.path), speed), numbers[r.class_name], r.mode)
        for r in corpus.recordings
        if r.split == split
        for speed in speeds
    ]


def _mel_at(samples: NDArray[np.float32], speed: float) -> Mel:
    if speed != 1.0:
        samples = soxr.resample(samples.T, SAMPLE_RATE, SAMPLE_RATE / speed).T.astype(np.float32)
    return classifier_mel(torch.from_numpy(np.ascontiguousarray(samples))).numpy()


def train_classifier(config: ClassifierTrainingConfig, corpus: Corpus, folder: Path) -> SoundClassifier:
    """-> the classifier with averaged weights; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    model = SoundClassifier(tuple(corpus.classes), config.width)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs forget this one
    beds = [number for number, sound in enumerate(corpus.classes.values()) if sound.ambient]
    sounds = labelled_mels(corpus, "train", SPEEDS)
    windows = SoundWindows(sounds, len(corpus.classes), beds, config.loop.seed)
    job = ClassifierJob(labelled_mels(corpus, "validation"))
    averaged = train(model, job, windows, config.loop, folder)
    return averaged.eval()  # type: ignore[return-value]  # the same class as `model`

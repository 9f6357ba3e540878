"""Train the judges of time, quality and place on prepared scenes, whose truth is known.

Shapes: B batch, V motion frames at 25 Hz, D motion features, M mel bands, K mel frames at 100 Hz, A azimuth bins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.motion import mirror
from prismaudio.backends.synchrony import LONGEST_OFFSET
from prismaudio.config import Config
from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.models.hearing import FRAME_RATE
from prismaudio.models.judges import (
    FRAMES_PER_OFFSET,
    MOTION_RATE,
    OFFSETS,
    OffsetNetwork,
    QualityNetwork,
    SeenPlaceNetwork,
)
from prismaudio.training.judged import JudgedConfig, JudgedScene
from prismaudio.training.loop import LoopConfig, stack, train
from prismaudio.training.train_audio_text import AudioTextTrainingConfig

SECONDS = 4.0  # of a sample
MEL_PER_MOTION = FRAME_RATE // MOTION_RATE
MIDDLE = OFFSETS // 2
NEIGHBOUR = 0.15  # of the truth that the offsets beside the right one get
OFFSET_SECONDS = 5.0  # of a sample of the judge of time
COMPANY = 0.3  # share of its samples that show and sound two scenes at once
TONES, TONE_NATS = 5, 0.5  # bends of a random tone, and their spread
NOISE_NATS = (4.0, 12.0)  # by which random noise lies below the loudest moment
HELD_OUT = 512  # samples by which the judge of time is validated
MOTION_GAIN = 0.3  # log spread by which all motion of a sample is scaled


def loop(steps: int, batch: int = 32, rate: float = 1e-3, every: int = 400) -> LoopConfig:
    return LoopConfig(
        steps=steps, batch_size=batch, learning_rate=rate, weight_decay=1e-2, warmup=100, ema_decay=0.998,
        checkpoint_every=every, validate_every=every, seed=9,
    )  # fmt: skip


class JudgesConfig(Config):
    """How the four judges are made."""

    scenes: JudgedConfig = JudgedConfig()
    held_out_scenes: PositiveInt = 150
    words: AudioTextTrainingConfig = AudioTextTrainingConfig()
    offset: LoopConfig = loop(8000)
    quality: LoopConfig = loop(2500)
    seen_place: LoopConfig = loop(1500)


class ScenesTooShort(PrismAudioError):
    """Scenes in which no sound can be moved as far as it should be."""


class OffsetSamples(Dataset[dict[str, Tensor]]):
    """Stretches of scenes, each with a stretch of sound that begins earlier or later.

    Both lie within their scene: silence where it ends would tell by how much the sound was moved.
    """

    def __init__(self, scenes: Sequence[JudgedScene], seed: int, *, varied: bool = True) -> None:
        """varied: for learning; some stretches then share the screen with another, and all are coloured at random."""
        self.scenes = [scene for scene in scenes if seen_to_sound(scene.plan)]
        self.frames = [
            min(len(scene.motion), scene.takes[0].mel.shape[1] // MEL_PER_MOTION) for scene in self.scenes
        ]
        self.seed, self.varied = seed, varied
        least = OFFSET_SECONDS + LONGEST_OFFSET + 0.1
        if max(self.frames, default=0) < least * MOTION_RATE:
            raise ScenesTooShort(
                f"no scene in which anything is seen to sound lasts {least:.1f} s; prepare more or longer ones"
            )

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        early = int(rng.integers(OFFSETS))
        shift = (early - MIDDLE) * FRAMES_PER_OFFSET * MEL_PER_MOTION + int(rng.integers(-6, 7))
        motion, mel = self._stretch(shift, rng)
        if self.varied:
            if rng.random() < COMPANY:
                others = self._stretch(shift, rng)
                motion, mel = torch.maximum(motion, others[0]), torch.logaddexp(mel, others[1])
            motion, mel = varied_motion(motion, rng), varied_mel(mel, rng)
        return {"motion": motion, "mel": mel, "early": torch.tensor(early)}

    def _stretch(self, shift: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Of one scene: (V, D) of motion, and (M, K) of a take `shift` mel frames later"""
        number = self._long_enough(abs(shift), rng)
        scene = self.scenes[number]
        mel = scene.takes[int(rng.integers(len(scene.takes)))].mel.float()
        frames, spare = int(OFFSET_SECONDS * MOTION_RATE), -(-abs(shift) // MEL_PER_MOTION)
        start = int(rng.integers(self.frames[number] - frames - spare + 1)) + (spare if shift < 0 else 0)
        motion = scene.motion[start : start + frames].float()
        return motion, cut(mel, start * MEL_PER_MOTION + shift, frames * MEL_PER_MOTION)

    def _long_enough(self, shift: int, rng: np.random.Generator) -> int:
        """Number of a scene that has room for the shift, in mel frames."""
        least = int(OFFSET_SECONDS * MOTION_RATE) - (-shift // MEL_PER_MOTION)
        fitting = [number for number, frames in enumerate(self.frames) if frames >= least]
        return fitting[int(rng.integers(len(fitting)))]

    collate = staticmethod(stack)


def varied_motion(motion: Tensor, rng: np.random.Generator) -> Tensor:
    """(V, D) -> the same, stronger or weaker as a whole and in every feature, and often mirrored"""
    gain = np.exp(rng.normal(0, MOTION_GAIN) + rng.normal(0, MOTION_GAIN / 2, motion.shape[1]))
    motion = motion * torch.from_numpy(gain).float()
    return mirror(motion) if rng.random() < 0.5 else motion


def varied_mel(mel: Tensor, rng: np.random.Generator) -> Tensor:
    """(M, K) -> the same in another tone, over another noise, and with some bands masked"""
    bands = len(mel)
    tone = np.interp(np.arange(bands), np.linspace(0, bands - 1, TONES), rng.normal(0, TONE_NATS, TONES))
    mel = mel + torch.from_numpy(tone).float()[:, None]
    floor = float(mel.max()) - float(rng.uniform(*NOISE_NATS))
    mel = torch.logaddexp(mel, torch.tensor(floor))
    first, width = int(rng.integers(bands)), int(rng.integers(bands // 4))
    mel[first : first + width] = floor
    return mel


def seen_to_sound(plan: Plan) -> bool:
    """Whether anything on screen strikes, begins or ends: only then does a film have a time of its own."""
    on_screen = {event.id for event in plan.semantic.events if event.on_screen}
    spans = [span for span in plan.temporal.spans if span.event in on_screen]
    return any(span.hits or span.onset > 0.1 or span.offset < plan.duration - 0.1 for span in spans)


def cut(x: Tensor, start: int, count: int) -> Tensor:
    """x: (F, N) -> (F, count) from `start`; what lies outside is silent, or still."""
    inside = x[:, max(start, 0) : max(start + count, 0)]
    before = min(max(-start, 0), count)
    quiet = float(x.min()) if len(x) > 40 else 0.0  # mel bands fall silent, motion stops
    return F.pad(inside, (before, count - before - inside.shape[1]), value=quiet)


class OffsetJob:
    def __init__(self, held_out: Dataset[dict[str, Tensor]]) -> None:
        self.held_out = stack([held_out[i] for i in range(HELD_OUT)])

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        logits = model(batch["mel"], batch["motion"]).float()
        truth = F.one_hot(batch["early"], OFFSETS).float()
        beside = F.pad(truth, (1, 1))
        soft = (1 - 2 * NEIGHBOUR) * truth + NEIGHBOUR * (beside[:, :-2] + beside[:, 2:])
        near = (logits.argmax(dim=1) - batch["early"]).abs() <= 1
        return {"loss": F.cross_entropy(logits, soft), "within 0.2 s": near.float().mean()}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        return {name: float(v) for name, v in self.loss(model, self.held_out, torch.Generator()).items()}


class QualitySamples(Dataset[dict[str, Tensor]]):
    """Stretches of sounds with the quality they were given."""

    def __init__(self, scenes: Sequence[JudgedScene], seed: int) -> None:
        self.takes = [take for scene in scenes for take in scene.takes]
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        take = self.takes[int(rng.integers(len(self.takes)))]
        frames = int(SECONDS * FRAME_RATE)
        start = int(rng.integers(max(take.mel.shape[1] - frames, 0) + 1))
        return {
            "mel": cut(take.mel.float(), start, frames),
            "marks": take.marks,
            "quality": torch.tensor(take.quality),
        }

    collate = staticmethod(stack)


class QualityJob:
    def __init__(self, held_out: Sequence[JudgedScene]) -> None:
        self.held_out = [take for scene in held_out for take in scene.takes]

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        found = model(batch["mel"], batch["marks"]).float()
        return {"loss": F.smooth_l1_loss(found, batch["quality"].float(), beta=0.1)}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        found = [float(model(take.mel.float()[None], take.marks[None])) for take in self.held_out]
        return {"rank correlation": rank_correlation(found, [take.quality for take in self.held_out])}


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rho; equal values share their ranks. NaN where all are equal."""
    if len(set(a)) == 1 or len(set(b)) == 1:
        return float("nan")
    return float(spearmanr(a, b).statistic)


class SeenPlaceSamples(Dataset[dict[str, Tensor]]):
    """Stretches of motion with where something seen sounds at each moment."""

    def __init__(self, scenes: Sequence[JudgedScene], seed: int) -> None:
        self.scenes = scenes
        self.seed = seed

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        scene = self.scenes[int(rng.integers(len(self.scenes)))]
        motion = scene.motion.float()
        azimuth, sounding = places_over_time(scene.plan, len(motion))
        if rng.random() < 0.5:
            motion, azimuth = mirror(motion), -azimuth
        frames = int(SECONDS * MOTION_RATE)
        start = int(rng.integers(max(len(motion) - frames, 0) + 1))
        labels = cut(torch.stack([azimuth, sounding]), start, frames)
        return {"motion": cut(motion.mT, start, frames).mT, "azimuth": labels[0], "sounding": labels[1]}

    collate = staticmethod(stack)


def places_over_time(plan: Plan, frames: int) -> tuple[Tensor, Tensor]:
    """-> mean azimuth of what is on screen and sounds, (V,), and whether anything does, (V,)"""
    times = np.arange(frames) / MOTION_RATE
    on_screen = {event.id for event in plan.semantic.events if event.on_screen}
    places = {place.event: place for place in plan.spatial.places}
    total, count = np.zeros(frames), np.zeros(frames)
    for span in plan.temporal.spans:
        if span.event not in on_screen:
            continue
        tail = span.offset - (span.hits[-1] if span.hits else span.onset)
        starts = span.hits or (span.onset,)
        active = np.any([(times >= start - 0.02) & (times < start + tail) for start in starts], axis=0)
        total += active * places[span.event].azimuth_at(times)
        count += active
    azimuth = total / np.maximum(count, 1)
    return torch.from_numpy(azimuth).float(), torch.from_numpy(count > 0).float()


class SeenPlaceJob:
    def __init__(self, held_out: Sequence[JudgedScene]) -> None:
        self.held_out = held_out

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        places, sounding = model(batch["motion"])
        bins = places.shape[-1]
        position = ((batch["azimuth"] + 1) / 2 * bins - 0.5).clamp(0, bins - 1)
        low = position.floor().long()
        share = (position - low)[..., None]
        truth = F.one_hot(low, bins) * (1 - share) + F.one_hot((low + 1).clamp(max=bins - 1), bins) * share
        by_frame = -(truth * places.float().log_softmax(dim=-1)).sum(dim=-1)
        there = batch["sounding"]
        place_loss = (by_frame * there).sum() / there.sum().clamp(min=1)
        sound_loss = F.binary_cross_entropy_with_logits(sounding.float(), there)
        return {"loss": place_loss + sound_loss, "place": place_loss, "sounding": sound_loss}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """Correlation of the seen with the true azimuth, over the moments at which something seen sounds."""
        assert isinstance(model, SeenPlaceNetwork)
        found, true = [], []
        for scene in self.held_out:
            azimuth, sounding = places_over_time(scene.plan, len(scene.motion))
            seen, _ = model.azimuth(scene.motion.float()[None])
            found.append(seen[0][sounding > 0])
            true.append(azimuth[sounding > 0])
        pairs = torch.stack([torch.cat(found), torch.cat(true)])
        return {"correlation": float(torch.corrcoef(pairs)[0, 1])}


def train_offset(
    config: LoopConfig, scenes: Sequence[JudgedScene], held_out: Sequence[JudgedScene], folder: Path
) -> nn.Module:
    """-> the averaged network, as of all jobs here; resumes from `folder`."""
    torch.manual_seed(config.seed)
    job = OffsetJob(OffsetSamples(held_out, 0, varied=False))
    return train(OffsetNetwork(), job, OffsetSamples(scenes, config.seed), config, folder).eval()


def train_quality(
    config: LoopConfig, scenes: Sequence[JudgedScene], held_out: Sequence[JudgedScene], folder: Path
) -> nn.Module:
    torch.manual_seed(config.seed)
    samples = QualitySamples(scenes, config.seed)
    return train(QualityNetwork(), QualityJob(held_out), samples, config, folder).eval()


def train_seen_place(
    config: LoopConfig, scenes: Sequence[JudgedScene], held_out: Sequence[JudgedScene], folder: Path
) -> nn.Module:
    torch.manual_seed(config.seed)
    samples = SeenPlaceSamples(scenes, config.seed)
    return train(SeenPlaceNetwork(), SeenPlaceJob(held_out), samples, config, folder).eval()

"""What post-training makes and judges a group of sounds with, and what one of everything costs it.

Shapes: N sounds of the group, C latent channels, T latent frames.
"""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from benchmarks.film import pictures
from benchmarks.posttraining import random_policy, typical
from benchmarks.published_judges import SIZES as JUDGE_SIZES
from benchmarks.published_judges import Judges, make_judges
from benchmarks.published_system import SIZES, fill_randomly
from prismaudio.backends.base import Sounds
from prismaudio.backends.content_cache import ContentCache
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.rewards import (
    Case,
    QualityReward,
    ReferenceReward,
    Reward,
    TimeReward,
    WordsReward,
)
from prismaudio.dimensions.scoring import Panel, Verdict
from prismaudio.dimensions.semantic import Event, SemanticThought
from prismaudio.generation.judging import levelled
from prismaudio.media.audio import fit_length
from prismaudio.media.preprocess import SYNCHFORMER
from prismaudio.models.interaural import RATE
from prismaudio.models.lengths import SAMPLE_RATE, clip_samples, sync_frames
from prismaudio.models.resampling import resample
from prismaudio.models.stereocrw import Geometry, delays, likeness
from prismaudio.posttraining.algorithm import Algorithm
from prismaudio.posttraining.config import PostTrainingConfig
from prismaudio.posttraining.dit_policy import DiTPolicy
from prismaudio.posttraining.heard import Heard
from prismaudio.posttraining.rollout import Trajectory
from prismaudio.posttraining.run import TOGETHER, TOGETHER_ON_CPU
from prismaudio.posttraining.sampling import in_precision, sample_groups
from prismaudio.posttraining.settings import RunConfig, preset_file
from prismaudio.posttraining.trainer import chosen_algorithm
from prismaudio.types import Audio, Frames

SECONDS = 9.0
RELEASED_SECONDS = 4.8  # of film and sound that Synchformer judges there
TEXT = "a dog barking"


@dataclass(frozen=True, eq=False)
class Group:
    """A policy, a codec and judges with random weights, and one prompt."""

    device: torch.device
    policy: DiTPolicy
    config: PostTrainingConfig
    heard: Heard
    judges: Judges
    half: bool  # whether codec and judges compute in bfloat16
    crw: Geometry
    every_step: bool

    @classmethod
    def make(cls, size: str, device: torch.device, options: argparse.Namespace) -> "Group":
        made = SIZES[size].generator()
        policy = random_policy(made.model, device)
        cuda = device.type == "cuda"
        generator = torch.Generator(device).manual_seed(0)
        codec = fill_randomly(made.vae, torch.float16 if cuda else torch.float32, generator)  # as in a run
        together = options.together or (TOGETHER if cuda else TOGETHER_ON_CPU)
        sizes = JUDGE_SIZES[size]
        return cls(
            device,
            policy,
            published(options),
            Heard(codec.eval().requires_grad_(False), Nobody(), together=together),
            make_judges(sizes, device),
            options.judges_dtype == "bf16",
            sizes.crw,
            options.every_step,
        )

    @cached_property
    def algorithms(self) -> dict[str, Algorithm]:
        """Ways to make the group; the last one's sounds are judged."""
        preset = chosen_algorithm(self.config)
        whole = {"sampling by every step": replace(preset, tail=None)} if self.every_step else {}
        return whole | {"sampling": preset}

    @cached_property
    def branch(self) -> int:
        return chosen_algorithm(self.config).branch(self.config.group)

    @cached_property
    def iteration(self) -> int:
        return typical(chosen_algorithm(self.config), self.config)

    @cached_property
    def film(self) -> Frames:
        shown = pictures(sync_frames(SECONDS), SYNCHFORMER.width, SYNCHFORMER.height)
        return Frames(np.stack(list(shown)), SYNCHFORMER.fps)

    @cached_property
    def true_sound(self) -> Sounds:
        """Noise."""
        noise = torch.randn(2, clip_samples(SECONDS), generator=torch.Generator().manual_seed(0))
        return levelled([Audio(0.1 * noise, SAMPLE_RATE)])

    @cached_property
    def case(self) -> Case:
        thought = SemanticThought(events=(Event(id="one", sound=TEXT),))
        plan = Plan(duration=SECONDS, semantic=thought)
        return Case(plan, {SYNCHFORMER: self.film}, self.true_sound)

    @cached_property
    def rewards(self) -> dict[str, Reward]:
        """The published panel."""
        return {
            "semantic": WordsReward(self.judges.words),
            "temporal": TimeReward(self.judges.time),
            "aesthetic": QualityReward(self.judges.quality),
            "spatial": ReferenceReward(self.judges.place),
        }

    # the group

    def sample(self, algorithm: Algorithm) -> Trajectory:
        return sample_groups(self.policy, algorithm, self.config, self.iteration, [0])

    def play(self, latents: Tensor) -> Sounds:
        """latents: (N, C, T) -> what judges hear of them, each levelled"""
        with self.numbers():
            return Sounds.together([fit_length(sound, SECONDS) for sound in self.heard.play(latents)])

    def watch(self) -> None:
        """See the film as if for the first time."""
        self.judges.time.cache = ContentCache()
        with self.numbers():
            self.judges.time.watch(self.film)

    def judge(self, dimension: str, sounds: Sounds) -> Verdict:
        with self.numbers():
            return Panel({dimension: self.rewards[dimension]}).judge(sounds, self.case)

    # one of each that the released trainer does

    def units(self) -> dict[str, Callable[[], object]]:
        return {
            "evaluation": self.evaluation(),
            "one decoding": self.decoding(),
            "semantic pass": self.semantic_pass,
            "temporal pass": self.temporal_pass,
            "aesthetic pass": self.aesthetic_pass,
            "spatial pass": self.spatial_pass,
            "crw pass": self.crw_pass,
        }

    def evaluation(self) -> Callable[[], Tensor]:
        """Of the transformer with guidance, for as many sounds as the group has."""
        count = self.config.group
        x = torch.randn(count, *self.policy.latent_shape, device=self.device)
        t, rows = (
            torch.full((count,), 0.5, device=self.device),
            torch.zeros(count, dtype=torch.int64, device=self.device),
        )
        with torch.no_grad(), in_precision(self.config, self.device):
            prepared = self.policy.prepare(self.policy.conditions([0]))

        def evaluate() -> Tensor:
            with torch.no_grad(), in_precision(self.config, self.device):
                return self.policy.velocity(x, t, prepared, rows, self.config.guidance.sampling)

        return evaluate

    def decoding(self) -> Callable[[], Tensor]:
        latents = torch.randn(1, *self.policy.latent_shape, device=self.device)

        def decode() -> Tensor:
            with torch.no_grad(), self.numbers():
                return self.heard.codec.decode(latents)

        return decode

    def semantic_pass(self) -> None:
        with self.numbers():
            self.judges.released_words.score(self.true_sound, [TEXT])

    def temporal_pass(self) -> None:
        """14 segments of film and sound."""
        self.judges.time.cache = ContentCache()
        sound = Sounds(self.true_sound.samples[..., : clip_samples(RELEASED_SECONDS)], SAMPLE_RATE)
        film = Frames(self.film.images[: sync_frames(RELEASED_SECONDS)], self.film.fps)
        with self.numbers():
            verdict = self.judges.time.score(sound, film)
        assert verdict.logits.shape[1] == 1, "as in the released trainer, one window"

    def aesthetic_pass(self) -> None:
        with self.numbers():
            self.judges.quality.score(self.true_sound)

    def spatial_pass(self) -> None:
        self.judges.place.score(self.true_sound, self.true_sound)

    @torch.no_grad()
    def crw_pass(self) -> None:
        """Of one sound."""
        with self.numbers():
            audio = resample(self.true_sound.samples.to(self.device), SAMPLE_RATE, RATE)[
                ..., : self.crw.samples
            ]
            left, right = (self.judges.crw.embed(channel, self.crw) for channel in audio.unbind(dim=1))
            delays(likeness(left, right), self.crw)

    def numbers(self) -> AbstractContextManager[None]:
        """The arithmetic of codec and judges."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


class Nobody:
    """The listener of sounds that are judged part by part."""

    names = ()

    def __call__(self, sounds: object, prompts: object) -> Tensor:
        raise AssertionError("no listener is asked here")


def published(options: argparse.Namespace) -> PostTrainingConfig:
    """The published preset, with what was asked for."""
    preset = RunConfig.resolve(preset_file("published")).training
    return preset.model_copy(
        update={
            "group": options.group,
            "steps": options.steps,
            "sampling_batch": options.group,
            "precision": "bf16" if options.dtype == "bf16" else "no",
        }
    )

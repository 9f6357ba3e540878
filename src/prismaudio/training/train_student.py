"""Train the student to write what happens on screen: watched scenes, whose exact plans are its teacher.

It is taught of what can be seen alone: no sources off screen, no background, and the recording that one wants, a clean
one. Clips are cut anywhere, mirrored, and played faster or slower; what is seen in their pictures is blurred ever more.

Shapes: B batch, K motion frames, P pictures, C columns, N names, L words, V words that may come.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.backends.embedded.motion import mirror
from prismaudio.config import Config
from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.spatial import Key, Place, SpatialThought
from prismaudio.dimensions.temporal import Span
from prismaudio.dimensions.window import window
from prismaudio.planning.glance import Glance
from prismaudio.planning.language import (
    ALL_NAMES,
    FIRST_FRAME,
    FPS,
    MOST_EVENTS,
    MOST_HITS,
    Writer,
    spoken,
)
from prismaudio.planning.motion_reader import MotionReader
from prismaudio.planning.sight import names_seen, read_motion
from prismaudio.planning.student import Student, Watched, beginning_with
from prismaudio.training.loop import LoopConfig, train
from prismaudio.training.watched import PICTURES_FPS, Crops, WatchedScene

STANDS = 0.08  # azimuth within which a path is taught as one place
KEYS = 4  # moments at which a longer way is taught
FASTEST = 1.25
WITH_SPEED = 0.4  # share of the crops that are played faster or slower
LEFT_OUT = -100  # no word: what the loss passes over


class StudentConfig(Config):
    """How large it is."""

    width: PositiveInt = 128
    encoder_depth: PositiveInt = 1
    depth: PositiveInt = 4
    heads: PositiveInt = 4


class StudentTrainingConfig(Config):
    model: StudentConfig = StudentConfig()
    blur: NonNegativeFloat = 1.5  # nats of noise on what is seen, once all of it has set in
    blur_after: PositiveInt = 1500  # steps until then
    loop: LoopConfig = LoopConfig(
        steps=4000,
        batch_size=12,
        learning_rate=1e-3,
        weight_decay=0.05,
        ema_decay=0.998,
        checkpoint_every=250,
        validate_every=250,
    )


@dataclass(frozen=True)
class Lesson:
    """One clip with its text."""

    watched: Watched  # of a batch of one
    tokens: Tensor  # (L,)
    allowed: Tensor  # (L, V)


@dataclass(frozen=True)
class Lessons:
    """A batch of them; tokens and targets are padded."""

    watched: Watched
    before: Tensor  # (B, L)
    targets: Tensor  # (B, L), LEFT_OUT where nothing is to be written
    allowed: Tensor  # (B, L, V)

    def to(self, device: torch.device) -> "Lessons":
        return Lessons(
            Watched(*(tensor.to(device) for tensor in self.watched)),
            self.before.to(device),
            self.targets.to(device),
            self.allowed.to(device),
        )


class LessonBook(Dataset[Lesson]):
    """Crops of scenes with what is to be written about them. Lesson i is a function of (seed, i)."""

    def __init__(
        self,
        scenes: Sequence[WatchedScene],
        reader: MotionReader,
        glance: Glance,
        config: StudentTrainingConfig,
    ) -> None:
        self.plans = [scene.plan.on_screen() for scene in scenes]
        self.motion = [scene.motion for scene in scenes]
        self.read = [read_motion(reader, scene.motion.float()).half() for scene in scenes]
        self.mirrored = [read_motion(reader, mirror(scene.motion.float())).half() for scene in scenes]
        self.names = [names_seen(glance, scene.columns).half() for scene in scenes]
        self.crops = Crops(scenes, config.loop.batch_size, config.loop.seed)
        self.config = config

    def __getitem__(self, index: int) -> Lesson:
        number, start, frames, rng = self.crops.draw(index)
        speed = self._speed(number, start, frames, rng)
        stretch = round(frames * speed)  # of the scene, to be played in `frames`
        flipped = rng.random() < 0.5
        motion = self.motion[number].float()
        motion = mirror(motion) if flipped else motion
        read = (self.mirrored if flipped else self.read)[number].float()
        pictures = max(1, frames // round(FPS / PICTURES_FPS))
        moments = (torch.arange(pictures) + 0.5) * frames / FPS / pictures
        shown = ((start / FPS + moments * speed) * PICTURES_FPS).long().clamp(max=len(self.names[number]) - 1)
        names = self.names[number][shown].float()
        names = names.flip(1) if flipped else names
        level = min(1.0, index / self.config.loop.batch_size / self.config.blur_after)
        plan = paced(window(self.plans[number], start / FPS, stretch / FPS), speed)
        plan = lesson_plan(turned(plan) if flipped else plan, striking(self.plans[number]))
        tokens = spoken(plan.model_copy(update={"duration": frames / FPS}))
        return Lesson(
            Watched(
                motion=played(motion[start : start + stretch], frames)[None],
                read=played(read[start : start + stretch], frames)[None],
                names=blurred(names, level * self.config.blur, rng)[None],
                moments=moments,
            ),
            torch.tensor(tokens),
            allowed_words(tokens, frames),
        )

    def _speed(self, number: int, start: int, frames: int, rng: Generator) -> float:
        most = min(FASTEST, (len(self.motion[number]) - start) / frames)
        drawn = float(np.exp(rng.uniform(-np.log(FASTEST), np.log(most))))
        return drawn if rng.random() < WITH_SPEED else 1.0

    @staticmethod
    def collate(lessons: Sequence[Lesson]) -> Lessons:
        clips = [lesson.watched for lesson in lessons]
        longest = max(len(lesson.tokens) for lesson in lessons)

        def padded(tokens: Sequence[int], value: int) -> list[int]:
            return [*tokens, *([value] * (longest - len(tokens)))]

        written = [lesson.tokens.tolist() for lesson in lessons]
        return Lessons(
            Watched(
                motion=torch.cat([watched.motion for watched in clips]),
                read=torch.cat([watched.read for watched in clips]),
                names=torch.cat([watched.names for watched in clips]),
                moments=clips[0].moments,
            ),
            torch.tensor([padded(beginning_with(tokens), 0) for tokens in written]),
            torch.tensor([padded(tokens, LEFT_OUT) for tokens in written]),
            torch.stack(
                [
                    F.pad(lesson.allowed, (0, 0, 0, longest - len(lesson.tokens)), value=True)
                    for lesson in lessons
                ]
            ),
        )


def striking(plan: Plan) -> set[str]:
    """The events that strike."""
    return {span.event for span in plan.temporal.spans if span.hits}


def lesson_plan(plan: Plan, strike: set[str]) -> Plan:
    """What is to be written of what is on screen: in the order in which it begins, ways in a few keys.

    Of the events that `strike`, what only rings from before the clip is not seen.
    """
    spans = {span.event: span for span in plan.temporal.spans if span.hits or span.event not in strike}
    places = {place.event: place for place in plan.spatial.places}
    known = sorted(
        (event for event in plan.semantic.events if event.id in spans), key=lambda e: spans[e.id].onsets()[0]
    )[:MOST_EVENTS]
    return Plan(
        duration=plan.duration,
        semantic=plan.semantic.model_copy(update={"events": tuple(known), "ambience": ()}),
        temporal=plan.temporal.model_copy(
            update={"spans": tuple(_most_hits(spans[event.id]) for event in known)}
        ),
        aesthetic=AestheticThought(),
        spatial=plan.spatial.model_copy(
            update={"places": tuple(_simple(places[event.id], spans[event.id]) for event in known)}
        ),
    )


def _most_hits(span: Span) -> Span:
    return span.model_copy(update={"hits": span.hits[:MOST_HITS], "strengths": ()})


def _simple(place: Place, span: Span) -> Place:
    """The way while it sounds, in `KEYS` keys; one if it stands."""
    moments = np.linspace(span.onset, span.offset, KEYS)
    azimuths = place.azimuth_at(moments)
    if np.ptp(azimuths) < STANDS:
        moments, azimuths = np.zeros(1), np.array([azimuths.mean()])
    keys = tuple(Key(float(t), float(a)) for t, a in zip(moments, azimuths, strict=True))
    return place.model_copy(update={"keys": keys})


def paced(plan: Plan, speed: float) -> Plan:
    """The plan of the clip played `speed` times as fast."""
    spans = tuple(
        span.model_copy(
            update={
                "onset": span.onset / speed,
                "offset": span.offset / speed,
                "hits": tuple(hit / speed for hit in span.hits),
            }
        )
        for span in plan.temporal.spans
    )
    return plan.model_copy(
        update={
            "duration": plan.duration / speed,
            "temporal": plan.temporal.model_copy(update={"spans": spans}),
            "spatial": _places(plan, lambda key: Key(key.time / speed, key.azimuth)),
        }
    )


def turned(plan: Plan) -> Plan:
    """The plan as heard in a mirror."""
    return plan.model_copy(update={"spatial": _places(plan, lambda key: Key(key.time, -key.azimuth))})


def _places(plan: Plan, moved: Callable[[Key], Key]) -> SpatialThought:
    places = tuple(
        place.model_copy(update={"keys": tuple(moved(key) for key in place.keys)})
        for place in plan.spatial.places
    )
    return plan.spatial.model_copy(update={"places": places})


def played(features: Tensor, frames: int) -> Tensor:
    """features: (K, F) of a stretch -> (frames, F), straight lines in between."""
    if len(features) == frames:
        return features
    return F.interpolate(features.mT[None], size=frames, mode="linear", align_corners=False)[0].mT


def blurred(names: Tensor, nats: float, rng: Generator) -> Tensor:
    """names: (P, C, N) log-probabilities -> less sure ones, wrong in the same way throughout the clip."""
    noise = torch.from_numpy(rng.normal(0, 1, names.shape[-1]) + rng.normal(0, 0.5, names.shape)).float()
    doubt = 1 - rng.random() * min(nats, 1.0) * 0.7
    return (names * doubt + nats * noise).log_softmax(dim=-1)


def allowed_words(tokens: Sequence[int], frames: int) -> Tensor:
    """-> (L, V) which words could stand in the place of each."""
    writer = Writer(frames)
    rows = []
    for token in tokens:
        rows.append(torch.from_numpy(writer.mask()[: FIRST_FRAME + frames + 1]))
        writer.write(token)
    return torch.stack(rows)


class StudentJob:
    def __init__(self, held_out: Sequence[Lessons]) -> None:
        self.held_out = held_out

    def loss(self, model: nn.Module, batch: Lessons, generator: torch.Generator) -> dict[str, Tensor]:
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator, device=generator.device)))
        logits = self._logits(model, batch)  # its dropout draws from what was just seeded
        loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=LEFT_OUT)
        return {"loss": loss}

    @torch.no_grad()
    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """The loss; how often names are right, and moments within a frame, when all before them is."""
        device = next(model.parameters()).device
        losses, names, moments = [], [], []
        for batch in (held_out.to(device) for held_out in self.held_out):
            logits = self._logits(model, batch)
            losses.append(
                F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=LEFT_OUT)
            )
            miss = (logits.argmax(dim=-1) - batch.targets).abs()
            named = (batch.targets >= ALL_NAMES.start) & (batch.targets < ALL_NAMES.stop)
            names.append((miss == 0)[named])
            moments.append((miss <= 1)[batch.targets >= FIRST_FRAME])
        return {
            "loss": float(torch.stack(losses).mean()),
            "names": float(torch.cat(names).float().mean()),
            "moments": float(torch.cat(moments).float().mean()),
        }

    def _logits(self, model: nn.Module, batch: Lessons) -> Tensor:
        """(B, L, V), of words that could not come next: none"""
        logits: Tensor = model(batch.watched, batch.before)
        return logits.float().masked_fill(~batch.allowed, -1e4)


def train_student(
    config: StudentTrainingConfig, lessons: LessonBook, held_out: LessonBook, folder: Path
) -> Student:
    """-> the averaged weights; resumes from `folder`."""
    torch.manual_seed(config.loop.seed)
    size = config.loop.batch_size
    batches = [held_out.collate([held_out[i] for i in range(size * b, size * (b + 1))]) for b in range(10)]
    student = Student(**config.model.model_dump())
    averaged = train(student, StudentJob(batches), lessons, config.loop, folder)
    assert isinstance(averaged, Student)
    return averaged

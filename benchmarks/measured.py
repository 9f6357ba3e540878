"""The stages of the published system, from video file to muxed file, as functions to be measured."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.system import WORDS, System, ignore
from prismaudio.generation.engine import decode
from prismaudio.generation.mastering import levelled
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import Job, VideoToAudio
from prismaudio.media.mux import mux

LITERAL = "literal"  # in the place of an engine: the way of the released program
Run = Callable[[], object]


@dataclass(frozen=True)
class Stage:
    """Something to be measured."""

    name: str
    batch: int
    prepare: Callable[[ExitStack], Run]  # what must not be timed; the stack undoes it
    dtype: torch.dtype | None = None  # of its matrix products, if that is what it does
    engine: str = ""  # where there is a choice
    operations: Callable[[], int] | None = None  # of its arithmetic; None: by watching the first call


class Work(NamedTuple):
    """What is asked for."""

    system: System
    folder: Path  # for what is written
    options: Options
    batches: Sequence[int]
    machineries: Sequence[str]  # ways to run the transformer that work here; the first is the default


def stages(work: Work) -> Iterator[Stage]:
    """In the order in which a clip meets them."""
    yield from perception(work.system)
    for machinery, batch in product(work.machineries, work.batches):
        yield generation(work, machinery, batch)
    yield from sound(work)
    yield from whole(work)


def perception(system: System) -> Iterator[Stage]:
    """Films are watched one after the other."""
    encoders, dtype = system.model.encoders, system.engine.dtype
    yield Stage("decode", 1, lambda _: system.decode)
    yield Stage("plan", 1, lambda _: system.think)
    yield Stage("videoprism", 1, lambda _: lambda: encoders.video.encode(system.shown["video"]), dtype)
    yield Stage("synchformer", 1, lambda _: lambda: encoders.sync.encode(system.shown["sync"]), dtype)
    yield Stage("t5gemma", 1, lambda _: lambda: encoders.text.encode(WORDS), dtype)


def generation(work: Work, machinery: str, batch: int) -> Stage:
    """From features to latents: conditions, then the steps of the sampler."""
    system, options = work.system, work.options

    def prepare(_: ExitStack) -> Run:
        return partial(system.generator(machinery), system.requests(batch), options, ignore)

    def operations() -> int:
        return batch * (system.operations.first + (options.steps - 1) * system.operations.further)

    return Stage("diffusion", batch, prepare, system.engine.dtype, machinery, operations)


def sound(work: Work) -> Iterator[Stage]:
    """From latents to a file: one after the other, as the pipeline does it."""
    system = work.system
    numbers = next(system.model.codec.parameters()).dtype

    def playing(batch: int) -> Callable[[ExitStack], Run]:
        return lambda _: partial(play, system, system.latents(batch))

    def mastering(batch: int) -> Callable[[ExitStack], Run]:
        return lambda _: partial(levelled, [system.take()] * batch, work.options)

    for batch in work.batches:
        yield Stage("vae", batch, playing(batch), numbers)
        yield Stage("mastering", batch, mastering(batch))
    yield Stage("mux", 1, lambda _: partial(mux, system.film, system.take().audio, work.folder / "muxed.mp4"))


def play(system: System, latents: Tensor) -> None:
    for number in range(len(latents)):
        decode(system.model.codec, latents[number : number + 1], system.model.piece)


def whole(work: Work) -> Iterator[Stage]:
    """From video files to muxed files; the caption is given, so nobody plans."""
    film, first = work.system.film, work.machineries[0]
    for machinery in work.machineries:
        yield Stage("whole", 1, entire(work, machinery, [film]), engine=machinery)
    for batch in work.batches:
        if batch > 1:
            takes = entire(work, first, [film] * batch)
            yield Stage("whole, takes of one film", batch, takes, engine=first)
    many = [linked(film, number) for number in range(work.batches[len(work.batches) // 2])]
    if len(many) > 1:
        yield Stage("whole, different films", len(many), entire(work, first, many), engine=first)


def entire(work: Work, machinery: str, films: Sequence[Path]) -> Callable[[ExitStack], Run]:
    jobs = [Job(film, caption=WORDS, seed=seed) for seed, film in enumerate(films)]

    def run(pipeline: VideoToAudio) -> None:
        for number, made in enumerate(pipeline.batch(jobs, **work.options.model_dump())):
            made.save(work.folder / f"whole{number}.mp4")

    return lambda _: partial(run, work.system.pipeline(machinery))


def linked(film: Path, number: int) -> Path:
    """The same film under another name."""
    other = film.with_name(f"{film.stem}{number}{film.suffix}")
    if not other.exists():
        os.link(film, other)
    return other

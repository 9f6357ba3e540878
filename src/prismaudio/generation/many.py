"""Many sounds, some at a time; one that cannot be made does not keep the others from being made."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from prismaudio.errors import PrismAudioError
from prismaudio.generation.pipeline import Generation, VideoToAudio
from prismaudio.generation.thinking import Job


class Failure(NamedTuple):
    """Why a job was not done."""

    job: Job
    error: PrismAudioError


def generate_many(
    pipeline: VideoToAudio, jobs: Sequence[Job], **choices: Any
) -> Iterator[Generation | Failure]:
    """One result per job, in their order, as they are ready; choices as of `VideoToAudio.batch`."""
    rest = iter(jobs)
    while group := list(islice(rest, pipeline.engine.group)):
        try:
            yield from pipeline.batch(group, **choices)
        except PrismAudioError as error:
            if len(group) == 1:
                yield Failure(group[0], error)
            else:
                for job in group:
                    yield from generate_many(pipeline, [job], **choices)

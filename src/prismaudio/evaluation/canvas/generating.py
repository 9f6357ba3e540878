"""Let a model sound every clip of a benchmark; an interrupted run goes on where it was."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import NonNegativeInt
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.evaluation.canvas.manifest import Entry, Manifest
from prismaudio.evaluation.suite.clips import VIDEO_ENDINGS, files_by_name
from prismaudio.generation.many import Failure, generate_many
from prismaudio.generation.options import Options
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.thinking import Job
from prismaudio.media.files import replacing
from prismaudio.media.video import probe

SETTINGS = "settings.json"


class OtherSettings(PrismAudioError):
    """A folder that holds sounds that were made in another way."""


class Making(Config):
    """How the sounds are made; a folder holds those of one way only."""

    model: str
    planner: str
    thoughts: Literal["own", "annotated"] = "own"  # the planner's, who sees the picture; or the manifest's
    seed: NonNegativeInt = 0
    options: Options = Options()
    backends: dict[str, str] = {}


class Made(NamedTuple):
    """What came of it."""

    kept: int  # sounds that were there
    made: int
    failures: dict[str, str]  # clip -> why


def generate_sounds(
    pipeline: VideoToAudio, manifest: Manifest, videos: Path, folder: Path, making: Making
) -> Made:
    """folder/ID.wav for every clip; `videos` is the laid-out folder. A clip that fails is told, the others are made."""
    check_settings(folder, making)
    films = files_by_name(videos, VIDEO_ENDINGS)
    wanted = [e for e in manifest.entries if e.id in films and not (folder / f"{e.id}.wav").is_file()]
    there = sum((folder / f"{entry.id}.wav").is_file() for entry in manifest.entries)
    failures, made = {}, 0
    jobs = [job_of(manifest, entry, films[entry.id][0], making) for entry in wanted]
    results = generate_many(pipeline, jobs, **making.options.model_dump())
    for entry, result in tqdm(_paired(wanted, results), total=len(wanted), desc="sounds", disable=None):
        if isinstance(result, Failure):
            failures[entry.id] = str(result.error)
            continue
        result.save(folder / f"{entry.id}.wav")
        made += 1
    return Made(there, made, failures)


def _paired(entries: list[Entry], results: Iterator[object]) -> Iterator[tuple[Entry, object]]:
    return zip(entries, results, strict=True)


def job_of(manifest: Manifest, entry: Entry, film: Path, making: Making) -> Job:
    plan = manifest.plan_of(entry, probe(film).duration) if making.thoughts == "annotated" else None
    return Job(film, plan=plan, seed=seed_of(making.seed, entry.id))


def seed_of(seed: int, name: str) -> int:
    """Of one clip: the same whatever other clips there are. 0 to 2**31 - 1."""
    return int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:4], "big") >> 1


def check_settings(folder: Path, making: Making) -> None:
    """Write down how the sounds are made, or refuse to mix them with sounds that were made in another way."""
    path = folder / SETTINGS
    folder.mkdir(parents=True, exist_ok=True)
    text = making.model_dump_json(indent=1) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise OtherSettings(f"{folder} holds sounds of other settings ({path.name}); give another --out")
    if not path.is_file():
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

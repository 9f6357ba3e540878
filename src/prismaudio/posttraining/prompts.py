"""What post-training learns from: films that the generator and its judges watched once, kept on disk.

Shapes: N samples.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prismaudio.backends.base import Sounds
from prismaudio.backends.content_cache import StoredFrames, film_digest
from prismaudio.backends.embedded.recogniser import Looks
from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.rewards import Case
from prismaudio.errors import PrismAudioError
from prismaudio.generation import published
from prismaudio.generation.judging import levelled
from prismaudio.generation.model import Model, Wording
from prismaudio.generation.watch import Seen
from prismaudio.media.preprocess import View
from prismaudio.posttraining.dit_policy import Told
from prismaudio.stage.corpus import SAMPLE_RATE
from prismaudio.training.pool import save_whole
from prismaudio.types import Audio, Frames

SETTINGS = "settings.toml"
SEEN: list[Any] = [Seen, Looks, published.Watched, published.Heard]  # what models make of a film


class OtherPrompts(PrismAudioError):
    """A folder of prompts that were prepared for something else."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """A film: what the generator is told, what judges see, and what it really sounded like, if that is known."""

    told: Told
    views: Mapping[View, Frames]
    samples: Tensor | None  # (2, N) half precision at SAMPLE_RATE

    @property
    def plan(self) -> Plan:
        return self.told.plan

    @property
    def sound(self) -> Audio | None:
        """The film's own."""
        return None if self.samples is None else Audio(self.samples.float(), SAMPLE_RATE)

    def case(self) -> Case:
        """What its sounds are judged by. Judges that compare with the true sound say nothing where there is none."""
        return Case(self.plan, self.views, self.reference())

    def reference(self) -> Sounds | None:
        return None if self.sound is None else levelled([self.sound])


Kind = TypeVar("Kind", bound=Prompt)


def check_settings(folder: Path, kind: str, model: Model, views: Sequence[View]) -> None:
    """A folder holds prompts of one kind, for one model and one set of judges; `OtherPrompts` if it has others."""
    wanted = f"{kind}\nwatched by {sorted(model.backends().items())}\nshown to judges in {list(views)}\n"
    path = folder / SETTINGS
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, encoding="utf-8")
    if path.read_text(encoding="utf-8") != wanted:
        raise OtherPrompts(
            f"{folder} holds prompts of other settings, or for another model or other judges; "
            "delete it or choose another folder"
        )


def keep(folder: Path, name: str, prompt: Prompt) -> None:
    """Write it down: its films first, so that what `is_kept` is whole."""
    films = []
    for place, frames in enumerate(prompt.views.values()):
        films.append({"fps": frames.fps, "digest": film_digest(frames)})
        _write_array(_film_path(folder, name, place), frames.images)
    state = {
        "plan": prompt.plan.model_dump_json(),
        "seen": prompt.told.seen,
        "sound": prompt.samples,
        "films": films,
    }
    save_whole(_path(folder, name), state)


def is_kept(folder: Path, name: str) -> bool:
    return _path(folder, name).exists()


def recall(kind: type[Kind], folder: Path, name: str, views: Sequence[View], wording: Wording) -> Kind:
    """What was kept under `name`, seen by judges in `views`. Films stay on disk until somebody looks at them."""
    with torch.serialization.safe_globals(SEEN):
        state = torch.load(_path(folder, name), weights_only=True)
    return kind(
        told=Told(Plan.model_validate_json(state["plan"]), state["seen"], wording),
        views={
            view: StoredFrames(
                np.load(_film_path(folder, name, place), mmap_mode="r"), film["fps"], film["digest"]
            )
            for place, (view, film) in enumerate(zip(views, state["films"], strict=True))
        },
        samples=state["sound"],
    )


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.pt"


def _film_path(folder: Path, name: str, place: int) -> Path:
    return folder / f"{name}.film{place}.npy"


def _write_array(path: Path, images: NDArray[np.uint8]) -> None:
    beside = path.with_suffix(f".{os.getpid()}.partial")
    with beside.open("wb") as file:
        np.save(file, images)
    beside.replace(path)

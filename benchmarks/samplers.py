"""How far samplers end from where 200 steps of Euler end, and what they cost: the embedded model on stage scenes.

python -m benchmarks.samplers --out samplers.json

The error is that of the latents, relative to their norm. Guidance on a part of the way aims at another sound, so what
is written for it is how far that sound is, not a mistake.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from prismaudio.data.features import ClipFeatures, collate
from prismaudio.flow.sampler import choose_sampler, time_grid
from prismaudio.generation.embedded import EmbeddedModel
from prismaudio.generation.long import Layout
from prismaudio.generation.model import Clip, Wording
from prismaudio.generation.pictures import open_film
from prismaudio.generation.pipeline import VideoToAudio
from prismaudio.generation.velocity import VelocityEngine
from prismaudio.models.dit import Prepared
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.render import render
from prismaudio.stage.scene import StageConfig, draw_scene

SECONDS = 9.0
PICTURE = (320, 224)
EVERYWHERE = (0.0, 1.0)


class Variant(NamedTuple):
    """A way to walk from noise to latents."""

    sampler: str
    steps: int
    interval: tuple[float, float] = EVERYWHERE

    def __str__(self) -> str:
        low, high = self.interval
        part = "" if self.interval == EVERYWHERE else f", guided from {low:g} to {high:g}"
        return f"{self.sampler} {self.steps}{part}"


REFERENCE = Variant("euler", 200)
VARIANTS = [
    *(Variant("euler", steps) for steps in (12, 24, 48)),
    *(Variant("midpoint", steps) for steps in (6, 12, 24)),
    *(Variant("adams", steps) for steps in (12, 24, 48)),
    Variant("adams", 200),
    *(
        Variant(sampler, 24, interval)
        for interval in ((0.0, 0.8), (0.2, 1.0), (0.2, 0.8), (0.4, 1.0))
        for sampler in ("euler", "adams")
    ),
]


class Row(NamedTuple):
    """What a variant came to."""

    variant: str
    evaluations: int  # halves of guidance count one each
    error: float  # mean over scenes
    worst: float
    seconds: float  # for all scenes together


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments.add_argument("--scenes", type=int, default=8, help="held-out scenes of 9 s")
    arguments.add_argument("--dtype", default="float32", help="float32 or bfloat16")
    options = arguments.parse_args()
    pipeline = VideoToAudio.from_pretrained("embedded", device="cpu", dtype=options.dtype)
    rows = compare(pipeline, options.scenes)
    print(table(rows))  # noqa: T201  # a benchmark's output is its purpose
    if options.out:
        figures = {
            "reference": str(REFERENCE),
            "scenes": options.scenes,
            "dtype": options.dtype,
            "guidance": pipeline.model.guidance,
            "rows": [row._asdict() for row in rows],
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}",
        }
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(pipeline: VideoToAudio, scenes: int) -> list[Row]:
    model = pipeline.model
    assert isinstance(model, EmbeddedModel)
    prepared, frames = conditions(model, pipeline.engine.dtype, scenes)
    noise = torch.stack(
        [
            torch.randn(model.codec.latent_channels, frames, generator=torch.Generator().manual_seed(index))
            for index in range(scenes)
        ]
    )
    engine = VelocityEngine(model.dit.dit)
    reference, row = walk(engine, prepared, model.guidance, REFERENCE, noise)
    rows = [row]
    for variant in VARIANTS:
        end, row = walk(engine, prepared, model.guidance, variant, noise)
        errors = (end - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)
        rows.append(row._replace(error=errors.mean().item(), worst=errors.max().item()))
    return rows


@torch.no_grad()
def walk(
    engine: VelocityEngine, prepared: Prepared, guidance: float, variant: Variant, noise: Tensor
) -> tuple[Tensor, Row]:
    times = time_grid(variant.steps)
    velocity = engine.guided(prepared, None, guidance, variant.interval, times)
    began = time.perf_counter()
    *_, end = choose_sampler(variant.sampler)(velocity, noise, times)
    return end, Row(str(variant), velocity.evaluations, 0.0, 0.0, time.perf_counter() - began)


@torch.no_grad()
def conditions(model: EmbeddedModel, dtype: torch.dtype, scenes: int) -> tuple[Prepared, int]:
    """The true plans and the pictures of held-out scenes, and the latent frames of their sounds."""
    corpus, told = Corpus.load(), []
    layout = Layout.covering(model.frames(SECONDS))
    for index in range(scenes):
        scene = draw_scene(0, index, "test", corpus, StageConfig(shortest=SECONDS, longest=SECONDS))
        film = open_film(render(scene, *PICTURE))
        seen = model.watch(film, Clip(SECONDS, layout), lambda share: None)
        told += model.tell(scene.plan(corpus), seen, layout, Wording())
    return model.prepare(collate([in_numbers(clip, dtype) for clip in told]), layout.width), layout.width


def in_numbers(clip: ClipFeatures, dtype: torch.dtype) -> ClipFeatures:
    return ClipFeatures(*(tensor.to(dtype) for tensor in clip))


def table(rows: list[Row]) -> str:
    lines = [f"{'':40}{'evaluations':>12}{'error':>9}{'worst':>9}{'seconds':>9}"]
    lines += [
        f"{row.variant:40}{row.evaluations:12}{row.error:9.2%}{row.worst:9.2%}{row.seconds:9.1f}"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

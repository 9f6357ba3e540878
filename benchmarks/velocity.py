"""Milliseconds that the transformer needs for the guided steps of one or many 9 s clips, by engine, with its warm-up.

python -m benchmarks.velocity --device cuda --engines eager graph compile --clips 1 8 --out velocity.json

The published size with weights drawn at random: how fast it is does not depend on what it learned.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from prismaudio.flow.sampler import sample, time_grid
from prismaudio.generation.velocity import ENGINES, VelocityEngine
from prismaudio.models.checkpoints import build_prismaudio
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT, Prepared
from prismaudio.models.lengths import latent_frames, sync_tokens, video_frames

SECONDS = 9.0
GUIDANCE = 5.0
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments.add_argument("--dtype", choices=DTYPES, default="bfloat16")
    arguments.add_argument("--engines", nargs="+", choices=ENGINES, default=["eager"])
    arguments.add_argument("--clips", nargs="+", type=int, default=[1], help="clips in one batch")
    arguments.add_argument("--steps", type=int, default=24)
    arguments.add_argument("--text-tokens", type=int, default=77)
    arguments.add_argument("--rounds", type=int, default=5, help="the median is reported")
    arguments.add_argument("--out", type=Path, help="also write the figures as JSON")
    options = arguments.parse_args()
    device, dtype = torch.device(options.device), DTYPES[options.dtype]
    model = random_model(device, dtype)
    rows = []
    for mode in options.engines:
        engine = VelocityEngine(model.dit, mode)
        for clips in options.clips:
            prepared = conditions(model, clips, options.text_tokens)
            row = measure(engine, prepared, options.steps, options.rounds)
            rows.append({"engine": engine.description, "clips": clips, "steps": options.steps, **row})
            print(json.dumps(rows[-1]), flush=True)  # noqa: T201  # a benchmark's output is its purpose
    if options.out:
        options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def random_model(device: torch.device, dtype: torch.dtype) -> ConditionedDiT:
    """Small weights everywhere, also where a new network is silent."""
    model = build_prismaudio().model.to(dtype).to_empty(device=device).eval().requires_grad_(False)
    generator = torch.Generator(device).manual_seed(0)
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.normal_(0, 0.02, generator=generator)
    return model


@torch.no_grad()
def conditions(model: ConditionedDiT, clips: int, text_tokens: int) -> Prepared:
    counts = {"video": video_frames(SECONDS), "text": text_tokens, "sync": sync_tokens(SECONDS)}
    told = {}
    for name, count in counts.items():
        weight = model.conditioner.get_submodule(name).get_parameter("0.weight")
        told[name] = torch.randn(clips, count, weight.shape[1], device=weight.device, dtype=weight.dtype)
    return model.prepare(Features(**told), latent_frames(SECONDS))


def measure(engine: VelocityEngine, prepared: Prepared, steps: int, rounds: int) -> dict[str, float]:
    """Each round is a new clip of the same shape, its conditions copied like any other's."""
    device, times = prepared.addition.device, time_grid(steps)
    channels = engine.dit.project_in.in_features
    noise = torch.randn(len(prepared.addition), channels, prepared.addition.shape[1], device=device)
    before, taken = engine.warm_up_seconds, []
    for _ in range(rounds + 1):
        synchronise(device)
        began = time.perf_counter()
        sample(engine.guided(prepared, None, GUIDANCE, times=times), noise, times)
        synchronise(device)
        taken.append(time.perf_counter() - began)
    warm = statistics.median(taken[1:])
    return {
        "all steps (ms)": round(1000 * warm, 2),
        "one clip (ms)": round(1000 * warm / len(prepared.addition), 2),
        "warm-up (s)": round(engine.warm_up_seconds - before, 2),
        "first clip (s)": round(taken[0], 2),
    }


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()

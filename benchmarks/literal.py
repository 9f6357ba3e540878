"""The released program's way of doing the same work (spec model.md 11), so that one run on one machine gives ratios.

It differs from ours in what is computed, not in how a layer computes it: its own activations, attention formulas and
launches are not rebuilt here, so the true distance to the released program is larger.

Shapes: B batch, C latent channels, T latent frames.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import pairwise, product
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks.measured import LITERAL, Run, Stage, Work
from prismaudio.backends.pretrained.synchformer import SynchformerEncoder
from prismaudio.flow.sampler import time_grid
from prismaudio.generation.engine import released_engine
from prismaudio.models.conditioning import Conditions, Features
from prismaudio.models.dit import ConditionedDiT
from prismaudio.models.oobleck import OobleckVAE
from prismaudio.models.weight_norm import add_weight_norm, fold_weight_norm

BATCHES = 2  # of those asked for
EXACT = torch.float32  # of the released weights; on CUDA float16 autocast surrounds them


def stages(work: Work) -> Iterator[Stage]:
    """The transformer also in our numbers, which tells what those are worth; in a few batches, for it is slow."""
    ours = work.system.engine.dtype
    for batch, dtype in product(work.batches[:BATCHES], dict.fromkeys((EXACT, ours))):
        yield Stage("diffusion", batch, diffusion(work, batch, dtype), dtype, LITERAL)
    yield Stage("vae", 1, lambda stack: vae(work, stack), EXACT, LITERAL)
    yield Stage("synchformer", 1, lambda stack: synchformer(work, stack), EXACT, LITERAL)


def diffusion(work: Work, batch: int, dtype: torch.dtype) -> Callable[[ExitStack], Run]:
    system = work.system

    def prepare(stack: ExitStack) -> Run:
        enter(stack, work, system.model.dit, dtype)
        features, noise = system.features(batch), system.latents(batch)
        return partial(generate, system.model.dit, features, noise, work.options.steps, system.model.guidance)

    return prepare


def vae(work: Work, stack: ExitStack) -> Run:
    codec, latents = work.system.model.codec, work.system.latents(1)
    enter(stack, work, codec, EXACT)
    stack.enter_context(unfolded(codec))
    return partial(codec.decode, latents)


def synchformer(work: Work, stack: ExitStack) -> Run:
    """One segment after the other."""
    network = cast(SynchformerEncoder, work.system.model.encoders.sync).network
    enter(stack, work, network, EXACT)
    return partial(SynchformerEncoder(network, segments_per_batch=1).encode, work.system.shown["sync"])


def enter(stack: ExitStack, work: Work, network: nn.Module, dtype: torch.dtype) -> None:
    """With weights in these numbers, and what surrounds them in the released program."""
    stack.enter_context(in_numbers(network, dtype))
    stack.enter_context(torch.no_grad())
    if dtype == EXACT:
        stack.enter_context(released_engine(str(work.system.engine.device)).numbers())


@torch.no_grad()
def generate(model: ConditionedDiT, features: Features, noise: Tensor, steps: int, scale: float) -> Tensor:
    """noise: (B, C, T) -> (B, C, T). Every step embeds all conditions, and as many zeros for the other half."""
    conditions = with_nothing(model.conditioner(features))
    x = noise
    for t, t_next in pairwise(time_grid(steps).tolist()):
        x = x + (t_next - t) * guided(model, conditions, x, t, scale)
    return x


def guided(model: ConditionedDiT, conditions: Conditions, x: Tensor, t: float, scale: float) -> Tensor:
    """x: (B, C, T), conditions of 2 B -> (B, C, T)"""
    prepared = model.dit.prepare(conditions, x.shape[-1])
    times = torch.full((2 * len(x),), t, device=x.device)
    both: Tensor = model.dit(torch.cat([x, x]), times, prepared)
    wanted, bare = both[: len(x)], both[len(x) :]
    return bare + scale * (wanted - bare)


def with_nothing(conditions: Conditions) -> Conditions:
    """Of B clips without padding -> of 2 B, the second half without any."""
    cross, video, sync = (torch.cat([part, torch.zeros_like(part)]) for part in conditions[:3])
    return Conditions(cross, video, sync)


@contextmanager
def unfolded(codec: OobleckVAE) -> Iterator[None]:
    """With weights that are computed at every call, as they are trained."""
    add_weight_norm(codec)
    yield
    fold_weight_norm(codec)


@contextmanager
def in_numbers(network: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """With weights in `dtype`."""
    before = next(network.parameters()).dtype
    network.to(dtype)
    yield
    network.to(before)

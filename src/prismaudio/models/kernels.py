"""The elementwise work between matrix products: one function for each fused operation, with its plain definition.

On a GPU each is one Triton kernel (`triton_kernels.py`) instead of three to ten passes over memory. Everywhere else,
and wherever a gradient is wanted or torch.compile looks on, the definition in plain torch runs.

Shapes: B batch, N sequence, D width, H heads, P head width, K kinds of heads, W channels, I inner width.
"""

import os
import shutil
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from prismaudio.models.embeddings import rotate

RMS_EPS = torch.finfo(torch.float32).eps  # torch's default in single precision, for every precision
SNAKE_EPS = 1e-9


def snake(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """x + sin^2(a x) / b with a, b kept as logarithms: (B, W, N), (W,), (W,) -> (B, W, N)

    The phase is computed in float32: in bfloat16 a phase of ten radians would be off by two degrees.
    """
    if fusible(x, alpha, beta):
        from prismaudio.models import triton_kernels

        return triton_kernels.snake(x, alpha, beta)
    exact = torch.promote_types(x.dtype, torch.float32)
    frequency = alpha.to(exact).exp()[:, None]
    size = beta.to(exact).exp()[:, None] + SNAKE_EPS
    kept = torch.promote_types(x.dtype, alpha.dtype)
    if torch.compiler.is_compiling() or differentiable(x, alpha, beta):
        return (x + torch.sin(x * frequency).square() / size).to(kept)
    wave = (x * frequency).sin_().square_()  # in place: fresh memory costs more than the arithmetic
    return torch.addcmul(x.to(exact), wave, 1 / size, out=wave).to(kept)


def head_norms(
    packed: Tensor, weights: Sequence[Tensor], heads: int, rotation: Tensor | None
) -> tuple[Tensor, ...]:
    """Heads of length 1 per number times their kind's weight, then turned by their position.

    packed: (B, N, K H P), weights: K of (P,), rotation: (2, N, R) or None -> K of (B, H, N, P)
    """
    if fusible(packed, *weights):
        from prismaudio.models import triton_kernels

        return triton_kernels.head_norms(packed, weights, heads, rotation)
    if torch.compiler.is_compiling() or differentiable(packed, *weights):
        return _head_norms(packed, weights, heads, rotation)
    return _head_norms_in_place(packed, weights, heads, rotation)


def _head_norms(
    packed: Tensor, weights: Sequence[Tensor], heads: int, rotation: Tensor | None
) -> tuple[Tensor, ...]:
    kinds = rearrange(packed, "b n (k h p) -> k b h n p", k=len(weights), h=heads)
    pairs = zip(kinds, weights, strict=True)
    normed = (F.rms_norm(kind, weight.shape, weight.to(kind.dtype), RMS_EPS) for kind, weight in pairs)
    return tuple(heads if rotation is None else rotate(heads, rotation) for heads in normed)


def _head_norms_in_place(
    packed: Tensor, weights: Sequence[Tensor], heads: int, rotation: Tensor | None
) -> tuple[Tensor, ...]:
    """A third of the time on a processor, for it makes one copy instead of nine."""
    exact = torch.promote_types(packed.dtype, torch.float32)
    x = rearrange(packed, "b n (k h p) -> b n k h p", k=len(weights), h=heads).to(exact)
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    x = x * length.square_().div_(x.shape[-1]).add_(RMS_EPS).rsqrt_()
    x *= torch.stack(list(weights)).to(exact)[:, None]
    if rotation is not None:
        half = rotation.shape[-1] // 2
        cosine, sine = rotation[:, :, None, None, :half]
        first, second = x[..., :half], x[..., half : 2 * half]
        turned = (first * cosine).addcmul_(second, sine, value=-1)
        second.mul_(cosine).addcmul_(first, sine)
        first.copy_(turned)
    return rearrange(x.to(packed.dtype), "b n k h p -> k b h n p").unbind()


def gate(x: Tensor) -> Tensor:
    """The first half times the SiLU of the second: (..., 2 I) -> (..., I)"""
    if fusible(x):
        from prismaudio.models import triton_kernels

        return triton_kernels.gate(x)
    value, opening = x.chunk(2, dim=-1)
    opened = F.silu(opening)
    return value * opened if torch.compiler.is_compiling() or differentiable(x) else opened.mul_(value)


def add_norm(x: Tensor, branch: Tensor | None, norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
    """The residual stream with a branch added, and its layer norm for the next branch.

    x: (B, N, D), branch: (B or fewer, N, D) for the first clips -> both (B, N, D), the second in the numbers of
    the norm: the stream may be finer than the weights.
    """
    if fusible(x, norm.weight, *([] if branch is None else [branch])):
        from prismaudio.models import triton_kernels

        return triton_kernels.add_norm(x, branch, norm.weight, norm.eps)
    if branch is not None:
        x = add_first(x, branch)
    if x.dtype == norm.weight.dtype or norm.weight.dtype == torch.float32:
        return x, norm(x)
    return x, F.layer_norm(x, norm.normalized_shape, norm.weight.to(x.dtype), None, norm.eps).to(norm.weight)


def add_first(x: Tensor, branch: Tensor) -> Tensor:
    """x: (B, N, D), branch: (B or fewer, N, D) -> x with the branch added to its first clips."""
    count = len(branch)
    if count == len(x):
        return x + branch
    return torch.cat([x[:count] + branch, x[count:]])


def fusible(*tensors: Tensor) -> bool:
    """Whether a Triton kernel may stand in: on a GPU, nothing to differentiate, nobody tracing, no autocast."""
    if not tensors[0].is_cuda or torch.compiler.is_compiling() or torch.is_autocast_enabled("cuda"):
        return False
    return not differentiable(*tensors) and backend(tensors[0].device) == "triton"


def differentiable(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


@cache
def backend(device: torch.device) -> str:
    """Who computes the fused operations of inference there: "triton" or "plain"."""
    # Triton builds its launchers with a C compiler when first called
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    there = device.type == "cuda" and compiler and find_spec("triton") is not None
    return "triton" if there else "plain"

"""The fused operations of `kernels.py` as Triton kernels: each reads its input once, computes in float32, writes once.

Imported only where `kernels.backend` found Triton. Set TRITON_INTERPRET=1 before the first import to run them on a CPU.
"""
# mypy: ignore-errors
# (the bodies are Triton's language: what they index are pointers)

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

try:
    import triton
    from triton import language as tl

    kernel = triton.jit
except ImportError:  # the package can be looked through without it; `kernels.backend` then calls nothing here

    def kernel(function):
        return function


PIECE = 1024  # elements one program handles where rows are long


def snake(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """(B, W, N), (W,), (W,) -> (B, W, N)"""
    x = x.contiguous()
    y = torch.empty_like(x, dtype=torch.promote_types(x.dtype, alpha.dtype))
    channels, samples = x.shape[1:]
    pieces = triton.cdiv(samples, PIECE)
    if x.numel():
        _snake[(len(x) * channels * pieces,)](x, alpha, beta, y, channels, samples, pieces, PIECE)
    return y


@kernel
def _snake(x, alpha, beta, y, channels, samples, pieces, PIECE: tl.constexpr):  # noqa: N803, PLR0913
    program = tl.program_id(0)
    row = program // pieces
    place = (program % pieces) * PIECE + tl.arange(0, PIECE)
    inside = place < samples
    where = row.to(tl.int64) * samples + place
    frequency = tl.exp(tl.load(alpha + row % channels).to(tl.float32))
    size = tl.exp(tl.load(beta + row % channels).to(tl.float32)) + 1e-9
    value = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
    wave = tl.sin(value * frequency)
    tl.store(y + where, (value + wave * wave / size).to(y.dtype.element_ty), mask=inside)


def head_norms(
    packed: Tensor, weights: Sequence[Tensor], heads: int, rotation: Tensor | None
) -> tuple[Tensor, ...]:
    """packed: (B, N, K H P), any stride between tokens; K = 1 or 2 -> K of (B, H, N, P)"""
    clips, length, _ = packed.shape
    kinds, width = len(weights), weights[0].shape[0]
    out = packed.new_empty(clips, length, kinds, heads, width)
    turned = 0 if rotation is None else rotation.shape[-1]
    if out.numel():
        _head_norms[(clips * length,)](
            packed,
            weights[0],
            weights[-1],
            packed if rotation is None else rotation.contiguous(),
            out,
            packed.stride(0),
            packed.stride(1),
            length,
            torch.finfo(torch.float32).eps,
            heads,
            kinds * heads,
            width,
            turned,
            triton.next_power_of_2(kinds * heads),
            triton.next_power_of_2(width),
        )
    return tuple(out[:, :, kind].transpose(1, 2) for kind in range(kinds))


@kernel
def _head_norms(  # noqa: PLR0913
    packed,
    first_weight,
    second_weight,
    rotation,
    out,
    clip_stride,
    token_stride,
    length,
    eps,
    first_heads: tl.constexpr,
    heads: tl.constexpr,  # of both kinds
    width: tl.constexpr,
    turned: tl.constexpr,
    HEADS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
):
    token = tl.program_id(0)
    position = token % length
    head = tl.arange(0, HEADS)[:, None]
    number = tl.arange(0, WIDTH)[None, :]
    inside = (head < heads) & (number < width)
    start = packed + (token // length).to(tl.int64) * clip_stride + position.to(tl.int64) * token_stride
    value = tl.load(start + head * width + number, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(value * value, axis=1) / width + eps)[:, None]
    second = head >= first_heads
    weight = tl.load(first_weight + number, mask=inside & ~second, other=0.0).to(tl.float32)
    weight += tl.load(second_weight + number, mask=inside & second, other=0.0).to(tl.float32)
    value = value * scale * weight
    if turned > 0:
        # the number half a turn away, read again: it lies in the nearest cache
        half: tl.constexpr = turned // 2
        turning = number < turned
        partner = tl.where(number < half, number + half, number - half)
        with_partner = inside & turning
        other = tl.load(start + head * width + partner, mask=with_partner, other=0.0).to(tl.float32)
        weight = tl.load(first_weight + partner, mask=with_partner & ~second, other=0.0).to(tl.float32)
        weight += tl.load(second_weight + partner, mask=with_partner & second, other=0.0).to(tl.float32)
        other = other * scale * weight
        angle = rotation + position * turned + number
        cosine = tl.load(angle, mask=turning, other=1.0)
        sine = tl.load(angle + length * turned, mask=turning, other=0.0)
        value = value * cosine + tl.where(number < half, -other, other) * sine
    where = token.to(tl.int64) * (heads * width) + head * width + number
    tl.store(out + where, value.to(out.dtype.element_ty), mask=inside)


def gate(x: Tensor) -> Tensor:
    """(..., 2 I) -> (..., I)"""
    x, inner = x.contiguous(), x.shape[-1] // 2
    y = x.new_empty(*x.shape[:-1], inner)
    pieces = triton.cdiv(inner, PIECE)
    if y.numel():
        _gate[(y.numel() // inner * pieces,)](x, y, inner, pieces, PIECE)
    return y


@kernel
def _gate(x, y, inner, pieces, PIECE: tl.constexpr):  # noqa: N803
    program = tl.program_id(0)
    row = (program // pieces).to(tl.int64)
    place = (program % pieces) * PIECE + tl.arange(0, PIECE)
    inside = place < inner
    start = x + row * 2 * inner + place
    value = tl.load(start, mask=inside, other=0.0).to(tl.float32)
    opening = tl.load(start + inner, mask=inside, other=0.0).to(tl.float32)
    opened = value * opening * tl.sigmoid(opening)
    tl.store(y + row * inner + place, opened.to(y.dtype.element_ty), mask=inside)


def add_norm(x: Tensor, branch: Tensor | None, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x: (B, N, D), branch: (B or fewer, N, D), weight: (D,) -> both (B, N, D), the second as the weight is"""
    x, width = x.contiguous(), x.shape[-1]
    added = x if branch is None else torch.empty_like(x)
    normed = torch.empty_like(x, dtype=weight.dtype)
    _add_norm[(x.numel() // width,)](
        x,
        x if branch is None else branch.contiguous(),
        weight,
        added,
        normed,
        0 if branch is None else branch.numel(),
        eps,
        width,
        branch is not None,
        triton.next_power_of_2(width),
    )
    return added, normed


@kernel
def _add_norm(  # noqa: PLR0913
    x,
    branch,
    weight,
    added,
    normed,
    branch_size,
    eps,
    width: tl.constexpr,
    HAS_BRANCH: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
):
    row = tl.program_id(0)
    place = tl.arange(0, WIDTH)
    inside = place < width
    where = row.to(tl.int64) * width + place
    value = tl.load(x + where, mask=inside, other=0.0).to(tl.float32)
    if HAS_BRANCH:
        value += tl.load(branch + where, mask=inside & (where < branch_size), other=0.0).to(tl.float32)
        # what the stream keeps is what is normalised
        value = value.to(added.dtype.element_ty).to(tl.float32)
        tl.store(added + where, value.to(added.dtype.element_ty), mask=inside)
    centred = tl.where(inside, value - tl.sum(value, axis=0) / width, 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, axis=0) / width + eps)
    gain = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    tl.store(normed + where, (centred * scale * gain).to(normed.dtype.element_ty), mask=inside)

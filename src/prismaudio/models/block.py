"""One transformer block of the audio DiT, and its parts.

Shapes: B batch, N sequence, S condition tokens, D width, H heads, P head width.
"""

from typing import NamedTuple

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from prismaudio.models.kernels import RMS_EPS, add_first, add_norm, gate, head_norms


class KeysValues(NamedTuple):
    """What one block's cross-attention reads of the conditions; the same at every sampler step."""

    keys: Tensor  # (B, H, S, P)
    values: Tensor  # (B, H, S, P)


class DiTBlock(nn.Module):
    """Self-attention, cross-attention to the conditions, feed-forward: three plain pre-norm residuals.

    The flow time enters as a token of the sequence, so nothing here is modulated (spec model.md section 3).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(width, bias=False)
        self.self_attention = SelfAttention(width, heads)
        self.cross_norm = nn.LayerNorm(width, bias=False)
        self.cross_attention = CrossAttention(width, heads)
        self.feed_norm = nn.LayerNorm(width, bias=False)
        self.feed_forward = SwiGLU(width, 4 * width)

    def forward(self, x: Tensor, rotation: Tensor, read: KeysValues | None, mask: Tensor | None) -> Tensor:
        """x: (B, N, D), rotation: (2, N, R), mask: (B, 1, 1, S) -> (B, N, D). No `read`: no conditions."""
        return add_first(*self.advance(x, None, rotation, read, mask))

    def advance(
        self, x: Tensor, branch: Tensor | None, rotation: Tensor, read: KeysValues | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same with the last branch still to be added, so that an addition and the norm behind it are one pass.

        x, branch: (B, N, D) -> the same two. If `read` has fewer clips than x, the first of x read, the others not.
        """
        x, h = add_norm(x, branch, self.self_norm)
        branch = self.self_attention(h, rotation)
        if read is not None:
            x, h = add_norm(x, branch, self.cross_norm)
            branch = self.cross_attention(h[: len(read.keys)], read, mask)
        x, h = add_norm(x, branch, self.feed_norm)
        return x, self.feed_forward(h)


class SelfAttention(nn.Module):
    """Every frame looks at every frame; queries and keys are normalised, then turned by their position."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = HeadNorm(width // heads)
        self.k_norm = HeadNorm(width // heads)
        self.to_out = silent_linear(width, width)

    def forward(self, x: Tensor, rotation: Tensor) -> Tensor:
        """x: (B, N, D), rotation: (2, N, R) -> (B, N, D)"""
        qkv = self.to_qkv(x)
        q, k = head_norms(
            qkv[..., : 2 * x.shape[-1]], (self.q_norm.weight, self.k_norm.weight), self.heads, rotation
        )
        v = rearrange(qkv[..., 2 * x.shape[-1] :], "b n (h p) -> b h n p", h=self.heads)
        return self.to_out(merge_heads(F.scaled_dot_product_attention(q, k, v)))


class CrossAttention(nn.Module):
    """Every frame looks at the condition tokens, which have no position of their own."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(width, 2 * width, bias=False)
        self.q_norm = HeadNorm(width // heads)
        self.k_norm = HeadNorm(width // heads)
        self.to_out = silent_linear(width, width)

    def prepare(self, tokens: Tensor) -> KeysValues:
        """tokens: (B, S, D). Depends on neither the noise nor the time: computed once per clip."""
        keys, values = rearrange(self.to_kv(tokens), "b s (two h p) -> two b h s p", two=2, h=self.heads)
        return KeysValues(self.k_norm(keys), values)

    def forward(self, x: Tensor, read: KeysValues, mask: Tensor | None) -> Tensor:
        """x: (B, N, D), mask: (B, 1, 1, S) bool, True where a token may be read -> (B, N, D)"""
        (q,) = head_norms(self.to_q(x), (self.q_norm.weight,), self.heads, None)
        attended = F.scaled_dot_product_attention(
            q.to(read.values.dtype), read.keys, read.values, attn_mask=mask
        )
        return self.to_out(merge_heads(attended))


class HeadNorm(nn.RMSNorm):
    """Queries or keys at length 1 per number, one weight for all heads (arXiv 1910.07467)."""

    def __init__(self, head_width: int) -> None:
        super().__init__(head_width, eps=RMS_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(..., P) -> (..., P). The weight follows the number format of x, or torch leaves its fast way."""
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class SwiGLU(nn.Module):
    """Feed-forward whose second half gates the first (arXiv 2002.05202)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 2 * inner)
        self.contract = silent_linear(inner, width, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)"""
        return self.contract(gate(self.expand(x)))


def silent_linear(in_width: int, out_width: int, bias: bool = False) -> nn.Linear:
    """The last layer of a residual branch, zero at first: a new network starts as the identity."""
    layer = nn.Linear(in_width, out_width, bias=bias)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, N, P) -> (B, N, D)"""
    return rearrange(x, "b h n p -> b n (h p)")

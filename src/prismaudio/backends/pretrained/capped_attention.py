"""Attention whose logits are capped by a tanh: exact, in memory that does not grow with the square of the length.

A cap rules out the fused kernels. So few heads and few queries meet all keys at a time, and their logits are
forgotten before the next. Shapes: B batch, H heads, Q queries, K keys, D width of a head.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from prismaudio.backends.pretrained.missing import extra_for

NAME = "prismaudio_capped"  # as transformers knows it
LOGITS_AT_ONCE = (
    2**21
)  # 8 MiB of float32, held up to three times over: what a processor's cache holds is fastest


def register() -> str:
    """Make the attention known to transformers; -> the name a configuration asks for it by."""
    with extra_for("VideoPrism"):
        from transformers import AttentionInterface

    AttentionInterface.register(NAME, transformers_attention)
    return NAME


def transformers_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: None, **options: Any
) -> tuple[Tensor, None]:
    """What transformers calls: (B, H, Q, D), twice (B, H, K, D) -> (B, Q, H, D); all is seen, nothing dropped."""
    assert mask is None
    assert not module.training
    at_once = options.get("logits_at_once", LOGITS_AT_ONCE)
    seen = attention(query, key, value, options["scaling"], options["softcap"], at_once)
    return rearrange(seen, "b h q d -> b q h d"), None


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    cap: float | None,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> Tensor:
    """query: (B, H, Q, D), key, value: (B, H, K, D) -> (B, H, Q, D)"""
    if cap is None:
        return F.scaled_dot_product_attention(query, key, value, scale=scale)
    queries = max(1, logits_at_once // key.shape[2])
    heads = max(1, queries // query.shape[2])
    parts = (
        torch.split(rearrange(x, "b h n d -> (b h) n d").contiguous(), heads) for x in (query, key, value)
    )
    seen = [
        torch.cat([_capped(few, k, v, scale, cap) for few in torch.split(q, queries, dim=1)], dim=1)
        for q, k, v in zip(*parts, strict=True)
    ]
    return rearrange(torch.cat(seen), "(b h) q d -> b h q d", b=len(query))


def _capped(query: Tensor, key: Tensor, value: Tensor, scale: float, cap: float) -> Tensor:
    """Logits become float32: half precision would blur those near the cap."""
    logits = (query @ key.mT).float().mul_(scale / cap).tanh_().mul_(cap)
    return logits.softmax(dim=-1).to(value.dtype) @ value

"""How much arithmetic a stage needs, and how much the device can do: large matrix products in the same numbers.

One multiplication and one addition are two operations. Counted are matrix products, convolutions and attention; what
is done element by element is not.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmarks.clock import Clock

aten = torch.ops.aten
PEAK_ROUNDS = 7


def count(run: Callable[[], object]) -> int:
    """Operations of one call of `run`, which must not replay graphs: what they do cannot be seen."""
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        run()
    return int(counter.get_total_flops())


def peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second - on a CPU, a second of a core - of a product of large square matrices."""
    size = 8192 if device.type == "cuda" else 2048
    generator = torch.Generator(device).manual_seed(0)
    a, b = (torch.randn(size, size, device=device, generator=generator).to(dtype) for _ in range(2))
    timing = Clock(device, PEAK_ROUNDS, math.inf)(lambda: a @ b)
    operations = 2.0 * size**3
    return operations / timing.busy(device)


def _attention(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


# fused attention of processors that torch's counter does not know: it would count as nothing
ATTENTION = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_attention_math_for_mps: _attention,
    aten._scaled_dot_product_fused_attention_overrideable: _attention,
}

"""How much memory a stage needs, measured without a GPU: it runs on tensors that have shapes but no numbers.

What is counted is what a caching allocator would hand out - every storage that lives, in blocks of 512 bytes. What a
kernel takes for itself on the way is not seen; `memory.py` reserves for that.
"""

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

BLOCK = 512  # bytes, the unit of CUDA's caching allocator


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of storages made while it is on: those that live, and the most that lived at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in storages((args, kwargs))}
        for storage in storages(result):
            if storage._cdata not in given and storage._cdata not in self._known:
                self._meet(storage)
        return result

    def _meet(self, storage: torch.UntypedStorage) -> None:
        """Count it until it is gone."""
        key, size = storage._cdata, -(-storage.nbytes() // BLOCK) * BLOCK

        def gone(_: object) -> None:
            del self._known[key]
            self.live -= size

        self._known[key] = weakref.ref(storage, gone)
        self.live += size
        self.peak = max(self.peak, self.live)


def storages(values: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def peak_bytes(run: Callable[[], object]) -> int:
    """The most bytes that tensors made by `run` take at once, its result included."""
    with torch.no_grad(), LiveBytes() as counter:
        kept = run()
    del kept
    return counter.peak


def weight_bytes(module: nn.Module) -> int:
    """Parameters and buffers, each once."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


class Footprint(NamedTuple):
    """What one network needs, in bytes."""

    weights: int
    activations: int


def footprint(network: nn.Module, dtype: torch.dtype, run: Callable[[], object]) -> Footprint:
    """Of a network of any size, made on the meta device, while `run` uses it with inputs it makes on the processor.

    The network is changed: its tensors get this number format, and still have no numbers.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        settle(network, dtype)
        return Footprint(weight_bytes(network), peak_bytes(run))


def settle(network: nn.Module, dtype: torch.dtype) -> None:
    """Give every tensor a place on the processor, which under FakeTensorMode is only a claim."""
    for module in network.modules():
        for store in (module._parameters, module._buffers):
            for name, tensor in store.items():
                if tensor is not None:
                    kind = dtype if tensor.is_floating_point() else tensor.dtype
                    store[name] = nn.Parameter(torch.empty(tensor.shape, dtype=kind), requires_grad=False)

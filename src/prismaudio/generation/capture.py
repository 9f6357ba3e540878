"""A step recorded once as a CUDA graph and replayed: one launch instead of hundreds, which small batches wait for.

A graph reads and writes fixed places in memory. So everything that changes is copied into buffers of the graph's own,
and a second clip of the same shape costs a copy of its conditions, no capture.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar
from weakref import ref

import torch
from torch import Tensor

WARM_UPS = (
    3  # runs before a capture: libraries choose their algorithms and Triton compiles in the first of them
)

Owner = TypeVar("Owner")


class Recorder(Protocol):
    """Turns a function of no arguments, which works on fixed places in memory, into its replay."""

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]: ...


class CudaRecorder:
    """CUDA graphs that share one pool of memory.

    Sharing is safe because nothing outlives a replay inside the pool - results are copied to places outside of it -
    and because replays of one engine follow each other on one stream.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        with torch.cuda.device(self.device):
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                for _ in range(WARM_UPS):
                    run()
            torch.cuda.current_stream().wait_stream(self.stream)
            graph = torch.cuda.CUDAGraph()
            # thread_local: another thread may decode a video or free memory meanwhile
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                run()
            torch.cuda.current_stream().wait_stream(self.stream)
        return graph.replay


class Replay(Generic[Owner]):
    """A function of tensors on a graph: `changing` arguments come with every call, `kept` ones belong to an owner.

    Several owners may take turns: what is kept is copied again whenever the owner is another one.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor],
        changing: Sequence[Tensor],
        kept: Sequence[Tensor],
        recorder: Recorder,
    ) -> None:
        self._changing = [own(tensor) for tensor in changing]
        self._kept = [own(tensor) for tensor in kept]
        self._owner: ref[Owner] | None = None
        self._result = own(function(self._changing, self._kept))

        def run() -> None:
            self._result.copy_(function(self._changing, self._kept))

        self._replay = recorder(run)

    def __call__(self, owner: Owner, changing: Sequence[Tensor], kept: Sequence[Tensor]) -> Tensor:
        """-> a tensor of the caller's own. `kept` is looked at only when the owner is new here."""
        if self._owner is None or self._owner() is not owner:
            copy(self._kept, kept)
            self._owner = ref(owner)
        copy(self._changing, changing)
        self._replay()
        return self._result.clone()


def own(tensor: Tensor) -> Tensor:
    """A copy in a place of its own, densely packed."""
    return tensor.clone(memory_format=torch.contiguous_format)


def copy(places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for place, value in zip(places, values, strict=True):
        place.copy_(value)

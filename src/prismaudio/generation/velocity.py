"""The guided velocity of the transformer as one function of fixed shapes, and three ways to run it.

Both halves of guidance go through one batch and share every matrix product; only the half that has conditions reads
them, for the other's would add exactly nothing. What does not depend on the noise - times, conditions, positions, the
mixing of latent channels - is computed before the first step. The sum of the branches is kept in float32 whatever the
weights are.

Shapes: B clips, R rows of the batch (B, or 2 B when guided), Q rows that read, C latent channels, T latent frames,
N = T + 1 with the time token, S condition tokens, D width, H heads, P head width.
"""

import os
import shutil
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.generation.capture import CudaRecorder, Recorder, Replay
from prismaudio.models import kernels
from prismaudio.models.block import DiTBlock, KeysValues
from prismaudio.models.dit import DiT, Prepared

ENGINES = ("eager", "graph", "compile")
TOKEN_STEP = 32  # fixed shapes: token counts are filled up to a multiple of this
COMPILED_SHAPES = 64  # the most shapes torch.compile keeps; beyond its own limit of 8 it would give up

Advance = Callable[
    [DiTBlock, Tensor, Tensor, Tensor, KeysValues | None, Tensor | None], tuple[Tensor, Tensor]
]


class UnusableEngine(PrismAudioError):
    """A way to run the transformer that this machine does not offer."""


class Told(NamedTuple):
    """What a clip tells every step, in the form a step reads it."""

    scale: Tensor  # () float32, of guidance
    addition: Tensor  # (R, N, D), zero for the time token and for rows without conditions
    bias: Tensor | None  # (Q, 1, 1, S), 0 where a token may be read and -inf elsewhere
    read: tuple[KeysValues, ...] | None  # per block, (Q, H, S, P)

    def tensors(self) -> list[Tensor]:
        read = [tensor for pair in self.read or () for tensor in pair]
        return [self.scale, self.addition, *([] if self.bias is None else [self.bias]), *read]

    def first(self, clips: int) -> "Told":
        """The same of the first clips alone; views, which cost nothing."""
        read = None if self.read is None else tuple(KeysValues(k[:clips], v[:clips]) for k, v in self.read)
        bias = None if self.bias is None else self.bias[:clips]
        return Told(self.scale, self.addition[:clips], bias, read)


class Shape(NamedTuple):
    """What a captured or compiled step is made for."""

    clips: int
    frames: int
    rows: int  # twice the clips when guided
    readers: int
    tokens: int
    masked: bool

    @classmethod
    def of(cls, x: Tensor, told: Told) -> "Shape":
        readers, tokens = (0, 0) if told.read is None else (len(told.read[0].keys), tokens_of(told.read))
        return cls(len(x), x.shape[-1], len(told.addition), readers, tokens, told.bias is not None)

    def told(self, tensors: Sequence[Tensor]) -> Told:
        """What a clip of this shape tells, from its list of tensors."""
        scale, addition, *rest = tensors
        bias = rest.pop(0) if self.masked else None
        read = tuple(KeysValues(*pair) for pair in zip(rest[::2], rest[1::2], strict=True))
        return Told(scale, addition, bias, read or None)


class WarmUp(NamedTuple):
    """What the first step of a shape cost beyond running it."""

    shape: Shape
    seconds: float


class Step:
    """The transformer as a function of tensors alone, everything constant about it at hand."""

    def __init__(self, dit: DiT, frames: int, advance: Advance) -> None:
        weight = dit.project_in.weight
        self.exact = torch.promote_types(weight.dtype, torch.float32)
        self.entry = dit.project_in.weight.to(self.exact) @ mixing(dit.mix_in.weight.to(self.exact))  # (D, C)
        self.exit = mixing(dit.mix_out.weight.to(self.exact)) @ dit.project_out.weight.to(
            self.exact
        )  # (C, D)
        self.rotation = dit.rotary(frames + 1, weight.device)
        self.blocks = list(cast(Iterable[DiTBlock], dit.blocks))
        self.advance = advance

    def __call__(self, x: Tensor, token: Tensor, told: Told) -> Tensor:
        """x: (B, C, T), token: (1, D) of the time -> velocity (B, C, T), guided if `told` has twice the rows."""
        h = F.linear(x.to(self.exact).mT, self.entry)
        h = torch.cat([token.to(self.exact).expand(len(h), 1, -1), h], dim=1)
        guided = len(told.addition) > len(h)
        if guided:
            h = torch.cat([h, h])
        branch = told.addition
        for index, block in enumerate(self.blocks):
            read = None if told.read is None else told.read[index]
            h, branch = self.advance(block, h, branch, self.rotation, read, told.bias)
        h = (h + branch)[:, 1:]
        if guided:
            wanted, bare = h.chunk(2)
            h = bare + told.scale * (wanted - bare)
        return F.linear(h, self.exit).mT


class VelocityEngine:
    """One transformer, and whatever was compiled, captured or computed beforehand to run it.

    mode: "eager" runs anywhere at once. "graph" replays CUDA graphs. "compile" lets torch.compile write one block,
    which serves as all of them, and on CUDA replays graphs of that. `keep` graphs of different shapes are kept.
    A recorder other than CUDA's may be given. For one thread at a time: velocities of one engine share buffers.
    """

    def __init__(
        self, dit: DiT, mode: str = "eager", keep: int = 8, recorder: Recorder | None = None
    ) -> None:
        if mode not in ENGINES:
            raise UnknownChoice("engine", mode, ENGINES)
        if recorder is None:
            recorder = default_recorder(mode, dit.project_in.weight.device)
        self.dit = dit
        self.mode = mode
        self.keep = keep
        self.recorder = recorder
        self.warm_ups: list[WarmUp] = []
        self._advance: Advance = DiTBlock.advance
        if mode == "compile":
            self._advance = torch.compile(DiTBlock.advance, dynamic=False, fullgraph=True)
        self._state: tuple[object, ...] = ()
        self._steps: dict[int, Step] = {}
        self._tokens: dict[float, Tensor] = {}
        self._replays: OrderedDict[Shape, Replay[GuidedVelocity]] = OrderedDict()
        self._met: set[Shape] = set()

    @torch.no_grad()
    def guided(
        self,
        wanted: Prepared,
        avoided: Prepared | None,
        scale: float,
        interval: tuple[float, float] = (0.0, 1.0),
        times: Tensor | None = None,
    ) -> "GuidedVelocity":
        """The velocity towards `wanted` and away from `avoided` - None: from no conditions - for the same clips.

        times: those that will be asked for, to be embedded together; others are embedded when they are met.
        """
        self._forget_if_changed()
        if times is not None:
            self._embed([float(t) for t in times])
        return GuidedVelocity(self, wanted, avoided, scale, interval)

    @property
    def warm_up_seconds(self) -> float:
        return sum(warm_up.seconds for warm_up in self.warm_ups)

    @property
    def description(self) -> str:
        weight = self.dit.project_in.weight
        dtype = str(weight.dtype).removeprefix("torch.")
        fused = "torch.compile" if self.mode == "compile" else kernels.backend(weight.device)
        return f"{self.mode} on {weight.device} in {dtype}, elementwise operations: {fused}"

    @property
    def fixed_shapes(self) -> bool:
        return self.mode != "eager"

    def run(self, velocity: "GuidedVelocity", x: Tensor, t: float, told: Told) -> Tensor:
        """x: (B, C, T) -> (B, C, T) float32"""
        shape, step, token = Shape.of(x, told), self._step(x.shape[-1]), self._token(t)
        began = time.perf_counter()
        if self.recorder is None:
            result = self._call(step, x, token, told).float().contiguous()
        else:
            result = self._replay(shape, step, x, token, told)(velocity, [x, token], told.tensors())
        if self.fixed_shapes and shape not in self._met:
            self._met.add(shape)
            self.warm_ups.append(WarmUp(shape, time.perf_counter() - began))
        return result

    def _call(self, step: Step, x: Tensor, token: Tensor, told: Told) -> Tensor:
        if self.mode != "compile":
            return step(x, token, told)
        try:
            with torch._dynamo.config.patch(recompile_limit=COMPILED_SHAPES):
                return step(x, token, told)
        except torch._dynamo.exc.BackendCompilerFailed as error:
            reason = " ".join(str(error).split())[:200]
            raise UnusableEngine(f"torch.compile failed ({reason}); use another engine") from error

    def _replay(
        self, shape: Shape, step: Step, x: Tensor, token: Tensor, told: Told
    ) -> "Replay[GuidedVelocity]":
        """The graph of this shape, captured now if there is none; the least recently used makes room."""
        if shape not in self._replays:
            assert self.recorder is not None

            def function(changing: Sequence[Tensor], kept: Sequence[Tensor]) -> Tensor:
                return self._call(step, changing[0], changing[1], shape.told(kept)).float()

            self._replays[shape] = Replay(function, [x, token], told.tensors(), self.recorder)
            self._met.discard(shape)
            while len(self._replays) > self.keep:
                self._replays.popitem(last=False)
        self._replays.move_to_end(shape)
        return self._replays[shape]

    def _step(self, frames: int) -> Step:
        if frames not in self._steps:
            self._steps[frames] = Step(self.dit, frames, self._advance)
        return self._steps[frames]

    def _token(self, t: float) -> Tensor:
        if t not in self._tokens:
            self._embed([t])
        return self._tokens[t]

    def _embed(self, times: Sequence[float]) -> None:
        device = self.dit.project_in.weight.device
        tokens = self.dit.time(torch.tensor(times, device=device))
        self._tokens |= dict(zip(times, tokens.split(1), strict=True))

    def _forget_if_changed(self) -> None:
        """Graphs point at the weights where they were; an offloaded network comes back to another place."""
        state = tuple(fingerprint(parameter) for parameter in self.dit.parameters())
        if state != self._state:
            if self._replays and self.dit.project_in.weight.is_cuda:
                torch.cuda.synchronize()  # a graph must not go while it runs
            self._state = state
            for store in (self._steps, self._tokens, self._replays):
                store.clear()


class GuidedVelocity:
    """The velocity of some clips, conditions read and guidance chosen. A `flow.sampler.Velocity`."""

    def __init__(
        self,
        engine: VelocityEngine,
        wanted: Prepared,
        avoided: Prepared | None,
        scale: float,
        interval: tuple[float, float],
    ) -> None:
        clips = len(wanted.addition)
        self.engine = engine
        self.scale, self.interval = scale, interval
        self.evaluations = 0  # one for each half of a batch that went through the transformer
        # rows with conditions first; those of `avoided`, or of nothing, behind them
        sides = wanted if avoided is None or scale == 1 else join(wanted, avoided)
        told = tell(sides, scale, TOKEN_STEP if engine.fixed_shapes else 1)
        self.one = told.first(clips)
        self.both = told if avoided is not None else told._replace(addition=with_zeros(told.addition))

    @torch.no_grad()
    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """x: (B, C, T), t: () shared by all -> (B, C, T) float32. Reading t is free while it is on the CPU."""
        moment = float(t)
        low, high = self.interval
        guided = self.scale != 1 and low <= moment <= high
        self.evaluations += 2 if guided else 1
        return self.engine.run(self, x, moment, self.both if guided else self.one)


def tell(prepared: Prepared, scale: float, token_step: int) -> Told:
    """In the form a step reads; token counts are filled up to a multiple of `token_step` if that is more than 1."""
    addition, read, mask = prepared
    guidance = torch.tensor(scale, dtype=torch.float32, device=addition.device)
    addition = F.pad(addition, (0, 0, 1, 0))  # nothing is added to the time token
    if read is None:
        return Told(guidance, addition, None, None)
    if token_step > 1:
        read, mask = pad_tokens(read, mask, -(-tokens_of(read) // token_step) * token_step)
    return Told(guidance, addition, None if mask is None else bias_of(mask, addition.dtype), read)


def bias_of(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as numbers to add to the logits: torch would make them of a mask at every call."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, float("-inf"))


def with_zeros(addition: Tensor) -> Tensor:
    """(B, N, D) -> (2 B, N, D)"""
    return torch.cat([addition, torch.zeros_like(addition)])


def join(first: Prepared, second: Prepared) -> Prepared:
    """Two sides of guidance as one batch: the shorter one's tokens are filled up behind a mask.

    A side without tokens reads zeros, whose values add nothing.
    """
    addition = torch.cat([first.addition, second.addition])
    some = first.read or second.read
    if some is None:
        return Prepared(addition, None, None)
    sides = [read_of(side, some) for side in (first, second)]
    count = max(tokens_of(read) for read, _ in sides)
    if all(mask is None and tokens_of(read) == count for read, mask in sides):
        mask = None
    else:
        sides = [pad_tokens(read, mask, count) for read, mask in sides]
        mask = torch.cat([cast(Tensor, mask) for _, mask in sides])
    pairs = zip(*(read for read, _ in sides), strict=True)
    read = tuple(KeysValues(*(torch.cat(parts) for parts in zip(a, b, strict=True))) for a, b in pairs)
    return Prepared(addition, read, mask)


def read_of(side: Prepared, like: tuple[KeysValues, ...]) -> tuple[tuple[KeysValues, ...], Tensor | None]:
    """What a side reads, or as many zeros as `like` has tokens."""
    if side.read is not None:
        return side.read, side.mask
    clips = len(side.addition)
    none = tuple(KeysValues(*(part.new_zeros(clips, *part.shape[1:]) for part in pair)) for pair in like)
    return none, None


def pad_tokens(
    read: tuple[KeysValues, ...], mask: Tensor | None, count: int
) -> tuple[tuple[KeysValues, ...], Tensor]:
    """Zero tokens up to `count` for every block, hidden by the mask: (Q, 1, 1, count) bool"""
    missing = count - tokens_of(read)
    if mask is None:
        mask = torch.ones(
            len(read[0].keys), 1, 1, tokens_of(read), dtype=torch.bool, device=read[0].keys.device
        )
    padded = tuple(KeysValues(*(F.pad(part, (0, 0, 0, missing)) for part in pair)) for pair in read)
    return padded, F.pad(mask, (0, missing), value=False)


def tokens_of(read: tuple[KeysValues, ...]) -> int:
    return read[0].keys.shape[2]


def mixing(weight: Tensor) -> Tensor:
    """The residual mix of latent channels as one matrix: (C, C, 1) -> (C, C)"""
    return torch.eye(len(weight), dtype=weight.dtype, device=weight.device) + weight[..., 0]


def fingerprint(parameter: Tensor) -> tuple[int, int]:
    """Where a weight lies and how often it was written to."""
    return parameter.data_ptr(), 0 if parameter.is_inference() else parameter._version


def default_recorder(mode: str, device: torch.device) -> Recorder | None:
    """What the mode needs to capture, None if it needs nothing; refused where it cannot work."""
    if mode == "graph" and device.type != "cuda":
        raise UnusableEngine(f"engine 'graph' needs CUDA, the network is on {device}; use eager or compile")
    if mode == "compile":
        check_compiler(device)
    return CudaRecorder(device) if mode != "eager" and device.type == "cuda" else None


def check_compiler(device: torch.device) -> None:
    """torch.compile writes C++ for processors and Triton for GPUs."""
    if device.type == "cuda":
        missing = "Triton and a C compiler" if kernels.backend(device) == "plain" else ""
    else:
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        missing = "" if shutil.which(compiler) else f"the C++ compiler {compiler}"
    if missing:
        raise UnusableEngine(f"engine 'compile' needs {missing}, found none; install it, or use eager")

"""The guided velocity: one batch for both halves, and ways to run it that must not change it."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from prismaudio.errors import UnknownChoice
from prismaudio.flow.sampler import guided, midpoint, sample, time_grid
from prismaudio.generation.velocity import TOKEN_STEP, GuidedVelocity, UnusableEngine, VelocityEngine
from prismaudio.models.block import KeysValues
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT, DiT, Prepared

FRAMES = 11
T = torch.tensor(0.3)


@pytest.fixture(scope="module")
def model() -> ConditionedDiT:
    torch.manual_seed(0)
    model = ConditionedDiT(latent_channels=5, width=64, depth=3, heads=2, video_dim=6, text_dim=7, sync_dim=8)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15 if parameter.ndim > 1 else 0.7)
    return model.eval().requires_grad_(False)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def told(
    model: ConditionedDiT, clips: int = 2, text: int = 5, *, padded: bool = False, seed: int = 0
) -> Prepared:
    """Conditions of some clips; padded: the last clip has half as much text as the others."""
    mask = None
    if padded:
        mask = torch.ones(clips, text, dtype=torch.bool)
        mask[-1, text // 2 :] = False
    video, words, sync = (
        normal(clips, n, w, seed=seed + i) for i, (n, w) in enumerate(((4, 6), (text, 7), (16, 8)))
    )
    return model.prepare(Features(video, words, sync, None, mask), FRAMES)


def wordless(model: ConditionedDiT, clips: int = 2) -> Prepared:
    """Conditions without any token to read."""
    return model.prepare(
        Features(torch.zeros(clips, 0, 6), torch.zeros(clips, 0, 7), normal(clips, 16, 8)), FRAMES
    )


def two_calls(
    dit: DiT, wanted: Prepared, avoided: Prepared | None, scale: float
) -> Callable[[Tensor, Tensor], Tensor]:
    return guided(partial(dit, prepared=wanted), partial(dit, prepared=avoided), scale)


def agree(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


class Tape(TorchDispatchMode):
    """A recorder that replays as a CUDA graph does: the same operations on the same places, no Python in between."""

    def __init__(self) -> None:
        super().__init__()
        self.captures = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, result))
        return result

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        with self:
            run()
        return partial(replay, self.operations)


def replay(operations: list[tuple[Any, Any, Any, Any]]) -> None:
    for func, args, kwargs, result in operations:
        fresh = func(*args, **kwargs)
        for place, value in zip(tree_leaves(result), tree_leaves(fresh), strict=True):
            if isinstance(place, Tensor) and place.data_ptr() != value.data_ptr():
                place.copy_(value)


def on_tape(model: ConditionedDiT, keep: int = 8) -> tuple[VelocityEngine, Tape]:
    tape = Tape()
    return VelocityEngine(model.dit, "graph", keep, recorder=tape), tape


@pytest.fixture(params=["eager", "graph"])
def engine(request: pytest.FixtureRequest, model: ConditionedDiT) -> VelocityEngine:
    return VelocityEngine(model.dit) if request.param == "eager" else on_tape(model)[0]


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("negative", ["nothing", "a plan", "a longer plan", "a padded plan", "no tokens"])
@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_one_batch_gives_what_two_calls_give(
    model: ConditionedDiT, engine: VelocityEngine, negative: str, padded: bool, scale: float
):
    wanted = told(model, padded=padded)
    avoided = {
        "nothing": None,
        "a plan": told(model, seed=9),
        "a longer plan": told(model, text=40, seed=9),
        "a padded plan": told(model, padded=True, seed=9),
        "no tokens": wordless(model),
    }[negative]
    x = normal(2, 5, FRAMES)
    ours = engine.guided(wanted, avoided, scale)(x, T)
    assert ours.dtype == torch.float32
    agree(ours, two_calls(model.dit, wanted, avoided, scale)(x, T))


def test_clips_without_a_token_have_a_velocity(model: ConditionedDiT, engine: VelocityEngine):
    x, wanted = normal(2, 5, FRAMES), wordless(model)
    agree(engine.guided(wanted, None, 3.0)(x, T), two_calls(model.dit, wanted, None, 3.0)(x, T))
    avoided = told(model)
    agree(engine.guided(wanted, avoided, 3.0)(x, T), two_calls(model.dit, wanted, avoided, 3.0)(x, T))


@pytest.mark.parametrize("negative", [False, True])
def test_outside_its_interval_guidance_costs_one_half(
    model: ConditionedDiT, engine: VelocityEngine, negative: bool
):
    x, wanted, interval = normal(2, 5, FRAMES), told(model), (0.2, 0.8)
    avoided = told(model, text=9, seed=9) if negative else None
    flow = engine.guided(wanted, avoided, 4.0, interval)
    expected = guided(
        partial(model.dit, prepared=wanted), partial(model.dit, prepared=avoided), 4.0, interval
    )
    costs = []
    for t in (0.9, 0.8, 0.5, 0.2, 0.1):
        before = flow.evaluations
        agree(
            flow(x, torch.tensor(t, dtype=torch.float64)), expected(x, torch.tensor(t, dtype=torch.float64))
        )
        costs.append(flow.evaluations - before)
    assert costs == [1, 2, 2, 2, 1]
    whole = engine.guided(wanted, None, 1.0)
    whole(x, T)
    assert whole.evaluations == 1


def test_a_clip_sounds_in_a_batch_as_it_does_alone(model: ConditionedDiT, engine: VelocityEngine):
    x, wanted, avoided = normal(3, 5, FRAMES), told(model, 3, padded=True), told(model, 3, seed=9)
    together = engine.guided(wanted, avoided, 4.0)(x, T)
    for index in range(3):
        who = torch.tensor([index])
        alone = engine.guided(wanted.select(who), avoided.select(who), 4.0)(x[who], T)
        agree(alone, together[who])


def test_the_unconditional_half_reads_nothing(model: ConditionedDiT):
    seen = []
    hook = model.dit.blocks[0].cross_attention.to_q.register_forward_hook(
        lambda _, arguments, __: seen.append(len(arguments[0]))
    )
    VelocityEngine(model.dit).guided(told(model), None, 4.0)(normal(2, 5, FRAMES), T)
    hook.remove()
    assert seen == [2]


def test_times_that_are_announced_are_embedded_together(model: ConditionedDiT, engine: VelocityEngine):
    seen = []
    hook = model.dit.time.register_forward_hook(lambda _, arguments, __: seen.append(len(arguments[0])))
    times, x = time_grid(6), normal(2, 5, FRAMES)
    sample(engine.guided(told(model), None, 4.0, times=times), x, times)
    assert seen == [7]
    sample(engine.guided(told(model, seed=3), None, 2.0), x, times)
    assert seen == [7]
    sample(engine.guided(told(model), None, 4.0), x, times, midpoint)
    hook.remove()
    assert seen == [7] + [1] * 6


def test_half_precision_loses_less_than_two_calls_would(model: ConditionedDiT):
    """The sum of all branches, and the difference that guidance multiplies, stay in float32."""
    x, wanted = normal(2, 5, FRAMES), told(model)
    exact = two_calls(model.dit, wanted, None, 4.0)(x, T)
    half = copy.deepcopy(model).bfloat16()
    prepared = told(half)
    ours = VelocityEngine(half.dit).guided(prepared, None, 4.0)(x, T)
    theirs = two_calls(half.dit, prepared, None, 4.0)(x, T).float()
    assert (ours - exact).norm() < 0.8 * (theirs - exact).norm()
    assert (ours - exact).norm() < 0.03 * exact.norm()


def walk(flow: GuidedVelocity, seed: int) -> Tensor:
    return sample(flow, normal(2, 5, FRAMES, seed=seed), time_grid(3))


def test_a_graph_is_captured_once_for_all_clips_and_scales(model: ConditionedDiT):
    engine, tape = on_tape(model)
    for seed, text, scale in ((0, 5, 4.0), (1, 17, 2.5), (2, 9, 4.0)):
        wanted = told(model, text=text, seed=seed)
        expected = sample(
            two_calls(model.dit, wanted, None, scale), normal(2, 5, FRAMES, seed=seed), time_grid(3)
        )
        agree(walk(engine.guided(wanted, None, scale), seed), expected)
    assert tape.captures == 1
    assert [warm_up.shape.tokens for warm_up in engine.warm_ups] == [TOKEN_STEP]
    assert engine.warm_up_seconds > 0


def test_each_kind_of_step_has_its_graph(model: ConditionedDiT):
    engine, tape = on_tape(model)
    flow = engine.guided(told(model), None, 4.0, interval=(0.5, 1.0))
    walk(flow, 0)
    assert tape.captures == 2
    assert [(warm_up.shape.clips, warm_up.shape.rows) for warm_up in engine.warm_ups] == [(2, 4), (2, 2)]


def test_velocities_may_take_turns_on_one_graph(model: ConditionedDiT):
    engine, tape = on_tape(model)
    clips = [told(model, seed=seed) for seed in range(3)]
    flows = [engine.guided(clip, None, 4.0) for clip in clips]
    x = normal(2, 5, FRAMES)
    for _ in range(2):
        for flow, clip in zip(flows, clips, strict=True):
            agree(flow(x, T), two_calls(model.dit, clip, None, 4.0)(x, T))
    assert tape.captures == 1


def test_conditions_are_copied_when_they_change_hands_only(
    model: ConditionedDiT, monkeypatch: pytest.MonkeyPatch
):
    from prismaudio.generation import capture

    copies = []
    monkeypatch.setattr(capture, "copy", lambda places, values: copies.append(len(places)))
    engine, _ = on_tape(model)
    first, second = (engine.guided(told(model, seed=seed), None, 4.0) for seed in range(2))
    for flow in (first, first, first, second, second):
        flow(normal(2, 5, FRAMES), T)
    kept = 3 + 2 * 3  # scale, addition, bias; keys and values of three blocks
    assert copies == [kept, 2, 2, 2, kept, 2, 2]


def test_a_velocity_is_the_callers_own(model: ConditionedDiT):
    engine, _ = on_tape(model)
    flow, x = engine.guided(told(model), None, 4.0), normal(2, 5, FRAMES)
    first = flow(x, T)
    kept = first.clone()
    flow(2 * x, T)
    assert torch.equal(first, kept)


def test_the_graph_used_longest_ago_makes_room(model: ConditionedDiT):
    engine, tape = on_tape(model, keep=2)
    flows = {clips: engine.guided(told(model, clips), None, 4.0) for clips in (1, 2, 3)}

    def run(clips: int) -> int:
        flows[clips](normal(clips, 5, FRAMES), T)
        return tape.captures

    assert [run(clips) for clips in (1, 2, 1, 3, 1, 2)] == [1, 2, 2, 3, 3, 4]
    assert len(engine.warm_ups) == 4


def test_weights_that_moved_or_changed_are_noticed(model: ConditionedDiT):
    own = copy.deepcopy(model)
    engine, tape = on_tape(own)
    x = normal(2, 5, FRAMES)
    engine.guided(told(own), None, 4.0)(x, T)
    own.dit.blocks[0].feed_forward.expand.weight.data = own.dit.blocks[0].feed_forward.expand.weight.clone()
    agree(engine.guided(told(own), None, 4.0)(x, T), two_calls(own.dit, told(own), None, 4.0)(x, T))
    assert tape.captures == 2
    own.dit.project_in.weight.mul_(2)
    own.dit.time.network[2].weight.mul_(2)
    agree(engine.guided(told(own), None, 4.0)(x, T), two_calls(own.dit, told(own), None, 4.0)(x, T))
    assert tape.captures == 3


def test_no_gradient_is_kept(model: ConditionedDiT):
    own = copy.deepcopy(model).requires_grad_()
    flow = VelocityEngine(own.dit).guided(told(own), None, 4.0)
    assert not flow(normal(2, 5, FRAMES), T).requires_grad


def test_graphs_need_cuda(model: ConditionedDiT):
    with pytest.raises(UnusableEngine, match="needs CUDA, the network is on cpu; use eager or compile"):
        VelocityEngine(model.dit, "graph")


def test_compiling_needs_a_compiler(model: ConditionedDiT, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UnusableEngine, match="needs the C\\+\\+ compiler no-such-compiler.*use eager"):
        VelocityEngine(model.dit, "compile")


def test_unknown_engines_are_refused(model: ConditionedDiT):
    with pytest.raises(UnknownChoice, match="choose one of: eager, graph, compile"):
        VelocityEngine(model.dit, "fast")


def test_an_engine_says_what_it_is(model: ConditionedDiT):
    assert VelocityEngine(model.dit).description == "eager on cpu in float32, elementwise operations: plain"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
def test_a_compiler_that_fails_is_one_line(model: ConditionedDiT, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ValueError("no such\nfile")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=broken))
    flow = VelocityEngine(model.dit, "compile").guided(told(model), None, 4.0)
    with pytest.raises(UnusableEngine, match="torch.compile failed .* no such file.*use another engine"):
        flow(normal(2, 5, FRAMES), T)
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_compiled_block_serves_as_all(model: ConditionedDiT):
    """torch.compile takes half a minute the first time on a machine."""
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    engine, x = VelocityEngine(model.dit, "compile"), normal(2, 5, FRAMES)
    for text in (5, 9):
        wanted = told(model, text=text)
        flow = engine.guided(wanted, None, 4.0)
        for t in (T, torch.tensor(0.6)):
            agree(flow(x, t), two_calls(model.dit, wanted, None, 4.0)(x, t))
    assert counters["stats"]["unique_graphs"] == 1
    assert [warm_up.shape.rows for warm_up in engine.warm_ups] == [4]


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", ["eager", "graph", "compile"])
@pytest.mark.parametrize("negative", [False, True])
def test_every_engine_agrees_on_a_gpu(model: ConditionedDiT, mode: str, negative: bool):
    own, x = copy.deepcopy(model).cuda(), normal(2, 5, FRAMES)
    engine = VelocityEngine(own.dit, mode)
    for seed, text in ((0, 5), (1, 17), (0, 5)):
        wanted = told(model, text=text, seed=seed)
        avoided = told(model, seed=9) if negative else None
        expected = sample(two_calls(model.dit, wanted, avoided, 4.0), x, time_grid(4))
        there = moved(avoided) if avoided is not None else None
        ours = sample(engine.guided(moved(wanted), there, 4.0), x.cuda(), time_grid(4))
        torch.testing.assert_close(ours.cpu(), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    assert len(engine.warm_ups) == (0 if mode == "eager" else 1)


def moved(prepared: Prepared) -> Prepared:
    read = None if prepared.read is None else tuple(KeysValues(k.cuda(), v.cuda()) for k, v in prepared.read)
    return Prepared(prepared.addition.cuda(), read, None if prepared.mask is None else prepared.mask.cuda())

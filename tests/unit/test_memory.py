"""Memory: counting what lives, planning what stays, moving what does not."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from prismaudio.generation.footprint import footprint, peak_bytes, weight_bytes
from prismaudio.generation.memory import (
    COMFORTABLE,
    CONTEXT,
    ENOUGH,
    GIB,
    LEAST,
    TIERS,
    Placement,
    TooLittleMemory,
    card,
    needed,
    plan_memory,
    smallest,
)
from prismaudio.generation.sizes import (
    HALF,
    PUBLISHED,
    SINGLE,
    Size,
    Sizes,
    size_of_decoder,
    size_of_sync,
    size_of_transformer,
)

KIB = 1024
ALL = frozenset(Sizes._fields)


def chain() -> torch.Tensor:
    """Never more than two of its three tensors of 4 KiB live; views and in-place work are free."""
    a = torch.zeros(KIB)
    b = a + 1
    del a
    b.view(32, 32).t().mul_(2)
    c = b * 2
    del b
    return c[:5]


def test_what_lives_at_once_is_counted():
    assert peak_bytes(chain) == 8 * KIB
    with FakeTensorMode():
        assert peak_bytes(chain) == 8 * KIB


def test_what_was_there_before_is_not_counted():
    x = torch.zeros(KIB)
    assert peak_bytes(lambda: x.view(32, 32).mT) == 0
    assert peak_bytes(lambda: x.add_(1)) == 0
    assert peak_bytes(lambda: x.view(32, 32).mT + 1) == 4 * KIB


def test_small_tensors_take_a_block():
    assert peak_bytes(lambda: [torch.zeros(1), torch.zeros(129)]) == 512 + 1024


def test_a_result_of_several_tensors_counts_whole():
    assert peak_bytes(lambda: torch.zeros(2, KIB).max(dim=0)) == (8 + 4 + 8) * KIB


def test_a_network_on_the_meta_device_has_a_footprint():
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 256))
    for dtype, size in ((torch.float32, 4), (torch.bfloat16, 2)):
        measured = footprint(network, dtype, lambda t=dtype: network(torch.empty(64, 256, dtype=t)))
        assert measured.weights == size * (2 * 256 * 1024 + 1280)
        # the input, then beside it the inner layer before and after its activation
        assert measured.activations == size * 64 * (256 + 1024 + 1024)


def test_shared_weights_weigh_once():
    first = nn.Linear(4, 4, bias=False)
    assert weight_bytes(nn.Sequential(first, first)) == 64


@pytest.mark.parametrize("sizes", [HALF, SINGLE], ids=["half", "single"])
@pytest.mark.parametrize("gib", [*TIERS, 5, 40])
@pytest.mark.parametrize("windows", [1, 3, 16])
def test_a_plan_keeps_to_its_budget(sizes: Sizes, gib: int, windows: int):
    plan = plan_memory(card(gib), sizes, windows)
    assert plan.peak == max(needed(sizes, plan.resident, plan.work).values()) <= plan.budget
    assert plan.resident | plan.offloaded == ALL
    assert not plan.resident & plan.offloaded
    assert plan.work.transformer <= windows
    assert all(a <= b for a, b in zip(LEAST, plan.work, strict=True))
    assert all(a <= b for a, b in zip(plan.work, ENOUGH, strict=True))


@pytest.mark.parametrize("sizes", [HALF, SINGLE], ids=["half", "single"])
def test_stages_are_left_room_to_work_before_networks_stay(sizes: Sizes):
    for gib in (5, 6, 8, 12, 24):
        work = plan_memory(int(gib * GIB), sizes).work
        assert all(a <= b for a, b in zip(COMFORTABLE, work, strict=True))


def test_a_network_that_comes_takes_its_place_while_it_works():
    sizes = Sizes(*[Size(GIB, 0, 0)] * 5)
    bytes_ = needed(sizes, frozenset({"sync"}), LEAST)
    assert bytes_["sync"] == CONTEXT + GIB
    assert bytes_["text"] == CONTEXT + 2 * GIB


def test_nothing_that_fits_is_taken_away():
    """Half precision fits into every tier with everything resident."""
    for tier in TIERS:
        assert plan_memory(card(tier)).resident == ALL
    small = plan_memory(card(6), SINGLE)
    assert small.offloaded
    for name in small.offloaded:
        work = LEAST._replace(**{field: getattr(COMFORTABLE, field) for field in ALL})
        assert max(needed(SINGLE, small.resident | {name}, work).values()) > small.budget


def test_more_memory_never_means_less_work_or_fewer_residents():
    budgets = [int(gib * GIB) for gib in (6, 8, 10, 12, 16, 24)]
    plans = [plan_memory(budget) for budget in budgets]
    for less, more in zip(plans[:-1], plans[1:], strict=True):
        assert less.resident <= more.resident
        assert less.work.transformer <= more.work.transformer


def test_the_transformer_stays_first_for_its_graphs():
    sizes = HALF._replace(text=HALF.text._replace(weights=HALF.transformer.weights))
    plan = plan_memory(int(3.5 * GIB), sizes, windows=1)
    assert plan.offloaded
    assert plan.graphs
    assert not plan_memory(smallest(sizes), sizes).graphs


@pytest.mark.parametrize("sizes", [HALF, SINGLE], ids=["half", "single"])
def test_the_smallest_budget_is_the_smallest(sizes: Sizes):
    assert plan_memory(smallest(sizes), sizes).peak <= smallest(sizes)
    with pytest.raises(TooLittleMemory, match=r"give at least \d\.\d\d GiB, or use --device cpu"):
        plan_memory(smallest(sizes) - 1, sizes)


def test_what_a_graph_holds_is_missing_elsewhere():
    sizes = Sizes(*[Size(GIB, 0, 1)] * 5)
    work = LEAST._replace(transformer=GIB)
    bytes_ = needed(sizes, ALL, work)
    assert bytes_["text"] > bytes_["transformer"]
    assert needed(sizes, ALL - {"transformer"}, work)["text"] < bytes_["text"] - GIB


def test_an_offloaded_network_is_on_the_device_in_its_block_only():
    network = nn.BatchNorm1d(3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    place = network.weight.data_ptr()
    placement = Placement(torch.device("meta"), frozenset({"text"}))
    for _ in range(2):
        with placement.on_device("text", network):
            assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}
        assert network.weight.data_ptr() == place
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, before[name])


def test_shared_weights_stay_shared():
    first = nn.Linear(2, 2)
    network = nn.Sequential(first, nn.Linear(2, 2))
    network[1].weight = first.weight
    with Placement(torch.device("meta"), frozenset({"text"})).on_device("text", network):
        assert network[0].weight is network[1].weight
        assert network[0].weight.is_meta


def test_a_network_comes_back_from_a_stage_that_failed():
    network = nn.Linear(2, 2)
    placement = Placement(torch.device("meta"), frozenset({"text"}))
    with pytest.raises(RuntimeError, match="no"), placement.on_device("text", network):
        raise RuntimeError("no")
    assert network.weight.device.type == "cpu"


def test_a_resident_network_stays():
    network = nn.Linear(2, 2)
    placement = Placement(torch.device("meta"), frozenset({"text"}))
    with placement.on_device("sync", network):
        assert network.weight.device.type == "meta"
    assert network.weight.device.type == "meta"


def agree(ours: Size, recorded: Size) -> None:
    """A new version of torch may keep a little more or less."""
    assert ours.weights == recorded.weights
    assert ours.activations(8) == pytest.approx(recorded.activations(8), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_recorded_sizes_are_those_of_the_networks(dtype: torch.dtype):
    """The other two need the libraries that define their networks; `benchmarks/memory.py` measures all."""
    from prismaudio.backends.pretrained.synchformer import build_synchformer
    from prismaudio.models.checkpoints import build_prismaudio

    model, codec = build_prismaudio()
    recorded = PUBLISHED[dtype]
    agree(size_of_sync(build_synchformer(), dtype), recorded.sync)
    agree(size_of_transformer(model.eval(), dtype), recorded.transformer)
    half = torch.float16 if dtype is torch.bfloat16 else dtype
    agree(size_of_decoder(codec.eval(), half), recorded.decoder)

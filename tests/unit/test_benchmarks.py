"""The benchmark measures what it says: arithmetic counted by hand, times of known functions, a run from end to end."""

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks lie beside the package

from benchmarks import flops, literal, stages
from benchmarks.clock import RESET, Clock, Timing
from benchmarks.measured import LITERAL, Stage, Work, generation
from benchmarks.output import GIB
from benchmarks.published_system import SIZES
from benchmarks.report import NOT_MEASURED, Report, Row
from benchmarks.system import System

from prismaudio.flow.sampler import sample, time_grid
from prismaudio.generation.engine import choose_engine
from prismaudio.generation.options import Options
from prismaudio.generation.velocity import GuidedVelocity, VelocityEngine
from prismaudio.models.checkpoints import build_prismaudio
from prismaudio.models.conditioning import Features
from prismaudio.models.dit import ConditionedDiT

CPU = torch.device("cpu")
GIGA = 1e9
FRAMES, VIDEO, TEXT, SYNC = 194, 36, 77, 216  # of 9 s, with a caption of 77 tokens
SCALE = 5.0
T = torch.tensor(0.5)


@pytest.fixture(scope="module")
def published() -> ConditionedDiT:
    return build_prismaudio().model.eval().requires_grad_(False)


def features(device: str, video: int, text: int, sync: int) -> Features:
    counted = ((VIDEO, video), (TEXT, text), (SYNC, sync))
    return Features(*(torch.zeros(1, count, width, device=device) for count, width in counted))


def guided(model: ConditionedDiT, told: Features) -> GuidedVelocity:
    return VelocityEngine(model.dit).guided(model.prepare(told, FRAMES), None, SCALE)


def attention(rows: int, keys: int, width: int) -> int:
    """Two products for every pair of a token and what it looks at."""
    return rows * 4 * (FRAMES + 1) * keys * width


def test_a_released_step_costs_what_the_specification_counted(published: ConditionedDiT):
    """379 GFLOP, by a counter that did not know the attention of processors."""
    conditions = literal.with_nothing(published.conditioner(features("meta", 1024, 1024, 768)))
    x = torch.zeros(1, 64, FRAMES, device="meta")
    counted = flops.count(lambda: literal.guided(published, conditions, x, 0.5, SCALE))
    attended = 24 * (attention(2, FRAMES + 1, 1024) + attention(2, VIDEO + TEXT, 1024))
    assert (counted - attended) / GIGA == pytest.approx(379, abs=0.5)


def test_our_step_costs_an_eighth_less(published: ConditionedDiT):
    velocity = guided(published, features("meta", 1024, 1024, 768))
    x = torch.zeros(1, 64, FRAMES, device="meta")
    velocity(x, T)  # what does not depend on x is computed once
    attended = 24 * (attention(2, FRAMES + 1, 1024) + attention(1, VIDEO + TEXT, 1024))
    assert (flops.count(lambda: velocity(x, T)) - attended) / GIGA == pytest.approx(334, abs=0.5)


def test_a_step_is_counted_as_by_hand_on_a_processor_too():
    width, depth, channels = 64, 2, 5
    model = ConditionedDiT(channels, width, depth, 2, video_dim=6, text_dim=7, sync_dim=8)
    with torch.no_grad():
        velocity = guided(model.requires_grad_(False), features("cpu", 6, 7, 8))
        x = torch.zeros(1, channels, FRAMES)
        velocity(x, T)
    token, inner = FRAMES + 1, 4 * width
    both_halves = (
        2 * 2 * token * width * (3 * width + width + 2 * inner + inner)
    )  # self-attention, feed-forward
    told_half = 2 * token * width * 2 * width  # queries and output of cross-attention
    attended = attention(2, token, width) + attention(1, VIDEO + TEXT, width)
    in_and_out = 2 * 2 * FRAMES * channels * width
    expected = depth * (both_halves + told_half + attended) + in_and_out
    assert flops.count(lambda: velocity(x, T)) == expected


def test_the_attention_of_processors_is_counted():
    query, key = torch.zeros(1, 2, 5, 8), torch.zeros(1, 2, 7, 8)
    assert flops.count(lambda: F.scaled_dot_product_attention(query, key, key)) == 4 * 2 * 5 * 7 * 8


def test_the_released_way_gives_the_same_sound():
    """Or its seconds could not be compared."""
    model = ConditionedDiT(5, 64, depth=2, heads=2, video_dim=6, text_dim=7, sync_dim=8).requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    told = Features(torch.randn(1, 4, 6), torch.randn(1, 3, 7), torch.randn(1, 16, 8))
    noise = torch.randn(1, 5, 11)
    velocity = VelocityEngine(model.dit).guided(model.prepare(told, 11), None, SCALE)
    ours = sample(velocity, noise, time_grid(3))
    torch.testing.assert_close(literal.generate(model, told, noise, 3, SCALE), ours, rtol=1e-3, atol=1e-4)


def test_the_arithmetic_of_many_steps_is_that_of_every_one(tmp_path: Path):
    """Predicted from one step and from two, as graphs cannot be watched."""
    system = System.make(SIZES["tiny"], choose_engine("cpu"), tmp_path)
    stage = generation(Work(system, tmp_path, Options(steps=3), [1], ["eager"]), "eager", batch=1)
    assert stage.operations is not None
    assert stage.operations() == flops.count(stage.prepare(ExitStack()))


def test_the_first_call_is_reported_by_itself_and_the_rest_by_their_median():
    pauses = iter([0.5, 0.01, 0.4, 0.05])
    timing = Clock(CPU, rounds=3, patience=9)(lambda: time.sleep(next(pauses)))
    assert timing.rounds == 3
    assert timing.first >= 0.5
    assert 0.05 <= timing.seconds < 0.4
    assert timing.processor_seconds < 0.05


def test_no_round_begins_when_patience_is_over():
    assert Clock(CPU, rounds=100, patience=0.02)(lambda: time.sleep(0.03)).rounds == 1


@pytest.mark.skipif(not RESET.exists(), reason="only Linux can begin a new peak")
def test_memory_is_that_of_the_stage_and_not_of_an_earlier_one():
    def hold(megabytes: int) -> Tensor:
        return torch.ones(megabytes << 18)

    clock = Clock(CPU, rounds=1, patience=1)
    large, small = clock(lambda: hold(256)).peak_memory, clock(lambda: hold(1)).peak_memory
    assert 200 << 20 < large - small < 300 << 20


@pytest.fixture
def report() -> Report:
    """Of the published size, on a processor whose fastest product makes 100 operations a second."""
    report = Report("published", choose_engine("cpu", "float32"), steps=24, refused={})
    for engine, seconds in (("eager", 2.0), ("compile", 1.0), (LITERAL, 5.0)):
        stage = Stage("diffusion", 1, lambda _: lambda: None, torch.float32, engine)
        timing = Timing(9.0, seconds, rounds=1, first=9.0, peak_memory=GIB)
        report.rows.append(Row.of(stage, timing, 50, 100.0, CPU))
    return report


def test_arithmetic_is_judged_by_the_seconds_that_were_ours(report: Report):
    assert [row.share for row in report.rows] == [0.25, 0.5, 0.1]


def test_ratios_are_to_the_default_engine(report: Report):
    assert report.ratios() == {"diffusion, batch 1, float32": 2.5}


def test_figures_of_others_are_quoted_beside_the_published_size_and_no_other(report: Report):
    assert "reference (H100, quoted)" in report.text()
    assert "quoted" not in replace(report, size="small").text()


def test_plans_for_cards_are_marked_as_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "tiers.json"
    stages.main(["--device", "cpu", "--memory-tiers", "24,8", "--out", str(out)])
    found = json.loads(out.read_text())["memory_tiers"]
    assert [tier["card (GiB)"] for tier in found] == [8, 24]
    for tier in found:
        assert (tier["allocated (bytes)"], tier["note"]) == (None, "planned, not measured on a card")
        assert tier["plan"]["peak (GiB)"] < tier["card (GiB)"]
    assert capsys.readouterr().out.count("planned, not measured on a card") == 4


def test_one_command_measures_and_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "benchmark.json"
    asked = {"--device": "cpu", "--size": "tiny", "--batches": "1,2", "--steps": "2", "--rounds": "1"}
    asked |= {"--engines": "eager,graph", "--out": str(out)}
    stages.main([*chain(*asked.items()), "--only", "t5gemma", "diffusion", "vae", "mux"])
    written = json.loads(out.read_text())
    rows = {(row["stage"], row["engine"], row["batch"], row["numbers"]): row for row in written["stages"]}
    dtype = written["dtype"]
    one, two = (rows["diffusion", "eager", batch, dtype] for batch in (1, 2))
    assert two["flops"] == 2 * one["flops"]
    assert one["flops"] < rows["diffusion", "literal", 1, "float32"]["flops"]
    assert all(row["timing"]["seconds"] > 0 for row in rows.values())
    assert (written["gpu_measured"], written["note"]) == (False, NOT_MEASURED)
    assert "needs CUDA" in written["not_measured"]["graph"]
    table = capsys.readouterr().out
    assert NOT_MEASURED in table
    assert "t5gemma" in table

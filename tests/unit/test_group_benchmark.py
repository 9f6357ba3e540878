"""The benchmark of one group of sounds, beside what the released trainer does for it."""

import json
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("transformers")

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks lie beside the package

from benchmarks import group as benchmark
from benchmarks import released
from benchmarks.published_judges import SIZES, audiobox, msclap, synchformer

from prismaudio.backends.pretrained.audiobox_network import translated
from prismaudio.backends.pretrained.htsat import translated as translated_htsat
from prismaudio.backends.pretrained.synchformer_network import published_name
from prismaudio.models.checkpoints import without_prefix

GOLDEN = Path(__file__).parents[1] / "parity" / "golden"
PARTS = ["sampling", "decoding", "film", "semantic", "temporal", "aesthetic", "spatial"]


def test_network_evaluations_are_those_of_the_table():
    """Spec rl.md section 2: of 24 steps, by the released trainer's ranks and by Flow-GRPO."""
    assert released.first_noisy_steps(24) == [6, 2, 0, 3, 3, 9, 12, 5]
    assert released.fast_grpo(24, branch=8) == pytest.approx(19.63, abs=0.006)
    assert released.flow_grpo(24) == 24


def golden_shapes(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in json.loads(path.read_text()).items()}


def shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    counted = ("relative_position_index", "num_batches_tracked")
    return {name: tuple(tensor.shape) for name, tensor in tensors.items() if not name.endswith(counted)}


def test_the_judges_have_the_published_shapes():
    with torch.device("meta"):
        heard, timed, liked = (make(SIZES["published"]) for make in (msclap, synchformer, audiobox))
    clap = golden_shapes(GOLDEN / "rewards" / "msclap_shapes.json")
    assert shapes(translated_htsat(without_prefix(clap, "base.htsat."))) == shapes(heard.audio.state_dict())
    assert sum(tensor.numel() for tensor in heard.text.parameters()) == 124_439_808  # GPT-2
    sync = golden_shapes(GOLDEN / "model" / "synchformer_shapes.json")
    assert {
        published_name(name): tuple(tensor.shape) for name, tensor in timed.state_dict().items()
    } == shapes(
        {name: tensor for name, tensor in sync.items() if not name.startswith("vfeat_extractor.patch_embed.")}
    )
    points = golden_shapes(GOLDEN / "rewards" / "audiobox_shapes.json")
    assert shapes(liked.state_dict()) == shapes(translated(points))


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The benchmark from end to end, on the smallest networks."""
    out = tmp_path_factory.mktemp("group") / "group.json"
    shrunk = [
        "--size",
        "tiny",
        "--device",
        "cpu",
        "--group",
        "4",
        "--steps",
        "8",
        "--rounds",
        "1",
        "--every-step",
    ]
    benchmark.main([*shrunk, "--out", str(out)])
    return json.loads(out.read_text())


def test_every_part_of_the_group_is_measured_and_every_sound_is_judged(figures: dict):
    assert list(figures["measured"]) == ["sampling by every step", *PARTS]
    assert all(part["seconds"] > 0 and part["peak_memory"] > 0 for part in figures["measured"].values())
    assert figures["without a reward"] == {}
    passes = [f"{name} pass" for name in (*PARTS[-4:], "crw")]
    assert list(figures["unit costs"]) == ["evaluation", "one decoding", *passes]


def test_evaluations_are_counted(figures: dict):
    """Two branches of two: a start at step k costs k / 2 + 8 - k; the preset takes 0.4 of what follows its two."""
    counts = figures["evaluations per sound"]
    assert (
        counts["sampling by every step"] == 7.0
    )  # noise from the third step on, the mean of windows that start at 0 to 4
    assert counts["sampling"] == 1 + 2 + 2
    assert counts["flow-grpo"] == 8
    assert counts["fast-grpo"] == 8 - sum(released.first_noisy_steps(8)) / 8 / 2


@pytest.mark.parametrize("seen", [False, True])
def test_ratios_are_counts_times_unit_costs_over_what_was_measured(figures: dict, seen: bool):
    unit, ours = (
        {name: timing["processor_seconds"] for name, timing in figures[kind].items()}
        for kind in ("unit costs", "measured")
    )
    passes = sum(unit[f"{name} pass"] for name in PARTS[-4:])
    (row,) = (
        row
        for row in figures["compared"]
        if (row["ours"], row["film seen"], row["released"], row["crw"])
        == ("sampling", seen, "flow-grpo", True)
    )
    sampling, scoring = 8 * unit["evaluation"], 4 * (passes + 2 * unit["crw pass"])
    judged = sum(ours[name] for name in PARTS[2:]) - (ours["film"] if seen else 0)
    assert row["ratios"] == pytest.approx(
        {
            "sampling": sampling / ours["sampling"],
            "decoding": 4 * unit["one decoding"] / ours["decoding"],
            "scoring": scoring / judged,
            "both": (sampling + scoring) / (ours["sampling"] + judged),
            "all": (sampling + 4 * unit["one decoding"] + scoring)
            / (ours["sampling"] + ours["decoding"] + judged),
        }
    )
    without, with_crw = (row["seconds"]["scoring"] for row in figures["compared"][:2])
    assert without == pytest.approx(4 * passes)
    assert with_crw == pytest.approx(scoring)

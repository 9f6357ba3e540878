"""Figures of sets against those recorded with av-benchmark: Frechet and kernel distance, divergence, inception score."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from prismaudio.evaluation.metrics.divergence import from_logits, kl_divergence
from prismaudio.evaluation.metrics.frechet import TooFewSounds, frechet_distance
from prismaudio.evaluation.metrics.inception import inception_score
from prismaudio.evaluation.metrics.kid import kernel_distance

GOLDEN = load_file(Path(__file__).parent / "golden" / "rewards" / "metrics.safetensors")


def pair(case: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return GOLDEN[f"fd.{case}.pred"], GOLDEN[f"fd.{case}.gt"]


@pytest.mark.parametrize("case", ["full_rank", "rank_deficient"])
def test_frechet_distance(case: str) -> None:
    found = frechet_distance(*pair(case), allow_small=True)
    assert found == pytest.approx(GOLDEN[f"fd.{case}.value"].item(), rel=1e-6)


def test_a_set_smaller_than_its_dimension_is_refused_unless_allowed() -> None:
    with pytest.raises(TooFewSounds, match="N = 34 sounds for D = 64"):
        frechet_distance(*pair("rank_deficient"))


def test_divergence_of_softmax_posteriors() -> None:
    true, found = (from_logits(GOLDEN[f"kl.{side}_logits"]) for side in ("gt", "pred"))
    assert kl_divergence(true, found).mean() == pytest.approx(GOLDEN["kl.softmax"].item(), rel=1e-6)


def test_inception_score_of_ten_splits() -> None:
    found = inception_score(from_logits(GOLDEN["kl.pred_logits"]))
    assert found.mean == pytest.approx(GOLDEN["is.mean"].item(), rel=1e-6)
    assert found.std == pytest.approx(GOLDEN["is.std"].item(), rel=1e-6)
    assert found.sounds == 53


def test_kernel_distance() -> None:
    """Recorded with the true sounds first, in 20 subsets of 50."""
    found, true = pair("full_rank")
    distance = kernel_distance(true, found, subsets=20, size=50)
    assert distance.mean == pytest.approx(GOLDEN["kid.mean"].item(), rel=1e-5)
    assert distance.std == pytest.approx(GOLDEN["kid.std"].item(), rel=1e-5)

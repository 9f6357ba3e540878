"""Equal runs stay equal: resumed, accumulated, repeated."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from prismaudio.training.ema import EMA
from prismaudio.training.loop import LoopConfig, UnusableCheckpoint, learning_rate, stack, train


class Lines(Dataset[dict[str, Tensor]]):
    """y = 3 x, one sample per index."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        x = torch.randn(4, generator=torch.Generator().manual_seed(index))
        return {"x": x, "y": 3 * x}

    collate = staticmethod(stack)


class NoisyFit:
    """Squared error with noise from the step's generator, so that a wrong generator shows."""

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> dict[str, Tensor]:
        noise = 0.1 * torch.randn(batch["y"].shape, generator=generator)
        return {"loss": (model(batch["x"]) - batch["y"] - noise).square().mean()}

    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        return {"weight": float(model.weight.abs().mean())}  # type: ignore[operator,union-attr]


def config(steps: int, **changes: object) -> LoopConfig:
    values = {
        "steps": steps,
        "batch_size": 4,
        "learning_rate": 0.05,
        "warmup": 2,
        "precision": "no",
        "ema_decay": 0.9,
        "checkpoint_every": 3,
        "validate_every": 100,
        "decay_to": 1.0,
        **changes,
    }
    return LoopConfig.model_validate(values)


def run(folder: Path, settings: LoopConfig) -> Tensor:
    torch.manual_seed(0)
    return train(nn.Linear(4, 4), NoisyFit(), Lines(), settings, folder).weight.detach()  # type: ignore[return-value]


def interrupted_then_resumed(folder: Path, steps: int) -> Tensor:
    """Stop in the middle, after a checkpoint and some lost steps, and go on."""

    class Stops(NoisyFit):
        calls = 0

        def loss(
            self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
        ) -> dict[str, Tensor]:
            Stops.calls += 1
            if Stops.calls == 5:
                raise KeyboardInterrupt
            return super().loss(model, batch, generator)

    torch.manual_seed(0)
    with pytest.raises(KeyboardInterrupt):
        train(nn.Linear(4, 4), Stops(), Lines(), config(steps), folder)
    torch.manual_seed(123)  # the resumed process starts from other weights and other random numbers
    return train(nn.Linear(4, 4), NoisyFit(), Lines(), config(steps), folder).weight.detach()  # type: ignore[return-value]


def test_a_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", config(9))
    torch.testing.assert_close(interrupted_then_resumed(tmp_path / "parts", 9), whole, rtol=0, atol=0)


def test_equal_runs_are_equal_and_seeds_differ(tmp_path: Path) -> None:
    first, again = run(tmp_path / "a", config(4)), run(tmp_path / "b", config(4))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, run(tmp_path / "c", config(4, seed=1)))


def test_two_half_batches_make_the_gradient_of_a_whole_one(tmp_path: Path) -> None:
    class Exact(NoisyFit):
        def loss(
            self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
        ) -> dict[str, Tensor]:
            return {"loss": (model(batch["x"]) - batch["y"]).square().mean()}

    def weights(name: str, **changes: object) -> Tensor:
        torch.manual_seed(0)
        return train(nn.Linear(4, 4), Exact(), Lines(), config(5, **changes), tmp_path / name).weight.detach()  # type: ignore[return-value]

    torch.testing.assert_close(
        weights("halves", batch_size=4, accumulation=2), weights("whole", batch_size=8)
    )


def test_training_learns(tmp_path: Path) -> None:
    torch.testing.assert_close(
        run(tmp_path / "run", config(300, learning_rate=0.1, decay_to=0.0)),
        3 * torch.eye(4),
        atol=0.15,
        rtol=0,
    )


def test_a_damaged_checkpoint_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UnusableCheckpoint, match="delete it"):
        run(tmp_path, config(3))


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    class Breaks(NoisyFit):
        def loss(
            self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
        ) -> dict[str, Tensor]:
            return {"loss": model(batch["x"]).mean() * float("nan")}

    with pytest.raises(UnusableCheckpoint, match="not finite"):
        train(nn.Linear(4, 4), Breaks(), Lines(), config(3), tmp_path)


def test_the_rate_warms_up_and_decays() -> None:
    settings = LoopConfig(steps=1000, warmup=10, learning_rate=1.0, decay_to=0.1)
    rates = [learning_rate(settings, step) for step in (0, 9, 500, 999)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[1] == pytest.approx(1.0, abs=0.01)
    assert rates[2] == pytest.approx(0.55, abs=0.01)
    assert rates[3] == pytest.approx(0.1, abs=0.01)


def test_the_average_follows_slowly() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    ema = EMA(model, decay=0.5, power=1.0)
    nn.init.ones_(model.weight)
    ema.update(model, step=1)
    assert float(ema.model.weight) == pytest.approx(0.5)
    ema.update(model, step=1000)
    assert float(ema.model.weight) == pytest.approx(0.75)

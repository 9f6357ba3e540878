"""The one training loop: every job (codec, transformer, planner, judges) is a model, a loss and a dataset put into it.

A batch and the noise of a step are functions of (seed, step) alone, so a run that resumes from a checkpoint takes
exactly the steps it would have taken. Devices, processes and precision are Hugging Face accelerate's.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from prismaudio.config import Config
from prismaudio.errors import PrismAudioError
from prismaudio.training.ema import EMA


class UnusableCheckpoint(PrismAudioError):
    """A checkpoint that cannot be continued from."""


class LoopConfig(Config):
    """What every training run has in common."""

    steps: PositiveInt = 10_000
    batch_size: PositiveInt = Field(16, description="samples per process and forward pass")
    accumulation: PositiveInt = Field(1, description="forward passes per optimiser step")
    learning_rate: PositiveFloat = 1e-4
    warmup: NonNegativeInt = 200
    decay_to: float = Field(
        0.05, ge=0, le=1, description="share of the learning rate left at the last step (cosine)"
    )
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 1e-3
    clip_norm: PositiveFloat = 1.0
    ema_decay: float = Field(0.999, ge=0, lt=1)
    precision: Literal["no", "bf16"] = "bf16"
    seed: int = 0
    workers: NonNegativeInt = 0
    log_every: PositiveInt = 20
    checkpoint_every: PositiveInt = 500
    validate_every: PositiveInt = 500


class Job(Protocol):
    """One thing to train. Losses are means over the batch; the key `loss` is what is minimised."""

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator) -> dict[str, Tensor]: ...

    def validate(self, model: nn.Module, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        """Judge the averaged weights on fixed held-out examples; may write audio and pictures."""
        ...


class Stateful(Protocol):
    """What a checkpoint can hold."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


class Learner(Protocol):
    """What a run trains and how: `Descent`, or something with more than one model."""

    def parts(self) -> Mapping[str, Stateful]:
        """What a checkpoint holds, by name; not yet or no longer wrapped by accelerate."""
        ...

    def prepare(self, accelerator: Accelerator) -> None:
        """Move to the device of the run. Called once, after a checkpoint was loaded."""
        ...

    def learn(self, batch: Any, generator: torch.Generator, step: int) -> dict[str, Tensor]:
        """One forward pass, and the update once enough passes are gathered; -> what to log."""
        ...

    def average(self, step: int) -> None:
        """Let the average follow, after the last pass of `step`."""
        ...

    def validate(self, writer: SummaryWriter, step: int) -> Mapping[str, float]: ...


def train(model: nn.Module, job: Job, dataset: Dataset[Any], config: LoopConfig, folder: Path) -> nn.Module:
    """Run until `config.steps`, continuing from `folder/checkpoint.pt` if it is there; -> the averaged weights.

    Dataset index i is sample i of the whole run: it must depend on i and the job's own seed only.
    """
    learner = Descent(model, job, config)
    run(learner, dataset, config, folder)
    return learner.ema.model


def run(learner: Learner, dataset: Dataset[Any], config: LoopConfig, folder: Path) -> None:
    """Like `train`, for any learner."""
    accelerator = Accelerator(
        mixed_precision=config.precision,
        gradient_accumulation_steps=config.accumulation,
        cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available(),
        dataloader_config=DataLoaderConfiguration(even_batches=False),
    )
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    start = _resume(folder / "checkpoint.pt", learner.parts())
    learner.prepare(accelerator)
    batches = iter(accelerator.prepare(_loader(dataset, config, start, accelerator.num_processes)))
    writer = (
        SummaryWriter(str(folder / "tensorboard"), purge_step=start) if accelerator.is_main_process else None
    )
    log = RunningMeans()

    progress = tqdm(
        range(start, config.steps), initial=start, total=config.steps, disable=not accelerator.is_main_process
    )
    for step in progress:
        for part in range(config.accumulation):
            generator = step_generator(config.seed, step, part, accelerator)
            log.add(learner.learn(next(batches), generator, step))
        learner.average(step)
        done = step + 1
        if writer is None:
            continue
        if done % config.log_every == 0:
            _report(writer, progress, log.flush(), done)
        if done % config.checkpoint_every == 0 or done == config.steps:
            _save(folder / "checkpoint.pt", learner.parts(), done)
        if done % config.validate_every == 0 or done == config.steps:
            _record_validation(folder, writer, learner.validate(writer, done), done)
    accelerator.wait_for_everyone()
    if writer is not None:
        writer.close()


class Descent:
    """One model, one loss, one optimiser."""

    accelerator: Accelerator

    def __init__(self, model: nn.Module, job: Job, config: LoopConfig) -> None:
        self.model, self.job, self.config = model, job, config
        self.optimizer = make_optimizer(model, config)
        self.ema = EMA(model, config.ema_decay)

    def parts(self) -> Mapping[str, Stateful]:
        return {"model": self.model, "ema": self.ema.model, "optimizer": self.optimizer}

    def prepare(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.ema.model.to(accelerator.device)
        self.wrapped, self.wrapped_optimizer = accelerator.prepare(self.model, self.optimizer)

    def learn(self, batch: Any, generator: torch.Generator, step: int) -> dict[str, Tensor]:
        set_rate(self.optimizer, learning_rate(self.config, step))
        with self.accelerator.accumulate(self.wrapped):
            losses = self.job.loss(self.wrapped, batch, generator)
            descend(
                self.accelerator,
                self.wrapped,
                self.wrapped_optimizer,
                losses["loss"],
                self.config.clip_norm,
                step,
            )
        return losses

    def average(self, step: int) -> None:
        self.ema.update(self.model, step)

    def validate(self, writer: SummaryWriter, step: int) -> Mapping[str, float]:
        return self.job.validate(self.ema.model, writer, step)


def make_optimizer(model: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )


def descend(
    accelerator: Accelerator, model: nn.Module, optimizer: Any, loss: Tensor, clip_norm: float, step: int
) -> None:
    """Gradients of one forward pass, and the update once enough of them are gathered."""
    accelerator.backward(loss)
    if accelerator.sync_gradients:
        norm = accelerator.clip_grad_norm_(model.parameters(), clip_norm)
        if norm is not None and not torch.isfinite(norm):
            raise UnusableCheckpoint(
                f"the gradient at step {step} is not finite (loss {loss.item()}); "
                "lower the learning rate and start again from the last checkpoint"
            )
    optimizer.step()
    optimizer.zero_grad()


def learning_rate(config: LoopConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to `decay_to` of the rate."""
    warm = min(1.0, (step + 1) / max(config.warmup, 1))
    share = min(1.0, step / config.steps)
    cosine = 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * share))))
    return config.learning_rate * warm * (config.decay_to + (1 - config.decay_to) * cosine)


def step_generator(seed: int, step: int, part: int, accelerator: Accelerator) -> torch.Generator:
    """All the randomness of one forward pass, a function of where the run is."""
    number = hash((seed, step, part, accelerator.process_index)) % 2**63
    return torch.Generator(accelerator.device).manual_seed(number)


class RunningMeans:
    """Means of the losses since the last flush, kept on the device so that logging does not wait for it."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()  # a loss may join in the middle

    def add(self, losses: Mapping[str, Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value.detach())) + value.detach()
        self.counts.update(losses.keys())

    def flush(self) -> dict[str, float]:
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, Counter()
        return means


def _loader(dataset: Dataset[Any], config: LoopConfig, start: int, processes: int) -> DataLoader[Any]:
    per_step = config.batch_size * config.accumulation * processes
    return DataLoader(
        dataset,
        batch_size=config.batch_size,
        sampler=_Indices(start * per_step, config.steps * per_step),
        num_workers=config.workers,
        collate_fn=getattr(dataset, "collate", None),
        persistent_workers=False,
        prefetch_factor=4 if config.workers else None,
    )


class _Indices:
    """Sample numbers in order: a run's position in the data is its step."""

    def __init__(self, start: int, stop: int) -> None:
        self.range = range(start, stop)

    def __iter__(self) -> Iterator[int]:
        return iter(self.range)

    def __len__(self) -> int:
        return len(self.range)


def set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _save(path: Path, parts: Mapping[str, Stateful], step: int) -> None:
    state = {"step": step, **{name: part.state_dict() for name, part in parts.items()}}
    beside = path.with_suffix(".partial")
    torch.save(state, beside)
    beside.replace(path)


def _resume(path: Path, parts: Mapping[str, Stateful]) -> int:
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in parts.items():
            part.load_state_dict(state[name])
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        reason = str(error).splitlines()[0]
        raise UnusableCheckpoint(
            f"cannot continue from {path}: {reason}; delete it or choose another --out"
        ) from error
    return int(state["step"])


def _report(writer: SummaryWriter, progress: Any, means: Mapping[str, float], step: int) -> None:
    for name, value in means.items():
        writer.add_scalar(f"train/{name}", value, step)
    progress.set_postfix({name: f"{value:.4f}" for name, value in means.items()})


def _record_validation(folder: Path, writer: SummaryWriter, scores: Mapping[str, float], step: int) -> None:
    for name, value in scores.items():
        writer.add_scalar(f"validation/{name}", value, step)
    with (folder / "validation.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            json.dumps({"step": step, **{name: round(value, 5) for name, value in scores.items()}}) + "\n"
        )


def stack(samples: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The plain collate: equal shapes, stacked by name."""
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

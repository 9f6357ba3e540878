"""Fine-tune a vision-language model of transformers on questions and answers, with TRL's trainer and PEFT's LoRA.

The recipe is the published one (spec/planner.md 1.3): encoders frozen, cosine from 2e-5 after a warm-up of 3 %, 128
lessons per step, 10 epochs. Processes and devices are accelerate's: start it with `accelerate launch` for several.
"""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from safetensors.torch import load_file, save_file

from prismaudio.backends.pretrained.conversation import Conversation
from prismaudio.backends.pretrained.hub import resolve
from prismaudio.backends.pretrained.lessons import Batcher, TaughtAnswer
from prismaudio.backends.pretrained.missing import extra_for
from prismaudio.backends.pretrained.tunable import linear_layers, unfreeze
from prismaudio.backends.pretrained.video_llm import (
    ADAPTER,
    ADAPTER_SETTINGS,
    HUB_ID,
    OPTIONAL,
    WANTED,
    available,
    load_network,
    load_processor,
)
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError

WHOLE_STATE = "trainer_state.json"  # written last into a checkpoint
LOG = "validation.jsonl"
NETWORK_FILES = ("*.safetensors", "*.safetensors.index.json")


class CannotTune(PrismAudioError):
    """Settings that do not go together, or nothing to learn from."""


class LoRA(Config):
    """Low-rank additions to the linear layers of the language model."""

    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dropout: float = Field(0.05, ge=0, lt=1)


class Tuning(Config):
    """How it learns."""

    base: str = Field(HUB_ID, description="a folder in transformers format, or a hub repository")
    tune: Literal["lora", "projector+llm"] = "lora"
    lora: LoRA = LoRA()
    epochs: PositiveFloat = 10.0
    steps: PositiveInt | None = Field(None, description="instead of epochs")
    batch: PositiveInt = Field(128, description="lessons per step, of all processes")
    at_once: PositiveInt = Field(1, description="lessons per process and forward pass")
    learning_rate: PositiveFloat = 2e-5
    warmup: float = Field(0.03, ge=0, lt=1, description="share of all steps")
    weight_decay: NonNegativeFloat = 0.0
    clip_norm: PositiveFloat = 1.0
    precision: Literal["no", "bf16"] = Field("bf16", description="on a GPU; a CPU computes in float32")
    checkpointing: bool = Field(True, description="recompute activations to save memory")
    seed: int = 0
    workers: NonNegativeInt = Field(2, description="processes that decode videos")
    checkpoint_every: PositiveInt = Field(100, description="steps")
    validate_every: PositiveInt = Field(100, description="steps")
    log_every: PositiveInt = 1

    def accumulation(self, processes: int) -> int:
        """Forward passes per step, so that a step sees `batch` lessons."""
        passes, rest = divmod(self.batch, self.at_once * processes)
        if rest or not passes:
            raise CannotTune(
                f"a batch of {self.batch} is no multiple of {processes} processes x {self.at_once} lessons at once; "
                "change batch or at_once"
            )
        return passes


def fine_tune(
    read: Callable[[int], TaughtAnswer], counts: tuple[int, int], tuning: Tuning, folder: Path, out: Path
) -> Path:
    """Train in `folder`, continuing its last whole checkpoint; -> `out`, with the LoRA or the whole model.

    read: the lesson of a number, called by decoding processes; the first counts[0] are learned, the next counts[1]
    judge.
    """
    with extra_for("fine-tuning", extra="finetune"):
        from peft import LoraConfig
        from trl.trainer.sft_trainer import SFTTrainer

    if not counts[0]:
        raise CannotTune("no lessons to learn from; annotate more videos, or hold fewer out")
    base = resolve(tuning.base, WANTED, OPTIONAL)
    processor, network = load_processor(base), load_network(base)
    numbers = network.dtype
    if tuning.tune == "projector+llm":
        unfreeze(network)
    learn, judge = numbered(range(counts[0])), numbered(range(counts[0], sum(counts)))
    with past_renames():
        trainer: Any = SFTTrainer(
            model=network.train(),
            args=arguments(tuning, folder, judged=counts[1] > 0),
            train_dataset=learn,
            eval_dataset=judge if counts[1] else None,
            data_collator=Collator(read, Batcher(Conversation(processor))),
            processing_class=processor.tokenizer,
            callbacks=[_journal(folder)],
            peft_config=_lora(LoraConfig, tuning, network) if tuning.tune == "lora" else None,
        )
        seen = (
            trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps * trainer.args.world_size
        )
        assert seen == tuning.batch, f"{seen} lessons per step"
        trainer.train(resume_from_checkpoint=last_checkpoint(folder))
    return _keep(trainer, base, numbers, out)


@contextmanager
def past_renames() -> Iterator[None]:
    """TRL and peft still use names that transformers has given up, and transformers says so each time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


class Collator:
    """Numbers of lessons -> a batch; decodes the videos."""

    def __init__(self, read: Callable[[int], TaughtAnswer], batcher: Batcher) -> None:
        self.read, self.batcher = read, batcher

    def __call__(self, rows: Sequence[dict[str, int]]) -> dict[str, torch.Tensor]:
        return self.batcher([self.read(row["number"]) for row in rows])


def numbered(numbers: range) -> Any:
    """The lessons, as TRL wants its data: numbers, for the collator to look up."""
    from datasets import Dataset

    return Dataset.from_dict({"number": list(numbers)})


def arguments(tuning: Tuning, folder: Path, *, judged: bool) -> Any:
    """The settings as TRL has them."""
    from trl.trainer.sft_config import SFTConfig

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    on_gpu = available() == "cuda"
    return SFTConfig(
        output_dir=str(folder),
        num_train_epochs=tuning.epochs,
        max_steps=tuning.steps or -1,
        per_device_train_batch_size=tuning.at_once,
        per_device_eval_batch_size=tuning.at_once,
        gradient_accumulation_steps=tuning.accumulation(processes),
        learning_rate=tuning.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=tuning.warmup,
        weight_decay=tuning.weight_decay,
        max_grad_norm=tuning.clip_norm,
        bf16=on_gpu and tuning.precision == "bf16",
        use_cpu=available() == "cpu",
        gradient_checkpointing=tuning.checkpointing,
        seed=tuning.seed,
        dataloader_num_workers=tuning.workers,
        dataloader_pin_memory=on_gpu,
        save_steps=tuning.checkpoint_every,
        save_total_limit=2,
        eval_strategy="steps" if judged else "no",
        eval_steps=tuning.validate_every,
        eval_on_start=judged,
        logging_steps=tuning.log_every,
        report_to=["tensorboard"],
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,  # a question that is cut loses its pictures
    )


def last_checkpoint(folder: Path) -> str | None:
    """The latest that was written to its end."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{WHOLE_STATE}")]
    latest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return None if latest is None else str(latest)


def _lora(kind: Any, tuning: Tuning, network: Any) -> Any:
    """Settings of peft. They name the model, so that the folder is enough to load both."""
    local = Path(tuning.base)
    return kind(
        r=tuning.lora.rank,
        lora_alpha=tuning.lora.alpha,
        lora_dropout=tuning.lora.dropout,
        target_modules=linear_layers(network),
        task_type="CAUSAL_LM",
        base_model_name_or_path=str(local.resolve()) if local.is_dir() else tuning.base,
    )


def _journal(folder: Path) -> Any:
    """Losses of held-out lessons, a line each time."""
    from transformers import TrainerCallback

    class Journal(TrainerCallback):
        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
            if state.is_world_process_zero:
                line = {"step": state.global_step, "loss": round(metrics["eval_loss"], 5)}
                with (folder / LOG).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")

    return Journal()


def _keep(trainer: Any, base: Path, numbers: torch.dtype, out: Path) -> Path:
    """Save what was learned; written beside and then renamed. numbers: those of the base."""
    beside = out.with_name(f"{out.name}.partial")
    saved = beside / "saved"
    if trainer.is_world_process_zero():
        shutil.rmtree(beside, ignore_errors=True)
        saved.mkdir(parents=True)
    trainer.save_model(str(saved))
    if trainer.is_world_process_zero():
        if (saved / ADAPTER).is_file():
            _gather(saved, beside, (ADAPTER, ADAPTER_SETTINGS))
        else:
            _gather(saved, beside, NETWORK_FILES)
            for path in beside.glob("*.safetensors"):
                save_file({n: t.to(numbers) for n, t in load_file(path).items()}, path, {"format": "pt"})
            _gather(base, beside, OPTIONAL)  # the rest of a model's folder is that of its base
        shutil.rmtree(saved)
        shutil.rmtree(out, ignore_errors=True)
        beside.rename(out)
    trainer.accelerator.wait_for_everyone()
    return out


def _gather(source: Path, target: Path, patterns: Sequence[str]) -> None:
    """Copies of the files that match, but for those that are there and for indices of other weights."""
    for path in (path for pattern in patterns for path in source.glob(pattern)):
        foreign = path.name.endswith(".safetensors.index.json") and patterns is OPTIONAL
        if not (target / path.name).exists() and not foreign:
            shutil.copyfile(path, target / path.name)

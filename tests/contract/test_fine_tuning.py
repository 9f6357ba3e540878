"""A tiny video language model learns a teacher's plans on this machine, as a large one would elsewhere."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from planned_clips import measured
from safetensors.torch import load_file

pytest.importorskip("trl", reason="the extra 'finetune' is not installed")
pytest.importorskip("peft")

import tiny_qwen
import transformers
from teaching import write_taught

from prismaudio.backends.pretrained import fine_tuning
from prismaudio.backends.pretrained.asking import Enquiry
from prismaudio.backends.pretrained.conversation import Conversation
from prismaudio.backends.pretrained.fine_tuning import CannotTune, Tuning, last_checkpoint, past_renames
from prismaudio.backends.pretrained.lessons import IGNORED, Batcher, TaughtAnswer
from prismaudio.backends.pretrained.tunable import projectors, unfreeze
from prismaudio.backends.pretrained.video_llm import VideoLLM, load_network, load_processor
from prismaudio.config import BadConfig
from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.metrics.onsets import Matches
from prismaudio.evaluation.student import compared, judge_student
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.planning.annotating import annotate, videos_in
from prismaudio.planning.annotation import Ledger
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import PlannerFailed
from prismaudio.planning.choose import PlannerOptions, choose_planner
from prismaudio.planning.teacher import Teacher
from prismaudio.planning.written import PlansBeside
from prismaudio.training import train_video_llm as training
from prismaudio.training.train_video_llm import (
    Lessons,
    Reader,
    VideoLLMTrainingConfig,
    load_lessons,
    train_video_llm,
)

PRESETS = Path(training.__file__).parent / "presets"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tiny-qwen")
    tiny_qwen.save(place)
    return place


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
    write_taught(folder / "films", 3)
    path = folder / "plans.jsonl"
    annotate(videos_in([folder / "films"]), Teacher(PlansBeside(), lambda *_: measured()), Ledger(path))
    return path


@pytest.fixture(scope="module")
def lessons(annotations: Path) -> Lessons:
    return load_lessons(annotations, VideoLLMTrainingConfig(held_out=0.0), lambda *_: measured())


def settings(base: Path, **changed: Any) -> VideoLLMTrainingConfig:
    known = {
        "base": str(base),
        "steps": 4,
        "batch": 2,
        "learning_rate": 1e-2,
        "warmup": 0.0,
        "workers": 0,
        "checkpoint_every": 2,
        "validate_every": 2,
        "checkpointing": False,
    }
    return VideoLLMTrainingConfig(tuning=Tuning.model_validate(known | changed))


def losses(folder: Path) -> list[float]:
    """Of every step."""
    state = json.loads((Path(last_checkpoint(folder) or "") / fine_tuning.WHOLE_STATE).read_text())
    return [line["loss"] for line in state["log_history"] if "loss" in line]


# What is read and what counts ------------------------------------------------------------------


def asked_ids(base: Path, enquiry: Enquiry) -> torch.Tensor:
    """The tokens that the local planner's network is given."""
    local = VideoLLM.from_pretrained(base, device="cpu")
    given: list[torch.Tensor] = []

    def generate(input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        given.append(input_ids)
        return input_ids

    local.network.generate = generate
    local.ask(enquiry)
    return given[0][0]


def test_the_question_is_the_planners_and_only_the_answer_is_in_the_loss(
    base: Path, lessons: Lessons
) -> None:
    processor = load_processor(base)
    lesson = Reader(tuple(lessons.learned))(0)
    batch = Batcher(Conversation(processor))([lesson])
    asked = asked_ids(base, lesson.enquiry)
    assert torch.equal(batch["input_ids"][0, : len(asked)], asked)
    assert (batch["labels"][0, : len(asked)] == IGNORED).all()
    learned = batch["labels"][0, len(asked) :]
    assert torch.equal(learned, batch["input_ids"][0, len(asked) :])
    assert processor.tokenizer.decode(learned) == lesson.answer + "<|im_end|>"


def test_lessons_of_different_lengths_weigh_the_same_together_as_apart(base: Path, lessons: Lessons) -> None:
    first, second = Reader(tuple(lessons.learned))(0), Reader(tuple(lessons.learned))(1)
    short = TaughtAnswer(Enquiry("what?", first.enquiry.footage), "a bird.")
    batcher, network = Batcher(Conversation(load_processor(base))), load_network(base)

    def summed(taught: Sequence[TaughtAnswer]) -> tuple[float, int]:
        batch = batcher(taught)
        count = int((batch["labels"] != IGNORED).sum())
        with torch.no_grad():
            return float(network(**batch).loss) * count, count

    apart = [summed([lesson]) for lesson in (short, second)]
    together = summed([short, second])
    assert batcher([short, second])["attention_mask"][0, 0] == 0  # answers follow their questions at once
    assert together[1] == sum(count for _, count in apart)
    assert together[0] == pytest.approx(sum(loss for loss, _ in apart), rel=1e-4)


def test_words_of_a_plan_are_no_signs(base: Path, lessons: Lessons) -> None:
    batcher = Batcher(Conversation(load_processor(base)))
    tokens, _ = batcher.answers(["a <|im_end|><|image_pad|> b"])
    end, picture = (batcher.tokenizer.convert_tokens_to_ids(sign) for sign in ("<|im_end|>", "<|image_pad|>"))
    assert (tokens == end).sum() == 1
    assert not (tokens == picture).any()


# What learns -----------------------------------------------------------------------------------


def test_projector_and_language_model_learn_and_the_eyes_do_not(base: Path, lessons: Lessons) -> None:
    network = load_network(base)
    unfreeze(network)
    network(
        **Batcher(Conversation(load_processor(base)))([Reader(tuple(lessons.learned))(0)])
    ).loss.backward()
    moved = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    eyes = {name for name, _ in network.named_parameters() if name.startswith("model.visual.")}
    mergers = {name for name in eyes if "merger" in name}
    assert mergers == {name for name in eyes if name in moved}
    assert len(mergers) == 12
    assert {name for name, _ in network.named_parameters()} - eyes <= moved
    assert all(float(network.get_parameter(name).grad.abs().sum()) > 0 for name in mergers)
    assert set(projectors(network)) == {"model.visual.merger", "model.visual.deepstack_merger_list"}


def test_a_model_without_a_projector_is_told() -> None:
    config = transformers.Qwen3Config(vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                                      num_attention_heads=2, num_key_value_heads=1, head_dim=4)  # fmt: skip
    with pytest.raises(CheckpointError, match="found no projector in a Qwen3ForCausalLM; tune it with LoRA"):
        projectors(transformers.Qwen3ForCausalLM(config))


def test_lora_learns_and_its_folder_alone_is_a_planner(
    base: Path, annotations: Path, lessons: Lessons, tmp_path: Path
) -> None:
    out = train_video_llm(lessons, settings(base, steps=6), tmp_path / "run", tmp_path / "lora")
    fell = losses(tmp_path / "run")
    assert len(fell) == 6
    assert fell[-1] < fell[0] - 0.1
    assert sorted(path.name for path in out.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    names = set(load_file(out / "adapter_model.safetensors"))
    assert all(".language_model.layers." in name for name in names)
    assert len(names) == 2 * 2 * 7  # two layers, seven linear ones in each, two matrices

    question = Enquiry("what?", lessons.learned[0].pictures())
    said = [
        VideoLLM.from_pretrained(source, adapter, "cpu", 20).ask(question)
        for source, adapter in ((base, None), (out, None), (base, out))
    ]
    assert said[0].text != said[1].text == said[2].text
    assert said[1].model == f"{base.name} + lora"
    planner = choose_planner(f"local:{out}", PlannerOptions(evidence="unused", device="cpu"))
    assert isinstance(planner, AskedPlanner)
    planner.seer.most_tokens = 8  # type: ignore[attr-defined]
    with pytest.raises(PlannerFailed, match=r"lora gave no usable plan in 3 answers"):
        planner.plan(lessons.learned[0].request)
    report = judge_student(VideoLLM.from_pretrained(out, device="cpu", most_tokens=8), lessons.learned)
    assert (report.clips, report.usable, report.event_f1) == (3, 0.0, 0.0)


def test_projector_and_llm_become_a_whole_model_and_a_broken_run_ends_where_an_unbroken_one_does(
    base: Path, lessons: Lessons, tmp_path: Path
) -> None:
    config, run = settings(base, tune="projector+llm"), tmp_path / "run"
    whole = train_video_llm(lessons, config, run, tmp_path / "whole")
    before, after = (load_file(folder / "model.safetensors") for folder in (base, whole))
    assert before.keys() == after.keys()
    still = {name for name in before if torch.equal(before[name], after[name])}
    eyes = {name for name in before if ".visual." in name and "merger" not in name}
    assert eyes <= still
    assert not any("linear_fc" in name and "merger" in name for name in still)
    assert not any("language_model" in name or "lm_head" in name for name in still)
    VideoLLM.from_pretrained(whole, device="cpu", most_tokens=4).ask(
        Enquiry("what?", lessons.learned[0].pictures())
    )

    shutil.rmtree(run / "checkpoint-4")
    (run / "checkpoint-3").mkdir()  # torn: what tells that it is whole was not written yet
    assert last_checkpoint(run) == str(run / "checkpoint-2")
    again = load_file(train_video_llm(lessons, config, run, tmp_path / "again") / "model.safetensors")
    assert all(torch.equal(after[name], again[name]) for name in after)


def test_held_out_lessons_judge_before_and_after(base: Path, lessons: Lessons, tmp_path: Path) -> None:
    apart = Lessons(lessons.learned[:2], lessons.learned[2:], [])
    train_video_llm(apart, settings(base, checkpointing=True), tmp_path / "run", tmp_path / "out")
    judged = [json.loads(line) for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in judged] == [0, 2, 4]
    assert judged[-1]["loss"] < judged[0]["loss"]
    network, batcher = load_network(base), Batcher(Conversation(load_processor(base)))
    with torch.no_grad():
        loss = network(**batcher([Reader(tuple(apart.held_out))(0)])).loss
    assert judged[0]["loss"] == pytest.approx(float(loss), abs=1e-3)


# Settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_once", "processes", "passes"), [(1, 1, 128), (4, 8, 4), (16, 8, 1)])
def test_a_step_sees_the_whole_batch_however_it_is_divided(at_once: int, processes: int, passes: int) -> None:
    assert Tuning(at_once=at_once).accumulation(processes) == passes


@pytest.mark.parametrize(("at_once", "processes"), [(3, 1), (1, 5), (16, 16)])
def test_a_batch_that_cannot_be_divided_is_refused(at_once: int, processes: int) -> None:
    with pytest.raises(CannotTune, match="a batch of 128 is no multiple of"):
        Tuning(at_once=at_once).accumulation(processes)


def test_the_published_recipe_is_a_preset() -> None:
    published = VideoLLMTrainingConfig.resolve(PRESETS / "planner-paper.toml").tuning
    assert published.tune == "projector+llm"
    assert (published.learning_rate, published.batch, published.epochs) == (2e-5, 128, 10)
    assert (published.warmup, published.weight_decay) == (0.03, 0)
    single = VideoLLMTrainingConfig.resolve(PRESETS / "planner-lora.toml").tuning
    assert single.tune == "lora"
    with pytest.raises(BadConfig, match=r"tuning\.tune"):
        VideoLLMTrainingConfig.resolve(overrides=["tuning.tune=all"])


def test_the_settings_reach_the_trainer(tmp_path: Path) -> None:
    with past_renames():
        given = fine_tuning.arguments(Tuning(weight_decay=0.1, clip_norm=0.5), tmp_path, judged=False)
    assert given.lr_scheduler_type == "cosine"
    assert (given.learning_rate, given.warmup_steps, given.num_train_epochs) == (2e-5, 0.03, 10)
    assert (given.weight_decay, given.max_grad_norm, given.gradient_accumulation_steps) == (0.1, 0.5, 128)


def test_nothing_to_learn_is_told(base: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotTune, match="no lessons to learn from"):
        train_video_llm(Lessons([], [], []), settings(base), tmp_path / "run", tmp_path / "out")


# The judge -------------------------------------------------------------------------------------


def test_a_student_is_judged_by_moments_and_names(lessons: Lessons) -> None:
    teacher = lessons.learned[0].plan
    true = len(teacher.onsets())
    right = compared(teacher, teacher)
    assert (right.usable, right.events, right.named) == (
        True,
        Matches(true, true, true),
        Matches(true, true, true),
    )
    none = compared(None, teacher)
    assert (none.usable, none.events, none.named) == (False, Matches(0, 0, true), Matches(0, 0, true))
    events = tuple(event.model_copy(update={"sound": "a whale singing"}) for event in teacher.semantic.events)
    other = teacher.model_copy(update={"semantic": teacher.semantic.model_copy(update={"events": events})})
    assert compared(other, teacher).events.f1 == 1
    assert compared(other, teacher).named.hits == 0
    late = shifted(teacher, 0.1)
    assert compared(late, teacher).events.hits < true
    assert compared(shifted(teacher, 0.05), teacher).events.hits == true


def shifted(plan: Plan, seconds: float) -> Plan:
    def move(moment: float) -> float:
        return moment + seconds

    spans = tuple(
        span.model_copy(update={"onset": move(span.onset), "hits": tuple(map(move, span.hits))})
        for span in plan.temporal.spans
    )
    return plan.model_copy(update={"temporal": plan.temporal.model_copy(update={"spans": spans})})


@pytest.mark.slow
def test_one_clip_is_learned_until_its_plan_comes_back_exactly(lessons: Lessons, tmp_path: Path) -> None:
    taught = lessons.learned[0]
    tiny_qwen.save(tmp_path / "base", [taught.question, taught.answer])
    config = settings(
        tmp_path / "base", tune="projector+llm", steps=200, batch=1, learning_rate=5e-3, checkpoint_every=200
    )
    out = train_video_llm(Lessons([taught], [], []), config, tmp_path / "run", tmp_path / "out")
    planner = choose_planner(f"local:{out}", PlannerOptions(evidence="unused", device="cpu"))
    plan = planner.plan(taught.request)
    assert plan.render("tagged", "numeric") == taught.answer
    report = judge_student(VideoLLM.from_pretrained(out, device="cpu"), [taught])
    assert (report.usable, report.event_f1, report.named_f1) == (1.0, 1.0, 1.0)

"""A local planner over transformers: random weights make no plan, right words make one, damage is told in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from planned_clips import HITS, answer, measured, request

pytest.importorskip("transformers")

import tiny_qwen
import transformers
from safetensors.torch import load_file, save_file
from transformers.utils.import_utils import is_torchvision_available

from prismaudio import PrismAudioError
from prismaudio.backends.pretrained.asking import Answer, Enquiry, Film, Turn, Unanswered
from prismaudio.backends.pretrained.video_llm import VideoLLM
from prismaudio.models.checkpoints import CheckpointError
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import PlannerFailed
from prismaudio.planning.fallback import Fallback
from prismaudio.planning.perception import PerceptionPlanner
from prismaudio.planning.wire import read
from prismaudio.types import Frames

PICTURES = Frames(np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), np.uint8), 2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tiny-qwen")
    tiny_qwen.save(place)
    return place


@pytest.fixture
def local(folder: Path) -> VideoLLM:
    return VideoLLM.from_pretrained(folder, device="cpu", most_tokens=12)


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A folder of one's own, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


def complaint(load: Callable[[], object], kind: type[PrismAudioError] = CheckpointError) -> str:
    with pytest.raises(kind) as error:
        load()
    assert "\n" not in str(error.value)
    return str(error.value)


def saying(local: VideoLLM, *texts: str) -> list[str]:
    """Let the network produce these texts, one after the other; -> the prompts that it will have been given."""
    prompts: list[str] = []
    left = list(texts)
    tokenizer = local.processor.tokenizer

    def generate(input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
        prompts.append(tokenizer.decode(input_ids[0]))
        said = tokenizer(left.pop(0) + "<|im_end|>", return_tensors="pt")["input_ids"]
        return torch.cat([input_ids, said], dim=1)

    local.network.generate = generate
    return prompts


# What it says ----------------------------------------------------------------------------------


def test_random_weights_give_no_plan_after_three_answers(local: VideoLLM) -> None:
    planner = AskedPlanner(local)
    with pytest.raises(PlannerFailed, match=r"gave no usable plan in 3 answers \(no paragraph <Semantic>"):
        planner.plan(request())
    plan = Fallback("local", planner, PerceptionPlanner()).plan(request())
    assert plan.onsets() == measured().plan.onsets()
    assert "because local failed" in plan.provenance.notes[0]


def test_the_right_words_become_a_plan(local: VideoLLM) -> None:
    text = read(answer(), 8.0).render("tagged", "numeric")
    prompts = saying(local, "A bird.", text)
    plan = AskedPlanner(local).plan(request(hint="a forest"))
    assert [event.sound for event in plan.semantic.events] == ["a woodpecker drumming", "a tractor driving"]
    assert plan.onsets()[1:] == list(HITS)
    assert plan.provenance.planner == "local"
    assert plan.provenance.versions["model"].startswith("tiny-qwen")
    assert "a forest" in prompts[0]
    assert "A bird." in prompts[1]
    assert "no paragraph <Semantic>, <Temporal>, <Aesthetic>, <Spatial>" in prompts[1]


def test_json_is_understood_too(local: VideoLLM) -> None:
    saying(local, answer())
    assert AskedPlanner(local, prose=True).plan(request()).semantic == read(answer(), 8.0).semantic


def test_equal_questions_get_equal_answers(local: VideoLLM) -> None:
    local.network.generation_config.do_sample = True
    local.network.generation_config.temperature = 5.0
    first, again = local.ask(Enquiry("what?", PICTURES)), local.ask(Enquiry("what?", PICTURES))
    assert isinstance(first, Answer)
    assert first == again
    assert first.written == 12
    assert first != local.ask(Enquiry("what?", PICTURES, turns=(Turn("this", "no"),)))


def test_what_is_seen_changes_what_is_said(folder: Path) -> None:
    local = VideoLLM.from_pretrained(folder, device="cpu", most_tokens=40)
    black = Frames(np.zeros_like(PICTURES.images), PICTURES.fps)
    assert local.ask(Enquiry("what?", PICTURES)).text != local.ask(Enquiry("what?", black)).text


# What it is shown ------------------------------------------------------------------------------


@pytest.mark.skipif(is_torchvision_available(), reason="the video processor can run here")
def test_without_torchvision_pictures_stand_behind_their_seconds(local: VideoLLM) -> None:
    prompts = saying(local, "x")
    local.ask(Enquiry("what?", PICTURES))
    assert not local.conversation.plays
    said = prompts[0].replace("<|image_pad|>", "")
    shown = "".join(f"{second} s:<|vision_start|><|vision_end|>" for second in ("0.00", "0.50", "1.00"))
    assert said == f"<|im_start|>user\n{shown}what?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.skipif(not is_torchvision_available(), reason="video processors need torchvision")
def test_with_torchvision_frames_are_one_video_with_its_seconds(local: VideoLLM) -> None:
    prompts = saying(local, "x")
    local.ask(Enquiry("what?", PICTURES))
    assert local.conversation.plays
    assert "<0.2 seconds>" in prompts[0]


def test_a_processor_of_videos_gets_frames_as_they_are_with_their_seconds() -> None:
    """What it would be given, on machines where none can run."""
    given: dict[str, Any] = {}

    class Processor:
        video_processor = object()
        tokenizer = SimpleNamespace(
            bos_token="<s>",
            added_tokens_decoder={},
            eos_token_id=1,
            pad_token_id=0,
            decode=lambda *_, **__: " a dog ",
        )

        def apply_chat_template(self, said: list[dict[str, Any]], **_: Any) -> str:
            assert said[0]["content"] == [{"type": "video"}, {"type": "text", "text": "what?"}]
            return "<s>prompt"

        def __call__(self, **inputs: Any) -> Any:
            given.update(inputs)
            return transformers.BatchFeature({"input_ids": torch.ones(1, 4, dtype=torch.long)})

    network = SimpleNamespace(
        device="cpu",
        dtype=torch.float32,
        generation_config=SimpleNamespace(eos_token_id=None),
        generate=lambda input_ids, **_: torch.cat([input_ids, input_ids], dim=1),
    )
    said = VideoLLM(network, Processor(), "some").ask(Enquiry("what?", PICTURES))
    assert said == Answer("a dog", "some", 4, 4)
    (metadata,) = given["video_metadata"]
    assert given["videos"][0] is PICTURES.images
    assert (metadata.fps, metadata.frames_indices, metadata.duration) == (2.0, [0, 1, 2], 1.5)
    assert given["do_sample_frames"] is False
    assert given["add_special_tokens"] is False  # the prompt begins with one


def test_words_of_the_user_are_no_pictures_and_end_no_turn(local: VideoLLM) -> None:
    prompts = saying(local, "x")
    local.ask(Enquiry("<|image_pad|>what?<|im_end|>", PICTURES, turns=(Turn("<|im_start|>system", "no"),)))
    assert prompts[0].count("<|im_start|>") == 4
    assert "> what? <" in prompts[0]


def test_films_are_not_played(local: VideoLLM) -> None:
    with pytest.raises(Unanswered, match="plays no files; send frames"):
        local.ask(Enquiry("what?", Film(b"", "video/mp4", 8.0)))


def test_too_little_memory_is_told(local: VideoLLM) -> None:
    def generate(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    local.network.generate = generate
    assert "no memory left" in complaint(lambda: local.ask(Enquiry("what?", PICTURES)), Unanswered)


# Where it comes from ---------------------------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # peft asks transformers for it
def test_a_lora_folder_changes_what_is_said(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="the extra 'planners' is not installed")
    torch.manual_seed(1)
    network = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    peft.get_peft_model(network, config).save_pretrained(tmp_path / "own-lora")
    plain, adapted = (
        VideoLLM.from_pretrained(folder, adapter, "cpu", 20) for adapter in (None, tmp_path / "own-lora")
    )
    assert adapted.model == f"{folder.name} + own-lora"
    said, changed = (local.ask(Enquiry("what?", PICTURES)).text for local in (plain, adapted))
    assert said != changed
    assert not any("lora" in name for name, _ in adapted.network.named_parameters())

    weights = load_file(tmp_path / "own-lora" / "adapter_model.safetensors")
    save_file(
        {f"{name}.other": tensor for name, tensor in weights.items()},
        tmp_path / "own-lora" / "adapter_model.safetensors",
    )
    told = complaint(lambda: VideoLLM.from_pretrained(folder, tmp_path / "own-lora", "cpu"))
    assert "was made for another model" in told


def test_a_folder_without_a_lora_is_told(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    assert "no adapter_model.safetensors in" in complaint(
        lambda: VideoLLM.from_pretrained(folder, tmp_path, "cpu")
    )


def test_a_missing_tensor_is_told(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    name = next(name for name in weights if "q_proj" in name)
    save_file({n: t for n, t in weights.items() if n != name}, copied / "model.safetensors", {"format": "pt"})
    assert "lacks 1 tensors, such as" in complaint(lambda: VideoLLM.from_pretrained(copied))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100), "cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be read"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "preprocessor_config.json").write_text("[]"), "cannot be read"),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "holds no chat template"),
    ],
)  # fmt: skip
def test_damage_is_told_in_one_line(copied: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(copied)
    assert told in complaint(lambda: VideoLLM.from_pretrained(copied), PrismAudioError)


def test_a_model_without_eyes_is_told(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config["text_config"] | {"model_type": "qwen3"}))
    for name in ("preprocessor_config.json", "video_preprocessor_config.json"):
        (copied / name).unlink()
    assert str(copied) in complaint(lambda: VideoLLM.from_pretrained(copied), PrismAudioError)


def test_no_folder_and_no_model_of_the_hub_is_told() -> None:
    assert "no folder of weights at" in complaint(
        lambda: VideoLLM.from_pretrained("nowhere"), PrismAudioError
    )

"""VideoLLaMA2.1 from a folder as published, with random weights: read strictly, asked, told it is wrong, and taught."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from planned_clips import HITS, answer, request

pytest.importorskip("transformers")

import tiny_videollama2 as tiny
from hub_server import Hub, Repo, believed, running
from local_models import PICTURES, complaint
from safetensors.torch import load_file, save_file

from prismaudio import PrismAudioError
from prismaudio.backends.pretrained.asking import Enquiry, Film, Turn, Unanswered
from prismaudio.backends.pretrained.video_llm import VideoLLM
from prismaudio.backends.pretrained.videollama2 import Lesson, VideoLLaMA2, chosen
from prismaudio.backends.pretrained.videollama2_network import IGNORED, VIDEO, put
from prismaudio.backends.pretrained.videollama2_weights import load_network, published_state
from prismaudio.planning.asked import AskedPlanner
from prismaudio.planning.base import PlannerFailed
from prismaudio.planning.choose import PlannerOptions, choose_planner
from prismaudio.planning.wire import read
from prismaudio.types import Frames

TOKENS = 2 * 2 * 2  # of four pictures of 4 x 4 patches
ASKED = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
BLACK = Frames(np.zeros_like(PICTURES.images), PICTURES.fps)

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("published") / "tiny-videollama2"
    tiny.save(place)
    return place


@pytest.fixture
def local(folder: Path) -> VideoLLaMA2:
    return VideoLLaMA2.from_pretrained(folder, device="cpu", most_tokens=12)


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A folder of one's own, to be damaged; its tower is that of `folder`."""
    return Path(shutil.copytree(folder, tmp_path / "own"))


def configure(folder: Path, **changed: Any) -> None:
    known = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(known | changed))


def saying(local: VideoLLaMA2, monkeypatch: pytest.MonkeyPatch, *texts: str) -> list[list[int]]:
    """Whatever the network writes is read as these texts; -> what it is asked, as tokens, after `embed` was."""
    left, asked = list(texts), list[list[int]]()
    embed = local.network.embed

    def noted(input_ids: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        asked.append(input_ids[0].tolist())
        return embed(input_ids, pixel_values)

    monkeypatch.setattr(local.network, "embed", noted)
    monkeypatch.setattr(local.tokenizer, "decode", lambda *_, **__: left.pop(0))
    return asked


def prompt(local: VideoLLaMA2, enquiry: Enquiry) -> str:
    """What the network is asked, as text with the mark of the video."""
    tokens = local.lesson(enquiry, "").input_ids.tolist()
    k = tokens.index(VIDEO)
    decode: Callable[..., str] = local.tokenizer.decode
    return f"{decode(tokens[:k])}<video>{decode(tokens[k + 1 :])}".removesuffix("<|im_end|>\n")


# What it says ----------------------------------------------------------------------------------


def test_the_local_planner_is_this_one_where_the_folder_holds_it(folder: Path) -> None:
    planner = choose_planner(f"local:{folder}", PlannerOptions(device="cpu"))
    assert isinstance(planner, AskedPlanner)
    assert isinstance(planner.seer, VideoLLaMA2)
    assert planner.seer.model == "tiny-videollama2"
    assert planner.seer.pictures == tiny.PICTURES


def test_random_weights_give_no_plan_after_three_answers(local: VideoLLaMA2) -> None:
    with pytest.raises(PlannerFailed, match=r"gave no usable plan in 3 answers \(no paragraph <Semantic>"):
        AskedPlanner(local).plan(request())


def test_the_plumbing_makes_a_plan_of_right_words_that_a_decoder_of_the_test_puts_in(
    local: VideoLLaMA2, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = read(answer(), 8.0).render("tagged", "numeric")
    bytes_of = local.tokenizer.decode
    asked = saying(local, monkeypatch, "A bird.", text)
    plan = AskedPlanner(local).plan(request(hint="a forest"))
    assert [event.sound for event in plan.semantic.events] == ["a woodpecker drumming", "a tractor driving"]
    assert plan.onsets()[1:] == list(HITS)
    assert plan.provenance.versions["model"] == "tiny-videollama2"
    said = [bytes_of([token for token in tokens if token != VIDEO]) for tokens in asked]
    assert "a forest" in said[0]
    assert said[1].startswith(said[0])
    assert "assistant\nA bird.<|im_end|>\n<|im_start|>user\nThat cannot be used: no paragraph" in said[1]


def test_equal_questions_get_equal_answers(local: VideoLLaMA2) -> None:
    settings: Any = local.network.language_model.generation_config
    settings.do_sample, settings.temperature = True, 5.0
    first, again = local.ask(Enquiry("what?", PICTURES)), local.ask(Enquiry("what?", PICTURES))
    assert first == again
    assert first.written == 12
    assert first != local.ask(Enquiry("what?", PICTURES, turns=(Turn("this", "no"),)))


def test_the_most_probable_words_are_said_until_the_end_of_the_turn(local: VideoLLaMA2) -> None:
    """Word by word, without the memory that generation keeps."""
    lesson = local.lesson(Enquiry("what?", PICTURES), "")
    said = lesson.input_ids[lesson.labels == IGNORED]
    written: list[int] = []
    for _ in range(12):
        tokens = torch.cat([said, torch.tensor(written, dtype=torch.long)])
        logits = local.network(tokens[None], lesson.pixel_values[None]).logits
        written.append(int(logits[0, -1].argmax()))
    assert local.ask(Enquiry("what?", PICTURES)).text == local.tokenizer.decode(written).strip()
    settings: Any = local.network.language_model.generation_config
    assert settings.eos_token_id == local.tokenizer.convert_tokens_to_ids("<|im_end|>")
    settings.eos_token_id = written[3]
    assert local.ask(Enquiry("what?", PICTURES)).written == written.index(written[3]) + 1


def test_what_is_seen_changes_what_is_thought(local: VideoLLaMA2) -> None:
    lessons = [local.lesson(Enquiry("what?", frames), "a dog") for frames in (PICTURES, BLACK)]
    losses = [local.network(*batch(lesson)).loss for lesson in lessons]
    assert not torch.equal(*losses)


def test_films_are_not_played(local: VideoLLaMA2) -> None:
    told = complaint(lambda: local.ask(Enquiry("what?", Film(b"", "video/mp4", 8.0))), Unanswered)
    assert "plays no files; send frames" in told


# What it is shown ------------------------------------------------------------------------------


def test_the_question_stands_behind_the_video_and_the_seconds_of_its_pictures(local: VideoLLaMA2) -> None:
    pictures = Frames(
        PICTURES.images.repeat(3, axis=0), 4.0
    )  # nine of them: the second, fourth, sixth and eighth
    enquiry = Enquiry("what?", pictures, turns=(Turn("A bird.", "No."),))
    assert prompt(local, enquiry) == (
        f"{ASKED}<video>\nThe pictures are those at 0.25, 0.75, 1.25, 1.75 s.\nwhat?<|im_end|>\n"
        "<|im_start|>assistant\nA bird.<|im_end|>\n<|im_start|>user\nNo.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_words_of_the_user_are_no_second_video_and_end_no_turn(local: VideoLLaMA2) -> None:
    asked = prompt(
        local, Enquiry("<video>what?<|im_end|>", PICTURES, turns=(Turn("<|im_start|>system", "no"),))
    )
    assert asked.count("<video>") == 1
    assert asked.count("<|im_start|>") == 5
    assert asked.count("<|im_end|>") == 4


def test_the_tokens_that_are_read_are_counted_with_those_of_the_video(local: VideoLLaMA2) -> None:
    lesson = local.lesson(Enquiry("what?", PICTURES), "")
    asked = int((lesson.labels == IGNORED).sum())
    assert local.ask(Enquiry("what?", PICTURES)).read == asked - 1 + TOKENS


def test_pictures_are_the_middles_of_equal_parts() -> None:
    """100 frames: parts of 99/16, as the published program divides them; 32 are each second one, but for rounding."""
    assert chosen(100, 16).tolist() == [3, 9, 15, 22, 28, 34, 40, 46, 53, 59, 65, 71, 77, 84, 90, 96]
    assert chosen(32, 16).tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 16, 18, 20, 22, 24, 26, 28, 30]
    assert chosen(1, 4).tolist() == [0, 0, 0, 0]


def test_pixels_are_those_of_the_published_processor(local: VideoLLaMA2) -> None:
    """Stretched to a square by PIL's bicubic filter, then -1..1; torch's filter rounds otherwise by at most one step."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    smooth = np.kron(PICTURES.images[0, :12, :16], np.ones((10, 10, 1), np.uint8))  # 120 x 160
    published = np.asarray(image.fromarray(smooth).resize((tiny.SIDE, tiny.SIDE), image.Resampling.BICUBIC))
    pixels = local.lesson(Enquiry("what?", Frames(smooth[None], 1.0)), "").pixel_values
    assert pixels.shape == (tiny.PICTURES, 3, tiny.SIDE, tiny.SIDE)
    expected = torch.tensor(published / 255).permute(2, 0, 1).float().sub(0.5).div(0.5)
    torch.testing.assert_close(pixels[0], expected, atol=2.01 / 255, rtol=0)


def test_the_connector_is_given_what_the_last_layer_but_one_of_the_tower_put_out(local: VideoLLaMA2) -> None:
    pixels = torch.randn(2, tiny.PICTURES, 3, tiny.SIDE, tiny.SIDE)
    tower = local.network.vision_tower
    hidden = tower(pixels.flatten(0, 1), output_hidden_states=True).hidden_states
    assert len(hidden) == tiny.DEPTH + 1
    expected = local.network.mm_projector(hidden[-2].unflatten(0, (2, tiny.PICTURES)))
    torch.testing.assert_close(local.network.see(pixels), expected)
    assert expected.shape == (2, TOKENS, tiny.WIDTH)


def test_other_layers_are_selected_as_counted_from_either_end(copied: Path) -> None:
    for layer, layers in ((-1, 3), (-2, 2), (0, 0), (1, 1)):
        configure(copied, mm_vision_select_layer=layer)
        network, _ = load_network(copied)
        assert network.layers == layers
    configure(copied, mm_vision_select_layer=-5)
    assert "selects layer -5 of 3" in complaint(lambda: load_network(copied))


def test_a_config_that_tells_no_number_of_pictures_means_eight(copied: Path) -> None:
    """As in the published program's constants.py."""
    configure(copied, num_frames=None)
    assert VideoLLaMA2.from_pretrained(copied, device="cpu").pictures == 8


def test_the_video_stands_where_its_mark_stood() -> None:
    tokens = torch.tensor([[5, VIDEO, 6], [VIDEO, 7, 8]])
    pieces = torch.tensor([[1, 2], [3, 4]])
    assert put(tokens, tokens, pieces).tolist() == [[5, 1, 2, 6], [3, 4, 7, 8]]
    with pytest.raises(ValueError, match=r"one place for its video; got \[2, 1\]"):
        put(tokens, torch.tensor([[VIDEO, VIDEO, 6], [VIDEO, 7, 8]]), pieces)


# Where it comes from ---------------------------------------------------------------------------


def test_every_tensor_of_the_files_is_in_the_network(local: VideoLLaMA2) -> None:
    own, published = published_state(local.network), tiny.weights()
    assert own.keys() == published.keys()
    for name, tensor in published.items():
        torch.testing.assert_close(own[name], tensor, rtol=0, atol=0)


def test_positions_and_rotations_that_no_file_holds_are_computed(local: VideoLLaMA2) -> None:
    network = local.network
    assert network.vision_tower.embeddings.position_ids.tolist() == [list(range(16))]
    frequencies = network.language_model.model.rotary_emb.inv_freq
    torch.testing.assert_close(frequencies, 1e6 ** -(torch.arange(0, 8, 2) / 8))


def test_a_tower_that_is_not_in_the_file_is_that_of_the_config(copied: Path) -> None:
    for shard in copied.glob("model*"):
        shard.unlink()
    tiny.save_shards(copied, tiny.weights(tower=False))
    network, _ = load_network(copied)
    beside = load_file(copied / "siglip" / "model.safetensors")
    own = published_state(network)
    for name in tiny.tower_shapes():
        torch.testing.assert_close(own[f"{tiny.TOWER}{name}"], beside[name], rtol=0, atol=0)
    alone = {n.removeprefix("vision_model."): t for n, t in beside.items() if n.startswith("vision_model.")}
    save_file(alone, copied / "siglip" / "model.safetensors")
    configure(copied, mm_vision_tower=str(copied / "siglip"))
    load_network(copied)


def test_the_sizes_of_the_published_tower_need_no_other_file(copied: Path) -> None:
    """And weights of another size do not fit it."""
    configure(copied, mm_vision_tower="google/siglip-so400m-patch14-384")
    assert "instead of (1152, 3, 14, 14)" in complaint(lambda: load_network(copied))


def test_ears_are_left_where_they_are_and_that_is_said(
    copied: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ears = {"model.audio_tower.encoder.weight": torch.ones(2), "model.mm_projector_a.0.weight": torch.ones(2)}
    tiny.save_shards(copied, tiny.weights() | ears)
    with caplog.at_level(logging.WARNING):
        network, _ = load_network(copied)
    assert published_state(network).keys() == tiny.weights().keys()
    assert "hears, too; its 2 tensors for that are not used" in caplog.text


def test_the_number_format_is_that_of_the_file_or_as_wished(copied: Path) -> None:
    tiny.save_shards(copied, {name: tensor.bfloat16() for name, tensor in tiny.weights().items()})
    assert {p.dtype for p in load_network(copied)[0].parameters()} == {torch.bfloat16}
    assert {p.dtype for p in load_network(copied, torch.float32)[0].parameters()} == {torch.float32}
    said = VideoLLaMA2.from_pretrained(copied, device="cpu", most_tokens=3).ask(Enquiry("what?", PICTURES))
    assert said.written == 3


def repository(folder: Path, **changed: Any) -> Repo:
    """What is in a folder, but not below it."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return Repo(files | {"config.json": json.dumps(json.loads(files["config.json"]) | changed).encode()})


def test_both_come_from_the_hub_and_nothing_more_than_its_settings_of_what_cannot_be_used(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in copied.glob("model*"):
        shard.unlink()
    tiny.save_shards(copied, tiny.weights(tower=False))
    repos = {
        "me/tiny": repository(copied, mm_vision_tower="me/siglip"),
        "me/older": repository(copied, model_type="videollama2_mistral"),
        "me/siglip": repository(copied / "siglip"),
    }
    with running(Hub(repos)) as hub:
        believed(hub, monkeypatch, tmp_path)
        told = complaint(lambda: choose_planner("local:me/older"))
        assert told.startswith("me/older is a VideoLLaMA2 of type videollama2_mistral")
        assert set(hub.sent) == {"config.json"}
        planner = choose_planner("local:me/tiny", PlannerOptions(device="cpu"))
    assert isinstance(planner, AskedPlanner)
    assert planner.seer.model == "me/tiny"
    assert planner.seer.ask(Enquiry("what?", PICTURES)).written > 0


def without(state: State, name: str) -> State:
    return {other: tensor for other, tensor in state.items() if other != name}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda w: without(w, "model.mm_projector.sampler.0.bias"), "1 tensors are missing (model.mm_projector.sampler"),
        (lambda w: without(w, "lm_head.weight"), "1 tensors are missing (lm_head.weight)"),
        (lambda w: without(w, "model.embed_tokens.weight"), "1 tensors are missing (model.embed_tokens.weight)"),
        (lambda w: without(w, f"{tiny.TOWER}vision_model.head.probe"), "1 tensors are missing (model.vision_tower"),
        (lambda w: w | {"model.mm_projector.s3.weight": torch.ones(1)}, "1 tensors are unknown (model.mm_projector.s3"),
        (lambda w: w | {"model.audio.weight": torch.ones(1)}, "1 tensors are unknown (model.audio.weight)"),
        (lambda w: w | {"model.norm.weight": torch.ones(5)}, "model.norm.weight is (5,) instead of (32,)"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(
    copied: Path, changed: Callable[[State], State], told: str
) -> None:
    tiny.save_shards(copied, changed(tiny.weights()))
    assert told in complaint(lambda: VideoLLaMA2.from_pretrained(copied))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: configure(folder, model_type="videollama2_mistral"), "is not supported; take a 2.1"),
        (lambda folder: configure(folder, mm_projector_type="stc_connector"), "the connector stc_connector to"),
        (lambda folder: configure(folder, mm_vision_select_feature="cls_patch"), "to cls_patch features"),
        (lambda folder: configure(folder, mm_vision_tower=None), "makes no sense (mm_vision_tower None"),
        (lambda folder: configure(folder, num_frames=1), "num_frames 1); get the file again"),
        (lambda folder: configure(folder, num_attention_heads="many"), "makes no sense"),
        (lambda folder: configure(folder, vocab_size=100), "instead of (100, 32)"),
        (lambda folder: configure(folder, mm_vision_tower="nowhere at all"), "no folder of weights at nowhere at all"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "model-00002-of-00002.safetensors").unlink(), "no weights at"),
        (lambda folder: (folder / "model-00002-of-00002.safetensors").write_bytes(b"x" * 99), "is damaged"),
        (lambda folder: (folder / "model.safetensors.index.json").write_text("{}"), "has no weight_map"),
        (lambda folder: (folder / "vocab.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("{}"), "holds no chat template"),
    ],
)  # fmt: skip
def test_damage_is_told_in_one_line(copied: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(copied)
    assert told in complaint(lambda: choose_planner(f"local:{copied}"), PrismAudioError)


def test_a_tokenizer_of_more_words_than_the_weights_is_told(copied: Path) -> None:
    settings = json.loads((copied / "tokenizer_config.json").read_text())
    settings["added_tokens_decoder"]["259"] = settings["added_tokens_decoder"]["258"] | {"content": "<more>"}
    (copied / "tokenizer_config.json").write_text(json.dumps(settings))
    assert "knows more tokens than the weights" in complaint(lambda: VideoLLaMA2.from_pretrained(copied))


def test_other_folders_are_left_to_the_other_local_models(tmp_path: Path) -> None:
    """Whose complaint it is shows who was asked."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    assert "cannot be read" in complaint(lambda: choose_planner(f"local:{tmp_path}"))
    assert complaint(lambda: VideoLLM.from_pretrained(tmp_path)) == complaint(
        lambda: choose_planner(f"local:{tmp_path}")
    )


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # peft asks transformers for it
def test_what_was_learned_is_added_to_the_language_model_and_the_connector(
    folder: Path, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft", reason="the extra 'planners' is not installed")
    torch.manual_seed(1)
    network, _ = load_network(folder)
    config = peft.LoraConfig(
        r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    lora, both = tmp_path / "lora", tmp_path / "both"
    peft.get_peft_model(network.language_model, config).save_pretrained(lora)
    shutil.copytree(lora, both)
    connector = {n: t + 0.1 for n, t in tiny.weights().items() if n.startswith("model.mm_projector.")}
    torch.save({f"base_model.model.{n}": t for n, t in connector.items()}, both / "non_lora_trainables.bin")
    lesson = batch(
        VideoLLaMA2.from_pretrained(folder, device="cpu").lesson(Enquiry("what?", PICTURES), "a dog")
    )
    losses = []
    for adapter in (None, lora, both):
        adapted = VideoLLaMA2.from_pretrained(folder, adapter, "cpu")
        losses.append(float(adapted.network(*lesson).loss))
        assert not any("lora" in name for name, _ in adapted.network.named_parameters())
        assert adapted.model == "tiny-videollama2" + (f" + {adapter.name}" if adapter else "")
    assert len({round(loss, 5) for loss in losses}) == 3
    own = published_state(adapted.network)
    assert all(torch.equal(own[name], tensor) for name, tensor in connector.items())

    (both / "adapter_config.json").unlink()  # a connector may come alone
    VideoLLaMA2.from_pretrained(folder, both, "cpu")
    connector.pop("model.mm_projector.readout.2.bias")
    torch.save(connector, both / "non_lora_trainables.bin")
    told = complaint(lambda: VideoLLaMA2.from_pretrained(folder, both, "cpu"))
    assert "non_lora_trainables.bin does not fit this model: 1 tensors are missing" in told


def test_a_folder_of_nothing_learned_is_told(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the extra 'planners' is not installed")
    assert "no adapter_model.safetensors in" in complaint(
        lambda: VideoLLaMA2.from_pretrained(folder, tmp_path, "cpu")
    )


# How it learns ---------------------------------------------------------------------------------


def batch(
    *lessons: Lesson, left: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Padded on the right, or on the left: what `forward` takes, in its order."""
    length = max(len(lesson.input_ids) for lesson in lessons)
    ids, masks, labels = [], [], []
    for lesson in lessons:
        missing = length - len(lesson.input_ids)
        room = (missing, 0) if left else (0, missing)
        ids.append(F.pad(lesson.input_ids, room))
        masks.append(F.pad(torch.ones_like(lesson.input_ids), room))
        labels.append(F.pad(lesson.labels, room, value=IGNORED))
    pixels = torch.stack([lesson.pixel_values for lesson in lessons])
    return torch.stack(ids), pixels, torch.stack(masks), torch.stack(labels)


def test_a_lesson_asks_as_the_planner_does_and_teaches_the_answer_and_its_end(local: VideoLLaMA2) -> None:
    lesson = local.lesson(Enquiry("what?", PICTURES), "a dog")
    taught = lesson.labels != IGNORED
    assert local.tokenizer.decode(lesson.labels[taught]) == "a dog<|im_end|>\n"
    torch.testing.assert_close(lesson.labels[taught], lesson.input_ids[taught])
    assert local.tokenizer.decode(lesson.input_ids[~taught & (lesson.input_ids >= 0)]) == prompt(
        local, Enquiry("what?", PICTURES)
    ).replace("<video>", "")


def test_the_loss_is_that_of_the_answer_alone(local: VideoLLaMA2) -> None:
    lesson = local.lesson(Enquiry("what?", PICTURES), "a dog")
    out = local.network(*batch(lesson))
    told = lesson.labels[lesson.labels != IGNORED]
    assert out.logits.shape[1] == len(lesson.input_ids) - 1 + TOKENS
    expected = F.cross_entropy(out.logits[0, -len(told) - 1 : -1], told)
    torch.testing.assert_close(out.loss, expected)


@pytest.mark.parametrize("left", [False, True])
def test_padding_changes_no_loss(local: VideoLLaMA2, left: bool) -> None:
    short, long = (
        local.lesson(Enquiry("what?", frames), text)
        for frames, text in ((PICTURES, "a"), (BLACK, "a dog barks"))
    )
    counts = [int((lesson.labels != IGNORED).sum()) for lesson in (short, long)]
    apart = [local.network(*batch(lesson)).loss * n for lesson, n in zip((short, long), counts, strict=True)]
    torch.testing.assert_close(local.network(*batch(short, long, left=left)).loss, sum(apart) / sum(counts))


def test_only_the_parts_that_shall_learn_get_gradients(local: VideoLLaMA2) -> None:
    network, lesson = local.network, batch(local.lesson(Enquiry("what?", PICTURES), "a dog"))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    network.learn("mm_projector", "language_model")
    network(*lesson).loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    for name, gradient in gradients.items():
        assert (gradient is None) is name.startswith("vision_tower."), name
        assert gradient is None or gradient.abs().sum() > 0, name
    network.zero_grad()
    network.learn("mm_projector")
    network(*lesson).loss.backward()
    learning = {name.partition(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert learning == {"mm_projector"}


def test_it_learns_an_answer_and_is_read_again_as_it_was_saved(local: VideoLLaMA2, copied: Path) -> None:
    network, enquiry = local.network, Enquiry("what?", PICTURES)
    lesson = batch(local.lesson(enquiry, "a dog"))
    network.learn("mm_projector", "language_model")
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        network(*lesson).loss.backward()
        optimizer.step()
    assert local.ask(enquiry).text == "a dog"
    tiny.save_shards(copied, published_state(network))
    again = VideoLLaMA2.from_pretrained(copied, device="cpu", most_tokens=12)
    assert again.ask(enquiry).text == "a dog"

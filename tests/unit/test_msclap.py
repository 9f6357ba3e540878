"""MS-CLAP as a judge, with small random networks in files of the published layout."""

from pathlib import Path

import pytest
import torch
from small_judges import RATE, gpt2_tokenizer, msclap_file, noise

pytest.importorskip("transformers")

from prismaudio.backends.availability import NotAvailable, available
from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained.msclap import MSCLAPJudge
from prismaudio.backends.pretrained.msclap_text import LONGEST, chunks, tokenise
from prismaudio.dimensions.semantic import published_reward
from prismaudio.models.checkpoints import CheckpointError

TEXT = "a dog barks"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("msclap")
    return msclap_file(folder / "CLAP_weights_2023.pth"), gpt2_tokenizer(folder / "gpt2")


@pytest.fixture(scope="module")
def judge(files: tuple[Path, Path]) -> MSCLAPJudge:
    return MSCLAPJudge.from_pretrained(*files)


def other_end(sounds: Sounds, seconds: float = 1.0) -> Sounds:
    """The same but for the last second."""
    samples = sounds.samples.clone()
    end = round(seconds * sounds.sample_rate)
    samples[..., -end:] = noise(seconds, len(samples), samples.shape[1], seed=9).samples * 5
    return Sounds(samples, sounds.sample_rate)


def test_the_last_second_of_nine_is_heard(judge: MSCLAPJudge):
    sounds = noise(9.0)
    assert (judge.score(other_end(sounds), [TEXT]) - judge.score(sounds, [TEXT])).abs() > 1e-4


def test_nine_seconds_are_the_first_seven_and_the_last_seven(judge: MSCLAPJudge):
    sounds = noise(9.0)
    sounds.samples[..., : 5 * RATE] = 0.0  # so that the two are heard very differently
    ends = [Sounds(sounds.samples[..., part], RATE) for part in (slice(7 * RATE), slice(-7 * RATE, None))]
    both = torch.nn.functional.normalize(judge.hear(ends[0]) + judge.hear(ends[1]), dim=-1)
    torch.testing.assert_close(judge.hear(sounds), both, atol=1e-6, rtol=0)


def test_published_hearing_misses_the_last_second_of_nine(files: tuple[Path, Path]):
    """The defect that the mode is documented to have."""
    judge = MSCLAPJudge.from_pretrained(*files, hearing="prismaudio")
    sounds = noise(9.0)
    assert torch.equal(judge.hear(sounds), judge.hear(other_end(sounds)))
    assert not torch.equal(judge.hear(sounds), judge.hear(other_end(sounds, 4.0)))


def test_sounds_are_judged_as_if_alone(judge: MSCLAPJudge):
    sounds, texts = noise(8.0, count=8), [TEXT, "rain!", "an owl", "a", "bells", "fire", "steps", "wind"]
    together = judge.score(sounds, texts)
    for k in (0, 3, 7):
        alone = judge.score(Sounds(sounds.samples[k : k + 1], RATE), texts[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, atol=1e-5, rtol=0)


def test_a_score_is_a_cosine(judge: MSCLAPJudge):
    sounds = noise(2.0)
    heard, read = judge.hear(sounds), judge.read([TEXT])
    torch.testing.assert_close(heard.norm(dim=-1), torch.ones(1))
    torch.testing.assert_close(judge.score(sounds, [TEXT]), (heard * read).sum(dim=-1))
    expected = judge.score(sounds, [TEXT]) * torch.tensor(3.0).exp() / 80
    torch.testing.assert_close(published_reward(judge.score(sounds, [TEXT]), judge.sharpness), expected)


def test_a_short_sound_is_repeated(judge: MSCLAPJudge):
    sounds = noise(3.5)
    twice = Sounds(torch.cat([sounds.samples] * 2, dim=-1), RATE)
    torch.testing.assert_close(judge.hear(sounds), judge.hear(twice))


def test_a_random_crop_has_a_seed_and_takes_channels_for_a_sequence(files: tuple[Path, Path]):
    judge = MSCLAPJudge.from_pretrained(*files, hearing="msclap")
    sounds = noise(9.0)
    swapped = Sounds(sounds.samples.flip(1), RATE)
    assert torch.equal(judge.hear(sounds), judge.hear(sounds))
    assert not torch.allclose(judge.hear(sounds), judge.hear(swapped))
    another = MSCLAPJudge(judge.network, judge.tokenizer, hearing="msclap", seed=1)
    assert not torch.allclose(judge.hear(sounds), another.hear(sounds))


def test_exclamation_marks_do_not_count(judge: MSCLAPJudge):
    torch.testing.assert_close(judge.read(["a dog! barks!!"]), judge.read([TEXT]))


def test_a_text_is_known_at_its_end_wherever_it_ends(judge: MSCLAPJudge):
    tokens = tokenise(judge.tokenizer, ["ab", "abcdef"])
    assert tokens.ids[0].tolist()[-4:] == [0, 0, 0, 0]
    assert tokens.ids[0, tokens.last[0]] == tokens.ids[1, tokens.last[1]] == 256


def test_a_long_text_is_cut_and_said_to_be(judge: MSCLAPJudge, caplog: pytest.LogCaptureFixture):
    text = "a dog barks at the moon " * 10
    tokens = tokenise(judge.tokenizer, [text, TEXT])
    assert tokens.ids.shape[1] == LONGEST
    assert judge.truncated([text, TEXT]) == (True, False)
    assert "clap_text_truncated" in caplog.text
    torch.testing.assert_close(judge.read([text]), judge.read([text + "and more"]))


def test_pieces_of_a_long_text_are_all_read(judge: MSCLAPJudge):
    text = "a dog barks at the moon " * 10
    pieces = chunks(judge.tokenizer, text)
    assert " ".join(pieces) == text.strip()
    assert not any(tokenise(judge.tokenizer, pieces).truncated)
    whole = MSCLAPJudge(judge.network, judge.tokenizer, long_text="chunks")
    assert not whole.truncated([text])[0]
    assert not torch.allclose(whole.read([text]), whole.read([text + "and more"]))
    torch.testing.assert_close(whole.read([TEXT]), judge.read([TEXT]))


def test_the_judge_never_trains(judge: MSCLAPJudge):
    assert not any(module.training for module in judge.network.modules())
    assert not any(parameter.requires_grad for parameter in judge.network.parameters())


def test_it_says_what_it_rests_on(judge: MSCLAPJudge):
    assert len(judge.versions["weights"]) == 64
    assert "covering" in judge.versions["preparation"]


def test_absent_weights_are_a_reason_and_no_score(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    missing = available("MS-CLAP", lambda: MSCLAPJudge.from_pretrained(tmp_path / "empty"))
    assert isinstance(missing, NotAvailable)
    assert str(missing).startswith("n/a: no weights at")
    assert missing.scores(2).isnan().all()


def test_damaged_and_foreign_files_are_named(tmp_path: Path, files: tuple[Path, Path]):
    damaged, foreign = tmp_path / "damaged.pth", tmp_path / "foreign.pth"
    damaged.write_bytes(files[0].read_bytes()[:5000])
    torch.save({"model": {"layer.weight": torch.zeros(2)}}, foreign)
    with pytest.raises(CheckpointError, match="damaged"):
        MSCLAPJudge.from_pretrained(damaged, files[1])
    with pytest.raises(CheckpointError, match="not MS-CLAP 2023"):
        MSCLAPJudge.from_pretrained(foreign, files[1])


def test_a_tensor_too_many_or_too_few_is_named(tmp_path: Path, files: tuple[Path, Path]):
    state = torch.load(files[0])["model"]
    name = "audio_encoder.base.htsat.layers.0.blocks.0.mlp.fc1.bias"
    torch.save({"model": {key: tensor for key, tensor in state.items() if key != name}}, tmp_path / "few.pth")
    torch.save({"model": state | {"caption_encoder.base.other": torch.zeros(1)}}, tmp_path / "many.pth")
    for file, named in (("few.pth", "1 tensors are missing"), ("many.pth", "text.other")):
        with pytest.raises(CheckpointError, match=named):
            MSCLAPJudge.from_pretrained(tmp_path / file, files[1])

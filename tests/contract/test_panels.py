"""Every judge of every panel, small and untrained, behind its reader: 0 to 1, alone as in company, equal each time."""

from pathlib import Path

import pytest
import torch
from panels import PLAN, embedded_in, film, judge_files
from small_judges import (
    SCALES,
    audiobox_state,
    gpt2_tokenizer,
    laion_file,
    msclap_file,
    noise,
    roberta_tokenizer,
    synchformer_file,
)

from prismaudio.backends.base import Sounds
from prismaudio.backends.pretrained.synchformer import SynchformerEncoder
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import Case
from prismaudio.dimensions.scoring import Panel
from prismaudio.generation.judging import Judges, case_of, choose_panel
from prismaudio.generation.pictures import open_film
from prismaudio.types import Audio

SECONDS = 5.0  # what the published judge of synchrony needs
COUNT = 4


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By dimension, how it is asked for; another judge of words beside."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("published")
    box = folder / "checkpoint.pt"
    settings = {"proj_num_layer": 2, "proj_ln": True, "proj_act_fn": "gelu", "normalize_embed": True}
    state = {f"model.{name}": tensor for name, tensor in audiobox_state().items()}
    torch.save({"state_dict": state, "model_cfg": settings, "target_transform": SCALES}, box)
    clap, laion = gpt2_tokenizer(folder / "clap"), roberta_tokenizer(folder / "laion")
    return {
        "semantic": f"ms-clap:{msclap_file(clap / 'CLAP_weights_2023.pth')}",
        "temporal": f"synchformer:{synchformer_file(folder / 'synchformer_state_dict.pth')}",
        "aesthetic": f"audiobox:{box}",
        "spatial": "gcc",
        "laion": f"laion-clap:{laion_file(laion / 'clap.pt')}",
    }


@pytest.fixture(scope="module", params=["embedded", "published", "laion and levels"])
def panel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Panel:
    if request.param == "embedded":
        return choose_panel(embedded_in(judge_files(tmp_path_factory.mktemp("embedded"))))
    names = request.getfixturevalue("published")
    if request.param == "published":
        return choose_panel(Judges(**{name: names[name] for name in DIMENSIONS}))
    others = {"semantic": names["laion"], "temporal": "off", "aesthetic": "off", "spatial": "gcc+ild"}
    return choose_panel(Judges(**others))


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    """Noise; a few clicks; a hum at the left only; noise that fades."""
    samples = noise(SECONDS, COUNT).samples
    samples[1] *= (torch.arange(samples.shape[-1]) % 30_000 < 300).float()
    samples[2, 0] = 0.3 * torch.sin(torch.arange(samples.shape[-1]) * 0.01)
    samples[2, 1] = 0
    samples[3] *= torch.linspace(1, 0, samples.shape[-1])
    return Sounds(samples, 44_100)


@pytest.fixture(scope="module")
def case(panel: Panel) -> Case:
    true = Audio(noise(SECONDS, seed=5).samples[0], 44_100)
    return case_of(panel, open_film(film(SECONDS, 25, 160, 120)), PLAN, SECONDS, true)


def test_rewards_lie_between_0_and_1_and_stay_when_company_leaves(panel: Panel, case: Case, sounds: Sounds):
    asked = [
        number for number, name in enumerate(DIMENSIONS) if not panel.names[name].startswith("n/a: nobody")
    ]
    together = panel.judge(sounds, case)
    rewards = together.rewards[:, asked]
    assert len(asked) >= 2
    assert not rewards.isnan().any(), together.reasons
    assert ((rewards >= 0) & (rewards <= 1)).all()
    assert (rewards.std(dim=0) > 0).all()  # unlike sounds are told apart
    alone = [panel.judge(Sounds(sounds.samples[n : n + 1], 44_100), case).rewards for n in range(COUNT)]
    torch.testing.assert_close(torch.cat(alone), together.rewards, atol=2e-5, rtol=0, equal_nan=True)
    assert torch.equal(panel.judge(sounds, case).rewards[:, asked], rewards)


def test_the_published_scaling_is_in_its_own_ranges(published: dict[str, str], sounds: Sounds):
    """Spec rewards.md 1.1 to 1.4."""
    names = {name: published[name] for name in DIMENSIONS}
    panel = choose_panel(Judges(**names, scaling="published"))
    true = Audio(noise(SECONDS, seed=5).samples[0], 44_100)
    case = case_of(panel, open_film(film(SECONDS, 25, 160, 120)), PLAN, SECONDS, true)
    semantic, temporal, aesthetic, spatial = panel.judge(sounds, case).rewards.T
    raw = panel.judge(sounds, case).raw
    sharpness = panel.members["semantic"].judge.sharpness  # type: ignore[union-attr]
    torch.testing.assert_close(semantic, raw["semantic.cosine"] * sharpness / 80)
    torch.testing.assert_close((temporal * 20).round() / 20, temporal)
    assert ((temporal >= 0) & (temporal <= 0.5)).all()
    points = [raw[f"aesthetic.{axis}"] for axis in ("CE", "CU", "PC", "PQ")]
    torch.testing.assert_close(aesthetic, (points[0] + points[1] - points[2] + points[3]) / 40)
    squared = (1e3 * raw["spatial.gcc_off"]).square()  # nan for what one ear alone hears
    torch.testing.assert_close(spatial, -2.5 * squared, equal_nan=True)


def test_a_film_that_was_seen_is_not_looked_at_again_by_another_panel(
    published: dict[str, str], sounds: Sounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Training judges hundreds of films by turns, more than memory holds, and may be gone on with."""
    judges = Judges(**{**dict.fromkeys(DIMENSIONS, "off"), "temporal": published["temporal"]})
    first, second = choose_panel(judges, films=tmp_path), choose_panel(judges, films=tmp_path)
    case = case_of(first, open_film(film(SECONDS, 25, 160, 120)), PLAN, SECONDS)
    seen = first.judge(sounds, case).rewards
    monkeypatch.setattr(SynchformerEncoder, "encode", lambda *_: pytest.fail("looked at again"))
    assert torch.equal(second.judge(sounds, case).rewards[:, 1], seen[:, 1])
    assert not seen[:, 1].isnan().any()

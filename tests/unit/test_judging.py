"""From names to a panel, and from a film to what its judges look at."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from panels import PLAN, VIEW, MadeReward, embedded_in, film, judge_files
from small_judges import noise

from prismaudio.backends.availability import NotAvailable
from prismaudio.backends.base import UnlikeSounds
from prismaudio.config import BadConfig
from prismaudio.dimensions.plan import DIMENSIONS
from prismaudio.dimensions.rewards import PublishedPlaceReward, ReferenceReward
from prismaudio.dimensions.scoring import Panel, Weights
from prismaudio.errors import UnknownChoice
from prismaudio.generation.judging import (
    EMBEDDED,
    PUBLISHED,
    Judges,
    NoJudge,
    case_of,
    choose_panel,
    judges_named,
    levelled,
    weights_of,
)
from prismaudio.generation.pictures import FramesFilm, open_film
from prismaudio.media.loudness import TARGET_LUFS, integrated_loudness
from prismaudio.media.preprocess import View
from prismaudio.media.video import Chunk
from prismaudio.types import Audio

OFF = dict.fromkeys(DIMENSIONS, "off")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judge_files(tmp_path_factory.mktemp("judges"))


def test_the_embedded_panel_is_read_from_its_folder(files: Path):
    panel = choose_panel(embedded_in(files))
    assert panel.names == {
        "semantic": "embedded-audio-text",
        "temporal": "embedded-offset",
        "aesthetic": "embedded-cleanness",
        "spatial": "embedded-seen-place",
    }
    assert all(len(versions["weights"]) == 64 for versions in panel.versions.values())
    assert len(panel.views) == 1  # both that look at the film look at the same


def test_weights_that_are_not_there_are_a_reason(tmp_path: Path):
    panel = choose_panel(embedded_in(tmp_path))
    assert all(isinstance(member, NotAvailable) for member in panel.members.values())
    assert all("no weights at" in name for name in panel.names.values())


def test_a_judge_may_be_left_out():
    assert choose_panel(Judges(**OFF)).names == dict.fromkeys(DIMENSIONS, "n/a: nobody was asked")


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_unknown_names_are_errors_and_no_reasons(dimension: str):
    with pytest.raises(
        UnknownChoice, match=f"judge of the {dimension} dimension 'tea leaves'.*embedded.*off"
    ):
        choose_panel(Judges(**OFF | {dimension: "tea leaves"}))


def test_weights_for_a_judge_without_any_are_refused():
    with pytest.raises(NoJudge, match="takes no weights; write spatial=gcc"):
        choose_panel(Judges(**OFF | {"spatial": "gcc:weights.pt"}))


def test_gcc_phat_needs_nothing_and_is_read_in_both_scalings():
    unit = choose_panel(Judges(**OFF | {"spatial": "gcc"})).members["spatial"]
    published = choose_panel(Judges(**OFF | {"spatial": "gcc", "scaling": "published"}))
    assert isinstance(unit, ReferenceReward)
    assert isinstance(published.members["spatial"], PublishedPlaceReward)
    assert published.scaling == "published"
    assert choose_panel(Judges(**OFF | {"spatial": "gcc+ild"})).names["spatial"] == "itd_gcc+ild"


@pytest.mark.parametrize("kind", ["embedded", "gcc+ild"])
def test_what_was_never_published_is_not_scaled_as_if_it_were(files: Path, kind: str):
    wanted = f"embedded:{files}" if kind == "embedded" else kind
    panel = choose_panel(Judges(**OFF | {"spatial": wanted, "scaling": "published"}))
    assert "the published scaling reads delays" in panel.names["spatial"]


def test_stereocrw_without_a_file_is_a_reason_that_says_what_to_write():
    assert "write crw:FILE" in choose_panel(Judges(**OFF | {"spatial": "crw"})).names["spatial"]


def test_judges_are_named_from_a_panel_and_changes():
    assert judges_named("embedded") == EMBEDDED
    assert judges_named("published") == PUBLISHED
    changed = judges_named(
        "published", ["spatial=off", "semantic = laion-clap:a=b:c.pt"], scaling="published"
    )
    assert (changed.spatial, changed.semantic) == ("off", "laion-clap:a=b:c.pt")
    assert (changed.temporal, changed.scaling) == ("synchformer", "published")


def test_misspelt_judges_are_told():
    with pytest.raises(UnknownChoice, match="embedded, published"):
        judges_named("public")
    with pytest.raises(NoJudge, match="has no '='"):
        judges_named("embedded", ["semantic"])
    with pytest.raises(UnknownChoice, match="dimension 'melodic'"):
        judges_named("embedded", ["melodic=off"])
    with pytest.raises(BadConfig, match="scaling"):
        judges_named("embedded", scaling="loud")


def test_weights_are_written_in_one_line():
    assert weights_of("") == Weights()
    assert weights_of("semantic=0, spatial=.5") == Weights(semantic=0, spatial=0.5)
    for wrong in ("melodic=1", "semantic=much", "semantic", "semantic=-1"):
        with pytest.raises(BadConfig, match="--weights"):
            weights_of(wrong)


class CountedFilm(FramesFilm):
    """Counts how often it is watched, and comes in stretches."""

    times = 0

    def watch(self, views: Mapping[str, View], seconds: float) -> Iterator[Chunk]:
        self.times += 1
        (whole,) = super().watch(views, seconds)
        for half in (slice(0, 7), slice(7, None)):
            shown = {name: type(x)(x.images[half], x.fps) for name, x in whole.frames.items()}
            yield Chunk(0.0, shown)


def test_a_film_is_decoded_once_for_all_views_and_put_together_again():
    other = View(10, 8, 8, fit="stretch")
    panel = Panel({"temporal": MadeReward(0, views=(VIEW, other)), "spatial": MadeReward(0, views=(other,))})
    counted = CountedFilm(film(3.0))
    case = case_of(panel, counted, PLAN, 2.0)
    assert counted.times == 1
    (plain,) = FramesFilm(film(3.0)).watch({"a": VIEW, "b": other}, 2.0)
    for view, name in ((VIEW, "a"), (other, "b")):
        np.testing.assert_array_equal(case.views[view].images, plain.frames[name].images)
        assert case.views[view].fps == view.fps
    assert case.reference is None


def test_nobody_watches_a_film_that_no_judge_wants_to_see():
    counted = CountedFilm(film(1.0))
    assert case_of(Panel({"semantic": MadeReward(0)}), counted, PLAN, 1.0).views == {}
    assert counted.times == 0


def test_sounds_become_equally_loud_each_for_itself():
    sounds = noise(2.0, count=2)
    quiet, loud = (
        Audio(samples * gain, 44100) for samples, gain in zip(sounds.samples, (0.03, 3), strict=True)
    )
    together = levelled([quiet, loud])
    for samples in together.samples:
        assert integrated_loudness(Audio(samples, 44100)) == pytest.approx(TARGET_LUFS, abs=0.1)
    torch.testing.assert_close(levelled([quiet]).samples[0], together.samples[0])
    with pytest.raises(UnlikeSounds):
        levelled([quiet, Audio(loud.samples[:, :1000], 44100)])


def test_the_true_sound_is_levelled_too():
    reference = Audio(noise(1.0).samples[0] * 0.01, 44100)
    case = case_of(Panel({}), open_film(film(1.0)), PLAN, 1.0, reference)
    assert case.reference is not None
    assert torch.equal(case.reference.samples, levelled([reference]).samples)

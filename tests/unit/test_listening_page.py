"""The page of a listening test: level, hidden stimuli, nothing that gives the systems away, nothing from outside."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from suite_folders import sound, write_films, write_sounds

from prismaudio.errors import CannotWrite
from prismaudio.evaluation.listening.make import BadTest, Key, ListeningConfig, make_test
from prismaudio.evaluation.listening.stimuli import NoClips, Sources, dull, late
from prismaudio.media.audio import read_audio
from prismaudio.media.loudness import integrated_loudness
from prismaudio.types import Audio

CLIPS = ["clip_one", "clip_two"]


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    systems = {
        "ours": write_sounds(tmp_path / "ours", CLIPS, gain=0.3, seconds=2.0),
        "theirs": write_sounds(tmp_path / "theirs", CLIPS, seed=9, gain=0.02, seconds=2.0),
    }
    return Sources(systems, write_sounds(tmp_path / "truth", CLIPS, seed=20, seconds=2.0), None)


def test_all_stimuli_have_one_loudness_and_the_key_knows_it(tmp_path: Path, sources: Sources) -> None:
    made = make_test(sources, ListeningConfig(raters=4), tmp_path / "test")
    key = Key.load(made.key)
    manifest = json.loads((tmp_path / "test" / "page" / "manifest.json").read_text())
    assert made.off_level == []
    assert len(key.items) == len(CLIPS) * 4
    for item, (file,) in manifest["items"].items():
        audio = read_audio(tmp_path / "test" / "page" / "media" / file)
        assert integrated_loudness(audio) == pytest.approx(-23, abs=0.3)
        assert integrated_loudness(audio) == pytest.approx(key.items[item].loudness[0], abs=0.05)
        assert key.items[item].true_peak[0] <= -1


def test_nothing_on_the_page_tells_a_system(tmp_path: Path, sources: Sources) -> None:
    make_test(sources, ListeningConfig(raters=4), tmp_path / "test")
    page = tmp_path / "test" / "page"
    manifest = (page / "manifest.json").read_text()
    told = " ".join([manifest, *(path.name for path in page.rglob("*"))])
    for secret in ("ours", "theirs", "truth", "reference", "anchor", *CLIPS):
        assert secret not in told
    html = (page / "index.html").read_text()
    assert manifest.strip() in html
    assert "http" not in html
    assert not (page / "key.json").exists()


def test_the_anchors_are_dull_and_mono_or_late() -> None:
    time = np.arange(44_100) / 44_100
    tones = np.stack([np.sin(2 * np.pi * 1000 * time), np.sin(2 * np.pi * 6000 * time)]).astype(np.float32)
    low = dull(Audio(torch.from_numpy(tones), 44_100)).samples
    assert torch.equal(low[0], low[1])
    spectrum = np.abs(np.fft.rfft(low[0].numpy()))
    assert spectrum[6000] < 1e-3 * spectrum[1000]
    moved = late(sound(0, seconds=2.0), 1.0).samples
    assert moved.shape == (2, 32_000)
    assert not moved[:, :16_000].any()
    assert torch.equal(moved[:, 16_000:], sound(0, seconds=2.0).samples[:, :16_000])
    with pytest.raises(NoClips, match=r"0\.50 s cannot be 1 s late"):
        late(sound(0, seconds=0.5), 1.0)


def test_a_silent_system_is_told_and_its_key_can_be_read(tmp_path: Path, sources: Sources) -> None:
    write_sounds(sources.systems["ours"], CLIPS[:1], gain=0.0, seconds=2.0)
    made = make_test(sources, ListeningConfig(raters=1), tmp_path / "test")
    assert made.off_level == ["clip_one ours"]
    levels = {(i.clip, i.conditions): i.loudness for i in Key.load(made.key).items.values()}
    assert levels["clip_one", ("ours",)] == (None,)


def test_with_films_the_stimuli_are_films(tmp_path: Path, sources: Sources) -> None:
    films = write_films(tmp_path / "films", CLIPS)
    made = make_test(
        sources._replace(videos=films), ListeningConfig(kind="mos-c", raters=2), tmp_path / "test"
    )
    media = [*(made.page.parent / "media").glob("*.mp4")]
    assert len(media) == len(CLIPS) * 4
    assert read_audio(media[0]).duration == pytest.approx(2, abs=0.1)


def test_pairs_have_no_hidden_stimuli(tmp_path: Path, sources: Sources) -> None:
    made = make_test(sources, ListeningConfig(kind="ab", raters=2), tmp_path / "test")
    assert made.conditions == ["ours", "theirs"]
    assert {item.conditions for item in Key.load(made.key).items.values()} == {("ours", "theirs")}


def test_what_would_mislead_is_refused_and_nothing_is_left_behind(tmp_path: Path, sources: Sources) -> None:
    out = tmp_path / "test"
    one = {"ours": sources.systems["ours"]}
    for wrong, kind, problem in (
        (sources._replace(references=None), "mos-q", "hidden reference"),
        (sources, "mos-c", "give --video"),
        (sources._replace(systems=one), "ab", "too few systems"),
        (sources._replace(systems={"anchor": sources.systems["ours"]}), "mos-q", "rename it"),
    ):
        with pytest.raises(BadTest, match=problem):
            make_test(wrong, ListeningConfig(kind=kind), out)
    stranger = write_sounds(tmp_path / "stranger", ["third"])
    with pytest.raises(NoClips):
        make_test(sources._replace(systems={"ours": stranger}), ListeningConfig(), out)
    (sources.systems["ours"] / "clip_one.wav").write_bytes(b"x" * 200)
    with pytest.raises(Exception, match="cannot read"):
        make_test(sources, ListeningConfig(), out)
    assert not out.exists()
    assert not [*tmp_path.glob(".prismaudio*")]
    out.mkdir()
    with pytest.raises(CannotWrite, match="it exists"):
        make_test(sources, ListeningConfig(), out)

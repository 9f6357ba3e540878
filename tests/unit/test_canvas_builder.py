"""Every filter takes the clips it was made for, and no others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from canvases import benchmark, entry, face
from media_clips import write_clip
from suite_folders import sound

from prismaudio.evaluation.canvas.builder import Built, EmptyBenchmark, build_benchmark
from prismaudio.evaluation.canvas.filters import BuildConfig
from prismaudio.evaluation.canvas.manifest import Entry, Manifest
from prismaudio.evaluation.canvas.prints import (
    PicturePrint,
    SoundPrint,
    picture_twins,
    print_of,
    sound_twins,
)
from prismaudio.evaluation.metrics.proxy_voice import voiced_share
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.media.audio import write_audio
from prismaudio.media.video import read_views
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.film import encode
from prismaudio.stage.mix import mix
from prismaudio.stage.render import iter_frames
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.types import Audio


def built(folder: Path, entries: list[Entry], *filters: str, **settings: object) -> Built:
    config = BuildConfig(filters=filters, **settings)
    return build_benchmark(
        benchmark(folder, entries), folder / "new" / "m.jsonl", config, FeatureCache(folder / "cache")
    )


def gone(found: Built) -> dict[str, str]:
    return {name: why.filter for name, why in found.report.removed.items()}


def quiet() -> Audio:
    return Audio(torch.zeros(2, 48_000), 16_000)


def test_short_silent_and_broken_clips_go_and_are_explained(tmp_path: Path) -> None:
    entries = [
        entry(tmp_path, "good", 1),
        entry(tmp_path, "silent", 2, quiet()),
        entry(tmp_path, "short", 3, sound(3, 1.0)),
        entry(tmp_path, "broken", 4),
        entry(tmp_path, "mute", 5).model_copy(update={"audio": None, "audio_sha256": None}),
    ]
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no film" * 99)
    found = built(tmp_path, entries, "short", "silence")
    assert gone(found) == {
        "silent": "silence",
        "short": "short",
        "broken": "undecodable",
        "mute": "undecodable",
    }
    assert found.report.removed["short"].reason == "seconds 1 s is below 2"
    assert found.report.removed["silent"].value == -np.inf
    assert found.report.removed["mute"].reason == "it has no true sound"
    assert found.report.counts() == {"undecodable": 2, "short": 1, "silence": 1}
    assert "1 of 5 clips stay" in found.report.table()
    (stays,) = found.manifest.entries
    assert stays.video == "../videos/good.mp4"
    found.report.save(tmp_path / "report.json")
    assert '"value": null' in (tmp_path / "report.json").read_text()


def test_copies_and_near_copies_go_and_the_first_stays(tmp_path: Path) -> None:
    original, other = entry(tmp_path, "a", 1), entry(tmp_path, "b", 2)
    copy = original.model_copy(update={"id": "copy"})
    small = tmp_path / "videos" / "small.mp4"
    write_clip(small, [image[::2, ::2] for image in face(1)], fps=10, qp="30")
    shrunk = entry(tmp_path, "look", 3)
    shrunk = shrunk.model_copy(update={"video": "videos/small.mp4"})
    heard = sound(1, 3.0)
    late = Audio(torch.cat([torch.zeros(2, 5000), heard.samples * 0.4], dim=1)[:, :48_000], 16_000)
    found = built(
        tmp_path,
        [original, other, copy, shrunk, entry(tmp_path, "heard", 4, late)],
        "duplicates",
        "near-duplicates",
    )
    assert gone(found) == {"copy": "duplicates", "look": "near-duplicates", "heard": "near-duplicates"}
    assert found.report.removed["copy"].reason == "the same video as a"
    assert found.report.removed["look"].reason == "the same pictures as a"
    assert found.report.removed["heard"].reason == "the same recording as a"


def test_unrelated_pictures_and_sounds_are_no_twins(tmp_path: Path) -> None:
    sounds = [print_of(SoundPrint().extract(sound(seed, 3.0))) for seed in range(12)]
    assert list(sound_twins(sounds)) == []
    assert [t[:2] for t in sound_twins([*sounds, sounds[5]])] == [(5, 12)]
    view = PicturePrint.view
    films = []
    for seed in range(8):
        path = write_clip(tmp_path / f"{seed}.mp4", face(seed), fps=10)
        films.append(print_of(PicturePrint().extract_frames(read_views(path, {"v": view})["v"])))
    assert list(picture_twins(films)) == []
    assert [t[:2] for t in picture_twins([*films, films[3]])] == [(3, 8)]


def test_one_word_in_common_makes_no_copy_and_a_few_wrong_bits_do() -> None:
    one = print_of(SoundPrint().extract(sound(1, 3.0)))
    moment = int(np.flatnonzero(one.usable)[10])
    rng = np.random.default_rng(0)
    for share, alike in ((0.1, True), (0.5, False)):
        wrong = rng.random(one.bits.shape) < share
        wrong[moment] = False
        twins = list(sound_twins([one, one._replace(bits=one.bits ^ wrong)]))
        assert bool(twins) is alike, share
        assert all(t.likeness == pytest.approx(1 - 2 * share, abs=0.05) for t in twins)


def test_flat_pictures_and_silence_are_like_nothing() -> None:
    grey = PicturePrint.view(np.full((64, 64, 3), 90, np.uint8))
    from prismaudio.types import Frames

    flat = print_of(PicturePrint().extract_frames(Frames(np.stack([grey] * 5), 1)))
    assert list(picture_twins([flat, flat])) == []
    silent = print_of(SoundPrint().extract(quiet()))
    assert list(sound_twins([silent, silent])) == []


def test_classes_are_balanced_by_the_seed_and_events_apart(tmp_path: Path) -> None:
    def clip(name: str, seed: int, *classes: str) -> Entry:
        return entry(tmp_path, name, seed, classes=classes, event="single" if len(classes) == 1 else "multi")

    entries = [clip(f"d{n}", n, "dog") for n in range(5)]
    entries += [clip("c", 6, "cat"), clip("m1", 7, "dog", "cat"), clip("m2", 8, "dog", "rain")]
    found = built(tmp_path, entries, per_class=1)
    kept = [e.id for e in found.manifest.entries]
    assert found.report.classes["single"] == {"cat": 1, "dog": 1}
    assert len([name for name in kept if name in {"m1", "m2"}]) == 1
    assert kept == [e.id for e in built(tmp_path, entries, per_class=1).manifest.entries]
    others = {
        tuple(e.id for e in built(tmp_path, entries, per_class=1, seed=seed).manifest.entries)
        for seed in range(6)
    }
    assert len(others) > 1
    assert set(gone(found).values()) == {"balance"}


def test_music_goes_unless_it_is_what_the_clip_is_about(tmp_path: Path) -> None:
    """A piano of the corpus, which the embedded classifier knows."""
    from prismaudio.stage.corpus import read_sound

    corpus = Corpus.load()
    notes = [r for r in corpus.recordings if r.class_name == "guitar" and r.split == "train"]
    piano = np.concatenate([read_sound(r.path)[:, :88_200] for r in notes[:3]], axis=1)
    audio = Audio(torch.from_numpy(piano.copy()), 44_100)
    entries = [
        entry(tmp_path, "dog", 1, audio),
        entry(tmp_path, "guitar", 2, audio, classes=("playing guitar",)),
    ]
    entries.append(entry(tmp_path, "noise", 3))
    found = built(tmp_path, entries, "music", music=0.3)
    assert gone(found) == {"dog": "music"}
    assert "piano, guitar, brass_wind only" in found.report.sees["music"]


def vowels(glide: float = 0.25, syllables: float = 4.0, seconds: float = 4.0, rate: int = 16_000) -> Audio:
    """Pulses of a pitch that glides by so many octaves, in so many syllables a second."""
    t = np.arange(round(seconds * rate)) / rate
    hertz = 120 * 2 ** (glide * np.sin(2 * np.pi * 0.7 * t))
    phase = np.cumsum(hertz) / rate
    harmonics = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * syllables * t), 0, 1) ** 0.5 + 0.02
    return Audio(torch.from_numpy((0.1 * harmonics * envelope).astype(np.float32)).repeat(2, 1), rate)


def test_the_test_for_voices_hears_syllables_and_neither_noise_nor_a_steady_tone() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(48_000) / 16_000).astype(np.float32)
    assert voiced_share(vowels()) > 0.8
    assert voiced_share(Audio(torch.from_numpy(0.1 * tone).repeat(2, 1), 16_000)) == 0
    assert voiced_share(sound(1, 4.0)) == 0
    assert voiced_share(vowels(glide=0.0)) == 0  # beeps
    assert voiced_share(vowels(syllables=12.0)) == 0  # an engine
    assert voiced_share(quiet()) == 0


def test_a_voice_over_goes_when_it_is_asked_for(tmp_path: Path) -> None:
    entries = [entry(tmp_path, "told", 1, vowels()), entry(tmp_path, "plain", 2)]
    assert gone(built(tmp_path, entries, "voice")) == {"told": "voice"}
    (tmp_path / "videos" / "plain.mp4").write_bytes(b"broken")
    assert gone(built(tmp_path, [*entries, entry(tmp_path, "fine", 3)], "voice")) == {
        "told": "voice",
        "plain": "undecodable",
    }
    assert "voice" not in BuildConfig().filters


def test_sound_that_begins_when_nothing_moves_is_off_screen(tmp_path: Path) -> None:
    """Beats beside jumps of a picture, and the same beats beside a picture that jumps at other times."""
    beats = np.zeros((2, 48_000), np.float32)
    times = (0.4, 0.9, 1.8, 2.2, 2.7)
    for second in times:
        first = round(second * 16_000)
        beats[:, first : first + 1600] = np.random.default_rng(0).normal(0, 0.2, 1600)
    audio = Audio(torch.from_numpy(beats), 16_000)

    def film(name: str, moments: tuple[float, ...]) -> None:
        images = []
        for number in range(75):
            image = np.full((32, 64, 3), 30, np.uint8)
            if any(0 <= number / 25 - second < 0.12 for second in moments):
                image[4:28, 10:54] = 230
            images.append(image)
        write_clip(tmp_path / "videos" / f"{name}.mp4", images)

    entries = [entry(tmp_path, "seen", 1, audio), entry(tmp_path, "unseen", 2, audio)]
    film("seen", times)
    film("unseen", ())
    assert gone(built(tmp_path, entries, "unseen-onsets")) == {"unseen": "unseen-onsets"}


def test_what_is_heard_and_not_seen_is_off_screen(tmp_path: Path) -> None:
    """Two scenes of the stage, of which one hides its source."""
    corpus, entries = Corpus.load(), []
    for name, hidden, number in (("seen", 0.0, 3), ("hidden", 1.0, 3)):
        config = StageConfig(shortest=3.0, longest=3.0, off_screen=hidden, ambience=0.0, distractor=0.0)
        scene = draw_scene(5, number, "test", corpus, config)
        assert len(scene.sources) == 1
        entries.append(entry(tmp_path, name, number, Audio(torch.from_numpy(mix(scene)), 44_100)))
        encode(tmp_path / "videos" / f"{name}.mp4", iter_frames(scene, 160, 112), (160, 112))
    found = built(tmp_path, entries, "off-screen")
    assert gone(found) == {"hidden": "off-screen"}
    assert found.report.removed["hidden"].reason == "embedded_seen_place: nothing that is seen sounds"


def test_a_filter_that_leaves_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(EmptyBenchmark, match="first: a: silence"):
        built(tmp_path, [entry(tmp_path, "a", 1, quiet())], "silence")


def test_a_plan_follows_its_clip_to_the_new_manifest(tmp_path: Path) -> None:
    from prismaudio.dimensions.plan import Plan

    Plan(duration=3.0).save(tmp_path / "a.yaml")
    found = built(tmp_path, [entry(tmp_path, "a", 1, plan="a.yaml")], "silence")
    found.manifest.path.parent.mkdir()
    found.manifest.save()
    again = Manifest.load(found.manifest.path)
    assert again.entries[0].plan == "../a.yaml"
    assert again.plan_of(again.entries[0], 3.0) == Plan(duration=3.0)
    assert again.head.made_by["filters"] == "silence"


def test_names_of_filters_are_checked() -> None:
    from prismaudio.errors import UnknownChoice

    assert BuildConfig().asked("all,voice", None, 0).filters[-1] == "voice"
    with pytest.raises(UnknownChoice, match="unknown filter 'smell'"):
        BuildConfig().asked("smell", None, 0)


def test_written_sounds_are_as_they_were(tmp_path: Path) -> None:
    """The sound print does not depend on how a file stores its samples."""
    write_audio(tmp_path / "a.flac", sound(1, 3.0))
    from prismaudio.media.audio import read_audio

    first, second = (
        print_of(SoundPrint().extract(a)) for a in (sound(1, 3.0), read_audio(tmp_path / "a.flac", 48_000))
    )
    assert [t[:2] for t in sound_twins([first, second])] == [(0, 1)]

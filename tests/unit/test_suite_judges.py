"""Judges in the evaluation of folders: figures under their own names, of every clip as if alone, or n/a and why."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from media_clips import write_clip
from small_judges import (
    audiobox_file,
    crw_file,
    embedded_files,
    gpt2_tokenizer,
    laion_file,
    msclap_file,
    peav_folder,
    roberta_tokenizer,
    small_eyes,
    synchformer_file,
)

pytest.importorskip("transformers")

from prismaudio.backends.base import Sounds
from prismaudio.backends.extractor import Identity, Tensors
from prismaudio.backends.pretrained import pe_av
from prismaudio.backends.pretrained.stereocrw import StereoCRWJudge
from prismaudio.evaluation.metrics.frechet import TooFewSounds
from prismaudio.evaluation.suite import judges as suite_judges
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.catalogue import choose, names
from prismaudio.evaluation.suite.clips import Clip, Folders
from prismaudio.evaluation.suite.compare import ProtocolsDiffer, compare
from prismaudio.evaluation.suite.gather import Reading, gather
from prismaudio.evaluation.suite.hearings import LearnedDelays, course
from prismaudio.evaluation.suite.judged import DelayError, Offset, SpatialDistance
from prismaudio.evaluation.suite.judges import HUB, Judges, NoWeights
from prismaudio.evaluation.suite.metric import Gathered
from prismaudio.evaluation.suite.report import FolderReport
from prismaudio.evaluation.suite.run import SuiteConfig, evaluate_folder
from prismaudio.evaluation.suite.sounds import Interaural
from prismaudio.media.audio import write_audio
from prismaudio.media.preprocess import View
from prismaudio.media.video import read_views
from prismaudio.models.stereocrw import Geometry
from prismaudio.types import Audio, Frames

RATE = 16_000
SMALL = Geometry(seconds=0.064, stride=8, patches=7, longest=1e-3)
PUBLISHED = ("CLAP_MS", "CLAP_LAION", "PEAV", "DeSync", "PQ", "PC", "CE", "CU")
EMBEDDED = ("embedded_audio_text", "embedded_desync", "embedded_cleanness", "embedded_seen_place")
ASKED = (*PUBLISHED, *EMBEDDED, "GCC-ITD-MSE", "FSAD_GCC")
TEXTS = {"a": "a dog barks", "b": "rain on a roof", "c": "a door"}


@pytest.fixture(scope="module", autouse=True)
def eyes() -> Iterator[None]:
    """Those of PE-AV, without timm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.AutoModelForImageClassification.from_config", small_eyes)
        patch.setattr(pe_av, "has_timm", lambda: True)
        yield


@pytest.fixture(scope="module")
def weights(eyes: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small random networks; the tokenizers lie beside them."""
    folder = tmp_path_factory.mktemp("weights")
    return {
        "MS-CLAP": msclap_file(gpt2_tokenizer(folder / "ms") / "clap.pth"),
        "LAION-CLAP": laion_file(roberta_tokenizer(folder / "laion") / "clap.pt"),
        "PEAV": peav_folder(folder / "peav"),
        "Synchformer": synchformer_file(folder / "synchformer.pth"),
        "Audiobox": audiobox_file(folder / "checkpoint.pt"),
        "CRW": crw_file(folder / "crw.pth.tar"),
    }


@pytest.fixture(scope="module", autouse=True)
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The embedded judges, untrained."""
    folder = embedded_files(tmp_path_factory.mktemp("assets"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite_judges, "assets", lambda: folder)
        yield


def sound(seed: int, seconds: float = 4.9, lag: int = 0) -> Audio:
    """Noise that comes and goes, whose right channel lags by so many samples."""
    rng = np.random.default_rng(seed)
    left = rng.normal(0, 0.1, round(seconds * RATE)) * np.abs(np.sin(np.arange(round(seconds * RATE)) / 4000))
    return Audio(torch.from_numpy(np.stack([left, np.roll(left, lag)]).astype(np.float32)), RATE)


def film(path: Path, seed: int, seconds: float = 4.9) -> Path:
    rng = np.random.default_rng(seed)
    images = [np.full((48, 64, 3), 40, np.uint8) for _ in range(round(seconds * 25))]
    for number, image in enumerate(images):
        x = int(24 + 20 * np.sin(number / 9 + rng.normal(0, 0.05)))
        image[10:30, x : x + 10] = 220
    return write_clip(path, images)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("clips")
    for part in ("pred", "gt", "films"):
        (root / part).mkdir()
    for number, name in enumerate(TEXTS):
        write_audio(root / "pred" / f"{name}.wav", sound(number))
        write_audio(root / "gt" / f"{name}.wav", sound(10 + number, lag=4))
        film(root / "films" / f"{name}.mp4", number)
    return Folders(root / "pred", root / "gt", root / "films", texts(root / "texts.csv", TEXTS))


def texts(path: Path, of: dict[str, str]) -> Path:
    path.write_text("name,text\n" + "".join(f'{name},"{text}"\n' for name, text in of.items()))
    return path


def evaluated(
    cache: Path, folders: Folders, weights: dict[str, Path], metrics: tuple[str, ...], **choices: object
) -> FolderReport:
    config = SuiteConfig(metrics=metrics, rounds=100, set_rounds=3, **choices)
    return evaluate_folder(folders, config, FeatureCache(cache), weights)


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, folders: Folders, weights: dict[str, Path]
) -> tuple[FolderReport, Path]:
    """What all of them say, and where it is kept."""
    cache = tmp_path_factory.mktemp("cache")
    return evaluated(cache, folders, weights, ASKED, allow_small=True), cache


def test_every_judge_gives_every_clip_a_value_in_its_range(judged: tuple[FolderReport, Path]) -> None:
    report = judged[0]
    ranges = {
        "CLAP_MS": (-1, 1),
        "PEAV": (-1, 1),
        "CLAP_LAION": (-1, 1),
        "DeSync": (0, 2),
        "PQ": (-50, 50),
        "PC": (-50, 50),
    }
    ranges |= {"embedded_audio_text": (-1, 1), "embedded_desync": (0, 2), "embedded_cleanness": (0, 1)}
    for name, (low, high) in ranges.items():
        values = [record.values[name] for record in report.clips.values()]
        assert report.metrics[name].clips == 3
        assert all(value is not None and low <= value <= high for value in values), name
    assert report.metrics["GCC-ITD-MSE"].value == pytest.approx(1e3 * (4 / 16) ** 2, rel=0.05)


def test_the_json_says_who_judged_with_which_weights_how_in_which_unit_and_how_many(
    judged: tuple[FolderReport, Path],
) -> None:
    stored = json.loads(judged[0].model_dump_json())
    for name in (*PUBLISHED, *EMBEDDED[:3]):
        figure = stored["metrics"][name]
        assert figure["unit"]
        assert figure["clips"] == 3
        assert figure["extracts"]
        for judge in figure["extracts"].values():
            assert len(stored["extractors"][judge]["digest"]) == 64
            assert "preparation" in stored["extractors"][judge]["version"]
    assert stored["metrics"]["CLAP_MS"]["extracts"] == {"sound": "ms-clap-2023", "text": "ms-clap-2023"}
    assert stored["metrics"]["embedded_desync"]["extracts"] == {"film": "embedded-offset"}
    assert "PQ, PC, CE, CU: by audiobox-aesthetics, weights " in judged[0].table()


def test_two_runs_write_the_same_bytes_whether_judges_are_asked_again_or_not(
    judged: tuple[FolderReport, Path], tmp_path: Path, folders: Folders, weights: dict[str, Path]
) -> None:
    for cache in (judged[1], tmp_path):
        again = evaluated(cache, folders, weights, ASKED, allow_small=True)
        assert again.model_dump_json() == judged[0].model_dump_json()


def test_what_the_suite_keeps_of_a_clip_is_what_a_judge_says_of_it_among_eight(
    weights: dict[str, Path], folders: Folders
) -> None:
    judges, clips = Judges(weights), [sound(seed, seconds=1.0) for seed in range(8)]
    together = Sounds.together(clips)
    reader = [f"sound number {n}" for n in range(8)]
    for name in ("MS-CLAP", "LAION-CLAP", "embedded"):
        heard, read = judges.words(name)
        close(heard.judge.hear(together)[5], heard.extract(clips[5])["embedding"])
        close(read.judge.read(reader)[5], read.extract_text(reader[5])["embedding"])
    for name in ("Audiobox", "embedded"):
        marks = judges.marks(name)
        close(marks.judge.score(together)[5], torch.stack([*marks.extract(clips[5]).values()]))
    assert folders.videos is not None
    timing = [judges.timing(name) for name in ("Synchformer", "embedded")]
    belonging = judges.belonging()
    close(belonging.heard.judge.hear(together)[5], belonging.heard.extract(clips[5])["embedding"])
    clips = [sound(seed) for seed in range(8)]
    together = Sounds.together(clips)
    for extractor in (*timing, judges.placing()):
        frames = read_views(folders.videos / "a.mp4", {"view": extractor.view})["view"]
        score = extractor.judge.score(together, frames)
        expected = score.desync() if hasattr(score, "desync") else score
        close(expected[5], next(iter(extractor.extract_film(clips[5], frames).values())))
    delays = LearnedDelays(StereoCRWJudge.from_file(weights["CRW"], "cpu", SMALL, 8.0))
    short = [sound(seed, seconds=0.2) for seed in range(2)]
    said, kept = delays.judge.delays(Sounds.together(short))[1], delays.extract(short[1])["delay"]
    torch.testing.assert_close(said, kept, atol=1e-10, rtol=1e-3)  # seconds


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4, equal_nan=True)


def test_the_last_second_of_nine_changes_what_judges_of_words_say(
    tmp_path: Path, weights: dict[str, Path]
) -> None:
    asked = ("CLAP_MS", "CLAP_LAION", "embedded_audio_text")
    (tmp_path / "pred").mkdir()
    whole = sound(1, seconds=9.0)
    changed = whole.samples.clone()
    changed[:, 8 * RATE :] = sound(2, seconds=1.0).samples * 3
    write_audio(tmp_path / "pred" / "whole.wav", whole)
    write_audio(tmp_path / "pred" / "changed.wav", Audio(changed, RATE))
    table = texts(tmp_path / "texts.csv", {"whole": "a dog", "changed": "a dog"})
    report = evaluated(tmp_path / "cache", Folders(tmp_path / "pred", texts=table), weights, asked)
    for name in asked:
        one, other = (report.clips[clip].values[name] for clip in ("whole", "changed"))
        assert abs(one - other) > 1e-4, name


def test_exchanging_the_channels_turns_the_delay_and_is_an_error_of_twice_it(tmp_path: Path) -> None:
    here = sound(1, lag=8)  # 0.5 ms
    there = Audio(here.samples.flip(0), RATE)
    delays = [Interaural().extract(audio)["delay"].nanmean() for audio in (here, there)]
    assert float(delays[0]) == pytest.approx(0.5e-3, abs=2e-5)
    assert float(delays[1]) == pytest.approx(-0.5e-3, abs=2e-5)
    for name, audio in (("pred", there), ("gt", here)):
        (tmp_path / name).mkdir()
        write_audio(tmp_path / name / "a.wav", audio)
    report = evaluated(tmp_path / "cache", Folders(tmp_path / "pred", tmp_path / "gt"), {}, ("GCC-ITD-MSE",))
    assert report.metrics["GCC-ITD-MSE"].value == pytest.approx(1e3 * 1.0**2, rel=0.05)


def test_delays_are_compared_only_with_references_that_have_some(tmp_path: Path) -> None:
    for folder, lags in (("pred", (3, 3)), ("gt", (0, 2))):
        (tmp_path / folder).mkdir()
        for name, lag in zip("ab", lags, strict=True):
            write_audio(tmp_path / folder / f"{name}.wav", sound(1, lag=lag))
    report = evaluated(tmp_path / "cache", Folders(tmp_path / "pred", tmp_path / "gt"), {}, ("GCC-ITD-MSE",))
    assert report.metrics["GCC-ITD-MSE"].clips == 1
    assert report.clips["a"].values["GCC-ITD-MSE"] is None
    assert "mono" in report.clips["a"].reasons["GCC-ITD-MSE"]


def test_a_clip_too_short_for_a_judge_has_no_value_there_and_stays_measured(
    tmp_path: Path, weights: dict[str, Path]
) -> None:
    for folder in ("pred", "films"):
        (tmp_path / folder).mkdir()
    for name, seconds in (("long", 4.9), ("short", 2.0)):
        write_audio(tmp_path / "pred" / f"{name}.wav", sound(1, seconds=seconds))
        film(tmp_path / "films" / f"{name}.mp4", 1)
    folders = Folders(tmp_path / "pred", videos=tmp_path / "films")
    report = evaluated(tmp_path / "cache", folders, weights, ("DeSync", "PQ"))
    assert report.counts.measured == 2
    assert report.metrics["DeSync"].clips == 1
    assert report.clips["short"].values["DeSync"] is None
    assert "needs 4.8 s" in report.clips["short"].reasons["DeSync"]
    assert report.metrics["PQ"].clips == 2


def test_a_film_that_cannot_be_read_takes_its_clip_out(tmp_path: Path, folders: Folders) -> None:
    assert folders.videos is not None
    (tmp_path / "films").mkdir()
    for name in TEXTS:
        (tmp_path / "films" / f"{name}.mp4").write_bytes((folders.videos / f"{name}.mp4").read_bytes())
    (tmp_path / "films" / "b.mp4").write_bytes(b"no film" * 99)
    broken = folders._replace(videos=tmp_path / "films")
    report = evaluated(tmp_path / "cache", broken, {}, ("embedded_desync",))
    assert report.counts.problems == {"video unreadable": 1}
    assert [*report.clips] == ["a", "c"]


def test_judges_are_asked_again_if_a_text_a_film_or_their_weights_change(
    tmp_path: Path, folders: Folders, weights: dict[str, Path], judged: tuple[FolderReport, Path]
) -> None:
    report, cache = judged
    other = texts(tmp_path / "other.csv", TEXTS | {"a": "a train"})
    changed = evaluated(cache, folders._replace(texts=other), weights, ("CLAP_MS",))
    assert changed.clips["a"].values["CLAP_MS"] != report.clips["a"].values["CLAP_MS"]
    assert changed.clips["b"].values["CLAP_MS"] == report.clips["b"].values["CLAP_MS"]

    retrained = torch.load(weights["Audiobox"], weights_only=True)
    bias = "model.proj_layer.PQ.3.bias"
    retrained["state_dict"][bias] = retrained["state_dict"][bias] + 2.0
    torch.save(retrained, tmp_path / "checkpoint.pt")
    found = evaluated(cache, folders, {"Audiobox": tmp_path / "checkpoint.pt"}, ("PQ",))
    assert found.metrics["PQ"].value == pytest.approx(report.metrics["PQ"].value + 2 * 1.3, abs=1e-3)
    with pytest.raises(ProtocolsDiffer, match="the extractor audiobox-aesthetics is not the same"):
        compare(report, found, FeatureCache(cache))


def test_a_film_is_judged_again_if_either_its_sound_or_its_picture_changes(
    tmp_path: Path, folders: Folders
) -> None:
    asked: list[str] = []

    class Asked:
        identity = Identity("asked", "1", "")
        view = View(25, 8, 8)

        def extract_film(self, audio: Audio, frames: Frames) -> Tensors:
            asked.append("asked")
            return {"desync": torch.zeros(())}

    cache, metric = FeatureCache(tmp_path), Offset("offset", Asked())
    assert folders.videos is not None
    for sound_of, film_of, expected in (("a", "a", 1), ("a", "a", 1), ("a", "b", 2), ("b", "a", 3)):
        clip = Clip("x", folders.sounds / f"{sound_of}.wav", video=folders.videos / f"{film_of}.mp4")
        gather([clip], [metric], cache, Reading())
        assert len(asked) == expected
    gather([clip], [metric], cache, Reading(seconds=1.0))
    assert len(asked) == 4


def test_a_text_whose_end_is_not_read_is_told(
    tmp_path: Path, folders: Folders, weights: dict[str, Path]
) -> None:
    table = texts(tmp_path / "long.csv", TEXTS | {"b": "rain " * 40})
    report = evaluated(tmp_path / "cache", folders._replace(texts=table), weights, ("CLAP_MS", "CLAP_LAION"))
    for name in ("CLAP_MS", "CLAP_LAION"):
        assert report.metrics[name].note == "the end of 1 texts was not read: b ..."
    assert report.metrics["CLAP_MS"].note in report.table()


def test_judges_without_weights_are_na_by_name_and_nothing_is_fetched(
    tmp_path: Path, folders: Folders, weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    monkeypatch.setattr(suite_judges, "assets", lambda: tmp_path)
    report = evaluated(tmp_path / "cache", folders, {}, ("all",))
    absent = (*PUBLISHED, *EMBEDDED, "CRW", "FSAD_CRW")
    for name in absent:
        assert report.metrics[name].value is None
        assert "no weights" in report.metrics[name].reason
        assert "n/a" in report.table()
    assert "--weights MS-CLAP=hub" in report.metrics["CLAP_MS"].reason
    assert "CRW_fast" not in report.metrics
    assert report.metrics["GCC-ITD-MSE"].value is not None
    alone = tmp_path / "clap.pth"
    alone.write_bytes(weights["MS-CLAP"].read_bytes())
    with pytest.raises(NoWeights, match="no tokenizer in"):
        Judges({"MS-CLAP": alone}).words("MS-CLAP")
    with pytest.raises(NoWeights, match="no weights at"):
        Judges({"Audiobox": tmp_path / "none"}).marks("Audiobox")
    with pytest.raises(NoWeights, match="on no hub"):
        Judges({"CRW": HUB}).delays()


def test_only_who_asks_for_the_hub_is_given_it(
    weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(source: object, *_: object) -> Path:
        asked.append(str(source))
        return weights["MS-CLAP"].parent

    for place in ("msclap", "msclap_text"):
        monkeypatch.setattr(f"prismaudio.backends.pretrained.{place}.resolve", resolve)
    monkeypatch.setattr("prismaudio.backends.pretrained.msclap.FILE", "clap.pth")
    Judges({"MS-CLAP": HUB}).words("MS-CLAP")
    assert asked == ["microsoft/msclap", "openai-community/gpt2"]
    asked.clear()
    elsewhere = weights["MS-CLAP"].parent
    Judges({"MS-CLAP": HUB, "MS-CLAP-tokenizer": elsewhere}).words("MS-CLAP")
    assert asked == ["microsoft/msclap", str(elsewhere)]


def test_crw_is_named_by_its_weights_and_a_quicker_one_is_another_metric(
    tmp_path: Path, folders: Folders, weights: dict[str, Path]
) -> None:
    choice = choose(["CRW", "CRW_fast", "FSAD_CRW"], folders, Judges(weights))
    digest = choice.metrics[0].extracts["sound"].identity.digest
    assert choice.names == [f"{name}@{digest[:12]}" for name in ("CRW", "CRW_fast", "FSAD_CRW")]
    assert {m.extracts["sound"].identity.name for m in choice.metrics} == {
        f"crw@{digest[:12]}",
        f"crw_fast@{digest[:12]}",
    }
    extractor = LearnedDelays(StereoCRWJudge.from_file(weights["CRW"], "cpu", SMALL, 8.0))
    path = tmp_path / "a.wav"
    write_audio(path, sound(1, seconds=0.2, lag=4))
    found = gather(
        [Clip("a", path, path)], [DelayError("CRW@x", extractor)], FeatureCache(tmp_path), Reading()
    )
    assert DelayError("CRW@x", extractor).measure(found.clips).values.tolist() == [0.0]


def test_both_ears_are_heard_by_judges_of_one_channel(weights: dict[str, Path]) -> None:
    judges, both = Judges(weights), sound(1)
    left, right = (Audio(both.samples * torch.tensor([[a], [1 - a]]), RATE) for a in (1.0, 0.0))
    words = [judges.words(name).heard for name in ("MS-CLAP", "LAION-CLAP")]
    for extractor in (*words, judges.belonging().heard, judges.marks("Audiobox")):
        one, other = (torch.cat([x.flatten() for x in extractor.extract(s).values()]) for s in (left, right))
        close(one, other)


def test_what_microphones_add_as_a_constant_changes_no_figure_of_words_or_delays(
    weights: dict[str, Path],
) -> None:
    judges, plain = Judges(weights), sound(1, seconds=7.0, lag=4)
    moved = Audio(plain.samples + 0.05, RATE)
    for name in ("MS-CLAP", "LAION-CLAP"):
        one, other = (judges.words(name).heard.extract(audio)["embedding"] for audio in (plain, moved))
        assert float(one @ other) > 0.999
    one, other = (Interaural().extract(audio)["delay"] for audio in (plain, moved))
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def rows(name: str, of: list[Tensors], beside: list[Tensors]) -> list[Gathered]:
    return [
        Gathered(str(n), None, {("sound", name): x, ("reference", name): y})
        for n, (x, y) in enumerate(zip(of, beside, strict=True))
    ]


class Kept:
    """An extractor of which everything is kept."""

    identity = Identity("kept", "1", "")

    def extract(self, audio: Audio) -> Tensors:
        raise AssertionError(audio)


def test_fsad_of_a_set_with_itself_is_nothing_and_of_a_shift_is_its_square() -> None:
    """A shift of all delays by s seconds moves the means alone: 1000 D s^2."""
    generator = torch.Generator().manual_seed(0)
    true = [{"course": 1e-4 * torch.randn(4, 6, generator=generator)} for _ in range(40)]
    shift = 2e-4
    moved = [{"course": row["course"] + shift} for row in true]
    metric = SpatialDistance("FSAD_x", Kept())
    everybody = np.arange(40)
    assert abs(metric.measure(rows("kept", true, true)).statistic(everybody)) < 1e-5
    found = metric.measure(rows("kept", moved, true))
    assert found.statistic(everybody) == pytest.approx(1000 * 24 * shift**2, rel=1e-6)
    assert found.note == "D 24, the first 2 s"
    turned = metric.measure(rows("kept", [{"course": -row["course"]} for row in moved], moved))
    assert turned.statistic(everybody) > found.statistic(everybody)


def test_fsad_wants_more_clips_than_numbers_unless_few_are_allowed() -> None:
    few = [{"course": torch.randn(4, 6)} for _ in range(5)]
    with pytest.raises(TooFewSounds, match="N = 5"):
        SpatialDistance("FSAD_x", Kept()).measure(rows("kept", few, few))
    uneven = [*few, {"course": torch.randn(3, 6)}]
    allowed = SpatialDistance("FSAD_x", Kept(), allow_small=True).measure(rows("kept", uneven, uneven))
    assert allowed.note == "D 18, the first 1.5 s"


def test_the_course_of_delays_is_pooled_and_averaged_over_five_windows() -> None:
    windows = torch.arange(99.0)[:, None].expand(99, 465)
    found = course(windows)
    assert found.shape == (20, 256)
    torch.testing.assert_close(found[:, 0], torch.tensor([*(2.0 + 5 * torch.arange(19.0)), 96.5]))
    across = course(torch.arange(512.0)[None].expand(5, 512))
    torch.testing.assert_close(across[0], 0.5 + 2 * torch.arange(256.0))


def test_systems_are_compared_by_judges_and_by_fsad(
    judged: tuple[FolderReport, Path], tmp_path: Path, folders: Folders, weights: dict[str, Path]
) -> None:
    assert folders.references is not None
    other = folders._replace(sounds=folders.references)
    asked = ("CLAP_MS", "GCC-ITD-MSE", "FSAD_GCC")
    true = evaluated(judged[1], other, weights, asked, allow_small=True)
    assert true.metrics["FSAD_GCC"].value == pytest.approx(0, abs=1e-5)
    found = compare(judged[0], true, FeatureCache(judged[1]), rounds=200).metrics
    assert found["GCC-ITD-MSE"].difference == pytest.approx(-judged[0].metrics["GCC-ITD-MSE"].value)
    assert found["FSAD_GCC"].difference == pytest.approx(-judged[0].metrics["FSAD_GCC"].value)
    assert found["CLAP_MS"].p is not None


def test_no_substitute_goes_by_the_name_of_imagebind() -> None:
    assert not {"IB", "ImageBind"} & set(names())

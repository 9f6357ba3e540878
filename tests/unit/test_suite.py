"""The evaluation of folders: the same figures every time, work that is kept, honest comparisons, a page to listen to."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from suite_folders import evaluated, sound, write_films, write_sounds

from prismaudio.backends.extractor import Identity
from prismaudio.backends.pretrained import passt
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.catalogue import names
from prismaudio.evaluation.suite.clips import Folders
from prismaudio.evaluation.suite.compare import ProtocolsDiffer, compare
from prismaudio.evaluation.suite.gather import Reading
from prismaudio.evaluation.suite.html import write_html
from prismaudio.evaluation.suite.judges import parse_weights
from prismaudio.evaluation.suite.metric import SetValue
from prismaudio.evaluation.suite.report import BadReport, FolderReport
from prismaudio.evaluation.suite.run import SuiteConfig, evaluate_folder, set_interval
from prismaudio.evaluation.suite.sounds import EmbeddedClassifier, LogMel
from prismaudio.media.audio import write_audio
from prismaudio.types import Audio

NAMES = [f"clip {n}" for n in range(6)]
ALL = (
    "KL_embedded",
    "KID_embedded",
    "FD_logmel",
    "FDinf_logmel",
    "loudness",
    "proxy_quality",
    "proxy_spatial",
)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(write_sounds(tmp_path / "pred", NAMES), write_sounds(tmp_path / "gt", NAMES, seed=50))


def test_two_runs_on_one_folder_give_the_same_report_with_and_without_what_was_kept(
    tmp_path: Path, folders: Folders
) -> None:
    first = evaluated(tmp_path, folders, ALL, allow_small=True)
    kept = evaluated(tmp_path, folders, ALL, allow_small=True)
    fresh = evaluated(tmp_path / "elsewhere", folders, ALL, allow_small=True)
    assert first == kept == fresh
    assert all(first.metrics[name].value is not None for name in ALL if name != "proxy_spatial")


def test_a_folder_compared_with_itself_has_no_distance_and_no_divergence(
    tmp_path: Path, folders: Folders
) -> None:
    report = evaluated(tmp_path, folders._replace(references=folders.sounds), ALL, allow_small=True)
    assert abs(report.metrics["FD_logmel"].value) < 1e-5
    assert report.metrics["KL_embedded"].value == 0


def test_an_interrupted_run_does_not_do_its_work_again(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Audio] = []
    original = LogMel.extract

    def extract(self: LogMel, audio: Audio) -> dict[str, torch.Tensor]:
        heard.append(audio)
        if len(heard) == 5:
            raise KeyboardInterrupt
        return original(self, audio)

    monkeypatch.setattr(LogMel, "extract", extract)
    with pytest.raises(KeyboardInterrupt):
        evaluated(tmp_path, folders, ("FD_logmel",), allow_small=True)
    evaluated(tmp_path, folders, ("FD_logmel",), allow_small=True)
    assert len(heard) == 2 * len(NAMES) + 1  # the fifth twice


def test_what_is_kept_but_damaged_is_computed_again(
    tmp_path: Path, folders: Folders, caplog: pytest.LogCaptureFixture
) -> None:
    first = evaluated(tmp_path, folders)
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:20])
    assert evaluated(tmp_path, folders) == first
    assert "computing it again" in caplog.text


def test_what_another_version_or_other_weights_gave_is_not_reused(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    one = Identity("ear", "1", "weights")
    cache.get("content", one, "all", lambda: {"x": torch.ones(1)})
    assert cache.load("content", one, "all") is not None
    for other in (one._replace(version="2"), one._replace(digest="others"), one._replace(name="eye")):
        assert cache.load("content", other, "all") is None
    assert cache.load("changed", one, "all") is None
    assert cache.load("content", one, "half") is None


def test_the_place_of_a_sound_is_not_judged_by_a_mono_reference(tmp_path: Path, folders: Folders) -> None:
    wide = write_sounds(tmp_path / "wide", NAMES, seed=50, left=0.3)
    assert evaluated(tmp_path, folders._replace(references=wide), ALL).metrics["proxy_spatial"].clips == 6
    mono = evaluated(tmp_path, folders, ALL)
    assert mono.metrics["proxy_spatial"].value is None
    assert "mono" in mono.clips["clip 0"].reasons["proxy_spatial"]


def test_a_sound_gives_the_same_features_alone_and_after_others() -> None:
    clips = [sound(seed, seconds=5.0) for seed in range(3)]
    together = EmbeddedClassifier()
    among_others = [together.extract(clip) for clip in clips][-1]
    alone = EmbeddedClassifier().extract(clips[-1])
    for name, tensor in alone.items():
        assert torch.equal(tensor, among_others[name])


def test_the_embedded_classifier_is_that_of_the_package() -> None:
    extractor = EmbeddedClassifier()
    found = extractor.extract(sound(1, seconds=3.0))
    assert found["features"].shape == (384,)
    assert found["log_posteriors"].exp().sum() == pytest.approx(1)
    assert len(found["log_posteriors"]) == len(extractor.network.class_names) == 92
    from prismaudio.media.audio import resample
    from prismaudio.models.sound_classifier import classifier_mel

    whole = extractor.network.probabilities(classifier_mel(resample(sound(1, seconds=3.0), 44_100).samples))
    torch.testing.assert_close(found["log_posteriors"].exp().float(), whole, atol=1e-5, rtol=1e-3)


def test_seconds_and_loudness_are_part_of_the_protocol_and_of_what_is_kept(
    tmp_path: Path, folders: Folders
) -> None:
    whole = evaluated(tmp_path, folders)
    levelled = evaluated(tmp_path, folders, reading=Reading(loudness=-23.0))
    half = evaluated(tmp_path, folders, reading=Reading(seconds=0.5))
    long = evaluated(tmp_path, folders, reading=Reading(seconds=2.0))
    assert levelled.metrics["loudness"].value == pytest.approx(-23, abs=0.2)
    assert abs(whole.metrics["loudness"].value + 23) > 1
    assert half.clips["clip 0"].seconds == 0.5
    assert half.counts.short == 0
    assert long.counts.short == len(NAMES)
    with pytest.raises(ProtocolsDiffer, match=r"reading\.loudness is None and -23"):
        compare(whole, levelled, FeatureCache(tmp_path / "cache"))


def test_figures_of_sets_need_more_sounds_than_features_or_permission(
    tmp_path: Path, folders: Folders
) -> None:
    report = evaluated(tmp_path, folders, ("all",))
    assert "N = 6 sounds for D = 128" in report.metrics["FD_logmel"].reason
    assert "FDinf_logmel" not in report.metrics
    assert report.metrics["KID_embedded"].value is not None
    allowed = evaluated(tmp_path, folders, ("all",), allow_small=True)
    assert allowed.metrics["FD_logmel"].value is not None
    assert allowed.metrics["FDinf_logmel"].note == "extrapolated"


def test_the_interval_of_a_set_lies_around_its_value() -> None:
    x = np.random.default_rng(0).normal(0, 1, 400)
    found = set_interval(SetValue(lambda chosen: float(np.var(x[chosen]))), 400, rounds=400, seed=0)
    assert found.high - found.value == pytest.approx(found.value - found.low)
    assert found.high - found.value == pytest.approx(1.96 * np.sqrt(2 / 400), rel=0.25)


def test_the_table_of_clips_holds_what_the_report_holds(tmp_path: Path, folders: Folders) -> None:
    report = evaluated(tmp_path, folders)
    report.save_clips(tmp_path / "clips.csv")
    with (tmp_path / "clips.csv").open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [row["clip"] for row in rows] == NAMES
    assert float(rows[2]["loudness"]) == report.clips["clip 2"].values["loudness"]
    parquet = pytest.importorskip("pyarrow.parquet")
    report.save_clips(tmp_path / "clips.parquet")
    table = parquet.read_table(tmp_path / "clips.parquet").to_pydict()
    assert table["loudness"] == [record.values["loudness"] for record in report.clips.values()]


def test_a_report_comes_back_as_it_was_saved_and_other_files_are_refused(
    tmp_path: Path, folders: Folders
) -> None:
    report = evaluated(tmp_path, folders)
    report.save(tmp_path / "run.json")
    assert FolderReport.load(tmp_path / "run.json") == report
    (tmp_path / "other.json").write_text('{"format": "something"}')
    with pytest.raises(BadReport, match="no report of"):
        FolderReport.load(tmp_path / "other.json")


def test_a_better_system_is_found_better_and_an_equal_one_is_not(tmp_path: Path, folders: Folders) -> None:
    """The worse system is the references with noise, the better one the references with less."""
    many = [f"{n:02}" for n in range(20)]
    gt = write_sounds(tmp_path / "truth", many, seed=100)
    reports = {}
    for system, level in (("noisy", 0.1), ("cleaner", 0.003)):
        (tmp_path / system).mkdir()
        for number, name in enumerate(many):
            true, noise = sound(100 + number), np.random.default_rng(number).normal(0, level, 16_000)
            samples = true.samples + torch.from_numpy(noise.astype(np.float32))
            write_audio(tmp_path / system / f"{name}.wav", Audio(samples, true.sample_rate))
        metrics = ("KL_embedded", "FD_logmel", "loudness")
        reports[system] = evaluated(tmp_path, Folders(tmp_path / system, gt), metrics, allow_small=True)
    cache = FeatureCache(tmp_path / "cache")
    found = compare(reports["noisy"], reports["cleaner"], cache, rounds=500)
    for name in ("KL_embedded", "FD_logmel"):
        assert found.metrics[name].high < 0
        assert found.metrics[name].p_holm < 0.05
    same = compare(reports["noisy"], reports["noisy"], cache, rounds=200).metrics
    assert same["KL_embedded"].difference == 0
    assert same["FD_logmel"].p == 1
    assert "KL_embedded" in found.table()
    lost = compare(reports["noisy"], reports["cleaner"], FeatureCache(tmp_path / "none"), rounds=200)
    assert "not kept any more" in lost.metrics["FD_logmel"].reason
    assert lost.metrics["KL_embedded"].p is not None


def test_systems_judged_against_other_references_are_not_compared(tmp_path: Path, folders: Folders) -> None:
    one = evaluated(tmp_path, folders)
    other = evaluated(tmp_path, folders._replace(references=write_sounds(tmp_path / "new", NAMES, seed=70)))
    with pytest.raises(ProtocolsDiffer, match="the reference of 6 clips is not the same"):
        compare(one, other, FeatureCache(tmp_path / "cache"))


def test_the_page_shows_and_plays_every_clip_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    name = 'a <b> "c" & d'
    pred, gt = (
        write_sounds(tmp_path / "pred", [name, "e"]),
        write_sounds(tmp_path / "gt", [name, "e"], seed=5),
    )
    films = write_films(tmp_path / "films", [name, "e"])
    folders = Folders(pred, gt, films)
    report = evaluated(tmp_path, folders, ("proxy_sync", "loudness", "FD_PANNs"))
    write_html(report, folders, tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "http" not in page.replace("zenodo.org", "")
    for source in [part.split('"')[0] for part in page.split('src="')[1:]]:
        assert (tmp_path / "page" / source).stat().st_size > 500
    assert page.count("<audio") == page.count("<video") == 4


def test_given_weights_a_published_embedding_is_measured_and_named(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small network in place of the published one; the file counts by its content."""
    torch.manual_seed(0)
    small = passt.PasstNetwork(width=24, depth=1, heads=2)
    monkeypatch.setattr(passt, "load_passt", lambda path: small)
    (tmp_path / "passt.pt").write_bytes(b"weights")
    config = SuiteConfig(metrics=("FD_PaSST", "KL_PaSST"), set_rounds=2, allow_small=True)
    cache = FeatureCache(tmp_path / "cache")
    report = evaluate_folder(folders, config, cache, {"PaSST": tmp_path / "passt.pt"})
    assert report.metrics["FD_PaSST"].value > 0
    assert report.metrics["FD_PaSST"].note == "D 24"
    assert report.metrics["KL_PaSST"].clips == 6
    assert report.extractors["PaSST"].digest == hashlib.sha256(b"weights").hexdigest()


def test_names_of_metrics_say_what_judges(tmp_path: Path) -> None:
    """No bare FD, and no proxy under the name of a judge."""
    assert not {"FD", "KL", "KID", "IS", "CLAP", "IB", "FSAD"} & set(names())
    assert len(names()) == len({name.lower() for name in names()})
    assert {"FD_embedded", "FD_logmel", "KL_PaSST", "proxy_sync"} <= set(names())
    assert parse_weights(["PANNs=a=b.pth"]) == {"PANNs": Path("a=b.pth")}

"""What is known to go wrong in evaluations of folders (spec rewards.md 2, "Traps") does not go wrong here."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from suite_folders import evaluated, sound, write_films, write_sounds

from prismaudio.evaluation.suite.catalogue import choose
from prismaudio.evaluation.suite.clips import BadFolder, Folders, find_clips
from prismaudio.evaluation.suite.judges import Judges
from prismaudio.evaluation.suite.run import CoverageTooLow, check_coverage
from prismaudio.evaluation.suite.sounds import EmbeddedClassifier
from prismaudio.media.audio import write_audio

NAMES = ["a", "b", "c", "d"]


def test_a_broken_clip_is_counted_under_its_own_name_and_not_replaced_by_another(tmp_path: Path) -> None:
    pred, gt = write_sounds(tmp_path / "pred", NAMES), write_sounds(tmp_path / "gt", NAMES, seed=50)
    (pred / "b.wav").write_bytes(b"no sound at all" * 100)
    report = evaluated(tmp_path, Folders(pred, gt))
    assert [*report.clips] == ["a", "c", "d"]
    assert report.counts.problems == {"sound unreadable": 1}
    assert "b.wav" in report.problems["b"].detail
    assert report.metrics["loudness"].clips == 3
    with pytest.raises(CoverageTooLow, match="3 of 4 clips"):
        check_coverage(report, 0.99)
    check_coverage(report, 0.75)


def test_when_every_clip_is_broken_the_evaluation_ends_and_has_no_figures(tmp_path: Path) -> None:
    pred = write_sounds(tmp_path / "pred", NAMES)
    for name in NAMES:
        (pred / f"{name}.wav").write_bytes(b"x" * 500)
    report = evaluated(tmp_path, Folders(pred))
    assert report.counts.coverage == 0
    assert report.metrics["loudness"].value is None
    assert report.metrics["loudness"].reason == "no clip could be measured"


def test_a_broken_film_or_reference_is_counted_by_kind(tmp_path: Path) -> None:
    pred, gt = write_sounds(tmp_path / "pred", NAMES), write_sounds(tmp_path / "gt", NAMES, seed=50)
    films = write_films(tmp_path / "films", NAMES)
    (films / "a.mp4").write_bytes((films / "a.mp4").read_bytes()[:200])
    (gt / "b.wav").write_bytes(b"")
    (films / "c.mp4").unlink()
    report = evaluated(tmp_path, Folders(pred, gt, films), metrics=("proxy_sync", "loudness"))
    assert report.counts.problems == {"reference unreadable": 1, "video missing": 1, "video unreadable": 1}
    assert [*report.clips] == ["d"]


def test_samples_that_are_no_numbers_make_a_sound_unusable_not_a_figure_nan(tmp_path: Path) -> None:
    pred = write_sounds(tmp_path / "pred", NAMES)
    bad = sound(0)
    bad.samples[0, 5] = np.nan
    write_audio(pred / "a.wav", bad, "FLOAT")
    report = evaluated(tmp_path, Folders(pred))
    assert report.counts.problems == {"sound unusable": 1}
    assert report.metrics["loudness"].value is not None


def test_only_what_was_asked_for_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedClassifier, "extract", lambda self, audio: pytest.fail("nobody asked"))
    report = evaluated(tmp_path, Folders(write_sounds(tmp_path / "pred", NAMES)), metrics=("loudness",))
    assert [*report.metrics] == ["loudness"]


def test_missing_weights_are_told_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    folders = Folders(write_sounds(tmp_path / "pred", NAMES), write_sounds(tmp_path / "gt", NAMES))
    report = evaluated(tmp_path, folders, metrics=("FD_PANNs", "KL_PaSST", "FD_VGGish", "loudness"))
    for name in ("FD_PANNs", "KL_PaSST", "FD_VGGish"):
        assert report.metrics[name].value is None
        assert "no weights of" in report.metrics[name].reason
        assert f"n/a: {name}" in report.table()
    assert report.metrics["loudness"].value is not None


@pytest.mark.parametrize("length", [18, 20, 21, 30])
def test_names_are_paired_whole_whatever_their_length(tmp_path: Path, length: int) -> None:
    """Names that agree in all but the end stay different clips."""
    names = [f"{'x' * (length - 4)}{ending}" for ending in ("_000", "_001")]
    pred, gt = write_sounds(tmp_path / "pred", names), write_sounds(tmp_path / "gt", names, seed=50)
    assert [clip.name for clip in find_clips(Folders(pred, gt)).clips] == names
    (pred / f"{names[0]}.wav").rename(pred / f"{names[0][:-4]}.wav")
    found = find_clips(Folders(pred, gt))
    assert [clip.name for clip in found.clips] == names[1:]
    assert found.problems[names[0]].kind == "sound missing"
    assert found.unexpected == (names[0][:-4],)


def test_both_ears_are_heard(tmp_path: Path) -> None:
    """A sound at the right ear alone is no silence, and is named as it is at the left ear."""
    left = write_sounds(tmp_path / "left", NAMES, right=0.0)
    right = write_sounds(tmp_path / "right", NAMES, left=0.0)
    report = evaluated(tmp_path, Folders(right, left), metrics=("KL_embedded", "loudness", "proxy_spatial"))
    assert report.metrics["KL_embedded"].value == pytest.approx(0, abs=1e-6)
    assert report.metrics["loudness"].clips == 4
    assert report.metrics["proxy_spatial"].value is not None
    assert report.metrics["proxy_spatial"].value < 0.6


def test_features_are_kept_by_content_not_by_name(tmp_path: Path) -> None:
    pred = write_sounds(tmp_path / "pred", NAMES)
    before = evaluated(tmp_path, Folders(pred)).clips["a"].values["loudness"]
    write_audio(pred / "a.wav", sound(0, gain=0.2))
    after = evaluated(tmp_path, Folders(pred)).clips["a"].values["loudness"]
    assert after == pytest.approx(before + 6.02, abs=0.05)


def test_the_report_counts_what_has_no_text_and_says_what_was_compared(tmp_path: Path) -> None:
    pred = write_sounds(tmp_path / "pred", NAMES)
    table = tmp_path / "texts.csv"
    table.write_text("name,caption\na,a dog\nb,rain\nc, \ne,wind\n", encoding="utf-8")
    report = evaluated(tmp_path, Folders(pred, texts=table))
    assert report.counts.problems == {"sound missing": 1, "text missing": 1}
    assert report.counts.unexpected == 1  # d
    stored = json.loads(report.model_dump_json())
    assert stored["counts"]["expected"] == 4
    assert stored["counts"]["measured"] == 2
    assert stored["protocol"]["reading"] == {"seconds": None, "loudness": None}
    assert len(stored["clips"]["a"]["files"]["sound"]) == 64
    assert stored["versions"]["torch"]
    table.write_text("clip,words\na,b\n", encoding="utf-8")
    with pytest.raises(BadFolder, match="needs a column"):
        find_clips(Folders(pred, texts=table))


def test_two_files_of_one_name_are_no_clip(tmp_path: Path) -> None:
    pred = write_sounds(tmp_path / "pred", NAMES)
    write_audio(pred / "a.flac", sound(9))
    assert find_clips(Folders(pred)).problems["a"].kind == "sound ambiguous"


def test_what_a_metric_needs_and_nobody_gave_is_said(tmp_path: Path) -> None:
    choice = choose(["all"], Folders(write_sounds(tmp_path / "pred", NAMES)), Judges())
    reasons = dict(choice.unavailable)
    assert reasons["FD_embedded"] == "needs --gt"
    assert reasons["proxy_sync"] == "needs --video"
    assert reasons["CLAP_MS"] == "needs --text"
    assert reasons["embedded_seen_place"] == "needs --video"
    assert {"IS_embedded", "loudness", "proxy_quality"} <= {metric.name for metric in choice.metrics}

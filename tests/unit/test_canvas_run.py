"""A run judges every system by group, in the paper's columns, under the names of the judges that gave the figures."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from canvases import benchmark, entry
from suite_folders import sound, write_sounds

from prismaudio.evaluation.canvas import running
from prismaudio.evaluation.canvas.columns import SLOTS, fill, wanted_metrics
from prismaudio.evaluation.canvas.generating import Making, OtherSettings, check_settings, seed_of
from prismaudio.evaluation.canvas.judging import (
    LowCoverage,
    RunConfig,
    System,
    check_coverage,
    groups,
    run_benchmark,
)
from prismaudio.evaluation.canvas.layout import lay_out
from prismaudio.evaluation.canvas.manifest import Manifest
from prismaudio.evaluation.canvas.opinions import NoOpinions, read_opinions
from prismaudio.evaluation.canvas.published import COLUMNS, ROWS
from prismaudio.evaluation.canvas.report import BenchmarkReport
from prismaudio.evaluation.canvas.stage_canvas import CanvasConfig, choose_scenes, write_stage_canvas
from prismaudio.evaluation.canvas.tables import latex, markdown, text
from prismaudio.evaluation.listening.make import Key, KeyItem, ListeningConfig
from prismaudio.evaluation.suite.cache import FeatureCache
from prismaudio.evaluation.suite.catalogue import names
from prismaudio.evaluation.suite.report import Figure
from prismaudio.media.audio import read_audio, write_audio
from prismaudio.stage.corpus import Corpus, default_folder
from prismaudio.types import Audio

TINY = CanvasConfig(name="tiny", seed=3, single=2, multi=1, shortest=2.0, longest=2.4, width=64, height=48)
QUICK = RunConfig(rounds=200, set_rounds=3, min_coverage=1.0)
CLIPS = {"a": ("single", ("dog",)), "b": ("single", ("cat",)), "c": ("multi", ("dog", "cat"))}


@pytest.fixture
def canvas(tmp_path: Path) -> Manifest:
    clips = [
        entry(tmp_path, name, seed, event=event, classes=classes)
        for seed, (name, (event, classes)) in enumerate(CLIPS.items())
    ]
    write_sounds(tmp_path / "ours", [*CLIPS], seed=40, seconds=3.0)
    return benchmark(tmp_path, clips)


def judged(
    manifest: Manifest, *systems: System, config: RunConfig = QUICK, **more: object
) -> BenchmarkReport:
    folder = manifest.path.parent
    laid = lay_out(manifest, folder / "clips", config.text)
    found = [running.true_system(laid) if system.name == "reference" else system for system in systems]
    return run_benchmark(manifest, laid, found, config, FeatureCache(folder / "cache"), **more)


def ours(manifest: Manifest) -> System:
    return System("ours", manifest.path.parent / "ours")


def test_groups_are_all_single_multi_and_every_class(canvas: Manifest) -> None:
    assert groups(canvas) == {
        "all": {"a", "b", "c"}, "single": {"a", "b"}, "multi": {"c"},
        "class: cat": {"b", "c"}, "class: dog": {"a", "c"},
    }  # fmt: skip


def test_figures_of_groups_are_means_of_their_clips(canvas: Manifest) -> None:
    report = judged(canvas, ours(canvas), config=QUICK.model_copy(update={"metrics": ("proxy_quality",)}))
    (system,) = report.systems
    assert system.counts.measured == 3
    for metric in ("KL_embedded", "proxy_quality", "embedded_cleanness"):
        values = {name: clip[metric] for name, clip in system.clips.items()}
        for group, ids in groups(canvas).items():
            expected = np.mean([values[name] for name in ids])
            assert system.groups[group].figures[metric].value == pytest.approx(expected), (metric, group)
    assert [column.name for column in report.columns] == [*COLUMNS, "proxy_quality"]
    assert report.truth == ()
    filled = {column.name: column.metric for column in report.columns}
    assert filled["KL"] == "KL_embedded"
    assert filled["CLAP"] == "embedded_audio_text"
    assert filled["CE"] is None


def test_two_runs_give_equal_reports_and_all_forms_name_the_judges(canvas: Manifest, tmp_path: Path) -> None:
    first, second = (judged(canvas, ours(canvas), System("reference", tmp_path)) for _ in range(2))
    assert first == second
    places = running.open_run(tmp_path / "run", force=False)
    written = running.write_report(first, places)
    assert [path.name for path in written] == ["report.json", "report.md", "report.tex"]
    assert BenchmarkReport.model_validate_json(written[0].read_bytes()) == first
    for form in (text(first), markdown(first), latex(first).replace("\\", "")):
        for word in (
            "KL_embedded",
            "embedded_audio_text",
            "Not comparable",
            "PrismAudio",
            "12.87",
            "n/a",
        ):
            assert word in form
    assert "CE: n/a: no weights of Audiobox" in text(first)
    assert "FD: n/a:" in text(first)
    assert "N = 3 sounds for D = 384 features" in text(first)
    assert "| cat | 2 |" in markdown(first)
    with pytest.raises(running.CannotWrite, match="--force"):
        running.open_run(tmp_path / "run", force=False)


def test_the_true_sounds_are_not_compared_with_themselves(canvas: Manifest, tmp_path: Path) -> None:
    report = judged(canvas, System("reference", tmp_path))
    figures = report.systems[0].groups["all"].figures
    assert figures["KL_embedded"].reason == "it is the reference itself"
    assert figures["embedded_cleanness"].value is not None


def test_missing_sounds_are_counted_and_too_many_fail(canvas: Manifest) -> None:
    (canvas.path.parent / "ours" / "b.wav").unlink()
    report = judged(canvas, ours(canvas))
    assert report.systems[0].counts.problems == {"sound missing": 1}
    assert report.systems[0].groups["single"].clips == 1
    with pytest.raises(
        LowCoverage, match="only 2 of 3 clips of ours could be measured.*first: b: sound missing"
    ):
        check_coverage(report, 0.99)
    check_coverage(report, 0.6)


def test_a_missing_film_is_counted_too(canvas: Manifest) -> None:
    (canvas.path.parent / "videos" / "c.mp4").unlink()
    running.check_files(canvas)
    report = judged(canvas, ours(canvas))
    assert report.systems[0].counts.expected == 3
    assert report.systems[0].counts.problems == {"video missing": 1}
    (canvas.path.parent / "videos" / "a.mp4").write_bytes(b"x")
    with pytest.raises(running.BadRun, match="clip a: video videos/a.mp4 is another file"):
        running.check_files(canvas)


def test_without_a_true_sound_of_every_clip_there_is_no_reference(tmp_path: Path, canvas: Manifest) -> None:
    bare = canvas.entries[0].model_copy(update={"audio": None, "audio_sha256": None})
    partly = benchmark(canvas.path.parent, [bare, *canvas.entries[1:]])
    report = judged(partly, ours(canvas))
    assert "1 of 3 clips have no true sound (first: a)" in report.notes
    assert report.systems[0].groups["all"].figures["KL_embedded"].reason == "needs --gt"
    with pytest.raises(running.BadRun, match="--reference needs a true sound"):
        judged(partly, System("reference", tmp_path))


def test_a_published_judge_fills_its_column_before_the_embedded_one() -> None:
    known = {name: Figure(reason="no weights; fetch them") for name in wanted_metrics(names())}
    known |= {"embedded_desync": Figure(value=0.4, better="lower"), "KL_embedded": Figure(value=1.0)}
    columns = {column.name: column for column in fill(known, {})}
    assert columns["DeSync"].metric == "embedded_desync"
    assert columns["CLAP"].metric is None
    assert columns["CLAP"].reason == "no weights"
    known |= {"DeSync": Figure(value=0.5, better="lower"), "CRW@1024": Figure(value=9.0, better="lower")}
    columns = {column.name: column for column in fill(known, {})}
    assert columns["DeSync"].metric == "DeSync"
    assert columns["CRW"].metric == "CRW@1024"


def test_every_column_can_be_filled_by_the_suite_and_no_proxy_stands_in_one() -> None:
    for slot in SLOTS:
        assert set(slot.metrics) <= set(names()), slot.name
        assert not any(name.startswith("proxy") for name in slot.metrics)
    assert (*(slot.name for slot in SLOTS), "MOS-Q", "MOS-C") == COLUMNS
    assert all(len(row.values) == len(COLUMNS) for row in ROWS)


def listening(folder: Path, answers: dict[str, float], kind: str = "mos-q") -> Path:
    """A test of two systems with three raters; answers: item as "clip condition" -> score."""
    folder.mkdir()
    items = {
        f"{clip}-{condition}": KeyItem(
            clip=clip, conditions=(condition,), loudness=(-23.0,), true_peak=(-2.0,)
        )
        for clip in CLIPS
        for condition in ("ours", "theirs")
    }
    settings = ListeningConfig(kind=kind)
    key = Key(test="t", kind=kind, conditions=("ours", "theirs"), items=items, settings=settings)
    (folder / "key.json").write_text(key.model_dump_json())
    for rater in range(3):
        with (folder / f"{rater}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["test", "rater", "trial", "item", "score"])
            for number, (item, score) in enumerate(answers.items()):
                writer.writerow(["t", rater, number, item, score])
    return folder


def test_opinions_of_raters_fill_their_columns_by_group(canvas: Manifest, tmp_path: Path) -> None:
    score = {f"{clip}-ours": s for clip, s in zip(CLIPS, (4, 2, 5), strict=True)} | {
        f"{c}-theirs": 1 for c in CLIPS
    }
    opinions = read_opinions([listening(tmp_path / "q", score)])
    report = judged(canvas, ours(canvas), opinions=opinions)
    groups_ = report.systems[0].groups
    assert groups_["all"].figures["MOS-Q"].value == pytest.approx(11 / 3)
    assert groups_["single"].figures["MOS-Q"].value == pytest.approx(3)
    assert groups_["class: cat"].figures["MOS-Q"].value == pytest.approx(3.5)
    columns = {column.name: column for column in report.columns}
    assert columns["MOS-Q"].judge == "listening"
    assert "prismaudio listen" in columns["MOS-C"].reason
    assert "3.67" in text(report)
    other = judged(canvas, System("nobody", tmp_path / "ours"), opinions=opinions)
    assert "the test has ours, theirs" in {c.name: c.reason for c in other.columns}["MOS-Q"]
    with pytest.raises(NoOpinions, match="two folders"):
        read_opinions([tmp_path / "q", tmp_path / "q"])


def test_names_of_systems_are_told_apart(tmp_path: Path) -> None:
    assert [s.name for s in running.parse_systems([f"x={tmp_path}", str(tmp_path / "y")])] == ["x", "y"]
    with pytest.raises(running.BadRun, match="'y' is taken"):
        running.parse_systems(["y=a", "b/y"])
    with pytest.raises(running.BadRun, match="nothing to judge"):
        running.check_asked([], None, reference=False)
    with pytest.raises(running.BadRun, match="'embedded' is taken"):
        running.check_asked(running.parse_systems(["embedded=a"]), "embedded", reference=False)


def test_sounds_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    check_settings(tmp_path / "s", Making(model="embedded", planner="embedded"))
    check_settings(tmp_path / "s", Making(model="embedded", planner="embedded"))
    with pytest.raises(OtherSettings, match="other settings"):
        check_settings(tmp_path / "s", Making(model="embedded", planner="embedded", seed=1))
    assert len({seed_of(seed, name) for seed in range(3) for name in "abc"}) == 9
    assert seed_of(0, "a") == seed_of(0, "a") < 2**31


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_stage_canvas(tmp_path_factory.mktemp("tiny"), TINY, Corpus.load(), default_folder())


def test_the_stage_makes_the_same_benchmark_again_to_the_byte(tiny: Manifest, tmp_path: Path) -> None:
    again = write_stage_canvas(tmp_path, TINY, Corpus.load(), default_folder())
    assert again.sha256 == tiny.sha256
    other = TINY.model_copy(update={"seed": 4})
    assert write_stage_canvas(tmp_path / "o", other, Corpus.load(), default_folder()).sha256 != tiny.sha256


def test_an_interrupted_benchmark_is_gone_on_with(tiny: Manifest) -> None:
    film = tiny.file(tiny.entries[0].video)
    kept = tiny.file(tiny.entries[1].video).stat().st_mtime_ns
    film.unlink()
    again = write_stage_canvas(tiny.path.parent, TINY, Corpus.load(), default_folder())
    assert again.sha256 == tiny.sha256
    assert film.is_file()
    assert tiny.file(tiny.entries[1].video).stat().st_mtime_ns == kept


def test_scenes_are_held_out_seen_and_of_many_classes() -> None:
    corpus = Corpus.load()
    config = TINY.model_copy(update={"single": 30, "multi": 10})
    chosen = choose_scenes(config, corpus)
    singles = [c.scene.sources[0].class_name for c in chosen if c.event == "single"]
    assert len(singles) == len(set(singles)) == 30
    for _, event, scene in chosen:
        assert all(source.sprite is not None for source in scene.sources)
        assert {r.split for r in scene.ambience} <= {"test"}
        assert {r.split for source in scene.sources for r in source.recordings} == {"test"}
        assert (len({source.class_name for source in scene.sources}) > 1) is (event == "multi")


def test_the_truth_judges_sounds_where_it_is_known(tiny: Manifest, tmp_path: Path) -> None:
    """The true sounds against themselves, and with left and right exchanged."""
    swapped = tmp_path / "swapped"
    swapped.mkdir()
    for clip in tiny.entries:
        audio = read_audio(tiny.file(clip.audio or ""))
        write_audio(swapped / f"{clip.id}.wav", Audio(audio.samples.flip(0), audio.sample_rate))
    laid = lay_out(tiny, tmp_path / "clips")
    systems = [running.true_system(laid), System("swapped", swapped)]
    report = run_benchmark(tiny, laid, systems, QUICK, FeatureCache(tmp_path / "cache"))
    true, wrong = (system.groups["all"].figures for system in report.systems)
    assert report.truth[:2] == ("onset F1", "azimuth error")
    assert true["onset F1"].value == wrong["onset F1"].value
    assert (true["azimuth error"].value or math.inf) < 0.5 * (wrong["azimuth error"].value or 0)
    assert wrong["GCC-ITD-MSE"].value > 0
    assert "azimuth error↓" in text(report)
    assert json.loads(report.model_dump_json())["expected"]["multi"] == 1


def test_silence_is_not_taken_for_a_sound(canvas: Manifest) -> None:
    for name in CLIPS:
        quiet = Audio(sound(0, 3.0).samples * 0, 16_000)
        write_audio(canvas.path.parent / "ours" / f"{name}.wav", quiet)
    report = judged(canvas, ours(canvas))
    assert report.systems[0].groups["all"].figures["GCC-ITD-MSE"].value is None

"""Planners are compared on scenes watched once: who knows the truth scores fully, who says nothing not at all."""

import json
import math
from pathlib import Path

import pytest

from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.planner_report import PlannersReport
from prismaudio.evaluation.planners import PlannersConfig, compare_planners
from prismaudio.generation.loading import assets, load_eyes, load_perception
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.planning.student_planner import embedded
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import StageConfig, draw_scene

CONFIG = PlannersConfig(
    count=3, seed=4, bootstrap_rounds=20, stage=StageConfig(shortest=2, longest=2.5, off_screen=0)
)


class Teller:
    """Knows what is on screen."""

    name = "teller"
    measures = False

    def plan(self, request: PlanRequest) -> Plan:
        scene = draw_scene(CONFIG.seed, request.seed, CONFIG.split, Corpus.load(), CONFIG.stage)
        return scene.plan(Corpus.load()).on_screen()


class Mute:
    name = "mute"
    measures = True

    def plan(self, request: PlanRequest) -> Plan:
        assert request.evidence is not None
        raise PlannerFailed("no words")


@pytest.fixture(scope="module")
def report() -> PlannersReport:
    return compare_planners(
        [Teller(), Mute(), embedded()], Corpus.load(), load_eyes(assets()), load_perception(assets()), CONFIG
    )


def test_who_knows_the_truth_scores_fully(report: PlannersReport) -> None:
    figures = report.planners[0].measures["all"]
    for name in ("event F1", "with unseen", "same events", "class top-1", "valid"):
        assert figures[name].value == 1.0, name
    assert figures["azimuth error"].value == 0.0
    assert math.isnan(figures["class top-5"].value)


def test_who_fails_is_scored_as_saying_nothing_and_the_reason_is_kept(report: PlannersReport) -> None:
    mute = report.planners[1]
    assert mute.measures["all"]["event F1"].value == 0.0
    assert mute.failures == {0: "no words", 1: "no words", 2: "no words"}


def test_scenes_are_told_apart_by_whether_their_camera_moves(report: PlannersReport) -> None:
    corpus = Corpus.load()
    drawn = [draw_scene(CONFIG.seed, i, CONFIG.split, corpus, CONFIG.stage) for i in range(3)]
    assert report.planners[0].camera_moves == sum(Theatre(scene, 320, 224).camera_moves for scene in drawn)


def test_a_report_is_a_table_and_a_file(report: PlannersReport, tmp_path: Path) -> None:
    lines = report.table().splitlines()
    assert [line.split()[0] for line in lines[1:10]] == ["teller"] * 3 + ["mute"] * 3 + ["embedded"] * 3
    report.save(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["planners"][0]["measures"]["all"]["event F1"][0] == 1.0


@pytest.mark.parametrize("size", [(160, 112), (320, 224)])
def test_a_camera_that_moves_shows_another_background(size: tuple[int, int]) -> None:
    corpus, told = Corpus.load(), []
    for index in range(12):
        scene = draw_scene(8, index, "test", corpus, StageConfig(shortest=3, longest=4, cut=0))
        theatre = Theatre(scene, *size)
        first, later = (theatre.shots[0].at(t)[1] for t in (0.0, 1.7))
        assert theatre.camera_moves == (first != later)
        told.append(theatre.camera_moves)
    assert len(set(told)) == 2

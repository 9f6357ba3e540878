"""What was found about planners, as a table for people and as JSON for programs; every figure with its 95 % interval."""

from typing import Any

from prismaudio.config import Config
from prismaudio.evaluation.report import Measures, Saved, aligned, short

LEGEND = """\
event F1: hits and beginnings of continuous sounds within 80 ms of those on screen; 'with unseen': of off-screen ones too.
same events: whole events that agree in their moments (F1). Of these: is the name right (top-1, top-5), and how far is
the path from the true one, mean over the sound, median over events (the screen is 2 wide).
valid: the text reads back to the same events and moments without contradiction.
± is half the 95 % interval over scenes (bootstrap)."""


class PlannerReport(Config):
    """One planner on all scenes."""

    name: str
    measures: dict[str, Measures]  # "all", "camera still", "camera moves" -> the figures
    scenes: int
    camera_moves: int  # of them, those in which the camera drifts or shakes
    seconds_per_clip: float  # to measure in and write about 9 s of film, once it is watched
    failures: dict[int, str] = {}  # scene -> why there is no plan of it: scored as an empty one


class PlannersReport(Saved):
    planners: tuple[PlannerReport, ...]
    watching_seconds_per_clip: float  # to watch 9 s of film, once for all planners
    settings: dict[str, Any]

    def table(self) -> str:
        """One aligned line per planner and kind of scene."""
        parts = self.planners[0].measures
        names = list(parts["all"])
        rows = [["planner", "scenes", *names, "N", "s/clip"]]
        for planner in self.planners:
            moving = planner.camera_moves
            counts = {"all": planner.scenes, "camera moves": moving, "camera still": planner.scenes - moving}
            for part, measures in planner.measures.items():
                figures = [short(measures[name]) for name in names]
                seconds = f"{planner.seconds_per_clip:.2f}" if part == "all" else ""
                rows.append([planner.name, part, *figures, str(counts[part]), seconds])
        watching = (
            f"Watching 9 s of film took {self.watching_seconds_per_clip:.2f} s, before 's/clip' of writing."
        )
        return "\n".join([*aligned(rows), "", LEGEND, watching])

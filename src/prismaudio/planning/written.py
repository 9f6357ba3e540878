"""The planner that reads: a plan file, or a text of four paragraphs, is taken as it was written."""

from pathlib import Path

from prismaudio.dimensions.parse import read_text
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.planning.wishes import avoiding, noting, unheard


class FilePlanner:
    """A `Planner` over a .yaml, .json or .txt file, which is read for every clip anew."""

    name = "file"
    measures = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def plan(self, request: PlanRequest) -> Plan:
        paragraphs = self.path.suffix == ".txt"
        plan = read_text(self.path, request.duration) if paragraphs else Plan.load(self.path)
        notes = unheard(request)
        if request.video is not None and (other := plan.mismatch(request.video)):
            notes.append(other)
        return avoiding(noting(plan, *notes), request.avoid)


class PlansBeside:
    """A `Planner` over plans that lie beside their videos, as `prismaudio stage` and `plan` leave them there."""

    name = "file"
    measures = False

    def plan(self, request: PlanRequest) -> Plan:
        if request.video is None:
            raise PlannerFailed("pictures from memory have no plan beside them; give their file")
        return FilePlanner(beside(request.video)).plan(request)


def beside(video: Path) -> Path:
    """The plan of clip.mp4 is clip.plan.yaml, .yml, .json or .txt."""
    found = found_beside(video)
    if found is None:
        raise PlannerFailed(
            f"no plan beside {video.name}; write {_beside(video)[0].name}, or choose another planner"
        )
    return found


def found_beside(video: Path) -> Path | None:
    """The plan beside a video, if there is one."""
    return next((path for path in _beside(video) if path.is_file()), None)


def _beside(video: Path) -> list[Path]:
    return [video.with_name(f"{video.stem}.plan{ending}") for ending in (".yaml", ".yml", ".json", ".txt")]

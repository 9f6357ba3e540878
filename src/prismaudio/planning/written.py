"""The planner that reads: a plan file, or a text of four paragraphs, is taken as it was written."""

from pathlib import Path

from prismaudio.dimensions.parse import read_text
from prismaudio.dimensions.plan import Plan
from prismaudio.planning.base import PlanRequest
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

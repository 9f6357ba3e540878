"""A second planner for when the first one fails; the plan says that it is not the first one's, and why."""

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.planning.base import Planner, PlanRequest
from prismaudio.planning.wishes import noting


class Fallback:
    """A `Planner` of two. `first` may be the error that kept it from being made."""

    def __init__(self, name: str, first: Planner | PrismAudioError, second: Planner) -> None:
        self.name = name
        self.first = first
        self.second = second

    @property
    def measures(self) -> bool:
        """The second planner may need it when it is too late to watch again."""
        own = not isinstance(self.first, PrismAudioError) and self.first.measures
        return own or self.second.measures

    def plan(self, request: PlanRequest) -> Plan:
        try:
            if isinstance(self.first, PrismAudioError):
                raise self.first
            return self.first.plan(request)
        except PrismAudioError as error:
            return noting(
                self.second.plan(request), f"by {self.second.name}, because {self.name} failed: {error}"
            )

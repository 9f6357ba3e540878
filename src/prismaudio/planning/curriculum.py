"""What a language model is to learn from a teacher's plans: the question a local planner asks, and the right answer.

The answer is the plan in four tagged paragraphs with all its numbers, in the generated sentences that are read back
exactly; prose would hide the numbers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from prismaudio.dimensions.plan import Plan
from prismaudio.errors import PrismAudioError
from prismaudio.planning import wire
from prismaudio.planning.annotation import Annotation
from prismaudio.planning.base import ENGLISH, PlanRequest, frames_of
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.footage import pictures
from prismaudio.planning.prompt import Form, question
from prismaudio.types import Frames

PARAGRAPHS = Form(schema=None)  # how a local planner wants its answers
OF = 16**8  # the first so many digits of a hash are a number below this


@dataclass(frozen=True)
class Lesson:
    """One clip, one question, one answer."""

    request: PlanRequest
    video: Path
    sha256: str
    plan: Plan  # the teacher's
    answer: str

    @property
    def question(self) -> str:
        return question(self.request, PARAGRAPHS)

    def pictures(self) -> Frames:
        """As the local planner is shown them; decoded now."""
        return pictures(self.request)


class NoLessons(PrismAudioError):
    """Annotations that teach nothing."""


class Curriculum(NamedTuple):
    lessons: list[Lesson]
    left_out: list[str]  # "clip: why"

    def check(self) -> None:
        """`NoLessons` if there is nothing to learn."""
        if not self.lessons:
            raise NoLessons("there is nothing to learn in the annotations; annotate more videos")


def curriculum(
    rows: Iterable[Annotation],
    annotations: Path,
    measure: Callable[[Path, float], Evidence] | None = None,
) -> Curriculum:
    """Lessons of the rows that teach one. `annotations`: their file. `measure`: to tell what it finds in the question."""
    lessons, left_out = [], []
    for row in rows:
        if why := _unfit(row, annotations):
            left_out.append(f"{row.id}: {why}")
        else:
            lessons.append(_lesson(row, row.video_of(annotations), measure))
    return Curriculum(lessons, left_out)


def _lesson(row: Annotation, video: Path, measure: Callable[[Path, float], Evidence] | None) -> Lesson:
    assert row.plan is not None
    request = PlanRequest(
        duration=row.duration,
        frames=frames_of(video, row.duration),
        video=video,
        evidence=measure(video, row.duration) if measure else None,
        hint=row.hint,
        avoid=row.avoid,
    )
    return Lesson(request, video, row.sha256 or "", row.plan, answer_of(row.plan))


def answer_of(plan: Plan) -> str:
    return plan.without_prose().render("tagged", "numeric")


def _unfit(row: Annotation, annotations: Path) -> str:
    """Why a row teaches nothing; '' if it does."""
    if row.plan is None:
        return row.error or "no plan"
    if row.language.casefold() not in (ENGLISH.casefold(), "en"):
        return f"its words are {row.language}; local planners answer in English paragraphs"
    if not row.video_of(annotations).is_file():
        return f"no video at {row.video_of(annotations)}"
    try:
        wire.read(answer_of(row.plan), row.duration)
    except wire.Unusable as error:
        return f"its own paragraphs would not be understood: {error}"
    return ""


def split(lessons: Sequence[Lesson], held_out: float) -> tuple[list[Lesson], list[Lesson]]:
    """To learn from, and about a share `held_out` to be judged by: a clip's bytes decide, so it is always the same."""
    apart = [int(lesson.sha256[:8] or "0", 16) / OF < held_out for lesson in lessons]
    return (
        [lesson for lesson, is_apart in zip(lessons, apart, strict=True) if not is_apart],
        [lesson for lesson, is_apart in zip(lessons, apart, strict=True) if is_apart],
    )

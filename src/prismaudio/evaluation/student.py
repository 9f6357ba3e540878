"""How well a local planner plans what a teacher planned: whether its answers are plans, and what they agree about."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from prismaudio.backends.pretrained.asking import Enquiry, Unanswered, VideoModel
from prismaudio.dimensions.lift import stems
from prismaudio.dimensions.plan import Plan
from prismaudio.evaluation.metrics.onsets import TOLERANCE, Matches, onset_f1
from prismaudio.evaluation.report import Saved
from prismaudio.planning import wire
from prismaudio.planning.curriculum import Lesson


class Judged(NamedTuple):
    """One clip."""

    usable: bool  # the answer is a plan, and does not contradict itself
    events: Matches  # moments
    named: Matches  # moments at which both hear the same


class StudentReport(Saved):
    """Of clips that the student did not learn from. An answer that is no plan has found nothing."""

    clips: int
    usable: float  # share of the clips
    event_f1: float  # moments within 80 ms of the teacher's
    named_f1: float  # such moments of sounds that share a word

    def table(self) -> str:
        return (
            f"{self.clips} held-out clips: {self.usable:.0%} of the answers are plans; "
            f"event F1 at {1000 * TOLERANCE:.0f} ms {self.event_f1:.3f}, with the name {self.named_f1:.3f}"
        )


def judge_student(
    student: VideoModel, lessons: Sequence[Lesson], report: Callable[[float], None] = lambda _: None
) -> StudentReport:
    """Ask it once about every clip, as the planner would, and compare with the teacher."""
    judged = []
    for number, lesson in enumerate(lessons, start=1):
        judged.append(compared(_plan(student, lesson), lesson.plan))
        report(number / len(lessons))
    return StudentReport(
        clips=len(judged),
        usable=sum(clip.usable for clip in judged) / len(judged),
        event_f1=Matches.pooled([clip.events for clip in judged]).f1,
        named_f1=Matches.pooled([clip.named for clip in judged]).f1,
    )


def _plan(student: VideoModel, lesson: Lesson) -> Plan | None:
    try:
        answer = student.ask(Enquiry(lesson.question, lesson.pictures()))
        return wire.read(answer.text, lesson.request.duration)
    except (Unanswered, wire.Unusable):
        return None


def compared(plan: Plan | None, teacher: Plan) -> Judged:
    """plan: None if there is none"""
    found = Plan(duration=teacher.duration) if plan is None else plan
    return Judged(plan is not None, onset_f1(found.onsets(), teacher.onsets()), _named(found, teacher))


def _named(plan: Plan, teacher: Plan) -> Matches:
    """Each sound of the teacher against the sound of the plan that shares a word and most moments with it."""
    left = {event.id: stems(event.sound) for event in plan.semantic.events}
    hits = 0
    for event in teacher.semantic.events:
        alike = [name for name, words in left.items() if words & stems(event.sound)]
        shared = {name: onset_f1(_moments(plan, name), _moments(teacher, event.id)).hits for name in alike}
        if shared:
            best = max(shared, key=shared.__getitem__)
            hits += shared[best]
            del left[best]
    return Matches(hits, len(plan.onsets()), len(teacher.onsets()))


def _moments(plan: Plan, event: str) -> list[float]:
    return [moment for span in plan.temporal.spans if span.event == event for moment in span.onsets()]

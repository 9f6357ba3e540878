"""A planner that asks a language model: shows it the clip, checks its answer, and says what is wrong until it is right.

No second planner hides in here: who wants one puts a `Fallback` around it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from prismaudio.backends.pretrained.asking import Answer, Enquiry, Footage, Turn, Unanswered, VideoModel
from prismaudio.dimensions.plan import Plan, Provenance
from prismaudio.planning import wire
from prismaudio.planning.agreement import agreed
from prismaudio.planning.base import PlannerFailed, PlanRequest
from prismaudio.planning.evidence import Evidence
from prismaudio.planning.footage import shown
from prismaudio.planning.prompt import Form, objection, question
from prismaudio.planning.wishes import avoiding, english

RETRIES = 2
DIGITS = 16  # of the hash of a prompt
Use = Literal["kept", "told", "unused"]


class Asked(NamedTuple):
    plan: Plan
    answers: list[Answer]  # the last one holds the plan


class NoPlan(PlannerFailed):
    """What was asked gave no plan, and yet had its price."""

    def __init__(self, message: str, answers: Sequence[Answer]) -> None:
        super().__init__(message)
        self.answers = tuple(answers)


@dataclass(frozen=True)
class AskedPlanner:
    """A `Planner` over any `VideoModel`.

    evidence: "told" to the model, or "kept" against the numbers of its answer, too, as long as there is no prose that
    tells them. footage: None for what the model prefers. prose: ask for paragraphs beside the numbers; always done for
    other languages than English. listening: hand over the file with its sound.
    """

    seer: VideoModel
    evidence: Use = "kept"
    footage: Footage | None = None
    prose: bool = False
    listening: bool = False

    @property
    def name(self) -> str:
        return self.seer.name

    @property
    def measures(self) -> bool:
        return self.evidence != "unused"

    def plan(self, request: PlanRequest) -> Plan:
        return self.ask(request).plan

    def words(self, request: PlanRequest) -> str:
        """The text that goes with the pictures."""
        request = request if self.measures else replace(request, evidence=None)
        return question(request, self._form(request))

    def ask(self, request: PlanRequest) -> Asked:
        """The plan and every answer on the way to it, for those who count what it cost."""
        form, text = self._form(request), self.words(request)
        footage = shown(request, self.footage or self.seer.prefers, listening=self.listening)
        enquiry = Enquiry(text, footage, form.schema if form.enforced else None, request.seed)
        plan, answers, problem = self._answered(enquiry, request.duration)
        notes = [*plan.provenance.notes, *effort(answers, problem)]
        if self.evidence == "kept" and request.evidence is not None and not form.prose:
            plan, kept = self._with_numbers(plan, request.evidence)
            notes += [f"moments and places as measured: {', '.join(kept)}"] if kept else []
        signed = Provenance(
            planner=self.name,
            versions={
                "model": answers[-1].model,
                "prompt": hashlib.sha256(text.encode()).hexdigest()[:DIGITS],
            },
            notes=tuple(notes),
        )
        return Asked(avoiding(plan.model_copy(update={"provenance": signed}), request.avoid), answers)

    def _form(self, request: PlanRequest) -> Form:
        """Our own paragraphs for those who cannot be held to a schema: they are shorter, and have no braces to lose."""
        prose = self.prose or not english(request)
        enforced = self.seer.held_to_schema
        schema = wire.schema(prose=prose) if enforced or prose else None
        return Form(schema, enforced, prose, self.listening)

    def _with_numbers(self, plan: Plan, evidence: Evidence) -> tuple[Plan, list[str]]:
        """The plan with what was measured, unless its words say otherwise; and the sounds that it was measured of."""
        measured, sounds = agreed(plan, evidence)
        return (plan, []) if wire.contradictions(measured) else (measured, sounds)

    def _answered(self, enquiry: Enquiry, duration: float) -> tuple[Plan, list[Answer], str]:
        """The first usable plan, all answers up to it, and what was wrong with the last unusable one."""
        answers: list[Answer] = []
        problem = ""
        for _ in range(1 + RETRIES):
            try:
                answers.append(self.seer.ask(enquiry))
            except Unanswered as error:
                raise NoPlan(str(error), answers) from error
            try:
                return wire.read(answers[-1].text, duration), answers, problem
            except wire.Unusable as error:
                problem = str(error)
            turn = Turn(answers[-1].text, objection(problem))
            enquiry = Enquiry(
                enquiry.text, enquiry.footage, enquiry.schema, enquiry.seed, (*enquiry.turns, turn)
            )
        raise NoPlan(
            f"{answers[-1].model} gave no usable plan in {len(answers)} answers ({problem}); try another model",
            answers,
        )


def effort(answers: Sequence[Answer], problem: str) -> list[str]:
    """Notes on what it took. `problem`: with the answer before the last; '' if there was none."""
    read, written = sum(answer.read for answer in answers), sum(answer.written for answer in answers)
    notes = [f"{read} tokens read and {written} written"]
    if problem:
        notes.insert(0, f"{len(answers)} answers, the last of them usable; the one before: {problem}")
    return notes

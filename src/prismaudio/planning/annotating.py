"""A teacher goes over many clips: in parallel, past failures, and never twice over the same question.

Answers are written down by whoever got them, so whatever ends the run, an answer that came is kept.
"""

import logging
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

from prismaudio.dimensions.plan import Plan
from prismaudio.dimensions.provenance import sha256_of
from prismaudio.errors import PrismAudioError
from prismaudio.planning.annotation import Annotation, Key, Ledger
from prismaudio.planning.asked import NoPlan
from prismaudio.planning.base import PlanRequest
from prismaudio.planning.footage import MIMES
from prismaudio.planning.teacher import Teacher

VIDEOS = (*MIMES, ".3gp", ".flv", ".m2ts", ".mts", ".ogv", ".ts", ".wmv")
HOPELESS = 20  # clips in a row about which nothing could be asked, for the same reason, until no more are

log = logging.getLogger(__name__)


class NoVideos(PrismAudioError):
    """Nothing to annotate."""


class Unfinished(PrismAudioError):
    """Some clips have no plan yet."""


class _Enough(PrismAudioError):
    """No more questions are to be asked."""


@dataclass
class Tally:
    """How a run went so far."""

    done: int = 0
    skipped: int = 0
    read: int = 0  # tokens
    written: int = 0
    cost: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)  # of failures

    @property
    def failed(self) -> int:
        return self.reasons.total()

    @property
    def seen(self) -> int:
        return self.done + self.skipped + self.failed

    def told(self) -> str:
        """A few lines for whoever ran it."""
        counts = f"{self.done} done, {self.skipped} skipped, {self.failed} failed"
        price = f", cost {self.cost:.4f}" if self.cost else ""
        tokens = f"{self.read} tokens read and {self.written} written{price}"
        return "\n".join([counts, tokens, *(f"{n} x {why}" for why, n in self.reasons.most_common())])

    def check(self) -> None:
        """`Unfinished` if anything failed."""
        if self.failed:
            raise Unfinished(
                f"{self.failed} of {self.seen} clips failed; run the same command to try them again"
            )

    def take(self, row: Annotation | None) -> None:
        """None: there was nothing left to ask."""
        if row is None:
            self.skipped += 1
            return
        self.read, self.written = self.read + row.read, self.written + row.written
        self.cost += row.cost or 0.0
        if row.error is None:
            self.done += 1
        else:
            self.reasons[reason(row)] += 1


def reason(row: Annotation) -> str:
    """What went wrong, in words that are the same for every clip."""
    return re.sub(rf"\S*{re.escape(Path(row.video).name)}", "VIDEO", row.error or "")


class Pace(NamedTuple):
    """How fast to go: clips at a time, and at most begun per minute."""

    workers: int = 4
    per_minute: float | None = None


class Scope(NamedTuple):
    """How far to go: at most so many questions, and again about those that failed before or not."""

    limit: int | None = None
    again: bool = True


EASY, EVERYTHING = Pace(), Scope()


def videos_in(places: Sequence[Path]) -> list[Path]:
    """The videos, and those in the folders however deep, each once and in order; hidden ones are left out."""
    found: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            inside = sorted(path for path in place.rglob("*") if path.suffix.lower() in VIDEOS)
            found |= dict.fromkeys(path for path in inside if not path.name.startswith("."))
        elif place.is_file():
            found[place] = None
        else:
            raise NoVideos(f"no video and no folder at {place}; check the path")
    if not found:
        raise NoVideos(f"no videos in {', '.join(map(str, places))}; give another folder")
    return list(found)


def annotate(
    videos: Sequence[Path],
    teacher: Teacher,
    ledger: Ledger,
    pace: Pace = EASY,
    scope: Scope = EVERYTHING,
    report: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Ask `teacher` about every video that the ledger has no answer for.

    An interruption waits for the answers that are on their way; a second one does not.
    """
    run = _Run(videos, teacher, ledger, pace, scope)
    threads = [Thread(target=run.work, daemon=True) for _ in range(max(1, min(pace.workers, len(videos))))]
    for thread in threads:
        thread.start()
    try:
        for tally in run.outcomes(threads):
            report(tally)
    except BaseException:
        run.stopped.set()
        if any(thread.is_alive() for thread in threads):
            log.warning("waiting for the answers that are on their way; interrupt again to give them up")
        for thread in threads:
            thread.join()
        raise
    ledger.tidy()
    return run.tally


class _Run:
    """What the workers share."""

    def __init__(
        self, videos: Sequence[Path], teacher: Teacher, ledger: Ledger, pace: Pace, scope: Scope
    ) -> None:
        self.teacher, self.ledger, self.scope = teacher, ledger, scope
        self.folder = ledger.path.resolve().parent
        self.pause = 60.0 / pace.per_minute if pace.per_minute else 0.0
        self.tally = Tally()
        self.stopped = Event()
        self._waiting: Queue[Path] = Queue()
        for video in videos:
            self._waiting.put(video)
        self._outcomes: Queue[Annotation | Exception | None] = Queue()
        self._lock = Lock()
        self._claimed: set[Key] = set()
        self._next = time.monotonic()
        self._unasked = ("", 0)  # why the last question could not be asked, and how often in a row

    def work(self) -> None:
        """Until there is nothing left to do."""
        while not self.stopped.is_set():
            try:
                self._outcomes.put(self._annotated(self._waiting.get_nowait()))
            except (Empty, _Enough):
                return
            except Exception as error:  # whoever called `annotate` is told
                self.stopped.set()
                self._outcomes.put(error)

    def outcomes(self, threads: Sequence[Thread]) -> Iterator[Tally]:
        """The tally after each clip."""
        while any(thread.is_alive() for thread in threads) or not self._outcomes.empty():
            try:
                outcome = self._outcomes.get(timeout=0.1)
            except Empty:
                continue
            if isinstance(outcome, Exception):
                raise outcome
            self.tally.take(outcome)
            yield self.tally

    def _annotated(self, video: Path) -> Annotation | None:
        """A new line of the ledger; None if none is due."""
        row = Annotation(
            id=video.stem,
            video=Path(os.path.relpath(video.resolve(), self.folder)).as_posix(),
            teacher=self.teacher.name,
            hint=self.teacher.hint,
            avoid=self.teacher.avoid,
            language=self.teacher.language,
        )
        problem: PrismAudioError | None = None
        try:
            row = row.model_copy(update={"sha256": sha256_of(video)})
            request = self.teacher.request(video)
            asked = {"duration": request.duration, "prompt": self.teacher.prompt(request)}
            row = row.model_copy(update=asked)
        except PrismAudioError as error:
            problem = error
        if not self._claim(row.key):
            return None
        row = row.model_copy(update={"error": str(problem)} if problem else self._asked(request, row))
        self.ledger.add(row)
        return row

    def _claim(self, key: Key) -> bool:
        """Whether the question is to be asked, by the one who claims it."""
        with self._lock:
            due = key not in self._claimed and not self.ledger.answered(key)
            if not due or (self.ledger.failed(key) and not self.scope.again):
                return False
            if self.scope.limit is not None and len(self._claimed) >= self.scope.limit:
                raise _Enough
            self._claimed.add(key)
            return True

    def _asked(self, request: PlanRequest, row: Annotation) -> dict[str, Any]:
        """What an answer, or the lack of one, adds to a line."""
        self._keep_pace()
        began = time.monotonic()
        plan: Plan | None = None
        error: str | None = None
        try:
            plan, answers = self.teacher.answer(request)
        except PrismAudioError as problem:
            answers, error = problem.answers if isinstance(problem, NoPlan) else (), str(problem)
        self._watch_out("" if plan or answers else error or "")
        found = {
            "read": sum(answer.read for answer in answers),
            "written": sum(answer.written for answer in answers),
            "seconds": round(time.monotonic() - began, 3),
            "cost": self.teacher.prices.of(answers) if self.teacher.prices else None,
            "error": error,
        }
        if plan is None:
            return found
        signed = plan.provenance.model_copy(update={"video_sha256": row.sha256})
        plan = plan.model_copy(update={"provenance": signed})
        return found | {"plan": plan, "thoughts": plan.paragraphs("numeric")}

    def _keep_pace(self) -> None:
        """Wait for one's turn."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self.pause
        self.stopped.wait(max(0.0, turn - time.monotonic()))
        if self.stopped.is_set():
            raise _Enough

    def _watch_out(self, why: str) -> None:
        """Give up when nothing can be asked any more. why: '' if something could."""
        with self._lock:
            before, times = self._unasked
            self._unasked = (why, times + 1 if why == before else 1)
            if why and self._unasked[1] >= HOPELESS and not self.stopped.is_set():
                self.stopped.set()
                log.warning("gave up after %d failures in a row", HOPELESS)

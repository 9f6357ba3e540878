"""From a name to a planner: which kind, and after a colon, which model, file or sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import Field, PositiveFloat, model_validator

from prismaudio.backends.pretrained.asking import Footage, VideoModel
from prismaudio.backends.pretrained.gemini import MODEL, Gemini
from prismaudio.backends.pretrained.openai_server import OpenAIServer
from prismaudio.backends.pretrained.patience import Patience
from prismaudio.backends.pretrained.video_llm import HUB_ID, VideoLLM
from prismaudio.backends.pretrained.videollama2 import VideoLLaMA2
from prismaudio.backends.pretrained.videollama2_weights import is_videollama2
from prismaudio.config import Config
from prismaudio.errors import PrismAudioError, UnknownChoice
from prismaudio.planning.asked import AskedPlanner, Use
from prismaudio.planning.base import Planner, PlannerFailed
from prismaudio.planning.caption import CaptionPlanner
from prismaudio.planning.fallback import Fallback
from prismaudio.planning.student_planner import DEFAULT, embedded
from prismaudio.planning.written import FilePlanner

PLANNERS = ("embedded", "file", "caption", "local", "openai", "gemini")
NEEDED = {  # after the colon
    "file": "a plan file: file:clip.plan.yaml",
    "caption": "a sentence: caption:a dog barks twice",
    "openai": "a model, and the address of its server if it is not OpenAI's own: openai:MODEL@http://localhost:8000/v1",
}


class PlannerOptions(Config):
    """How a planner that asks a language model goes about it."""

    fallback: str | None = Field(None, description="planner that takes over when this one fails")
    evidence: Use = Field("kept", description="what becomes of what was measured in the picture")
    footage: Footage | None = Field(None, description="what the model is sent; None: what it prefers")
    listen: bool = Field(False, description="send the file with its sound")
    prose: bool = Field(False, description="ask for paragraphs beside the numbers")
    adapter: str | None = Field(None, description="LoRA folder for a local model")
    device: str = Field("auto", description="of a local model")
    timeout: PositiveFloat = Field(120.0, description="seconds to wait for one answer of a server")

    @model_validator(mode="after")
    def _sound_travels_in_videos(self) -> Self:
        if self.listen and self.footage == "frames":
            raise ValueError("frames have no sound; send the video, or do not listen")
        return self


PLAINLY = PlannerOptions()


def choose_planner(name: str, options: PlannerOptions = PLAINLY) -> Planner:
    """name: "embedded[:KIND]", "file:PATH", "caption:TEXT", "local[:FOLDER or HUB ID]", "openai:MODEL[@URL]",
    "gemini[:MODEL][@URL]".
    """
    kind, _, what = (part.strip() for part in name.partition(":"))
    if kind not in PLANNERS:
        raise UnknownChoice("planner", kind, PLANNERS)
    if kind in NEEDED and not what:
        raise PlannerFailed(f"the planner {kind!r} needs {NEEDED[kind]}")
    if options.fallback is None:
        return _make(kind, what, options)
    second = choose_planner(options.fallback, options.model_copy(update={"fallback": None}))
    try:
        first: Planner | PrismAudioError = _make(kind, what, options)
    except PrismAudioError as error:
        first = error
    return Fallback(kind, first, second)


def _make(kind: str, what: str, options: PlannerOptions) -> Planner:
    makers: dict[str, Callable[[], Planner]] = {
        "embedded": lambda: embedded(what or DEFAULT),
        "file": lambda: FilePlanner(Path(what)),
        "caption": lambda: CaptionPlanner(what),
    }
    if kind in makers:
        return makers[kind]()
    seer = _seer(kind, what, options)
    if options.listen and not seer.hears:
        raise PlannerFailed(f"the planner {kind!r} hears nothing; take gemini, or do not listen")
    if kind == "local" and options.footage == "video":
        raise PlannerFailed("the planner 'local' plays no files; send frames")
    return AskedPlanner(seer, options.evidence, options.footage, options.prose, options.listen)


def _seer(kind: str, what: str, options: PlannerOptions) -> VideoModel:
    if kind == "local":
        local = VideoLLaMA2 if what and is_videollama2(what) else VideoLLM
        return local.from_pretrained(what or HUB_ID, options.adapter, options.device)
    model, url = addressed(what)
    patience = Patience(options.timeout)
    if kind == "gemini":
        return Gemini(model or MODEL, url, patience)
    return OpenAIServer(model, url, patience)


def addressed(what: str) -> tuple[str, str | None]:
    """'qwen@http://localhost:8000/v1' -> model and address; a model's name may hold an @ of its own."""
    model, at, rest = what.rpartition("@http")
    return (model.strip(), f"http{rest}".strip()) if at else (what, None)

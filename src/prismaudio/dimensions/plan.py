"""The plan: four thoughts about the sound of one clip, as data that can be read, edited, rendered and checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, PositiveFloat, ValidationError, model_validator

from prismaudio.dimensions import aesthetic, semantic, spatial, temporal
from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.provenance import Provenance as Provenance
from prismaudio.dimensions.provenance import sha256_of
from prismaudio.dimensions.semantic import SemanticThought
from prismaudio.dimensions.spatial import SpatialThought
from prismaudio.dimensions.temporal import TemporalThought
from prismaudio.dimensions.thought import Part
from prismaudio.dimensions.wording import told_names
from prismaudio.errors import PrismAudioError

DIMENSIONS = ("semantic", "temporal", "aesthetic", "spatial")
Style = Literal["tagged", "plain"]
Timing = Literal["ordinal", "numeric"]
Format = Literal["yaml", "json"]
LONGEST_SHOWN = 60  # characters of a wrong value


class InvalidPlan(PrismAudioError):
    """A plan file that cannot be read or contradicts itself."""


class Plan(Part):
    """The four thoughts of one clip."""

    version: Literal[1] = 1
    duration: PositiveFloat = Field(description="seconds")
    semantic: SemanticThought = SemanticThought()
    temporal: TemporalThought = TemporalThought()
    aesthetic: AestheticThought = AestheticThought()
    spatial: SpatialThought = SpatialThought()
    provenance: Provenance = Provenance()

    @model_validator(mode="after")
    def _references_exist(self) -> Self:
        ids = [event.id for event in self.semantic.events]
        if len(set(ids)) != len(ids):
            raise ValueError(f"semantic.events: ids {ids} are not all different")
        for owner, names in (
            ("temporal.spans", [span.event for span in self.temporal.spans]),
            ("spatial.places", [place.event for place in self.spatial.places]),
        ):
            unknown = sorted(set(names) - set(ids))
            if unknown:
                raise ValueError(f"{owner} names unknown events {unknown}; known: {ids}")
        return self

    def sounds(self) -> dict[str, str]:
        """Event id -> words."""
        return {event.id: event.sound for event in self.semantic.events}

    def names(self) -> dict[str, str]:
        """Event id -> words as the paragraphs write them: no two alike, and quoted where they need be."""
        return told_names(self.sounds())

    def paragraphs(self, timing: Timing = "ordinal") -> dict[str, str]:
        """The four thoughts as prose, in the published order (spec/planner.md 1.2); '' where nothing is said.

        `numeric` tells every number that has a place in prose: seconds, azimuth over time, distance, quality.
        """
        names, numeric = self.names(), timing == "numeric"
        return {
            "semantic": semantic.render(self.semantic),
            "temporal": temporal.render(self.temporal, names, self.duration, numeric=numeric),
            "aesthetic": aesthetic.render(self.aesthetic, numeric=numeric),
            "spatial": spatial.render(self.spatial, names, numeric=numeric),
        }

    def render(self, style: Style = "tagged", timing: Timing = "ordinal") -> str:
        """The paragraphs as one text, one per line; `tagged` prefixes each with <Semantic> and so on."""
        return arranged(self.paragraphs(timing), style)

    def without_prose(self) -> Self:
        """The plan in generated sentences, which follow its numbers."""
        bare = {name: getattr(self, name).model_copy(update={"prose": None}) for name in DIMENSIONS}
        return self.model_copy(update=bare)

    def onsets(self) -> list[float]:
        """Every instant at which an event starts to sound, rising, in seconds."""
        return sorted(onset for span in self.temporal.spans for onset in span.onsets())

    def on_screen(self) -> Self:
        """The plan without the events that are only heard."""
        seen = tuple(event for event in self.semantic.events if event.on_screen)
        ids = {event.id for event in seen}
        spans = tuple(span for span in self.temporal.spans if span.event in ids)
        places = tuple(place for place in self.spatial.places if place.event in ids)
        return self.model_copy(
            update={
                "semantic": self.semantic.model_copy(update={"events": seen}),
                "temporal": self.temporal.model_copy(update={"spans": spans}),
                "spatial": self.spatial.model_copy(update={"places": places}),
            }
        )

    def about(
        self, video: Path, *, planner: str | None = None, versions: Mapping[str, str] | None = None
    ) -> Self:
        """The plan, signed as one of `video`."""
        signed = {
            "video_sha256": sha256_of(video),
            "planner": planner or self.provenance.planner,
            "versions": {**self.provenance.versions, **(versions or {})},
        }
        return self.model_copy(update={"provenance": self.provenance.model_copy(update=signed)})

    def mismatch(self, video: Path) -> str | None:
        """A note, if the plan was written for another file than `video`."""
        return self.provenance.mismatch(video)

    def to_text(self, kind: Format = "yaml") -> str:
        """The plan as a file holds it; fields that say nothing are left out."""
        values = self.model_dump(mode="json", exclude_none=True)
        if kind == "json":
            return json.dumps(values, indent=1, ensure_ascii=False) + "\n"
        return str(yaml.dump(values, Dumper=PlanDumper, sort_keys=False, allow_unicode=True, width=110))

    def save(self, path: Path | str) -> None:
        """Write YAML, or JSON if the name ends so."""
        path = Path(path)
        beside = path.with_name(path.name + ".partial")
        try:
            beside.write_text(self.to_text("json" if path.suffix == ".json" else "yaml"), encoding="utf-8")
            beside.replace(path)
        except OSError as error:
            raise InvalidPlan(
                f"cannot write the plan {path}: {error.strerror}; choose another place"
            ) from error

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read YAML or JSON; the error names the field and the value."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            values: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except OSError as error:
            raise InvalidPlan(f"cannot read the plan {path}: {error.strerror}; check the path") from error
        except (yaml.YAMLError, ValueError) as error:
            raise InvalidPlan(f"{path} is neither YAML nor JSON: {str(error).splitlines()[0]}") from error
        if not isinstance(values, dict):
            raise InvalidPlan(
                f"{path} holds a {type(values).__name__}, not a plan; see `prismaudio plan --help`"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InvalidPlan(f"{path}: {problems(error)[0]}{_others(error)}") from error


def arranged(paragraphs: Mapping[str, str], style: Style) -> str:
    """Paragraphs by dimension as one text; those in which nothing is said are left out."""
    said = {name: text for name, text in paragraphs.items() if text}
    if style == "plain":
        return " ".join(said.values())
    return "\n".join(f"<{name.capitalize()}> {text}" for name, text in said.items())


def problems(error: ValidationError) -> list[str]:
    """'temporal.spans.0.onset: Input should be ... (got -1)', for each thing that is wrong."""
    told = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"]) or "plan"
        message = problem["msg"].removeprefix("Value error, ")
        told.append(f"{field}: {message}{_got(problem['type'], problem['input'])}")
    return told


def _got(kind: str, value: object) -> str:
    """The wrong value, where the message does not hold it and it says more than its surroundings."""
    if kind == "missing" or (kind == "value_error" and not isinstance(value, str)):
        return ""
    shown = repr(value)
    return f" (got {shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + '...'})"


def _others(error: ValidationError) -> str:
    more = error.error_count() - 1
    return f"; and {more} more" if more else ""


class PlanDumper(yaml.SafeDumper):  # type: ignore[misc]  # yaml has no types
    """Numbers of one list stay on one line, so that a person can edit them."""


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    numbers = all(isinstance(value, int | float) for value in values)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=numbers)


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """What cannot be seen is escaped: YAML takes some of it for ends of lines."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


PlanDumper.add_representer(list, _represent_list)
PlanDumper.add_representer(str, _represent_str)

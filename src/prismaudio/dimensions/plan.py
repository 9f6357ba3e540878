"""The plan: four thoughts about the sound of one clip, as data that can be read, edited, rendered and checked."""

import json
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, PositiveFloat, ValidationError, model_validator

from prismaudio.config import Config
from prismaudio.dimensions import aesthetic, semantic, spatial, temporal
from prismaudio.dimensions.aesthetic import AestheticThought
from prismaudio.dimensions.semantic import SemanticThought
from prismaudio.dimensions.spatial import SpatialThought
from prismaudio.dimensions.temporal import TemporalThought
from prismaudio.errors import PrismAudioError

DIMENSIONS = ("semantic", "temporal", "aesthetic", "spatial")


class InvalidPlan(PrismAudioError):
    """A plan file that cannot be read or contradicts itself."""


class Provenance(Config):
    """Who wrote the plan, and about which file."""

    planner: str = "unknown"
    video_sha256: str | None = None
    notes: tuple[str, ...] = ()


class Plan(Config):
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
            raise ValueError(f"event ids {ids} are not all different")
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

    def paragraphs(self, timing: Literal["ordinal", "numeric"] = "ordinal") -> dict[str, str]:
        """The four thoughts as prose, in the published order (spec/planner.md 1.2)."""
        sounds = self.sounds()
        return {
            "semantic": semantic.render(self.semantic),
            "temporal": temporal.render(self.temporal, sounds, self.duration, numeric=timing == "numeric"),
            "aesthetic": aesthetic.render(self.aesthetic),
            "spatial": spatial.render(self.spatial, sounds),
        }

    def render(
        self, style: Literal["tagged", "plain"] = "tagged", timing: Literal["ordinal", "numeric"] = "ordinal"
    ) -> str:
        """The four paragraphs as one text, one per line; `tagged` prefixes each with <Semantic> and so on."""
        paragraphs = self.paragraphs(timing)
        if style == "plain":
            return " ".join(paragraphs.values())
        return "\n".join(f"<{name.capitalize()}> {text}" for name, text in paragraphs.items())

    def onsets(self) -> list[float]:
        """Every instant at which an event starts to sound, rising, in seconds."""
        return sorted(onset for span in self.temporal.spans for onset in span.onsets())

    def save(self, path: Path) -> None:
        """Write YAML, or JSON if the name ends so."""
        values = self.model_dump(mode="json", exclude_none=True)
        text = (
            json.dumps(values, indent=1)
            if path.suffix == ".json"
            else yaml.safe_dump(values, sort_keys=False)
        )
        beside = path.with_name(path.name + ".partial")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(path)
        except OSError as error:
            raise InvalidPlan(
                f"cannot write the plan {path}: {error.strerror}; choose another place"
            ) from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read YAML or JSON; the error names the field."""
        try:
            values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidPlan(f"cannot read the plan {path}: {error.strerror}; check the path") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise InvalidPlan(f"{path} is neither YAML nor JSON: {str(error).splitlines()[0]}") from error
        if not isinstance(values, dict):
            raise InvalidPlan(
                f"{path} holds a {type(values).__name__}, not a plan; see `prismaudio plan --help`"
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "plan"
            raise InvalidPlan(f"{path}: {field}: {first['msg']}") from error

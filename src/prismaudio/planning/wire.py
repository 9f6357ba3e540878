"""The plan as it travels to and from a language model: what it can decide, in a schema that servers can hold it to.

Strict servers want every field required and nothing that bounds a value, so bounds are told in words and checked here.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from prismaudio.dimensions.lint import lint
from prismaudio.dimensions.parse import parse
from prismaudio.dimensions.plan import DIMENSIONS, InvalidPlan, Plan, problems
from prismaudio.dimensions.spatial import Key
from prismaudio.dimensions.thought import TAG
from prismaudio.errors import PrismAudioError

OURS = ("version", "duration", "provenance")  # fields of a plan that no model decides
KEPT = ("type", "enum", "description")  # of what a schema may say about a value, what all servers understand
LABEL = "label"  # names a class of the embedded vocabulary
PROSE = "prose"
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)  # what a reasoning model says to itself
MOST_TOLD = 5  # problems of one answer


class Unusable(PrismAudioError):
    """An answer that is no plan, or a plan that contradicts itself."""


def schema(*, prose: bool) -> dict[str, Any]:
    """JSON schema of the four thoughts; `prose`: with a paragraph of words for each."""
    whole = Plan.model_json_schema()
    left_out = (*OURS, LABEL) if prose else (*OURS, LABEL, PROSE)
    return _strict(whole, whole["$defs"], left_out)


def _strict(part: Mapping[str, Any], parts: Mapping[str, Any], left_out: tuple[str, ...]) -> dict[str, Any]:
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return _key() if name == Key.__name__ else _strict(parts[name] | _said(part), parts, left_out)
    if "anyOf" in part:  # a value or none: models say it in words
        return _strict(part["anyOf"][0] | _said(part), parts, left_out)
    plain = {word: part[word] for word in KEPT if word in part}
    if "items" in part:
        plain["items"] = _strict(part["items"], parts, left_out)
    if "properties" in part:
        fields = {name: value for name, value in part["properties"].items() if name not in left_out}
        plain["properties"] = {name: _strict(value, parts, left_out) for name, value in fields.items()}
        plain |= {"required": [*fields], "additionalProperties": False}
    return plain


def _said(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": part["description"]} if "description" in part else {}


def _key() -> dict[str, Any]:
    """A pair, as an object with names: not all servers know pairs."""
    fields = {"time": "seconds", "azimuth": "-1 left edge, 0 middle, 1 right edge"}
    return {
        "type": "object",
        "properties": {name: {"type": "number", "description": said} for name, said in fields.items()},
        "required": [*Key._fields],
        "additionalProperties": False,
    }


def read(answer: str, duration: float) -> Plan:
    """The plan of an answer in JSON, or in our own four paragraphs; `Unusable` says all that is wrong with it."""
    answer = _THOUGHT.sub("", answer)
    plan = _of_json(answer, duration) if "{" in answer else _of_paragraphs(answer, duration)
    if wrong := contradictions(plan):
        raise Unusable(_told(wrong))
    return plan


def contradictions(plan: Plan) -> list[str]:
    """What will not be heard as it is written."""
    found = (finding for finding in lint(plan) if finding.severity == "error")
    return [f"{finding.field}: {finding.message}; {finding.advice}" for finding in found]


def _of_json(answer: str, duration: float) -> Plan:
    body = answer[answer.index("{") : answer.rindex("}") + 1] if "}" in answer else answer
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"not valid JSON: {error}") from error
    unknown = sorted(set(values) - set(DIMENSIONS))
    if unknown:
        raise Unusable(f"unknown fields {', '.join(unknown)}; give {', '.join(DIMENSIONS)} and nothing else")
    missing = [name for name in DIMENSIONS if name not in values]
    if missing:
        raise Unusable(f"{', '.join(missing)}: missing; all four are needed")
    try:
        return Plan.model_validate(values | {"duration": duration})
    except ValidationError as error:
        raise Unusable(_told(problems(error))) from error


def _of_paragraphs(answer: str, duration: float) -> Plan:
    found = {name.lower() for tag in TAG.finditer(answer) for name in tag.groups() if name}
    missing = [f"<{name.capitalize()}>" for name in DIMENSIONS if name not in found]
    if missing:
        raise Unusable(f"no paragraph {', '.join(missing)}; give all four, each behind its tag")
    try:
        plan = parse(answer, duration)
    except (InvalidPlan, ValidationError) as error:
        raise Unusable(" ".join(str(error).split())) from error
    if not plan.semantic.events and not re.search(r"\bsilence\b", answer, re.IGNORECASE):
        raise Unusable(
            "<Semantic> names no sound; begin it with 'Generate the sound of', or with 'Generate silence'"
        )
    return plan


def _told(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
    return "; ".join(wrong[:MOST_TOLD]) + more

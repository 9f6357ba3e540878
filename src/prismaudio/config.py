"""The one way settings are written down: frozen, checked, and refused when misspelt."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from prismaudio.errors import PrismAudioError


class BadConfig(PrismAudioError):
    """A setting that is unknown, of the wrong type or out of range."""


class Config(BaseModel):
    """Base of every configuration: immutable, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def resolve(
        cls, preset: Path | None = None, overrides: Sequence[str] = (), option: str = "--set"
    ) -> Self:
        """Defaults, then a TOML preset, then `a.b=c` overrides, which came with `option`."""
        values: dict[str, Any] = {}
        if preset is not None:
            values = _read_toml(preset)
        for override in overrides:
            _apply(values, override, option)
        return cls.parse(values, source=preset.name if preset else option)

    @classmethod
    def parse(cls, values: dict[str, Any], source: str) -> Self:
        """Validate plain values; the error names the source and the field."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise BadConfig(f"{source}: {field}: {first['msg']} (got {first['input']!r})") from error

    def to_toml(self) -> str:
        """Resolved values as TOML, written beside checkpoints and reports."""
        return "".join(_toml_lines(self.model_dump(mode="json")))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadConfig(f"no preset at {path}; give the path of a .toml file") from error
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{path}: not valid TOML: {error}") from error


def _apply(values: dict[str, Any], override: str, option: str) -> None:
    name, equals, text = override.partition("=")
    if not equals:
        raise BadConfig(f"{option} {override!r} has no '='; write {option} name=value")
    *parents, leaf = name.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[leaf] = yaml.safe_load(text)


def _toml_lines(values: dict[str, Any], prefix: str = "") -> list[str]:
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines = [
        f"{key} = {_toml_value(value)}\n"
        for key, value in values.items()
        if key not in tables and value is not None
    ]
    for key, value in tables.items():
        lines += [f"\n[{prefix}{key}]\n", *_toml_lines(value, f"{prefix}{key}.")]
    return lines


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)

"""Nothing is loaded before it is needed, every command explains itself, every error on purpose has one base."""

import importlib
import json
import pkgutil
import resource
import subprocess
import sys

import pytest

import prismaudio

HEAVY = {"torch", "numpy", "scipy", "av", "cv2", "matplotlib", "pydantic", "soundfile"}
COMMANDS = (
    "generate",
    "plan",
    "score",
    "stage",
    "annotate",
    "train",
    "evaluate",
    "benchmark",
    "listen",
    "demo",
)


def loaded_after(statement: str) -> set[str]:
    """Names of the modules a fresh interpreter has loaded after `statement`."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["prismaudio", "prismaudio.cli.main"])
def test_the_package_and_its_command_line_load_nothing_heavy(module: str):
    assert not HEAVY & loaded_after(f"import {module}")


def test_the_python_api_needs_neither_the_command_line_nor_the_trainer():
    loaded = loaded_after("from prismaudio import VideoToAudio")
    assert not {"typer", "accelerate", "tensorboard", "matplotlib.pyplot", "prismaudio.training"} & loaded


def test_help_is_instant():
    """Processor time, as the machine may be busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = "import sys; sys.argv = ['prismaudio', '--help']; from prismaudio.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(command: str):
    from typer.testing import CliRunner

    from prismaudio.cli.main import app

    text = CliRunner().invoke(app, [command, "--help"]).output
    assert f"prismaudio {command} " in text
    assert "Example" in text
    assert "Exit codes" in text


def test_every_error_raised_on_purpose_has_one_base():
    for module in pkgutil.walk_packages(prismaudio.__path__, "prismaudio."):
        for thing in vars(importlib.import_module(module.name)).values():
            own = isinstance(thing, type) and thing.__module__ == module.name
            if own and issubclass(thing, Exception):
                assert issubclass(thing, prismaudio.PrismAudioError), f"{module.name}.{thing.__name__}"


def test_asking_for_a_name_that_is_not_public_fails_as_usual():
    with pytest.raises(AttributeError, match="nonsense"):
        prismaudio.nonsense  # noqa: B018

"""The shape holds: public names, four dimensions in order, files of one idea, nothing heavy where it need not be."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import prismaudio
from prismaudio.dimensions.plan import DIMENSIONS, Plan

ROOT = Path(prismaudio.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def test_the_public_names_are_these_and_exist() -> None:
    for name in prismaudio.__all__:
        assert getattr(prismaudio, name) is not None
    assert {"VideoToAudio", "Plan", "Audio", "PrismAudioError"} <= set(prismaudio.__all__)
    assert len(prismaudio.__all__) <= 12


def test_every_module_can_be_imported() -> None:
    for module in pkgutil.walk_packages([str(ROOT)], "prismaudio."):
        importlib.import_module(module.name)


def test_the_four_dimensions_have_one_order_everywhere() -> None:
    assert DIMENSIONS == ("semantic", "temporal", "aesthetic", "spatial")
    assert tuple(name for name in Plan.model_fields if name in DIMENSIONS) == DIMENSIONS
    assert tuple(Plan(duration=1).paragraphs()) == DIMENSIONS
    for name in DIMENSIONS:
        module = importlib.import_module(f"prismaudio.dimensions.{name}")
        assert module.QUESTION.endswith("?")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea_and_says_which(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "the first line says why the file exists"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_that_clash_with_torch_builds_are_not_imported(path: Path) -> None:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    assert not names & {"torchvision", "torchaudio"}


def test_help_needs_nothing_heavy() -> None:
    code = "import sys, prismaudio, prismaudio.cli.main; sys.exit(bool({'torch', 'cv2', 'av'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_vocabulary_of_the_model_is_that_of_the_corpus() -> None:
    corpus = ROOT.parents[1] / "corpus" / "classes.csv"
    assert (ROOT / "assets" / "classes.csv").read_bytes() == corpus.read_bytes()


def test_the_weights_of_the_package_stay_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "assets").glob("*.safetensors")) <= 24 * 2**20

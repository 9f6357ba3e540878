"""The command line, and a stage scene to be sounded, made once."""

import shutil
from pathlib import Path

import pytest
from command import Command, command

from prismaudio.stage.corpus import Corpus
from prismaudio.stage.film import write_scene
from prismaudio.stage.scene import StageConfig, draw_scene

SECONDS = 2.0


@pytest.fixture
def prismaudio(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return command(capsys, monkeypatch)


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s of film in which something is seen to strike three times, with sound, and its plan beside it."""
    corpus, config = Corpus.load(), StageConfig(shortest=SECONDS, longest=SECONDS)
    stem = tmp_path_factory.mktemp("scene") / "scene"
    return write_scene(stem, draw_scene(0, 3, "test", corpus, config), corpus, (160, 112))[0]


@pytest.fixture
def clip(scene: Path, tmp_path: Path) -> Path:
    """A copy that may be written beside."""
    return Path(shutil.copyfile(scene, tmp_path / "clip.mp4"))

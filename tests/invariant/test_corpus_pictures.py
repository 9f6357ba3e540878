"""Pictures for learning names: every one has an origin, none of them is a held-out sprite, and no scene changed."""

import csv
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from prismaudio.backends.embedded.vision import ImageNetwork
from prismaudio.stage.corpus import Corpus, default_folder, read_sprite
from prismaudio.stage.scene import draw_scene
from prismaudio.types import Frames

FREE = {"CC-BY-4.0", "CC-BY-3.0", "CC-BY-SA-4.0", "MIT", "Apache-2.0", "CC-PD (public domain)"}
SAME_HASH = 4  # of 64 bits by which two pictures are told apart
SAME_FEATURES = 0.8  # cosine of centred image features from which two pictures are one drawing
SCENES = "03a48d9977c8dd3dbaadbdac4034c158af33846a3f5718cc98bb48745c74a8d2"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.load()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (default_folder() / "pictures.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def on_ground(path: Path, side: int, ground: int) -> np.ndarray:
    """(side, side, 3): the picture in the middle of an even ground."""
    image = read_sprite(path)
    scale = 0.94 * side / max(image.shape[:2])
    size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    canvas = np.full((side, side, 3), ground, np.float32)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    alpha = small[..., 3:] / 255
    patch = canvas[top : top + size[1], left : left + size[0]]
    patch[:] = patch * (1 - alpha) + small[..., :3] * alpha
    return canvas.astype(np.uint8)


def perceptual_hash(picture: np.ndarray) -> np.ndarray:
    """(64,) bool: which low frequencies of the grey picture are above their median."""
    grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    return low > np.median(low[1:])


def test_every_picture_has_a_free_licence_and_an_attribution(rows: list[dict[str, str]]) -> None:
    said = (default_folder() / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for row in rows:
        assert row["licence"] in FREE
        assert row["source_path"]
        name, _, version = row["package"].rpartition(" ")
        assert f"### {name}, {row['licence']}" in said, row["package"]
        assert version in said


def test_files_and_table_agree_and_names_are_known(corpus: Corpus, rows: list[dict[str, str]]) -> None:
    files = {path.name for path in (default_folder() / "pictures").iterdir()}
    assert files == {row["file"] for row in rows}
    assert len(rows) == len(files)
    assert {row["class"] for row in rows} <= corpus.classes.keys()


def test_every_picture_can_be_read_and_is_small(corpus: Corpus) -> None:
    for picture in corpus.pictures:
        image = read_sprite(picture.path)
        assert max(image.shape[:2]) <= 192
        assert (image[..., 3] > 128).mean() > 0.05, picture.path.name


def test_scenes_are_drawn_as_before_there_were_pictures(corpus: Corpus) -> None:
    """Figures of one year can be compared with those of the next only if the films are the same."""
    drawn = [
        repr(draw_scene(2025, index, split, corpus))
        for split in ("train", "validation", "test")
        for index in range(40)
    ]
    said = "".join(drawn).replace(str(default_folder()), "")
    assert hashlib.sha256(said.encode()).hexdigest() == SCENES


def test_pictures_are_for_training_only(corpus: Corpus) -> None:
    wider = corpus.with_pictures()
    for split in ("validation", "test"):
        assert [s for s in wider.sprites if s.split == split] == [
            s for s in corpus.sprites if s.split == split
        ]
    assert len(wider.sprites) == len(corpus.sprites) + len(corpus.pictures)


def test_a_class_that_borrows_pictures_has_none_of_its_own(corpus: Corpus) -> None:
    """Else the training scenes would show it as the held-out ones never do."""
    borrowers = {name for name in corpus.classes if corpus.classes[name].sprites_from}
    shown = {sprite.class_name for sprite in corpus.sprites}
    assert not {picture.class_name for picture in corpus.pictures} & (borrowers - shown)


def test_no_picture_hashes_as_a_held_out_sprite(corpus: Corpus) -> None:
    held_out = [s for s in corpus.sprites if s.split != "train"]
    theirs = np.stack([perceptual_hash(on_ground(s.path, 160, 255)) for s in held_out])
    for picture in corpus.pictures:
        seen = on_ground(picture.path, 160, 255)
        for one in (seen, seen[:, ::-1].copy()):
            away = (perceptual_hash(one) != theirs).sum(axis=1)
            assert away.min() > SAME_HASH, f"{picture.path.name} is {held_out[int(away.argmin())].path.name}"


@pytest.mark.slow
def test_no_picture_looks_like_a_held_out_sprite_to_the_image_network(corpus: Corpus) -> None:
    network = ImageNetwork()

    def features(images: list[np.ndarray]) -> torch.Tensor:
        return network.maps(Frames(np.stack(images), 1.0)).mean(dim=(2, 3))

    sprites = [s for s in corpus.sprites if s.split != "train"]
    held_out = features([on_ground(s.path, 160, 128) for s in sprites])
    seen = [on_ground(picture.path, 160, 128) for picture in corpus.pictures]
    for mirrored in (False, True):
        ours = features([image[:, ::-1] if mirrored else image for image in seen])
        centre = ours.mean(dim=0)
        likeness = (
            torch.nn.functional.normalize(ours - centre) @ torch.nn.functional.normalize(held_out - centre).T
        )
        worst = int(likeness.max(dim=1).values.argmax())
        assert float(likeness.max()) < SAME_FEATURES, corpus.pictures[worst].path.name

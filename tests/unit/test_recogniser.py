"""Names: things are found where they stand, looked at closely, and called by what was seen when and where it sounds."""

import numpy as np
import pytest
import torch

from prismaudio.backends.embedded.recogniser import (
    CELL,
    LOOK_SIZE,
    MOST,
    Finder,
    Looker,
    Looks,
    Recogniser,
    close_look,
    things,
)
from prismaudio.backends.embedded.vision import FEATURES, PLACES_FPS, PLACES_SIZE, ImageNetwork
from prismaudio.backends.embedded.vocabulary import VOCABULARY
from prismaudio.generation.loading import assets, load_eyes
from prismaudio.planning.naming import INDEX, by_kind, by_looks, ranking
from prismaudio.stage.corpus import Corpus
from prismaudio.stage.render import Theatre
from prismaudio.stage.scene import StageConfig, draw_scene
from prismaudio.training.train_recogniser import cells_of
from prismaudio.types import Frames

NAMES = len(VOCABULARY)
NOTHING = torch.full((6, 1000), 1e-3)  # ImageNet is sure of nothing


def looks(*seen: tuple[float, float, str]) -> Looks:
    """(second, azimuth, name): that name with probability 0.9."""
    names = torch.full((len(seen), NAMES), 0.1 / (NAMES - 1))
    for row, (_, _, name) in enumerate(seen):
        names[row, INDEX[name]] = 0.9
    return Looks(
        times=torch.tensor([second for second, _, _ in seen]),
        boxes=torch.tensor([((azimuth + 1) / 2, 0.5, 0.4) for _, azimuth, _ in seen]),
        scores=torch.ones(len(seen)),
        names=names.log(),
    )


def test_the_shipped_recogniser_finds_and_names_held_out_sprites() -> None:
    corpus, looker, right = Corpus.load(), load_eyes(assets()).looker, []
    network = looker.network
    for index in range(30):
        scene = draw_scene(
            7, index, "test", corpus, StageConfig(shortest=2, longest=2.5, off_screen=0, cut=0)
        )
        if len(scene.sources) > 1 or scene.distractors:
            continue
        pictures = Frames(Theatre(scene, *PLACES_SIZE).picture(1.0)[None], PLACES_FPS)
        seen = looker.look(pictures, pictures, network.maps(pictures), 1.0)
        (_, (x, y, _)), *_ = Theatre(scene, *PLACES_SIZE).boxes(1.0)
        best = seen.names[0].topk(5).indices.tolist() if len(seen.times) else []
        away = abs(float(seen.boxes[0, 0]) - x) + abs(float(seen.boxes[0, 1]) - y) if best else 1.0
        right.append(away < 0.1 and INDEX[scene.sources[0].class_name] in best)
    assert len(right) >= 8
    assert np.mean(right) > 0.5


def test_a_finder_judges_every_cell() -> None:
    assert Finder()(torch.randn(2, FEATURES, 7, 10)).shape == (2, 4, 7, 10)


def test_what_a_cell_is_taught_is_what_is_read_from_it() -> None:
    boxes = torch.tensor([(0.31, 0.62, 0.4), (0.83, 0.4, 0.25), (-1, -1, -1), (-1, -1, -1)])
    cells = cells_of(boxes, 7, 10)
    cells[0] = cells[0] * 20 - 10
    found = things(cells[None])
    assert found.picture == [0, 0]
    np.testing.assert_allclose(sorted(found.boxes), boxes[:2].numpy(), atol=1e-5)


def test_one_thing_is_found_once_and_no_more_than_two_in_a_picture() -> None:
    cells = torch.full((1, 4, 7, 10), -10.0)
    cells[:, 1:] = 0
    cells[:, 3] = np.log(0.5)
    cells[0, 0, 3, 4:6] = 5.0  # neighbours: the same thing
    assert len(things(cells).boxes) == 1
    cells[:, 3] = np.log(0.15)
    cells[0, 0, 3, ::3] = 5.0
    assert len(things(cells).boxes) == MOST


def test_a_close_look_is_centred_on_the_box_in_any_size_of_picture() -> None:
    for scale in (1, 2):
        width, height = PLACES_SIZE[0] * scale, PLACES_SIZE[1] * scale
        picture = np.zeros((height, width, 3), np.uint8)
        x, y, side = int(0.7 * width), int(0.4 * height), int(0.3 * height)
        picture[y - side // 2 : y + side // 2, x - side // 2 : x + side // 2] = 255
        seen = close_look(picture, (0.7, 0.4, 0.3))
        assert seen.shape == (LOOK_SIZE, LOOK_SIZE, 3)
        rows, columns = np.nonzero(seen[..., 0] > 128)
        assert rows.mean() == pytest.approx(LOOK_SIZE / 2, abs=3)
        assert columns.mean() == pytest.approx(LOOK_SIZE / 2, abs=3)
        assert np.ptp(rows) == pytest.approx(LOOK_SIZE / 1.25, abs=4)
        assert np.ptp(columns) == pytest.approx(LOOK_SIZE / 1.25, abs=4)


def test_the_blocks_taken_over_see_what_the_image_network_sees() -> None:
    network, recogniser = ImageNetwork(), Recogniser(NAMES).eval()
    recogniser.start_from(network)
    noise = np.random.default_rng(0).integers(0, 256, (2, LOOK_SIZE, LOOK_SIZE, 3)).astype(np.uint8)
    theirs = network.maps(Frames(noise, 1.0))
    with torch.no_grad():
        features = recogniser.head(recogniser.blocks(network.trunk(Frames(noise, 1.0))))
    ours = torch.nn.functional.relu6(features)
    assert float((ours - theirs).abs().mean()) < 0.05 * float(theirs.abs().mean())


def test_a_look_that_sees_nothing_says_nothing() -> None:
    recogniser = Recogniser(NAMES).eval()
    torch.nn.init.constant_(recogniser.finder.leave.bias, -20.0)
    looker = Looker(ImageNetwork(), recogniser)
    grey = Frames(np.full((1, PLACES_SIZE[1], PLACES_SIZE[0], 3), 90, np.uint8), PLACES_FPS)
    maps = torch.zeros(1, FEATURES, PLACES_SIZE[1] // CELL, PLACES_SIZE[0] // CELL)
    seen = looker.look(grey, grey, maps, 0.0)
    assert [len(part) for part in seen] == [0, 0, 0, 0]
    assert seen.names.shape == (0, NAMES)


def test_a_track_is_called_by_what_is_seen_at_its_place_and_time() -> None:
    seen = looks((1.0, -0.7, "dog"), (1.0, 0.7, "piano"), (4.0, -0.7, "bell"))
    for moment, azimuth, name in ((1.0, -0.7, "dog"), (1.0, 0.7, "piano"), (4.0, -0.7, "bell")):
        probabilities, thing = by_looks(np.array([moment]), np.array([azimuth]), seen)
        assert VOCABULARY[int(probabilities.argmax())].name == name
        assert thing == 1


def test_what_moves_where_nothing_stands_is_what_the_wind_moves() -> None:
    elsewhere, doubtful = looks((9.0, 0.9, "dog")), looks((0.5, -0.9, "dog"))
    doubtful = doubtful._replace(scores=torch.tensor([0.4]))
    nowhere = Looks(*(part[:0] for part in elsewhere))
    for seen in (elsewhere, doubtful, nowhere):
        for strikes in (True, False):
            first, *others = ranking(np.array([0.5]), np.array([-0.9]), strikes, seen, NOTHING)
            assert first.name == "leaves_rustle"
            assert first.probability + sum(c.probability for c in others) == pytest.approx(1, abs=1e-4)


def test_what_is_like_nothing_known_is_not_called_by_a_hair() -> None:
    seen = looks((0.5, 0.0, "dog"))
    flat = torch.full((1, NAMES), 0.965 / (NAMES - 1))
    flat[0, INDEX["dog"]] = 0.035
    first = ranking(np.array([0.5]), np.array([0.0]), True, seen._replace(names=flat.log()), NOTHING)[0]
    assert first.name == "leaves_rustle"


def test_strikes_favour_what_strikes() -> None:
    even = torch.full((NAMES,), 1 / NAMES)
    for strikes in (True, False):
        told = by_kind(even, strikes)
        assert float(told.sum()) == pytest.approx(1)
        assert bool(told[INDEX["hammer"]] > told[INDEX["car_engine"]]) == strikes


def test_a_ranking_has_every_name_once_and_adds_up() -> None:
    ranked = ranking(np.array([1.0]), np.array([0.0]), True, looks((1.0, 0.0, "dog")), NOTHING)
    assert ranked[0].name == "dog"
    assert {candidate.name for candidate in ranked} == set(INDEX)
    assert sum(candidate.probability for candidate in ranked) == pytest.approx(1, abs=1e-4)
    assert ranked == sorted(ranked, key=lambda candidate: -candidate.probability)

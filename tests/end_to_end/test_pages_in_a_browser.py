"""The pages that are handed to people, in the browser they will use: opened from the disk, played, answered."""

import json
import time
from pathlib import Path

import pytest
from chromium import Page, browser
from suite_folders import evaluated, write_films, write_sounds

from prismaudio.evaluation.listening.analysis import analyse
from prismaudio.evaluation.listening.make import Key, ListeningConfig, make_test
from prismaudio.evaluation.listening.ratings import read_ratings
from prismaudio.evaluation.listening.stimuli import Sources
from prismaudio.evaluation.suite.clips import Folders
from prismaudio.evaluation.suite.html import write_html

pytestmark = pytest.mark.browser
CLIPS = ["x", "y"]


def make(tmp_path: Path, kind: str, **choices: object) -> tuple[Path, Key, dict]:
    seconds = 1.5 if kind == "mos-c" else 0.6
    systems = {
        name: write_sounds(tmp_path / name, CLIPS, seed=seed, seconds=seconds)
        for name, seed in (("a", 0), ("b", 5))
    }
    films = write_films(tmp_path / "films", CLIPS) if kind == "mos-c" else None
    sources = Sources(systems, write_sounds(tmp_path / "truth", CLIPS, seed=9, seconds=seconds), films)
    made = make_test(sources, ListeningConfig(kind=kind, raters=2, **choices), tmp_path / "test")
    return made.page, Key.load(made.key), json.loads((made.page.parent / "manifest.json").read_text())


def listen_and_answer(page: Page, score: float) -> None:
    """Play everything, then click the answer; before the end it cannot be clicked."""
    assert page.run("[...document.querySelectorAll('.answer')].every(b => b.disabled)")
    for number in range(page.run("document.querySelectorAll('.play').length")):
        page.click(f".play:nth-of-type({number + 1})") if number == 0 else page.run(
            f"document.querySelectorAll('.play')[{number}].click()"
        )
        page.wait(f"document.querySelectorAll('.play')[{number}].textContent === 'Play again'")
    page.wait("![...document.querySelectorAll('.answer')].some(b => b.disabled)")
    page.click(f".answer[value='{score:g}']")


def downloaded(page: Page, folder: Path) -> Path:
    page.wait("document.querySelector('#download') !== null")
    page.click("#download")
    end = time.monotonic() + 30
    while not (found := [*folder.glob("ratings-*.csv")]):
        assert time.monotonic() < end, "no file was downloaded"
        time.sleep(0.1)
    return found[0]


def test_a_rater_answers_everything_and_the_file_is_understood(tmp_path: Path) -> None:
    index, key, manifest = make(tmp_path, "mos-q")
    trials = manifest["raters"][1]
    scores = {"a": 4, "b": 2, "reference": 5, "anchor": 1}
    with browser(tmp_path) as page:
        page.open(index, "?rater=2")
        page.click("#start")
        for check in manifest["checks"]:
            assert page.run("document.querySelector('#left').disabled")
            page.click(".play")
            page.wait("!document.querySelector('#left').disabled")
            page.click(f"#{check['side']}")
        for number, trial in enumerate(trials):
            if number == 3:  # a reload loses nothing
                page.open(index, "?rater=2")
                page.click("#start")
            page.wait(f"document.body.innerText.includes('{number + 1} of {len(trials)}')")
            listen_and_answer(page, scores[key.items[trial["item"]].conditions[0]])
        ratings = read_ratings([downloaded(page, tmp_path)], key)
    assert len(ratings) == len(trials) == 2 * 4 + 2
    assert sum(rating.repeat for rating in ratings) == 2
    assert all(rating.score == scores[rating.conditions[0]] for rating in ratings)
    assert {c.name: c.value for c in analyse(ratings, key, rounds=100).conditions} == scores


def test_wrong_ears_and_muted_sounds_do_not_count(tmp_path: Path) -> None:
    index, _, manifest = make(tmp_path, "mos-q")
    with browser(tmp_path) as page:
        page.open(index, "?rater=1")
        page.click("#start")
        for check in manifest["checks"]:
            page.click(".play")
            page.wait("!document.querySelector('#left').disabled")
            page.click("#right" if check["side"] == "left" else "#left")
        page.wait("document.querySelector('#again') !== null")
        page.click("#again")
        page.run("document.querySelector('audio').muted = true")
        page.click(".play")
        page.wait("document.body.innerText.includes('muted')")
        assert page.run("document.querySelector('#left').disabled")


def test_films_play_and_pairs_are_answered_in_the_order_of_the_key(tmp_path: Path) -> None:
    index, key, manifest = make(tmp_path, "ab", headphones=False)
    with browser(tmp_path) as page:
        page.open(index, "?rater=1")
        page.click("#start")
        for trial in manifest["raters"][0]:
            page.wait("document.querySelector('.answer') !== null")
            listen_and_answer(page, 0 if trial["swapped"] else 1)  # always the first of the key
        ratings = read_ratings([downloaded(page, tmp_path)], key)
        assert [rating.score for rating in ratings] == [1.0] * len(ratings)
        index, _, _ = make(tmp_path / "films_too", "mos-c", headphones=False)
        page.open(index, "?rater=1")
        page.click("#start")
        listen_and_answer(page, 3)
        page.wait("document.body.innerText.includes('2 of')")


def test_the_report_opens_from_the_disk_with_all_its_pictures_and_sounds(tmp_path: Path) -> None:
    folders = Folders(write_sounds(tmp_path / "pred", CLIPS), write_sounds(tmp_path / "gt", CLIPS, seed=5))
    write_html(evaluated(tmp_path, folders), folders, tmp_path / "report")
    with browser(tmp_path) as page:
        page.open(tmp_path / "report" / "index.html")
        page.wait("[...document.images].every(i => i.complete)")
        assert page.run("[...document.images].every(i => i.naturalWidth > 100)")
        assert page.run("document.querySelectorAll('audio').length") == 4
        page.wait("[...document.querySelectorAll('audio')].every(a => a.duration > 0.9)")

"""Windows are drawn by where they are needed, and by nothing else."""

from collections import Counter

import pytest
import torch

from prismaudio.posttraining.algorithm import choose_algorithm
from prismaudio.posttraining.config import PostTrainingConfig, WindowConfig
from prismaudio.posttraining.randomness import Purpose, normal, stream
from prismaudio.posttraining.route import Tail
from prismaudio.posttraining.trainer import chosen_algorithm
from prismaudio.posttraining.window import (
    BadWindow,
    Full,
    NoWindow,
    Place,
    RandomWindow,
    Scattered,
    Sliding,
    one_step,
)

STEPS = 24


def test_fast_windows_start_anywhere_in_the_noisy_half():
    """{0 ... 12}, both ends included, all equally often: chi-square of 12 degrees of freedom."""
    draws = 5200
    picked = [RandomWindow(2, 0.5).pick(STEPS, Place(0, i // 40, i % 40)) for i in range(draws)]
    counts = Counter(plan.noisy.start for plan in picked)
    assert sorted(counts) == list(range(13))
    expected = draws / 13
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 32.9  # one in a thousand
    assert all(plan.trained == tuple(plan.noisy) and len(plan.noisy) == 2 for plan in picked)


def test_the_order_and_the_company_of_draws_do_not_matter():
    places = [Place(7, iteration, prompt) for iteration in range(4) for prompt in range(4)]
    window = RandomWindow()
    forwards = {place: window.pick(STEPS, place) for place in places}
    torch.manual_seed(1)
    backwards = {place: window.pick(STEPS, place) for place in reversed(places)}
    assert forwards == backwards
    assert len({plan.noisy.start for plan in forwards.values()}) > 4


@pytest.mark.parametrize("change", [Place(1, 3, 5), Place(0, 4, 5), Place(0, 3, 6)])
def test_seed_iteration_and_prompt_each_change_the_draws(change: Place):
    assert not torch.equal(
        normal((8,), 0, Purpose.START, 3, 5), normal((8,), change[0], Purpose.START, *change[1:])
    )
    ours = stream(0, Purpose.WINDOW, 3, 5).integers(2**62)
    assert ours != stream(change[0], Purpose.WINDOW, *change[1:]).integers(2**62)


def test_purposes_have_streams_of_their_own():
    assert len({float(normal((1,), 0, purpose, 1, 2)) for purpose in Purpose}) == len(Purpose)


def test_flow_grpo_learns_from_all_steps_but_the_last():
    plan = Full(0.99).pick(STEPS, Place(0, 0, 0))
    assert plan.noisy == range(24)
    assert plan.trained == tuple(range(23))


def test_dance_grpo_learns_from_some_steps_never_the_last():
    plans = [Scattered(0.6).pick(16, Place(0, 0, prompt)) for prompt in range(200)]
    assert {len(plan.trained) for plan in plans} == {9}
    assert {step for plan in plans for step in plan.trained} == set(range(15))
    assert all(list(plan.trained) == sorted(set(plan.trained)) for plan in plans)


def test_one_step_may_be_any():
    plans = [one_step().pick(6, Place(0, 0, prompt)) for prompt in range(100)]
    assert {plan.trained for plan in plans} == {(step,) for step in range(6)}


def test_a_sliding_window_is_the_same_for_all_prompts_and_comes_back():
    window = Sliding(width=2, every=3, stride=2)
    starts = [window.pick(6, Place(0, i, i)).noisy.start for i in range(18)]
    assert starts == [0, 0, 0, 2, 2, 2, 4, 4, 4] * 2
    assert Sliding(width=2, every=3, stride=2, roll_back=False).start(6, 100) == 4


def test_no_window_has_no_noisy_step():
    assert NoWindow().pick(STEPS, Place(0, 0, 0)).trained == ()


@pytest.mark.parametrize(
    "window", [RandomWindow(width=25), Sliding(width=0), Full(0.01), Scattered(0.01)], ids=repr
)
def test_windows_that_do_not_fit_say_so(window):
    with pytest.raises(BadWindow):
        window.pick(STEPS, Place(0, 0, 0))


def test_a_window_begins_no_sooner_than_it_may():
    window = RandomWindow(width=2, since=0.25, within=0.5)
    starts = {window.pick(STEPS, Place(0, number, 0)).noisy.start for number in range(300)}
    assert starts == set(range(STEPS // 4, STEPS // 2 + 1))
    fixed = RandomWindow(width=4, since=1.0, within=1.0).pick(STEPS, Place(0, 0, 0))
    assert fixed.noisy == range(STEPS - 4, STEPS)


def test_a_run_may_have_another_window_and_other_starts_where_there_is_noise():
    asked = PostTrainingConfig(starts=1, window=WindowConfig(width=3, since=0.1, within=0.2))
    fast = chosen_algorithm(asked)
    assert fast.window == RandomWindow(width=3, since=0.1, within=0.2)
    assert fast.branch(asked.group) == asked.group
    assert chosen_algorithm(asked.model_copy(update={"algorithm": "nft"})) == choose_algorithm("nft")
    assert chosen_algorithm(PostTrainingConfig(tail=0.4)).tail == Tail(0.4)
    assert chosen_algorithm(PostTrainingConfig()) == choose_algorithm("fast-grpo")

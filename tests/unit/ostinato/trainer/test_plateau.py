"""Early stopping and reactions to a plateau."""

from __future__ import annotations

from ostinato.trainer.plateau import Plateau, Reaction, patience


def test_the_best_value_counts_by_its_objective() -> None:
    falling, rising = Plateau("minimize"), Plateau("maximize")
    assert [falling.update(value) for value in (3.0, 2.0, 2.0, 1.0)] == [True, True, False, True]
    assert [rising.update(value) for value in (3.0, 2.0, 4.0)] == [True, False, True]


def test_what_is_not_defined_is_no_improvement() -> None:
    plateau = Plateau("minimize")
    assert [plateau.update(value) for value in (None, float("nan"), 1.0)] == [False, False, True]


def test_waiting_is_counted_from_the_best() -> None:
    plateau = Plateau("minimize")
    for value in (1.0, 2.0, 3.0):
        plateau.update(value)
    assert plateau.waited == 2


def test_a_reaction_comes_after_its_patience_and_only_so_often() -> None:
    reaction = Reaction(Plateau("minimize"), patience=1, times=2)
    assert [reaction.due(1.0) for _ in range(8)] == [False, False, True, False, True, False, False, False]


def test_minus_one_never_stops_and_zero_stops_at_once() -> None:
    assert patience(-1, 10) is None
    assert patience(0, 10) == 1
    assert patience(7, 10) == 7


def test_auto_gives_small_tables_enough_steps_and_large_ones_fewer_epochs() -> None:
    assert [patience("auto", steps) for steps in (1, 4, 50, 125, 200, 10_000)] == [64, 16, 16, 8, 5, 5]


def test_a_tiny_improvement_is_the_best_but_does_not_end_the_wait():
    plateau = Plateau("minimize", least=0.1)
    assert [plateau.update(value) for value in (1.0, 0.99, 0.95, 0.89)] == [True] * 4
    assert plateau.waited == 0
    assert plateau.milestone == 0.89
    plateau.update(0.88)
    assert (plateau.best, plateau.waited) == (0.88, 1)

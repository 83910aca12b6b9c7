"""Work on what comes next, in a thread."""

import threading

import pytest

from ostinato.ahead import made_ahead


@pytest.mark.parametrize("count", [1, 3])
def test_the_items_come_in_their_order(count):
    assert list(made_ahead(range(10), count)) == list(range(10))
    assert list(made_ahead([], count)) == []


def test_the_next_item_is_made_while_one_is_used():
    is_made = threading.Event()

    def items():
        yield 1
        is_made.set()
        yield 2

    ahead = made_ahead(items())
    assert next(ahead) == 1
    assert is_made.wait(10)


def test_an_error_comes_where_its_item_would_have_come():
    def items():
        yield 1
        raise ValueError("the second")

    ahead = made_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="the second"):
        next(ahead)


def test_no_more_is_made_than_asked_for_and_nothing_runs_on_once_nobody_listens():
    made = []

    def items():
        for number in range(1000):
            made.append(number)
            yield number

    ahead = made_ahead(items(), 2)
    assert next(ahead) == 0
    ahead.close()
    assert len(made) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]

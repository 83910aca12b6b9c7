"""Work on what comes next, in a thread, while what came before is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def made_ahead(items: Iterable[Item], count: int = 1) -> Iterator[Item]:
    """The items, in their order; at most `count` are made, in a thread of their own, before they are asked for.

    An error of their making is raised where its item would have come.
    """
    making, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting = deque(thread.submit(next, making, end) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(thread.submit(next, making, end))
                yield item  # type: ignore[misc]  # it is no end
        finally:
            thread.shutdown(cancel_futures=True)

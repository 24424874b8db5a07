"""Work spread over a pool without more of it in memory than the pool can be busy with."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_per_core() -> ThreadPoolExecutor:
    """A pool for what keeps a core busy, as decoding does: more threads fight over the interpreter's lock."""
    return ThreadPoolExecutor(os.cpu_count())


def map_bounded(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in the order of the items, as ``pool.map`` gives them, of which at most `ahead` are waiting.

    ``Executor.map`` submits everything at once: a list of 100,000 items becomes 100,000 futures.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(map_bounded(pool, abs, iter([-1, 2, -3]), ahead=2))
    [1, 2, 3]
    """
    waiting: deque[Future[Result]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()

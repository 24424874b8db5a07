"""Work spread over a pool without more of it in memory than the pool can be busy with."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as malloc.h names them
_KEPT_BLOCK_BYTES = 32 * 1024 * 1024


def thread_per_core() -> ThreadPoolExecutor:
    """A pool for pictures, which keep a core busy: more threads fight over the interpreter's lock."""
    keep_freed_memory()
    return ThreadPoolExecutor(os.cpu_count())


def keep_freed_memory() -> None:
    """Have this process keep the memory of pictures for the next ones: fresh pages from the kernel for each
    take a tenth of the time.

    glibc gives large blocks back as soon as they are freed unless told otherwise; other systems have no such
    call, and lose nothing but that tenth.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _KEPT_BLOCK_BYTES):
        mallopt(_M_TRIM_THRESHOLD, 2 * _KEPT_BLOCK_BYTES)


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

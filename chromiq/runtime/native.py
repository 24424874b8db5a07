"""What C libraries do to the whole process: the memory that glibc keeps, and what codecs print to stderr.

The functions for memory do nothing with other C libraries than glibc.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # as malloc.h names them
_KEPT_BLOCK_BYTES = 32 * 1024 * 1024
_one_at_a_time = threading.Lock()


def keep_freed_memory() -> None:
    """Keep the memory of freed images for reuse, which saves a tenth of the time.

    By default glibc returns large blocks to the kernel at once.
    """
    if of_glibc("mallopt", _M_MMAP_THRESHOLD, _KEPT_BLOCK_BYTES):
        of_glibc("mallopt", _M_TRIM_THRESHOLD, 2 * _KEPT_BLOCK_BYTES)


def return_freed_memory() -> None:
    """Return free memory to the system, before something that needs a lot of it."""
    of_glibc("malloc_trim", 0)


def share_one_heap() -> None:
    """One heap in place of one for each thread: each would keep what large photos left in it."""
    of_glibc("mallopt", _M_ARENA_MAX, 1)


def of_glibc(name: str, *arguments: int) -> int:
    """Call a function of glibc that takes integers; 0 where the C library has none of that name."""
    function = getattr(ctypes.CDLL(None), name, None)
    return 0 if function is None else int(function(*arguments))


@contextmanager
def captured_stderr() -> Iterator[list[bytes]]:
    """Collect the lines that are printed to standard error by any thread; they are there at the end.

    For libraries that print and have no setting for it. One thread at a time.
    """
    lines: list[bytes] = []
    with _one_at_a_time, TemporaryFile() as printed:
        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            printed.seek(0)
            lines += printed

"""Standard error as C libraries use it: captured by one thread at a time, and put back."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from chromiq.runtime.native import captured_stderr


def printed(number):
    with captured_stderr() as lines:
        os.write(2, b"%d\n" % number)
        time.sleep(0.01)
    return lines


def test_threads_that_capture_stderr_at_once_get_their_own_lines_and_put_it_back(capfd):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(printed, range(8)))
    os.write(2, b"after\n")
    assert found == [[b"%d\n" % number] for number in range(8)]
    assert capfd.readouterr().err == "after\n"

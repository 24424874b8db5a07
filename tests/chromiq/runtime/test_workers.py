"""Worker processes: order, bounds, exceptions and killed processes."""

import gc
import math
import multiprocessing
import multiprocessing.util
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import resource_tracker

import psutil
import pytest

from chromiq.runtime.workers import WorkerEndedError, map_in_processes


def test_results_are_in_order_and_items_are_consumed_lazily():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    results = map_in_processes(math.sqrt, items(), 2, ahead=3, start=gc.collect)
    assert next(results) == 0
    assert len(taken) == 3
    assert list(results) == [math.sqrt(number) for number in range(1, 20)]
    assert not multiprocessing.active_children()


def test_an_exception_of_a_worker_is_raised_in_order_with_its_traceback():
    results = map_in_processes(math.sqrt, [4.0, -1.0, 9.0], 2, ahead=3, start=gc.collect)
    assert next(results) == 2
    with pytest.raises(ValueError, match="math domain error") as caught:
        next(results)
    assert "math domain error" in str(caught.value.__cause__)
    assert not multiprocessing.active_children()


def test_a_process_that_exits_is_reported():
    with pytest.raises(WorkerEndedError):
        list(map_in_processes(os._exit, [0, 0, 0], 2, ahead=2, start=gc.collect))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("after_s", [0, 0.05, 0.2])
def test_a_process_killed_while_the_others_are_started_is_reported(after_s):
    def kill_one():
        while not (children := multiprocessing.active_children()):
            time.sleep(0.001)
        time.sleep(after_s)
        children[0].kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(WorkerEndedError):
        list(map_in_processes(time.sleep, [0.3] * 8, 3, ahead=6, start=gc.collect))
    killer.join()
    assert not multiprocessing.active_children()


def test_workers_end_when_the_parent_is_killed():
    """Otherwise it would write its item while the next build runs."""
    program = (
        "import gc, time, multiprocessing\n"
        "from chromiq.runtime.workers import map_in_processes\n"
        "results = map_in_processes(time.sleep, [0.0, *[60.0] * 4], 2, ahead=4, start=gc.collect)\n"
        "next(results)\n"
        "print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "next(results)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    deadline = time.monotonic() + 20
    while any(map(_works, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_works, children))


def _works(process):
    """Whether a process runs; zombies do not count."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_no_item_is_started_after_the_iterator_is_closed():
    began = time.monotonic()
    results = map_in_processes(time.sleep, [0.0, *[30.0] * 3], 1, ahead=1, start=gc.collect)
    next(results)
    results.close()
    assert time.monotonic() - began < 20
    assert not multiprocessing.active_children()


def test_an_interrupt_in_another_thread_is_deferred_while_a_process_starts(monkeypatch, capfd):
    """Otherwise that process would receive part of its task and print an error."""
    spawn, spawned = multiprocessing.util.spawnv_passfds, threading.Event()

    def hear():
        spawned.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    def heard_at_once(*given):
        started.append(spawn(*given))
        spawned.set()
        other.join()
        return started[0]

    started = []
    resource_tracker.ensure_running()  # it is started in the same way
    other = threading.Thread(target=hear)
    other.start()
    monkeypatch.setattr("multiprocessing.util.spawnv_passfds", heard_at_once)
    with pytest.raises(KeyboardInterrupt):
        next(map_in_processes(math.sqrt, [4.0], 1, ahead=1, start=gc.collect))
    for child in multiprocessing.active_children():
        child.join(30)
    with suppress(ChildProcessError):  # as it is reported already
        os.waitpid(started[0], 0)
    assert capfd.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

"""What this machine makes expensive: ``python benchmarks/machine.py``.

Two machines of the same processor differ by half in everything here when one of them is virtual: a page of memory that
nobody had lately is taken from the host (a balloon that reports free pages gives them back to it), and to wake another
processor means to leave the virtual one. A loop that needs neither does not tell.
"""

from __future__ import annotations

import json
import mmap
import os
import time

LOOPS, MIB, WAKES = 1_000_000, 64, 5_000


def loop_ns() -> float:
    """Nanoseconds of a round of a loop in Python, the best of three."""
    return min(_loop() for _ in range(3))


def _loop() -> float:
    start, total = time.perf_counter(), 0
    for i in range(LOOPS):
        total += i * i % 7
    return (time.perf_counter() - start) / LOOPS * 1e9


def fresh_page_us() -> float:
    """Microseconds until a page that this process never had is there, by touching 64 MiB of them."""
    size = MIB << 20
    with mmap.mmap(-1, size) as memory:
        start = time.perf_counter()
        for at in range(0, size, mmap.PAGESIZE):
            memory[at] = 1
        return (time.perf_counter() - start) / (size / mmap.PAGESIZE) * 1e6


def wake_us() -> float:
    """Microseconds until another process that waits is awake, by a byte that two of them send each other."""
    (here, to_other), (there, to_us) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        for _ in range(WAKES):
            os.read(here, 1)
            os.write(to_us, b".")
        os._exit(0)
    start = time.perf_counter()
    for _ in range(WAKES):
        os.write(to_other, b".")
        os.read(there, 1)
    took = time.perf_counter() - start
    os.waitpid(child, 0)
    for end in (here, to_other, there, to_us):
        os.close(end)
    return took / WAKES / 2 * 1e6


def costs() -> dict[str, float]:
    """All of it."""
    measured = {"loop_ns": loop_ns(), "fresh_page_us": fresh_page_us(), "wake_us": wake_us()}
    return {name: round(value, 2) for name, value in measured.items()}


if __name__ == "__main__":
    print(json.dumps(costs()))

"""CPU seconds and resident memory of a running stack, by part."""

from __future__ import annotations

from typing import Any

import psutil

MIB = 1 << 20
COUNTED = ("api", "clickhouse", "postgres", "valkey")  # what answering a request costs


def _families(read: dict[str, Any]) -> dict[str, list[psutil.Process]]:
    """part -> its processes; the API's pids are listed beside their parent's, so each is taken once."""
    found: dict[str, list[psutil.Process]] = {}
    for part, pids in read["pids"].items():
        family: dict[int, psutil.Process] = {}
        for pid in pids if isinstance(pids, list) else [pids]:
            try:
                process = psutil.Process(pid)
                family |= {p.pid: p for p in (process, *process.children(recursive=True))}
            except psutil.Error:
                continue
        found[part] = list(family.values())
    return found


def cpu(read: dict[str, Any]) -> dict[str, float]:
    """CPU seconds used so far, by part; of processes that ended (PostgreSQL's connections), too."""
    return {part: sum(map(_seconds, family)) for part, family in _families(read).items()}


def _seconds(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and both of children that are gone
    except psutil.Error:
        return 0.0


def memory_mib(read: dict[str, Any]) -> dict[str, float]:
    """Resident memory by part in MiB; pages that processes share are shared out among them where the system says so."""
    return {part: round(sum(map(_resident, family)) / MIB, 1) for part, family in _families(read).items()}


def _resident(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.Error:
        return 0


def per_1000(before: dict[str, float], after: dict[str, float], requests: int) -> dict[str, float]:
    """CPU seconds per 1,000 requests of the parts that answer them."""
    return {part: round(1000 * (after[part] - before[part]) / max(1, requests), 3) for part in COUNTED if part in after}

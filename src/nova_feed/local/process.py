"""One child process, its output in a file, its identity in a pid file so that a later start finds what was left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from nova_feed.local.whole import write_whole

LOG_LIMIT_BYTES = 20_000_000
BOOT = Path("/proc/sys/kernel/random/boot_id")
MARK = "NOVA_PART"  # in the environment of every process of ours: names the pid file it belongs to


class Process:
    """A process that outlives neither ``stop`` nor the next start.

    The pid file holds the pid and when the process began: a number alone could by now belong to somebody else.
    """

    def __init__(self, pid_file: Path, log: Path) -> None:
        self.pid_file, self.log = pid_file, log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, argv: Sequence[str], env: Mapping[str, str], uid: int | None = None) -> None:
        """End what an earlier run left, then start ``argv`` in a session of its own (Ctrl-C is the supervisor's)."""
        self.end(signal.SIGTERM, 10)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env, MARK: str(self.pid_file)},
                start_new_session=True,
                user=uid,
                group=uid,
                extra_groups=[] if uid is not None else None,
                close_fds=True,
            )
        identity = {"pid": self._child.pid, "began": _began(psutil.Process(self._child.pid))}
        write_whole(self.pid_file, json.dumps(identity))

    @property
    def pid(self) -> int | None:
        """The pid of the running process, or None."""
        process = self._find()
        return None if process is None else process.pid

    def alive(self) -> bool:
        """Whether the process runs; a child that ended is reaped."""
        if self._child is not None:
            return self._child.poll() is None
        return self._find() is not None

    def stop(self, how: signal.Signals, deadline_s: float) -> None:
        """Signal the process, wait up to ``deadline_s``, then kill it with all its descendants."""
        process = self._find()
        if process is not None:
            family = _family(process)
            _signal(process, how)
            _, left = psutil.wait_procs(family, timeout=deadline_s)
            for survivor in left:
                _signal(survivor, signal.SIGKILL)
            psutil.wait_procs(left, timeout=5)
        if self._child is not None:
            self._child.wait(5)
            self._child = None
        self.pid_file.unlink(missing_ok=True)

    def end(self, how: signal.Signals, deadline_s: float) -> bool:
        """Stop the process, then what it may have left when it was killed; returns whether there was anything."""
        ran = self.alive()
        self.stop(how, deadline_s)
        return self._end_orphans() > 0 or ran

    def log_tail(self, lines: int) -> str:
        """The last lines of the log."""
        if not self.log.exists():
            return "(no output)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _end_orphans(self) -> int:
        """Kill what a leader that was killed left behind: marked processes, children of nobody."""
        found = 0
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.pid_file):
                    process.kill()
                    found += 1
                    process.wait(5)
            except (psutil.Error, OSError):  # gone meanwhile, or not ours to look at
                continue
        return found

    def _find(self) -> psutil.Process | None:
        if self._child is not None:  # ours: known without its file, which a full disk may not have taken
            return psutil.Process(self._child.pid) if self._child.poll() is None else None
        try:
            identity = json.loads(self.pid_file.read_text())
            process = psutil.Process(identity["pid"])
            alive = _began(process) == identity["began"] and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, KeyError, psutil.NoSuchProcess):
            return None
        return process if alive else None


def _began(process: psutil.Process) -> str:
    """When a process began, the same text whatever happens to the wall clock meanwhile.

    Linux counts ticks from the boot. (What psutil makes of them adds the time of the boot, which Linux works out anew
    at every look, and which is now and then another second.) Raises psutil.NoSuchProcess.
    """
    if not BOOT.exists():
        return f"{process.create_time():.2f}"
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error
    ticks = stat.rpartition(")")[2].split()[19]  # the name before may have anything in it
    return f"{ticks} ticks after boot {BOOT.read_text().strip()}"


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:  # it ended between two looks at it
        return [process]


def _signal(process: psutil.Process, how: signal.Signals) -> None:
    try:
        process.send_signal(how)
    except psutil.NoSuchProcess:
        return

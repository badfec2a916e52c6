"""How our Java servers are run: on a small heap, with their log on stdout, and with a temp folder of their own.

Native libraries are unpacked into the temp folder and stay there when the process is killed: in the system's they would
add up, here the next start clears them away.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_FLAGS = (
    "-XX:+UseSerialGC", "-Xss512k", "-Djava.awt.headless=true",
    "-XX:-UsePerfData",  # else a file in the system's temp folder, whatever java.io.tmpdir says
)  # fmt: skip
_LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN"><Appenders><Console name="out" target="SYSTEM_OUT">
<PatternLayout pattern="%d{{ISO8601}} %-5p %c{{1}} %m%n"/></Console></Appenders>
<Loggers>{quiet}<Root level="{level}"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""


def prepare(folder: Path, level: str, quiet: tuple[str, ...] = ()) -> None:
    """Write the log4j2 file and empty the temp folder. The server must not run. ``quiet`` loggers tell only errors."""
    loggers = "".join(f'<Logger name="{name}" level="ERROR"/>' for name in quiet)
    _log4j(folder).write_text(_LOG4J.format(level=level, quiet=loggers))
    shutil.rmtree(_temp(folder), ignore_errors=True)
    _temp(folder).mkdir()


def options(folder: Path, heap_mib: int, *, busy: bool) -> tuple[str, ...]:
    """The JVM's options for a server whose folder was prepared. ``busy``: what it does again and again is compiled
    well, which takes a processor for some seconds (Kafka at 5,000 records/s: 0.15 of one afterwards, else 0.25)."""
    compiler = () if busy else ("-XX:TieredStopAtLevel=1",)
    places = (f"-Djava.io.tmpdir={_temp(folder)}", f"-Dlog4j2.configurationFile={_log4j(folder)}")
    return (*_FLAGS, *compiler, f"-Xmx{heap_mib}m", *places)


def _temp(folder: Path) -> Path:
    return folder / "tmp"


def _log4j(folder: Path) -> Path:
    return folder / "log4j2.xml"

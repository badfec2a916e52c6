"""The process: ``python -m nova_feed.local.clickhouse --data DIR --port N``.

The user's name and password come from NOVA_CLICKHOUSE_USER and NOVA_CLICKHOUSE_PASSWORD, never from argv, which
every user of the machine can read. SIGTERM and SIGINT let running queries finish for 10 s, then end with status 0; so
does a query, or a refreshable view, that found a part without marks, because only a start can set that aside.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from nova_feed.errors import NovaError
from nova_feed.local.clickhouse.access import Access
from nova_feed.local.clickhouse.connection import Work
from nova_feed.local.clickhouse.engine import Engine, Options
from nova_feed.local.clickhouse.errors import ClickHouseError
from nova_feed.local.clickhouse.parts import SYMPTOM, parts_without_marks
from nova_feed.local.clickhouse.server import Limits, Server
from nova_feed.local.clickhouse.state import State

_log = logging.getLogger("nova_feed.local.clickhouse")
LOOK_S = 5.0
_FAILING_VIEWS = f"SELECT exception FROM system.view_refreshes WHERE exception LIKE '%{SYMPTOM}%' LIMIT 1".encode()  # noqa: S608  a constant of ours
_DRAIN_S = 10
_CLOSE_S = 4
_HEADER_BYTES = 1 << 20  # ClickHouse's http_max_uri_size


def main() -> None:
    """Run until a signal comes. Exits with 2 when it cannot start."""
    arguments = _arguments()
    os.environ["TZ"] = "UTC"  # the engine takes its time zone from here, and from nowhere else
    time.tzset()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(arguments))
    except (NovaError, OSError) as error:
        _log.error("cannot start: %s", error)
        os._exit(2)
    logging.shutdown()
    os._exit(0)  # the engine's own threads may still be about; everything is written and closed


def _arguments() -> argparse.Namespace:
    options, limits = Options(), Limits()
    parser = argparse.ArgumentParser(prog="nova_feed.local.clickhouse", description="An embedded ClickHouse over HTTP")
    parser.add_argument("--data", type=Path, required=True, help="the data folder; made when missing")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--connections", type=int, default=options.connections, help="queries that run at the same time"
    )
    parser.add_argument("--queue", type=int, default=options.queue, help="queries that may wait")
    parser.add_argument("--memory", type=int, default=options.memory, help="what the engine may use, in bytes")
    parser.add_argument("--max-result", type=int, default=options.result, help="the largest result, in bytes")
    parser.add_argument("--max-body", type=int, default=limits.body, help="the largest request body, in bytes")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    bodies = _fresh_folder(arguments.data.resolve() / "bodies")
    options = Options(arguments.connections, arguments.queue, arguments.memory, arguments.max_result)
    folder = arguments.data.resolve() / "engine"
    engine = await asyncio.to_thread(Engine, folder, options)

    def failed(text: str) -> None:
        if SYMPTOM in text and not stopping.is_set() and (broken := parts_without_marks(folder)):
            _log.error("a part cannot be read, and is set aside at the next start, which is due now: %s", broken[0])
            stopping.set()

    watching = asyncio.create_task(_watch_views(engine, failed))
    server = Server(engine, bodies, _access(), Limits(arguments.max_result, arguments.max_body), failed)
    runner = web.AppRunner(
        server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=_DRAIN_S, auto_decompress=False,
        max_line_size=_HEADER_BYTES, max_field_size=_HEADER_BYTES,
    )  # fmt: skip
    await runner.setup()
    await web.TCPSite(runner, arguments.host, arguments.port).start()
    _log.info("ready at http://%s:%d", arguments.host, arguments.port)
    await stopping.wait()
    _log.info("stopping")
    watching.cancel()
    await runner.cleanup()
    await _close(engine)
    _log.info("stopped")


async def _watch_views(engine: Engine, failed: Callable[[str], None]) -> None:
    """Tell what refreshable views fail with: what they read may be read by nobody else."""
    while True:
        await asyncio.sleep(LOOK_S)
        with suppress(ClickHouseError):
            failed((await asyncio.wrap_future(engine.submit(Work(_FAILING_VIEWS, State(), "TSVRaw")))).body.decode())


async def _close(engine: Engine) -> None:
    """Close the engine; a query that neither ended nor could be cancelled does not keep the process alive."""
    closer = threading.Thread(target=engine.close, daemon=True)
    closer.start()
    await asyncio.to_thread(closer.join, _CLOSE_S)
    if closer.is_alive():
        _log.warning("a query did not end within %d s and was given up", _CLOSE_S)


def _fresh_folder(folder: Path) -> Path:
    """An empty folder: what a killed server left in it belongs to inserts that never happened."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _access() -> Access:
    return Access(os.environ.get("NOVA_CLICKHOUSE_USER", "default"), os.environ.get("NOVA_CLICKHOUSE_PASSWORD", ""))


if __name__ == "__main__":
    main()

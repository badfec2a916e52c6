"""The client of Valkey, which tells how long each command took and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import redis.asyncio as redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from nova_feed.ops import metrics, tracing

# Every page looks its series up several times: found once, they are kept.
_seconds = cache(metrics.VALKEY_SECONDS.labels)


class MeasuredRedis(redis.Redis):
    """As ``redis.Redis``. The label is the command's name: those are ours, so there are few."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with _measured(str(args[0]).lower()):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        return MeasuredPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class MeasuredPipeline(Pipeline):
    """As ``Pipeline``: one round trip is one ``pipeline``."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with _measured("pipeline"):
            return await super().execute(raise_on_error)


@contextmanager
def _measured(command: str) -> Iterator[None]:
    start, status = time.perf_counter(), "ok"
    try:
        with tracing.span(command, "client", db__system__name="redis", db__operation__name=command):
            yield
    except NoScriptError:  # the script is sent along the next moment: nothing failed
        raise
    except (RedisTimeoutError, TimeoutError):
        status = "timeout"
        raise
    except (RedisError, OSError):
        status = "error"
        raise
    finally:
        _seconds(command, status).observe(time.perf_counter() - start)

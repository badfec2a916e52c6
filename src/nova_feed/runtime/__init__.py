"""Beside the path: what may be changed while everything runs, as one value with a version.

``values`` says what there is and what is valid; ``live`` holds the value of this process; ``table`` keeps every version
in PostgreSQL; ``follow`` brings a new one to every process; ``change`` and ``file`` are the two that write one.
"""

from nova_feed.runtime.live import Live
from nova_feed.runtime.values import CONFIG, FLAGS, Runtime

__all__ = ["CONFIG", "FLAGS", "Live", "Runtime"]

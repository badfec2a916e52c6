"""Free loopback ports, remembered so that URLs stay the same from start to start."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from nova_feed.errors import NovaError
from nova_feed.local.whole import write_whole

LOOPBACK = "127.0.0.1"


class PortInUseError(NovaError):
    """A port that was asked for by number cannot be had: mostly because somebody else listens on it."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on ``port`` now."""
    try:
        _listen(port, host)
    except OSError:
        return False
    return True


def must_be_free(port: int, host: str, setting: str) -> None:
    """Raises PortInUseError, with the system's reason, unless a server could listen there; ``setting`` mends it."""
    try:
        _listen(port, host)
    except OSError as error:
        raise PortInUseError(f"cannot listen on {host}, port {port} ({error.strerror}): change {setting}") from error


def _listen(port: int, host: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))


def free_port(host: str = LOOPBACK) -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
    return port


class PortBook:
    """name -> port, kept in a file. A remembered port that somebody else took meanwhile is replaced by a free one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        except ValueError:
            raise NovaError(f"{path} is spoilt: remove it, and the next start chooses new ports") from None

    def claim(self, name: str, *, preferred: int | None = None, exact: bool = False) -> int:
        """The port of ``name``: the remembered one, else ``preferred``, else any free one.

        With ``exact`` only ``preferred`` will do; raises PortInUseError when somebody listens on it.
        """
        if exact:
            if preferred is None or not is_free(preferred):
                raise PortInUseError(
                    f"port {preferred} for {name} is in use: stop what listens there, or choose another one"
                )
            return self._remember(name, preferred)
        for port in (self._ports.get(name), preferred):
            if port is not None and port not in self._taken_by_others(name) and is_free(port):
                return self._remember(name, port)
        return self._remember(name, free_port())

    def _taken_by_others(self, name: str) -> set[int]:
        return {port for other, port in self._ports.items() if other != name}

    def _remember(self, name: str, port: int) -> int:
        self._ports[name] = port
        write_whole(self.path, json.dumps(self._ports, indent=1))
        return port

"""``nova admin``: a client of the admin listener."""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from nova_feed.commands.token import mint_for
from nova_feed.errors import NovaError
from nova_feed.runtime.values import CONFIG, FLAGS
from nova_feed.settings import Settings

OPERATOR = 1  # the subject of a token that is minted here
TOKEN_LIFE_S = 60
_TRUTH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True)
class AdminApi:
    """The listener at ``url``. Every method raises NovaError with the listener's own sentence when it refuses."""

    url: str
    token: str
    note: str = ""

    def get(self, path: str, **parameters: str) -> Any:
        """The body of an answer."""
        return self._ask("GET", path, parameters=parameters).json()

    def change(self, method: str, path: str, body: Mapping[str, object], version: int | None = None) -> Any:
        """Make a change, of ``version`` if it is named."""
        headers = {} if version is None else {"If-Match": f'"{version}"'}
        return self._ask(method, path, parameters={"note": self.note}, json=body, headers=headers).json()

    def _ask(self, method: str, path: str, *, parameters: Mapping[str, str], **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        try:
            answer = httpx.request(
                method, f"{self.url}{path}", params=parameters, headers=headers, timeout=10, trust_env=False, **more
            )
        except httpx.HTTPError as error:
            raise NovaError(f"the admin listener at {self.url} does not answer: {error}") from error
        if answer.is_error:
            raise NovaError(f"the admin listener refuses: {_detail(answer)}")
        return answer


def api_of(settings: Settings, url: str, note: str) -> AdminApi:
    """The listener, with a token: NOVA_ADMIN_TOKEN, or one minted now. Raises SettingsError when it can be neither."""
    token = settings.admin_token.get_secret_value() or mint_for(settings, OPERATOR, "admin", TOKEN_LIFE_S)
    return AdminApi(url.rstrip("/"), token, note or f"nova admin, {getpass.getuser()}")


def flags(api: AdminApi, name: str | None, state: str | None, console: Console) -> None:
    """Show all flags, or one, or set one."""
    if name is not None and state is not None:
        told = api.change("PATCH", "/admin/flags", {name: _TRUTH[state]})
    else:
        told = api.get("/admin/flags")
    known = told["flags"]
    if name is not None and name not in known:
        raise NovaError(f"there is no flag {name}; there are {', '.join(known)}")
    rows = [(flag, "on" if on else "off", FLAGS.get(flag, "")) for flag, on in known.items() if name in (None, flag)]
    _show(rows, ("flag", "", "meaning"), told["version"], console)


def config(api: AdminApi, pairs: Sequence[str], console: Console) -> None:
    """Show the configuration, after it was changed in these NAME=VALUE."""
    changes = dict(_pair(pair) for pair in pairs)
    told = api.get("/admin/config")
    if changes:
        wanted = told["config"] | changes
        told = api.change("PUT", "/admin/config", wanted, told["version"])
    rows = [
        (name, f"{value:g}", CONFIG[name].meaning if name in CONFIG else "") for name, value in told["config"].items()
    ]
    _show(rows, ("name", "value", "meaning"), told["version"], console)


def history(api: AdminApi, limit: int, console: Console) -> None:
    """Show who changed what, and when."""
    told = api.get("/admin/runtime/history", limit=str(limit))
    rows = [
        (str(one["version"]), one["made_at"], one["made_by"], _changes(one), one["note"]) for one in told["versions"]
    ]
    _show(rows, ("version", "when", "who", "what", "why"), told["version"], console)


def rollback(api: AdminApi, version: int, console: Console) -> None:
    """Come back to an earlier version."""
    told = api.change("POST", "/admin/runtime/rollback", {"version": version})
    console.print(f"version {told['version']} says what version {version} said", highlight=False)


def state(api: AdminApi, console: Console) -> None:
    """Show the state of everything, as it comes."""
    console.print_json(json.dumps(api.get("/debug/system/state")))


def _show(rows: Sequence[tuple[str, ...]], headers: tuple[str, ...], version: int, console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(f"version {version}" + (" (the settings)" if not version else ""), style="dim", highlight=False)


def _changes(one: Mapping[str, Any]) -> str:
    if one["changes"] is None:
        return f"not valid, never in force: {one['problem']}"
    return ", ".join(f"{name} {_told(a)} -> {_told(b)}" for name, (a, b) in one["changes"].items()) or "nothing"


def _told(value: bool | float) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:g}"


def _pair(text: str) -> tuple[str, object]:
    name, is_there, value = text.partition("=")
    if not is_there:
        raise NovaError(f"{text!r} must be NAME=VALUE, such as weight_freshness=0.5")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # the listener says what is wrong with it


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"

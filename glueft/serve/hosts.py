"""The names under which the service is asked, so that no web page gets at a service of this machine alone.

A page may send requests to the loopback address, and read the answers once its own name resolves to that address (DNS
rebinding). Its browser tells both: the name as `Host`, the page as `Origin`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from glueft.serve.refusals import RefusedError
from glueft.text import short_repr


def refuse_foreign(headers: Mapping[str, str], names: Collection[str]) -> None:
    """Refuse a request to a name, or from a page of a name, that is neither an address nor `localhost`.

    Args:
        headers: of the request.
        names: further ones that are right.

    Raises:
        RefusedError: with status 421.
    """
    for header, url in (("host", f"//{headers.get('host', '')}"), ("origin", headers.get("origin", "//"))):
        if not _is_own(url, names):
            raise RefusedError(
                421,
                "the service does not answer under that name",
                expected="an address, localhost, or a name given with --allow-host, as Host and as Origin",
                received=f"{header.title()}: {short_repr(headers[header])}",
                fix="ask under its address, or start it with --allow-host NAME where a proxy passes on its own name",
            )


def _is_own(url: str, names: Collection[str]) -> bool:
    try:
        parts = urlsplit(url)
        name = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    if not name:
        return not parts.path  # without a Host, or an Origin; `null` is that of a page from nowhere
    if name == "localhost" or name.endswith(".localhost") or name in {other.lower() for other in names}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

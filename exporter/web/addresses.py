"""Listen addresses as Prometheus exporters write them: `:10210`, `localhost:10210`, `[::1]:10210`."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

_BACKLOG = 2048
_LARGEST_PORT = 65_535
_REASONS = {
    errno.EACCES: "no permission to listen there",
    errno.EADDRINUSE: "another process listens there already",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


class ListenError(Exception):
    """An address cannot be listened on; the text names it and says why."""


class Address(Struct, frozen=True):
    """Where to listen."""

    #: Empty: every address of the machine.
    host: str
    #: 0: one that the system chooses.
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """Reads a listen address.

    Raises:
        ValueError: it is not one.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    well_formed = colon and port.isascii() and port.isdigit() and len(port) <= len(str(_LARGEST_PORT))
    if not well_formed or int(port) > _LARGEST_PORT or (":" in host and not bracketed):
        msg = f"expected a listen address such as :10210, localhost:10210 or [::1]:10210, got {text!r}"
        raise ValueError(msg)
    return Address(host[1:-1] if bracketed else host, int(port))


def listen(addresses: Sequence[Address]) -> list[socket.socket]:
    """Opens a listening socket for each address, or none at all.

    Raises:
        ListenError: one of them cannot be opened.
    """
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(_listen(address)) for address in addresses]
        opened.pop_all()
    return sockets


def bound(listener: socket.socket) -> Address:
    """Where a listening socket really is."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def _listen(address: Address) -> socket.socket:
    try:
        family, place = _resolve(address)
        both = family == socket.AF_INET6 and place[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(place, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or f"{error}")
        msg = f"cannot listen on {address}: {reason}"
        raise ListenError(msg) from error
    except UnicodeError as error:
        msg = f"cannot listen on {address}: no name of a host"
        raise ListenError(msg) from error


def _resolve(address: Address) -> tuple[int, tuple[str, int]]:
    if not address.host:
        # Without IPv6 in the kernel there is no "::" that takes both.
        everywhere = (socket.AF_INET6, "::") if socket.has_dualstack_ipv6() else (socket.AF_INET, "0.0.0.0")  # noqa: S104 - asked for by an address without a host
        return everywhere[0], (everywhere[1], address.port)
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    # A name such as localhost has several addresses; clients expect IPv4 there, as from exporters written in Go.
    family, _, _, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (f"{place[0]}", address.port)

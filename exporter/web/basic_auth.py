"""HTTP basic authentication (RFC 7617) against bcrypt hashes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

import bcrypt
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHALLENGE: Final = 'Basic realm="webrtc-quality-exporter", charset="UTF-8"'

#: bcrypt reads no more of a password; its Python binding refuses what is longer, htpasswd and Go cut it.
_BCRYPT_BYTES = 72
#: Version, cost, 22 letters of salt of which the last one has two bits, 31 letters of hash.
_HASH = re.compile(r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_REMEMBERED_REFUSALS = 128
_LONGEST_QUEUE = 32


class Credentials(Struct, frozen=True):
    """What a client says of itself."""

    user: str
    password: bytes

    def __repr__(self) -> str:
        return "<credentials>"


class OverloadedError(Exception):
    """So many passwords wait for their hash that one more is not taken."""


class Users:
    """The users of one configuration: names and bcrypt hashes."""

    def __init__(self, hashes: Mapping[str, bytes]) -> None:
        self._hashes = dict(hashes)
        # An unknown name costs the time of a known one, so that names cannot be found out by the clock.
        costs = [int(stored.split(b"$")[2]) for stored in self._hashes.values()]
        self._nobody = bcrypt.gensalt(max(costs, default=10))

    def stored(self, user: str) -> bytes:
        """The hash of a user; for an unknown one a salt, which no password matches."""
        return self._hashes.get(user, self._nobody)


def read_authorization(header: str) -> Credentials | None:
    """Reads an `Authorization` header; None where it holds no credentials of the scheme Basic."""
    scheme, _, encoded = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return Credentials(user.decode("utf-8"), password) if colon else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


def is_hash(text: str) -> bool:
    """Whether a text is a bcrypt hash that a password can be compared with."""
    return _HASH.fullmatch(text) is not None


def matches(password: bytes, stored: bytes) -> bool:
    """Whether a password is the one of a bcrypt hash."""
    return hmac.compare_digest(bcrypt.hashpw(password[:_BCRYPT_BYTES], stored), stored)


class BasicAuth:
    """Checks credentials; what was found is remembered under a keyed digest, as a hash takes tens of milliseconds."""

    def __init__(self, check: Callable[[bytes, bytes], bool] = matches) -> None:
        """Makes the check.

        Args:
            check: whether a password (first) is the one of a stored hash (second); called in a thread.
        """
        self._check = check
        self._key = secrets.token_bytes(32)
        # Apart, so that no flood of wrong passwords pushes the right ones out.
        self._accepted: set[bytes] = set()
        self._refused: dict[bytes, None] = {}
        self._users: Users | None = None
        self._one_hash = asyncio.Lock()
        self._waiting = 0

    async def accepts(self, users: Users, authorization: str) -> bool:
        """Whether an `Authorization` header names one of the users with the right password.

        Raises:
            OverloadedError: too many others wait for their first check.
        """
        credentials = read_authorization(authorization)
        if credentials is None:
            return False
        if users is not self._users:
            self._users = users
            self._accepted.clear()
            self._refused.clear()
        stored = users.stored(credentials.user)
        # The stored hash stands for the user: it has a salt of its own.
        digest = hmac.digest(self._key, stored + credentials.password, "sha256")
        if (known := self._known(digest)) is not None:
            return known
        if self._waiting >= _LONGEST_QUEUE:
            raise OverloadedError
        self._waiting += 1
        try:
            # One at a time: a flood of passwords takes one core at most, and leaves the other threads alone.
            async with self._one_hash:
                if (known := self._known(digest)) is not None:
                    return known
                accepted = await asyncio.to_thread(self._check, credentials.password, stored)
        finally:
            self._waiting -= 1
        self._remember(digest, accepted=accepted)
        return accepted

    def _known(self, digest: bytes) -> bool | None:
        if digest in self._accepted:
            return True
        return False if digest in self._refused else None

    def _remember(self, digest: bytes, *, accepted: bool) -> None:
        if accepted:
            self._accepted.add(digest)
            return
        self._refused[digest] = None
        if len(self._refused) > _REMEMBERED_REFUSALS:
            del self._refused[next(iter(self._refused))]

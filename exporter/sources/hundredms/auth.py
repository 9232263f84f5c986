"""Management tokens: given, read from a file that may be rotated, or signed here from access key and app secret.

Claims: https://www.100ms.live/docs/get-started/v2/get-started/security-and-tokens
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError

from exporter.sources.base import PollError
from exporter.told import told
from exporter.values import Secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sources.hundredms.settings import Auth

#: A token is issued as of so long ago, for vendors whose clock is behind ours.
BACKDATED_SECONDS = 10
#: The vendor's examples live for a day; no longer life is documented for tokens that customers sign.
LIFE_SECONDS = 24 * 3600
#: A token is replaced so long before its end, so that none ends on its way.
RENEWED_BEFORE_SECONDS = 60

# Anything else breaks the header, and the HTTP library's error would then quote the token.
_SENDABLE = re.compile(r"[!-~]+")


class Credentials(Protocol):
    """Where management tokens come from."""

    def token(self) -> str:
        """The token to send now.

        Raises:
            PollError: there is none.
        """
        ...

    def renew(self, refused: str, ahead: float = 0.0) -> None:
        """Forgets a token, because the vendor refused it: the next one is read or signed anew.

        Args:
            refused: the token; where another one is in its place already, that one stays.
            ahead: by how many seconds the vendor's clock was ahead of ours when it refused; 0 where it did not say.
        """
        ...


def credentials(auth: Auth, now: Callable[[], float]) -> Credentials:
    """The one way that the configuration names.

    Args:
        auth: checked settings.
        now: tells Unix seconds, for the life of signed tokens.
    """
    if auth.management_token_file is not None:
        return _TokenFile(Path(auth.management_token_file))
    if auth.management_token is not None:
        return _GivenToken(auth.management_token)
    return _SignedTokens(auth, now)


class _GivenToken:
    """A token that stands in the configuration."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def token(self) -> str:
        return _sendable(self._token, "management_token")

    def renew(self, refused: str, ahead: float = 0.0) -> None:
        """Does nothing: there is no other token."""


class _TokenFile:
    """A token in a file, read again when the file changes or the token is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._token = ""

    def token(self) -> str:
        try:
            found = self._path.stat()
        except OSError as error:
            raise _unreadable(error) from None
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            self._token = _sendable(_read(None, str(self._path)), str(self._path))
            self._seen = seen
        return self._token

    def renew(self, refused: str, ahead: float = 0.0) -> None:  # noqa: ARG002 - no times in a token of others
        if refused == self._token:
            self._seen = None


class _SignedTokens:
    """Tokens signed with the app secret, each used until shortly before its end."""

    def __init__(self, auth: Auth, now: Callable[[], float]) -> None:
        self._auth = auth
        self._now = now
        self._token = ""
        self._ends = 0.0
        #: By how much the clock by which tokens are signed is ahead of ours.
        self._ahead = 0.0

    def token(self) -> str:
        now = self._now() + self._ahead
        if not self._token or now >= self._ends - RENEWED_BEFORE_SECONDS:
            secret = _read(self._auth.app_secret, self._auth.app_secret_file)
            issued = int(now) - BACKDATED_SECONDS
            self._token = sign(self._auth.access_key or "", secret, issued)
            self._ends = issued + LIFE_SECONDS
        return self._token

    def renew(self, refused: str, ahead: float = 0.0) -> None:
        if refused == self._token:
            self._token = ""
            # A token that is good later, or was, by a clock of ours that is wrong. By ours again where the vendor's did
            # not help: some proxies make up the time that they answer with.
            self._ahead = 0.0 if self._ahead else ahead


class _VendorKeys(HMACAlgorithm):
    """HS256 with keys as the vendor issues them: nobody who runs the exporter can choose longer ones."""

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002 - PyJWT's signature
        return None


def sign(access_key: str, secret: Secret, issued: int) -> str:
    """Signs a management token that is valid from `issued` (Unix seconds) for a day.

    Raises:
        PollError: the secret is no key.
    """
    claims = {
        "access_key": access_key,
        "type": "management",
        "version": 2,
        "jti": str(uuid.uuid4()),
        "iat": issued,
        "nbf": issued,
        "exp": issued + LIFE_SECONDS,
    }
    signer = PyJWS()
    signer.unregister_algorithm("HS256")
    signer.register_algorithm("HS256", _VendorKeys(HMACAlgorithm.SHA256))
    try:
        return signer.encode(msgspec.json.encode(claims), secret.reveal(), algorithm="HS256")
    except PyJWTError:
        message = "the app secret is no key to sign tokens with"
        raise _no_token(message) from None


def _read(secret: Secret | None, file: str | None) -> Secret:
    try:
        found = read_secret(secret, file)
    except ValueError as error:
        raise _no_token(str(error)) from None
    except OSError as error:
        raise _unreadable(error) from None
    if found is None:
        message = "no secret is configured"
        raise _no_token(message)
    return found


def _unreadable(error: OSError) -> PollError:
    return _no_token(f"{error.filename}: cannot be read: {error.strerror}")


def _no_token(message: str) -> PollError:
    return PollError("unauthorized", told(message))


def _sendable(token: Secret, place: str) -> str:
    if not _SENDABLE.fullmatch(token.reveal()):
        message = f"{place}: expected a token, this has blanks or letters that no token has"
        raise _no_token(message)
    return token.reveal()

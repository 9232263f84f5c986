"""The web configuration in force: read again when its file or a certificate changes, kept when the new one is wrong."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from exporter.web.tls import TlsError, server_context
from exporter.web.web_config import WebConfig, WebConfigError, parse_web_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from exporter.web.web_config import Parsed

logger = logging.getLogger(__name__)

#: What tells one state of a file from another; None where there is no file. A file that is moved into the place of
#: another, as Kubernetes and certbot do it, may have the size and even the time of the old one, but not its inode.
_Stamp: TypeAlias = tuple[int, int, int, int] | None


class InForce(Struct, frozen=True):
    """What holds for a connection or a request that begins now."""

    config: WebConfig
    #: None: plain HTTP.
    context: ssl.SSLContext | None


class LiveWebConfig:
    """A web configuration that follows its files."""

    def __init__(self, path: Path) -> None:
        """Reads the file and the certificates that it names.

        Raises:
            WebConfigError: one of them cannot be used.
        """
        self._path = path
        # Each stamp is taken before its file is read: what changes in between is seen as a change by the next request.
        self._stamp = _stamp(path)
        self._parsed = parse_web_config(path)
        self._certificate_stamps: dict[Path, _Stamp] | None = self._stamp_certificates()
        self._in_force = _open(self._parsed)

    def in_force(self) -> InForce:
        """What holds now.

        Looks at the state of each file, and reads those again that have changed. What is wrong then is logged once, and
        the configuration in force before stays so, whole.
        """
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._attempt(self._read_file)
        certificate_stamps = self._stamp_certificates()
        if certificate_stamps != self._certificate_stamps:
            self._certificate_stamps = certificate_stamps
            self._attempt(self._open)
        return self._in_force

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except WebConfigError as error:
            mistakes = f"{error}".replace("\n", "; ")
            logger.error("the web configuration changed and cannot be used, the old one stays: %s", mistakes)  # noqa: TRY400 - a traceback says no more

    def _read_file(self) -> None:
        parsed = parse_web_config(self._path)
        if parsed.config.empty and not self._in_force.config.empty:
            # An editor that empties a file before it writes must not open the door in between.
            raise parsed.error((), "empty; expected what it said before, or `basic_auth_users: {}`")
        if (parsed.config.tls is None) != (self._in_force.context is None):
            raise parsed.error(("tls_server_config",), "TLS cannot be switched on or off without a restart")
        self._parsed = parsed
        # The certificates may be the old ones under another rule, so they are opened in any case.
        self._certificate_stamps = None

    def _open(self) -> None:
        self._in_force = _open(self._parsed)
        logger.info("the web configuration %s was read again", self._path)

    def _stamp_certificates(self) -> dict[Path, _Stamp]:
        tls = self._parsed.config.tls
        return {file: _stamp(file) for file in tls.files()} if tls else {}


def _open(parsed: Parsed) -> InForce:
    tls = parsed.config.tls
    try:
        return InForce(parsed.config, server_context(tls) if tls else None)
    except TlsError as error:
        raise parsed.error(("tls_server_config", error.option), f"{error}") from error


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

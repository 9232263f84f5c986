"""Credentials and certificates of one receiver, read again when they change."""

from __future__ import annotations

import ssl
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import httpx

from exporter.values import read_secret

if TYPE_CHECKING:
    from exporter.remote_write_settings import RemoteWriteSettings, TlsConfig

#: Older versions are not secure and not in today's OpenSSL: who allows them gets 1.2 at least.
_VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1_2,
    "TLS11": ssl.TLSVersion.TLSv1_2,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
#: What tells one state of a file from another; None where there is none. A file that takes the place of another may
#: have its size and time, but not its inode.
_Stamp: TypeAlias = tuple[int, int, int] | None


class AccessError(Exception):
    """Credentials or certificates cannot be used; the text says why and holds none of them."""


class Access:
    """What a receiver asks of us, from the settings and the files that they name."""

    def __init__(self, settings: RemoteWriteSettings) -> None:
        """Takes the settings; no file is read yet.

        Raises:
            AccessError: the URL is none that requests can be made of.
        """
        self._settings = settings
        try:
            url = httpx.URL(settings.url.reveal())
        except httpx.InvalidURL:
            message = f"{settings.url!r}: expected a URL that requests can be sent to"
            # `from None`: the library's text quotes it.
            raise AccessError(message) from None
        #: Where to send to, without user and password.
        self.url = url.copy_with(userinfo=b"")
        self._user = (url.username, url.password) if url.userinfo else None
        self._context: ssl.SSLContext | None = None
        self._context_stamps: list[_Stamp] = []

    def headers(self) -> dict[str, str]:
        """Headers that hold or may hold secrets: read at each request, so that secrets can be rotated.

        Raises:
            AccessError: a secret's file cannot be read.
        """
        headers = {name: value.reveal() for name, value in self._settings.headers.items()}
        try:
            if self._settings.basic_auth is not None:
                basic = self._settings.basic_auth
                password = read_secret(basic.password, basic.password_file)
                headers["Authorization"] = _basic(basic.username, password.reveal() if password else "")
            elif self._settings.authorization is not None:
                own = self._settings.authorization
                credentials = read_secret(own.credentials, own.credentials_file)
                headers["Authorization"] = f"{own.type} {credentials.reveal() if credentials else ''}"
            elif self._user is not None:
                headers["Authorization"] = _basic(*self._user)
        except OSError as error:
            message = f"cannot read {error.filename}: {error.strerror}"
            raise AccessError(message) from error
        except ValueError as error:
            raise AccessError(str(error)) from error
        return headers

    def context(self) -> ssl.SSLContext:
        """How the receiver's certificate is checked: another object after a file has changed.

        Raises:
            AccessError: a certificate or key cannot be used.
        """
        stamps = self._stamps_of_certificates()
        if self._context is None or stamps != self._context_stamps:
            self._context = _context(self._settings.tls_config)
            # Taken before the files were read: what changed in between is a change again.
            self._context_stamps = stamps
        return self._context

    def has_changed(self) -> bool:
        """Whether the next `context` has to be made first, which takes a tenth of a second."""
        return self._context is None or self._stamps_of_certificates() != self._context_stamps

    def state(self) -> tuple[_Stamp, ...]:
        """Differs from before when a file has changed that a receiver may have refused us for."""
        basic, own = self._settings.basic_auth, self._settings.authorization
        secrets = (basic.password_file if basic else None, own.credentials_file if own else None)
        return (*self._stamps_of_certificates(), *map(_stamp, secrets))

    def _stamps_of_certificates(self) -> list[_Stamp]:
        tls = self._settings.tls_config
        return [_stamp(file) for file in (tls.ca_file, tls.cert_file, tls.key_file)]


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _context(tls: TlsConfig) -> ssl.SSLContext:
    try:
        # With an authority of its own, as in Prometheus, no other is trusted.
        context = ssl.create_default_context(cafile=tls.ca_file) if tls.ca_file else httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        raise AccessError(_because("ca_file", tls.ca_file, error)) from error
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = _VERSIONS[tls.min_version]
    if tls.cert_file is not None:
        try:
            # Without a password OpenSSL would ask for that of an encrypted key on the terminal, and wait.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except (OSError, ValueError) as error:
            raise AccessError(_because("cert_file", tls.cert_file, error)) from error
    return context


def _because(key: str, file: str | None, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"tls_config.{key}: cannot use {file}: {reason}"


def _stamp(file: str | None) -> _Stamp:
    try:
        status = None if file is None else Path(file).stat()
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns)

"""TLS contexts for the server: made of files, made anew when these change, asked for at each connection."""

from __future__ import annotations

import ipaddress
import os
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from exporter.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TlsServer(Struct, frozen=True, kw_only=True):
    """What a context is made of. Of a file and its inline twin one is set; for the authority neither need be."""

    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    cert: str = ""
    key: Secret = Secret("")
    client_ca: str = ""
    verify_mode: ssl.VerifyMode = ssl.CERT_NONE
    #: Empty: every verified client. Addresses are in their short form.
    client_allowed_sans: frozenset[str] = frozenset()
    minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    #: OpenSSL's names for TLS 1.2, the server's most preferred first; empty: the defaults.
    ciphers: tuple[str, ...] = ()
    prefer_server_ciphers: bool = True
    #: OpenSSL's name; empty: the defaults.
    curve: str = ""

    def files(self) -> tuple[Path, ...]:
        """The files whose change makes a new context."""
        return tuple(file for file in (self.cert_file, self.key_file, self.client_ca_file) if file)


class TlsError(Exception):
    """A certificate, key or authority cannot be used; the text says why."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(reason)
        #: The key of `tls_server_config` that it is about.
        self.option = option


def server_context(tls: TlsServer) -> ssl.SSLContext:
    """Makes the context for new connections, reading the files.

    Raises:
        TlsError: a file cannot be read, or what is in it is no certificate or not its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(context, tls)
    context.verify_mode = tls.verify_mode
    if tls.verify_mode is not ssl.CERT_NONE:
        _load_authority(context, tls)
    context.minimum_version = tls.minimum_version
    context.maximum_version = tls.maximum_version
    if tls.ciphers:
        context.set_ciphers(":".join(tls.ciphers))
    if not tls.prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.curve:
        context.set_ecdh_curve(tls.curve)
    return context


def subject_names(certificate: Mapping[str, Any]) -> frozenset[str]:
    """The subject alternative names of a verified certificate: DNS, e-mail, URI and IP, the last in its short form.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` gives it.
    """
    return frozenset(
        short_address(value.strip()) if kind == "IP Address" else value
        for kind, value in certificate.get("subjectAltName", ())
        if isinstance(value, str)
    )


def short_address(text: str) -> str:
    """Writes an IP address in its short form, `::1` for `0:0:0:0:0:0:0:1`; leaves other text as it is."""
    try:
        return f"{ipaddress.ip_address(text)}"
    except ValueError:
        return text


class CurrentContext(ssl.SSLContext):
    """A context that hands each new connection to the one that is in force, as certificates change while we serve."""

    in_force: Callable[[], ssl.SSLContext]

    @classmethod
    def following(cls, in_force: Callable[[], ssl.SSLContext]) -> CurrentContext:
        """Makes a context that asks `in_force` at each connection."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.in_force = in_force
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the base class's signature
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begins a connection; this is what asyncio calls, once for each."""
        return self.in_force().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _load_certificate(context: ssl.SSLContext, tls: TlsServer) -> None:
    _check_readable("cert_file", tls.cert_file)
    _check_readable("key_file", tls.key_file)
    with ExitStack() as stack:
        certificate = tls.cert_file or _in_memory(stack, tls.cert)
        key = tls.key_file or _in_memory(stack, tls.key.reveal())
        try:
            # Without a password OpenSSL would ask for that of an encrypted key on the terminal, and wait.
            context.load_cert_chain(certificate, key, password="")
        except (OSError, ValueError) as error:
            reason = f"no certificate with its key, in PEM and not encrypted ({_reason(error)})"
            raise TlsError("cert_file" if tls.cert_file else "cert", reason) from error


def _load_authority(context: ssl.SSLContext, tls: TlsServer) -> None:
    _check_readable("client_ca_file", tls.client_ca_file)
    if not tls.client_ca_file and not tls.client_ca:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    try:
        context.load_verify_locations(cafile=tls.client_ca_file, cadata=tls.client_ca or None)
    except (OSError, ValueError) as error:
        reason = f"no certificate in PEM ({_reason(error)})"
        raise TlsError("client_ca_file" if tls.client_ca_file else "client_ca", reason) from error


def _check_readable(option: str, file: Path | None) -> None:
    try:
        if file is not None:
            file.read_bytes()
    except OSError as error:
        raise TlsError(option, f"cannot read {file}: {error.strerror}") from error


def _in_memory(stack: ExitStack, pem: str) -> Path:
    # OpenSSL reads certificates from files only, and a key that was given inline must not reach a disk.
    descriptor = os.memfd_create("pem")
    stack.callback(os.close, descriptor)
    with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as stream:
        stream.write(pem)
    return Path(f"/proc/self/fd/{descriptor}")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else type(error).__name__

"""Notes that only this exporter can read: sealed with authenticated encryption, under a key made of the salt.

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits for each note, which is safe for 2**32 notes under one key:
a thousand notes a minute for eight years. The key is derived with HKDF-SHA-256 (RFC 5869).
"""

from __future__ import annotations

import os
from importlib.util import find_spec

_NONCE_BYTES = 12
_PURPOSE = b"webrtc-quality-exporter: seal of notes"


class BrokenSealError(Exception):
    """What is to be opened was not sealed so: with another key, for something else, or it was changed since."""


def is_installed() -> bool:
    """Whether the library is there; it comes with the extra `pseudonyms`."""
    return find_spec("cryptography") is not None


class Seal:
    """Seals and opens with one secret."""

    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - an extra
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415 - an extra

        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret)
        self._cipher = AESGCM(key)

    def close(self, plain: bytes, about: bytes) -> bytes:
        """Seals. `about` is not kept, and must be the same to open it: what it belongs to."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Opens what `close` made.

        Raises:
            BrokenSealError: it was not made so.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra

        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except (InvalidTag, ValueError) as error:
            msg = "not sealed with this salt, or changed since"
            raise BrokenSealError(msg) from error

"""Text from strangers, made fit to be stored, sent and shown."""

from __future__ import annotations

from hashlib import blake2b

#: Longer text is shortened. Grafana Mimir refuses label values from 2 KiB on, and an id stands in every series of its
#: session: one document with an id of many megabytes would make a page that nobody can hold in memory.
LONGEST_TEXT = 1024
_KEPT = 1000


def encodable(text: str) -> str:
    """The text with U+FFFD in place of each half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def label_text(text: str) -> str:
    """The text as a label or an identity can hold it: encodable, at most `LONGEST_TEXT` characters.

    Of longer text the beginning stays, and a digest of all of it, so that two ids that begin alike stay two.
    """
    clean = encodable(text)
    if len(clean) <= LONGEST_TEXT:
        return clean
    return f"{clean[:_KEPT]}\N{HORIZONTAL ELLIPSIS}{blake2b(clean.encode(), digest_size=8).hexdigest()}"


def printable(name: str) -> str:
    """A name for a message: those of files may hold a line's end, and what turns a terminal upside down."""
    return name if name.isprintable() else ascii(name)

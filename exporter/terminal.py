"""What commands say to a person: lines that any terminal can show."""

from __future__ import annotations

from typing import TextIO


def say(text: str, stream: TextIO) -> None:
    """Writes a line that holds names of files and keys, whatever the terminal's encoding can show of them."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")

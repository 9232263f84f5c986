"""The series of one peer as the queue keeps them: opaque bytes, small, with a version.

Times are kept once for all series that share them, as differences. The whole is compressed: on the demo's calls a
sample takes some 2 bytes, times and labels included.
"""

from __future__ import annotations

import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from exporter.timeline.series import Labels, TimelineSeries

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Counts up when older bytes would be read wrongly.
_VERSION: Final = 1
#: Of fast compression: the values repeat so much that more effort gains a tenth for three times the time.
_LEVEL: Final = 1


class PayloadError(Exception):
    """Bytes from the queue that are no payload of this version or an older one."""


class _Series(Struct, frozen=True, array_like=True, gc=False):
    family: str
    #: Beside the common ones.
    labels: Labels
    #: Place in the payload's times.
    times: int
    values: bytes


class _Payload(Struct, frozen=True, array_like=True):
    #: Labels that all series begin with.
    common: Labels
    #: The first time and then differences.
    times: tuple[tuple[int, ...], ...]
    series: tuple[_Series, ...]


def encode(series: Sequence[TimelineSeries]) -> bytes:
    """Packs the series of a peer."""
    shared = _common([each.labels for each in series])
    places: dict[tuple[int, ...], int] = {}
    packed = tuple(
        _Series(each.family, each.labels[shared:], places.setdefault(each.times, len(places)), each.values)
        for each in series
    )
    times = tuple((*each[:1], *(after - before for before, after in pairwise(each))) for each in places)
    payload = _Payload(series[0].labels[:shared] if series else (), times, packed)
    return bytes((_VERSION,)) + zlib.compress(msgspec.msgpack.encode(payload), _LEVEL)


def decode(raw: bytes) -> tuple[TimelineSeries, ...]:
    """Unpacks the series of a peer.

    Raises:
        PayloadError: the bytes are damaged, or of a newer version.
    """
    if raw[:1] != bytes((_VERSION,)):
        message = f"expected a payload of version {_VERSION}, got {raw[:1].hex() or 'nothing'}"
        raise PayloadError(message)
    try:
        payload = msgspec.msgpack.decode(zlib.decompress(raw[1:]), type=_Payload)
        times = [tuple(accumulate(each)) for each in payload.times]
        series = tuple(
            TimelineSeries(
                family=each.family, labels=(*payload.common, *each.labels), times=times[each.times], values=each.values
            )
            for each in payload.series
        )
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        message = f"expected a payload, got damaged bytes ({type(error).__name__})"
        raise PayloadError(message) from error
    if any(len(each.values) != 8 * len(each.times) for each in series):
        message = "expected a payload with a value for each time"
        raise PayloadError(message)
    return series


def _common(labels: Sequence[Labels]) -> int:
    """How many labels, from the first on, all series share."""
    if not labels:
        return 0
    shared = 0
    for these in zip(*labels, strict=False):
        if len(set(these)) > 1:
            break
        shared += 1
    return shared

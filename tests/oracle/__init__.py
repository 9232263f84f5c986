"""An oracle for end-to-end tests: what `/metrics` must show, computed from the vendors' raw documents.

It is written from the metric contract and the vendors' pages alone and shares no code with the exporter. It is plain
and slow: exact fractions, everything computed anew from the documents.

- `expected` computes the gauges, counters, histograms and rejected samples.
- `assert_matches` compares them with a Prometheus (`Prometheus.query`) or with a page (`query_of_page`).
- `running_prometheus` starts a real Prometheus; `require_tool` skips or, in CI, fails without it.
- `check_exposition` holds any page of `/metrics` against the rules of exposition.

Choices where the contract leaves room
--------------------------------------

Reading
    A metric array that is empty is no data and no rejection, whatever the timestamps: the vendor documents it so. An
    array without any timestamps array is a length mismatch. Timestamps that are an object or text are one `wrong_type`
    and their metrics nothing more. Values of a dropped duplicate sample are not looked at. A timestamp that is null is
    no sample and no rejection; one that is no number is `not_a_number`. Text is a number when it is one as JSON writes
    it; "NaN", "", " 1" and "1_0" are `not_a_number`; so are booleans, arrays and objects. An integer past the largest
    double is infinite and so missing. null in place of a track, a series, a branch or a peer is missing, not rejected.
    Known metrics are read in every branch, so a subscriber's `rtt_ms` would count. A missing `type` is empty, any but
    `regular` and `screen` is `other`. Times that cannot be read are missing and no rejection, as are strange
    attributes. Undirected values of watchRTC are not looked at, and so never rejected.
Identity
    watchRTC's session id is the last part of the URL's path that is not empty, without query and fragment. A room
    without `room_id` is left out. A watchRTC peer without a `peer_id` that is text is one `wrong_type`. A room that
    comes again with other values is the room that came first.
Sessions
    100ms rows that are active are left out; so are sessions whose peers are all excluded or that have none. Peers and
    sessions that only a document tells of (a fixed list) are taken. Each time falls back by itself: a peer without
    `left_at` keeps its `joined_at`. A watchRTC room without a start or an end of its own has that of its peers too, as
    a session is from the first join to the last leave. An end before its start gives no duration. A negative watchRTC
    duration is `out_of_range` and then computed from the times.
Windows
    A group of merged windows starts at its earliest and takes what is less than half a second later, one window of a
    track at most. Windows of one and the same time are never parted, so the order of the tracks does not matter.
    Windows without any value count as unclassified media time. A track without windows makes no stream, nor does a
    watchRTC part without any (legal) value.
Verdicts
    Windows count one reason each: their worst measure's, the first in the list of equals. The frame rate that is
    judged, of a merged window and of a session, is the plain mean over the tracks of a window whose throughput is not
    0; one whose throughput is not known is among them. The gauge is the mean over all tracks. The 10 s of a peer are
    stream time, added up over its streams. Of a stream whose own windows with a verdict make up less, the means count
    for nothing in its peer's verdict, its windows as any other's; a peer with such streams alone has its windows' time
    and its MOS. Freezes a minute are over the merged time that has freeze counts. Track types other than `screen` have
    the limits of `regular`. A summary has no windows: its reason is the worst mean's. A summary peer needs a stream's
    measure or a MOS to be classified: a call setup time alone is no media, and throughput is no measure; beside them
    call setup is judged like a mean. A fair room's reason is the most frequent of its fair and poor peers.
    `poor_time_ratio` is there as soon as any window is classified, even under 10 s.
Rooms
    A room whose `stats` tell anything shows that, and nothing computed; MOS, score, rating and call setup are never
    computed from peers. A computed throughput is the plain mean over the peers that have one. A summary weighs its
    peer's duration. The room's verdict, estimate, media and peers take each peer once: the longer stay, without a
    duration the shortest; of equals the one that is known to have begun first, then the first in the document.
Estimated MOS
    Several audio streams of one direction are first averaged by the time in which they have the metric.
Cumulative series
    A series of zeros may be there or not. A version of a peer's statistics that has no more samples than the one before
    is none. Of statistics that grew, values left out count by reason as often as in the version with the most of them.
"""

from __future__ import annotations

from tests.oracle.compare import assert_matches, differences, query_of_page
from tests.oracle.documents import Versions
from tests.oracle.expected import Expected, Histogram, expected
from tests.oracle.exposition import check_exposition
from tests.oracle.prometheus import Prometheus, require_tool, running_prometheus

__all__ = [
    "Expected",
    "Histogram",
    "Prometheus",
    "Versions",
    "assert_matches",
    "check_exposition",
    "differences",
    "expected",
    "query_of_page",
    "require_tool",
    "running_prometheus",
]

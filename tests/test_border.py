"""The border: whose sessions pass, under which names, and what a source gets back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from exporter.ledger import Ledger, Terms
from exporter.metrics.catalogue import FAMILIES
from exporter.pipeline.border import Border
from exporter.pipeline.ingest import Ingest
from exporter.pseudonyms import LABELS, Pseudonyms
from exporter.quality import Thresholds
from exporter.settings import MetricsSettings, PseudonymSettings, Settings, ShardSettings
from exporter.shard import Shard
from exporter.sources.base import Delivery, Fact, ObjectIdentity, Receipt, RejectedDocument, SkippedPeers, Task
from exporter.values import Secret
from tests.reports import START, audio, key, peer, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.model import Report, SessionKey

SALT = "a salt that nobody guesses"
HIDING = Border(pseudonyms=Pseudonyms(SALT, sorted(LABELS)))


class Desk:
    """A ledger behind a border."""

    def __init__(self, folder: Path, border: Border) -> None:
        self.folder = folder
        self.border = border
        self.ledger = Ledger.open(folder)
        self.ingest = Ingest(self.ledger, FAMILIES, Thresholds(), border)

    def deliver(self, delivery: Delivery) -> Receipt:
        """Delivers as the source `prod`."""
        return self.ingest.commit("prod", delivery, START + 600.0).receipt

    def counts(self) -> Counter[tuple[str, ...]]:
        """Every series with what it has counted."""
        return Counter(
            {
                (*series, str(place)): amount
                for series, count in self.ledger.counts.items()
                for place, amount in enumerate(count.amounts)
                if amount
            }
        )

    def sessions(self) -> list[SessionKey]:
        """The sessions in view."""
        return [stored.session.key for stored in self.ledger.sessions()]

    def bytes(self) -> bytes:
        """All that it leaves on disk."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()))


@pytest.fixture
def hiding(tmp_path: Path) -> Iterator[Desk]:
    """A ledger that is to know nobody."""
    desk = Desk(tmp_path / "hiding", HIDING)
    yield desk
    desk.ledger.close()


NAMES = st.sampled_from(["a", "b", "c", "d", "", "größe"])
PEERS = st.builds(
    lambda name, losses, stay: peer(name, audio(list(losses)), stay=stay),
    NAMES.filter(bool),
    st.lists(st.sampled_from([0.0, 0.25, 0.5]), min_size=1, max_size=3),
    st.sampled_from(["", "2026-03-01"]),
)
REPORTS: st.SearchStrategy[Report] = st.builds(
    lambda room, session, peers: report(*peers, of=key(session, room)),
    NAMES,
    NAMES.filter(bool),
    st.lists(PEERS, max_size=2),
)
REJECTED = st.builds(
    RejectedDocument,
    reason=st.sampled_from(["malformed", "wrong_type"]),
    digest=st.binary(min_size=1, max_size=1),
    message=st.just("here"),
    session_id=NAMES,
)
DELIVERIES = st.lists(
    st.builds(
        Delivery,
        reports=st.lists(REPORTS, max_size=3).map(tuple),
        rejected=st.lists(REJECTED, max_size=3).map(tuple),
    ),
    min_size=1,
    max_size=5,
)


def seen(desk: Desk, delivery: Delivery) -> Delivery:
    """What of a delivery an exporter comes to see: it asks for nothing on behalf of a session that is not its own."""
    shard = desk.border.shard
    asked = [each for each in delivery.rejected if not each.session_id or shard.has_session(each.session_id)]
    return replace(delivery, rejected=tuple(asked))


class TestShards:
    """Several exporters are one."""

    @given(DELIVERIES, st.integers(min_value=1, max_value=4))
    @settings(max_examples=30, deadline=None)
    def test_together_they_count_what_one_counts(self, deliveries: list[Delivery], count: int) -> None:
        """All that is counted adds up, each session is with one of them, whatever comes how often."""
        with TemporaryDirectory() as name:
            single = Desk(Path(name) / "single", Border())
            parts = [Desk(Path(name) / str(index), Border(Shard(index, count))) for index in range(count)]
            for delivery in deliveries:
                whole, shares = single.deliver(delivery), [part.deliver(seen(part, delivery)) for part in parts]
                for field in Receipt.__struct_fields__:
                    assert getattr(whole, field) == sum(getattr(share, field) for share in shares), field
            # The losses are halves and quarters, whose sums are exact; other sums differ by their order at most.
            together = sum((part.counts() for part in parts), Counter())
            assert together.keys() == single.counts().keys()
            assert all(together[series] == pytest.approx(amount) for series, amount in single.counts().items())
            assert sorted(session for part in parts for session in part.sessions()) == sorted(single.sessions())
            for desk in (single, *parts):
                desk.ledger.close()

    def test_peers_are_skipped_where_their_session_is(self, tmp_path: Path) -> None:
        """Each session's by one of the shards."""
        delivery = Delivery(skipped_peers=tuple(SkippedPeers(f"s{number}", 1) for number in range(40)))
        shares = []
        for index in range(3):
            desk = Desk(tmp_path / str(index), Border(Shard(index, 3)))
            desk.deliver(delivery)
            shares.append(desk.counts()["webrtc_exporter_peers_skipped_total", "prod", "0"])
            desk.ledger.close()
        assert sum(shares) == 40.0
        assert min(shares) > 0.0

    def test_the_same_answer_for_two_sessions_is_two_documents(self, tmp_path: Path) -> None:
        """For the same session it is one."""
        desk = Desk(tmp_path, Border())
        document = RejectedDocument(reason="malformed", digest=b"d", message="here", session_id="s1")
        other = replace(document, session_id="s2")
        assert desk.deliver(Delivery(rejected=(document, other))).rejected == 2
        assert desk.deliver(Delivery(rejected=(document, other))).rejected == 0
        desk.ledger.close()


class TestPseudonyms:
    """What is behind the border knows nobody."""

    @given(DELIVERIES)
    @settings(max_examples=20, deadline=None)
    def test_they_count_as_without(self, deliveries: list[Delivery]) -> None:
        """The same sums by everything but the room's name."""
        with TemporaryDirectory() as name:
            plain, hiding = Desk(Path(name) / "plain", Border()), Desk(Path(name) / "hiding", HIDING)
            for delivery in deliveries:
                assert plain.deliver(delivery) == hiding.deliver(delivery)
            pseudonym = HIDING.pseudonyms.of if HIDING.pseudonyms else None
            assert pseudonym
            expected = Counter[tuple[str, ...]]()
            for (family, source, *labels), amount in plain.counts().items():
                room = labels[:1] if family.startswith("webrtc_exporter") else [pseudonym("room_id", labels[0])]
                room = labels[:1] if family == "webrtc_report_lag_seconds" else room
                expected[family, source, *room, *labels[1:]] = amount
            assert hiding.counts() == expected
            plain.ledger.close()
            hiding.ledger.close()

    def test_tasks_come_back_as_they_were(self, hiding: Desk) -> None:
        """Added once, put off, and finished, under a name that says nothing."""
        one = Task(key="session-zq/peer-zq", due=START, notes=b'{"room":"room-zq"}')
        hiding.deliver(Delivery(new_tasks=(one, replace(one, key="other-zq"))))
        hiding.deliver(Delivery(new_tasks=(replace(one, notes=b"again-zq"),)))
        later = replace(one, due=START + 1.0, attempts=1, notes=b"later-zq")
        hiding.deliver(Delivery(postponed_tasks=(later,)))
        hiding.deliver(Delivery(finished_tasks=("other-zq",)))
        kept = hiding.ledger.due_tasks("prod", START + 9.0, 9)
        assert len(kept) == 1
        assert HIDING.outwards("prod", kept) == ([later], [])
        assert b"zq" not in hiding.bytes()

    def test_a_seal_is_good_for_its_own_task_only(self, hiding: Desk) -> None:
        """Of another source, of another task or with another salt it does not open; the others still do."""
        one, other = Task(key="one", due=START, notes=b"1"), Task(key="other", due=START, notes=b"2")
        hiding.deliver(Delivery(new_tasks=(one, other)))
        first, second = hiding.ledger.due_tasks("prod", START, 9)
        swapped = replace(first, notes=second.notes)
        assert HIDING.outwards("prod", [swapped, second])[1] == [first.key]
        assert len(HIDING.outwards("prod", [swapped, second])[0]) == 1
        assert HIDING.outwards("else", [first, second]) == ([], [first.key, second.key])
        assert Border(pseudonyms=Pseudonyms("other", LABELS)).outwards("prod", [first]) == ([], [first.key])

    def test_what_is_no_backlog_can_still_be_told(self, hiding: Desk) -> None:
        """By the first character of its key, which is no part of what is hidden."""
        hiding.deliver(Delivery(new_tasks=tuple(Task(key=key_, due=START) for key_ in ("a-zq", "~a-zq", "b-zq"))))
        assert hiding.ledger.waiting_tasks("prod") == 2
        assert HIDING.task_key("~a-zq") != f"~{HIDING.task_key('a-zq')}"
        assert b"zq" not in hiding.bytes()

    def test_facts_come_back_as_they_were(self, hiding: Desk) -> None:
        """Neither their names nor their values are known to the state; of another source they do not open."""
        name = HIDING.fact_name("listed/room-zq")
        for value in (b"one-zq", b"two-zq"):
            hiding.deliver(Delivery(facts=(Fact("listed/room-zq", value),)))
        kept = hiding.ledger.source_fact("prod", name)
        assert kept is not None
        assert HIDING.fact_value("prod", name, kept) == b"two-zq"
        assert HIDING.fact_value("else", name, kept) is None
        assert b"zq" not in hiding.bytes()

    def test_skipped_peers_count_once_for_a_session_that_nobody_knows(self, hiding: Desk) -> None:
        """What is kept of it is a hash with a key."""
        for _ in range(2):
            hiding.deliver(Delivery(skipped_peers=(SkippedPeers("s1", 45),)))
        assert hiding.counts()["webrtc_exporter_peers_skipped_total", "prod", "0"] == 45.0
        (passed,) = HIDING.inwards("prod", Delivery(skipped_peers=(SkippedPeers("s1", 45),))).skipped_peers
        assert (passed.session_id != "s1", passed.count) == (True, 45)

    def test_objects_have_no_names(self, hiding: Desk) -> None:
        """Another version of the same object is known to be one."""
        identity = ObjectIdentity("2026/room-zq.json", "1")
        hiding.deliver(Delivery(read_objects=(identity,)))
        assert hiding.ledger.unread("prod", [HIDING.object_identity(identity)], START) == []
        changed = HIDING.object_identity(replace(identity, tag="2"))
        assert hiding.ledger.unread("prod", [changed], START) == [changed]
        assert b"zq" not in hiding.bytes()

    def test_a_document_of_one_word_cannot_be_guessed(self, hiding: Desk) -> None:
        """The digest that is kept has a key; the same document is still known."""
        document = RejectedDocument(reason="malformed", digest=b"alice's digest", message="here")
        assert hiding.deliver(Delivery(rejected=(document,))).rejected == 1
        assert hiding.deliver(Delivery(rejected=(document,))).rejected == 0
        (passed,) = HIDING.inwards("prod", Delivery(rejected=(document,))).rejected
        (other,) = (
            Border(pseudonyms=Pseudonyms("other", LABELS)).inwards("prod", Delivery(rejected=(document,))).rejected
        )
        assert len({passed.digest, other.digest, document.digest}) == 3

    def test_what_may_be_said(self) -> None:
        """Names of sources and reasons; everything else is told apart and no more."""
        discretion = HIDING.discretion(["prod"])
        assert discretion is not None
        assert [discretion.hidden(word) for word in ("prod", "malformed", "unreachable", "")] == [
            "prod",
            "malformed",
            "unreachable",
            "",
        ]
        assert discretion.hidden("alice") == discretion.hidden("alice") != discretion.hidden("bob")
        assert "alice" not in discretion.hidden("alice")
        assert Border().discretion(["prod"]) is None


class TestSettings:
    """What the configuration makes of it."""

    @staticmethod
    def border(**pseudonyms: object) -> Border:
        """The border of settings with these pseudonyms of `peer_id` and the second shard of three."""
        chosen = PseudonymSettings(labels=("peer_id",), **pseudonyms)  # type: ignore[arg-type]
        return Border.of(
            Settings(sources=(), metrics=MetricsSettings(pseudonyms=chosen), shard=ShardSettings(index=1, count=3))
        )

    def test_all_of_it(self, tmp_path: Path) -> None:
        """A salt in a file is the same salt, whatever ends the file."""
        (tmp_path / "salt").write_text(f"{SALT}\n", encoding="utf-8")
        border = self.border(salt_file=str(tmp_path / "salt"))
        assert border.shard == Shard(1, 3)
        assert border.terms == self.border(salt=Secret(SALT)).terms
        assert border.terms == Terms(
            pseudonyms=("peer_id",), salt_check=Pseudonyms(SALT, ()).check(), shard_index=1, shard_count=3
        )
        assert not border.has_weak_salt
        assert self.border(salt=Secret("pepper")).has_weak_salt

    def test_nothing_of_it(self) -> None:
        """Everything passes as it is."""
        border = Border.of(Settings(sources=()))
        task = Task(key="k", due=START, notes=b"n")
        delivery = Delivery(
            reports=(report(peer("p", audio([0.5]))),),
            rejected=(RejectedDocument(reason="malformed", digest=b"d", message="m"),),
            new_tasks=(task,),
            postponed_tasks=(task,),
            finished_tasks=("k",),
            read_objects=(ObjectIdentity("f", "1"),),
            facts=(Fact("f", b"1"),),
            skipped_peers=(SkippedPeers("s", 1),),
        )
        assert border.inwards("prod", delivery) == delivery
        assert border.fact_name("f") == "f"
        assert border.fact_value("prod", "f", b"1") == b"1"
        assert border.outwards("prod", [task]) == ([task], [])
        assert border.terms == Terms()

    @pytest.mark.parametrize("text", [None, "", "a\nb"], ids=["missing", "empty", "two lines"])
    def test_a_salt_file_that_is_none(self, tmp_path: Path, text: str | None) -> None:
        """The error names the key and the file."""
        if text is not None:
            (tmp_path / "salt").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=rf"^metrics\.pseudonyms\.salt_file: {tmp_path}/salt: "):
            self.border(salt_file=str(tmp_path / "salt"))

"""The border between sources and ledger: only what belongs to this shard passes, and only under its pseudonyms.

Sources know sessions, peers and objects by their names, and must, to ask for them. Past the border nothing does: no
state and no page holds what a chosen label stands for. What a source asks to be remembered comes back to it as it was:
keys of tasks and names of objects are kept as keyed hashes, the notes of a task are sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import msgspec
from msgspec import structs

from exporter.ledger import Terms
from exporter.model import ReportRejection
from exporter.pseudonyms import Pseudonyms
from exporter.remembered import ASIDE, Fact, ObjectIdentity, SkippedPeers, Task
from exporter.sealing import BrokenSealError, Seal
from exporter.shard import Shard
from exporter.sources.base import PollFailure, digest
from exporter.told import Discretion
from exporter.values import read_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.config import Settings
    from exporter.sources.base import Delivery, RejectedDocument

#: A shorter salt can be found by trying, and then the values of its pseudonyms.
_SHORTEST_SALT = 16
#: Words that messages may say.
_REASONS = frozenset(get_args(PollFailure) + get_args(ReportRejection))


class Border:
    """What passes between sources and ledger; it keeps nothing, and works in any thread."""

    def __init__(self, shard: Shard | None = None, pseudonyms: Pseudonyms | None = None) -> None:
        """Makes it.

        Args:
            shard: which sessions pass; None: all.
            pseudonyms: under which names; None: their own.
        """
        self.shard = shard or Shard()
        self.pseudonyms = pseudonyms
        self._seal = Seal(pseudonyms.secret) if pseudonyms else None

    @classmethod
    def of(cls, settings: Settings) -> Border:
        """The border that the settings ask for.

        Raises:
            ValueError: the salt cannot be used; the text names the key.
        """
        shard = Shard(settings.shard.index, settings.shard.count)
        chosen = settings.metrics.pseudonyms
        if chosen is None:
            return cls(shard)
        try:
            salt = read_secret(chosen.salt, chosen.salt_file)
        except OSError as error:
            msg = f"metrics.pseudonyms.salt_file: {chosen.salt_file}: cannot be read: {error.strerror}"
            raise ValueError(msg) from None
        except ValueError as error:
            msg = f"metrics.pseudonyms.salt_file: {error}"
            raise ValueError(msg) from None
        return cls(shard, Pseudonyms(salt.reveal() if salt else "", chosen.labels))

    @property
    def has_weak_salt(self) -> bool:
        """Whether the salt is so short that it can be found by trying."""
        return self.pseudonyms is not None and len(self.pseudonyms.secret) < _SHORTEST_SALT

    @property
    def terms(self) -> Terms:
        """What the state holds on to."""
        return Terms(
            pseudonyms=self.pseudonyms.labels if self.pseudonyms else (),
            salt_check=self.pseudonyms.check() if self.pseudonyms else "",
            shard_index=self.shard.index,
            shard_count=self.shard.count,
        )

    def discretion(self, sources: Iterable[str]) -> Discretion | None:
        """How messages are told, in which names of sources may be said; None where they may say everything."""
        if self.pseudonyms is None:
            return None
        return Discretion(self._hidden, {*sources, *_REASONS})

    # Into the ledger

    def inwards(self, source: str, delivery: Delivery) -> Delivery:
        """What of a delivery is committed, and how."""
        return structs.replace(
            delivery,
            reports=tuple(
                self.pseudonyms.report(report) if self.pseudonyms else report
                for report in delivery.reports
                if self.shard.has_session(report.session.key.session_id)
            ),
            rejected=tuple(self._rejected(each) for each in delivery.rejected if self._has_document(each)),
            new_tasks=tuple(self._sealed(source, task) for task in delivery.new_tasks),
            postponed_tasks=tuple(self._sealed(source, task) for task in delivery.postponed_tasks),
            finished_tasks=tuple(self.task_key(key) for key in delivery.finished_tasks),
            read_objects=tuple(self.object_identity(each) for each in delivery.read_objects),
            facts=tuple(self._fact(source, each) for each in delivery.facts),
            skipped_peers=tuple(
                self._skipped(each) for each in delivery.skipped_peers if self.shard.has_session(each.session_id)
            ),
        )

    def task_key(self, key: str) -> str:
        """The key by which the ledger knows a task; it still tells whether the task is backlog."""
        if self.pseudonyms is None:
            return key
        return (ASIDE if key.startswith(ASIDE) else "") + self.pseudonyms.name("task key", key)

    def fact_name(self, name: str) -> str:
        """The name by which the ledger knows a source's fact: it may hold a room's."""
        return self.pseudonyms.name("fact name", name) if self.pseudonyms else name

    def object_identity(self, identity: ObjectIdentity) -> ObjectIdentity:
        """The identity by which the ledger knows an object version: its name may hold a room's."""
        if self.pseudonyms is None:
            return identity
        return ObjectIdentity(self.pseudonyms.name("object name", identity.name), identity.tag)

    def _fact(self, source: str, fact: Fact) -> Fact:
        name = self.fact_name(fact.name)
        return Fact(name, self._seal.close(fact.value, _about(source, name)) if self._seal else fact.value)

    def _skipped(self, skipped: SkippedPeers) -> SkippedPeers:
        if self.pseudonyms is None:
            return skipped
        return SkippedPeers(self.pseudonyms.name("skipped session", skipped.session_id), skipped.count)

    def _has_document(self, document: RejectedDocument) -> bool:
        if document.session_id:
            return self.shard.has_session(document.session_id)
        return self.shard.has_document(document.digest)

    def _rejected(self, document: RejectedDocument) -> RejectedDocument:
        mark = document.digest
        if document.session_id:
            # The same answer for two sessions is two documents: two shards could not know that they have the same.
            mark = digest(document.session_id.encode("utf-8", "surrogatepass") + b"\0" + mark)
        if self.pseudonyms:
            # A document may be one value and nothing else, which a digest without a key would give away.
            mark = self.pseudonyms.name("rejected document", mark.hex()).encode()
        return structs.replace(document, digest=mark)

    def _sealed(self, source: str, task: Task) -> Task:
        if self._seal is None:
            return task
        key = self.task_key(task.key)
        notes = self._seal.close(msgspec.msgpack.encode((task.key, task.notes)), _about(source, key))
        return structs.replace(task, key=key, notes=notes)

    def _hidden(self, text: str) -> str:
        """Says whether two lines of a log quote the same, and nothing else."""
        return f"<{self.pseudonyms.of('a quote', text)}>" if self.pseudonyms else text

    # Back to the source

    def outwards(self, source: str, tasks: Sequence[Task]) -> tuple[list[Task], list[str]]:
        """Tasks of the ledger as the source made them, and the ledger's keys of those that cannot be read any more."""
        if self._seal is None:
            return list(tasks), []
        opened, broken = [], []
        for task in tasks:
            try:
                plain = self._seal.open(task.notes, _about(source, task.key))
            except BrokenSealError:
                broken.append(task.key)
            else:
                key, notes = msgspec.msgpack.decode(plain, type=tuple[str, bytes])
                opened.append(structs.replace(task, key=key, notes=notes))
        return opened, broken

    def fact_value(self, source: str, name: str, value: bytes) -> bytes | None:
        """A source's fact as it was delivered, by the name that the ledger knows; None where it cannot be read."""
        try:
            return self._seal.open(value, _about(source, name)) if self._seal else value
        except BrokenSealError:
            return None


def _about(source: str, key: str) -> bytes:
    """A seal is good for one task of one source: rows that change places do not open."""
    return f"{source}\0{key}".encode()

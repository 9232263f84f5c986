"""What a state was begun with and has to go on with, as else what it knows would be counted a second time."""

from __future__ import annotations

from msgspec import Struct

#: What there is to do about a state that was begun otherwise.
_ANEW = (
    "give the new configuration a new --storage.path (counts start at zero, what the sources still have is read again)"
)


class Terms(Struct, frozen=True, kw_only=True):
    """Under which names and which part of the sessions a state keeps."""

    #: The labels whose values are pseudonyms, ordered.
    pseudonyms: tuple[str, ...] = ()
    #: Tells the salt from any other; empty where there are no pseudonyms.
    salt_check: str = ""
    shard_index: int = 0
    shard_count: int = 1

    def broken_by(self, wanted: Terms) -> str:
        """Why a state with these terms cannot go on with others, and the way out; empty where it can."""
        if wanted == self:
            return ""
        kept, asked = self._shard, wanted._shard
        if kept != asked:
            return (
                f"shard: the state is that of {kept}, the configuration makes it that of {asked}: sessions would count"
                f" twice or not at all; put `shard` back, or {_ANEW}"
            )
        if not self.pseudonyms:
            return (
                "metrics.pseudonyms: the state holds values as the vendors gave them; take metrics.pseudonyms out, or"
                f" {_ANEW} and delete the old one"
            )
        if not wanted.pseudonyms:
            return f"metrics.pseudonyms: the state holds pseudonyms; put metrics.pseudonyms back, or {_ANEW}"
        if self.pseudonyms != wanted.pseudonyms:
            return (
                "metrics.pseudonyms.labels: the state holds pseudonyms of other labels (expected"
                f" {', '.join(self.pseudonyms)}); put metrics.pseudonyms.labels back, or {_ANEW}"
            )
        return f"metrics.pseudonyms: the state holds pseudonyms of another salt; put the old salt back, or {_ANEW}"

    @property
    def _shard(self) -> str:
        one = self.shard_count == 1
        return "a single exporter" if one else f"shard {self.shard_index} of {self.shard_count}"

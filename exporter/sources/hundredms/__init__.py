"""100ms: finished sessions and the statistics of their peers, over the vendor's REST API."""

from __future__ import annotations

from operator import attrgetter

from exporter.sources.base import SavedDocuments, SourceType
from exporter.sources.hundredms.files import looks_like_answers, read_file
from exporter.sources.hundredms.push import push_receiver
from exporter.sources.hundredms.settings import HundredMsSettings
from exporter.sources.hundredms.source import open_source
from exporter.sources.hundredms.webhook import webhook_receiver

SOURCE_TYPE = SourceType(
    name="100ms",
    settings=HundredMsSettings,
    open=open_source,
    webhook=webhook_receiver,
    saved=SavedDocuments(looks_like=looks_like_answers, read=read_file),
    push=push_receiver,
    personal_labels=attrgetter("discovery.personal_labels"),
)

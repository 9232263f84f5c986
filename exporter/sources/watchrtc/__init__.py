"""watchRTC: data-stream files, each a JSON array of finished rooms with all of their peers, in a folder."""

from __future__ import annotations

from exporter.sources.base import SavedDocuments, SourceType
from exporter.sources.watchrtc.files import looks_like_rooms, read_file
from exporter.sources.watchrtc.push import push_receiver
from exporter.sources.watchrtc.settings import WatchRtcSettings
from exporter.sources.watchrtc.source import open_source

SOURCE_TYPE = SourceType(
    name="watchrtc",
    settings=WatchRtcSettings,
    open=open_source,
    push=push_receiver,
    saved=SavedDocuments(looks_like=looks_like_rooms, read=read_file),
)

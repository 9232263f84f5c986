"""The command `ingest`: documents of the vendors that lie in files, counted once, without an exporter that runs."""

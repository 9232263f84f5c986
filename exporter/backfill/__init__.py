"""The command `backfill`: the timeline as a file from which promtool makes blocks."""

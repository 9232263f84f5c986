"""Measurements that print ratios against a peer measured in the same run; no test depends on a time."""

"""Finished WebRTC calls of 100ms and watchRTC as Prometheus metrics."""

__version__ = "0.1.0"

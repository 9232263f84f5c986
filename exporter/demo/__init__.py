"""Simulated calls and simulated vendors, for the demo, the tests and the benchmarks."""

"""Tests say what is promised."""

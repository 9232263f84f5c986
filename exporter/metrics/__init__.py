"""Assessments and counts as exposition: the catalogue of families, the store of rendered bytes, the formats."""

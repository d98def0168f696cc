"""Handouts: executed chapters as pages that open anywhere."""

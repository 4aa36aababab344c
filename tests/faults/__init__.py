"""Faults that are tried for real, each a row of one table."""

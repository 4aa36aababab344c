"""Runs: the state of a run as a fold over its events, its folder on disk, and what can be concluded from it."""

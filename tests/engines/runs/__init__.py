"""Tests of engines/runs."""

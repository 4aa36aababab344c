"""Tests of engines/bench."""

"""Tests of engines/supervision."""

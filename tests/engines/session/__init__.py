"""Tests of engines/session."""

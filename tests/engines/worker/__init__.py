"""Tests of engines/worker."""

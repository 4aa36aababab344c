"""Tests of engines/keras."""

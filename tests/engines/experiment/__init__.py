"""Tests of engines/experiment."""

"""Tests of tui/charts."""

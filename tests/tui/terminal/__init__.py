"""Tests of tui/terminal."""

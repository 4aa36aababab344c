"""Tests of tui/screencast."""

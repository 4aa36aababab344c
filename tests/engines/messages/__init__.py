"""Tests of engines/messages."""

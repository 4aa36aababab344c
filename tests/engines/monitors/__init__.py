"""Tests of engines/monitors."""

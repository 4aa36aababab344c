"""Tests of engines/tools."""

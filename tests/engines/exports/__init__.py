"""Tests of engines/exports."""

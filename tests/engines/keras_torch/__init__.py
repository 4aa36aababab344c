"""Tests of engines/keras_torch."""

"""Tests of engines/keras_jax."""

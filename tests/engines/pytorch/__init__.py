"""Tests of the PyTorch engine, each in a process that imports PyTorch alone."""

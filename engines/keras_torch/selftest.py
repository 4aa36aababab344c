"""What can be asked of PyTorch beneath Keras: the same as of PyTorch alone."""

from __future__ import annotations

from engines.pytorch.selftest import details, facts, try_step, try_xla

__all__ = ["details", "facts", "try_step", "try_xla"]

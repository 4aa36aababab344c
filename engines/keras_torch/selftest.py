"""A self-test of the PyTorch beneath Keras for the doctor: the same as that of PyTorch alone."""

from __future__ import annotations

from engines.pytorch.selftest import build_info, check_step, check_xla, device_info

__all__ = ["build_info", "check_step", "check_xla", "device_info"]

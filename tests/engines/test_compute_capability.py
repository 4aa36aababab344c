"""A build supports the GPUs that the architectures which it names cover."""

from __future__ import annotations

import pytest

from engines.compute_capability import kernel_support

PYTORCH_CU130 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
TENSORFLOW = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]


@pytest.mark.parametrize(
    ("kernels", "capability", "support"),
    [
        (PYTORCH_CU130, "5.2", "none"),
        (PYTORCH_CU130, "7.0", "none"),
        (PYTORCH_CU130, "8.9", "native"),
        (PYTORCH_CU130, "9.0", "native"),
        (PYTORCH_CU130, "10.3", "native"),
        (PYTORCH_CU130, "12.0", "native"),
        (PYTORCH_CU130, "13.0", "none"),
        (TENSORFLOW, "5.2", "none"),
        (TENSORFLOW, "7.5", "native"),
        (TENSORFLOW, "9.0", "native"),
        (TENSORFLOW, "10.0", "ptx"),
        (TENSORFLOW, "12.0", "ptx"),
        (["sm_90a"], "9.0", "native"),
        (["sm_100a"], "10.3", "none"),
        (["sm_100f"], "10.3", "native"),
        (["compute_90a"], "10.0", "none"),
        (["gfx90a"], "9.0", ""),
        ([], "9.0", ""),
        (TENSORFLOW, "", ""),
    ],
)
def test_a_build_has_machine_code_or_ptx_or_neither(kernels: list[str], capability: str, support: str) -> None:
    assert kernel_support(kernels, capability) == support

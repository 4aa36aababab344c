"""Keep garbage collection off until the first paint: it costs a tenth of the start and frees nothing."""

from __future__ import annotations

import gc


def pause_gc() -> None:
    """Turn garbage collection off; call it before Textual is imported."""
    gc.disable()


def resume_gc() -> None:
    """Turn garbage collection on, but never scan what exists already: little of it is ever freed."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()

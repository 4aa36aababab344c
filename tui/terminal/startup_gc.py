"""The app's way to its first paint without a look for rubbish, which would take a tenth of the time and find none."""

from __future__ import annotations

import gc


def pause_gc() -> None:
    """Best before Textual is imported."""
    gc.disable()


def resume_gc() -> None:
    """From now on there may be rubbish, but it is never looked for in what is there already, which stays, or is little."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()

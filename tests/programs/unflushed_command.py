"""A command that leaves text in the buffers of stdout and stderr, and returns 129."""

from __future__ import annotations

import sys

from tui.cli import main


def leave_text(words: list[str]) -> int:
    print("unflushed")
    sys.stderr.write("unflushed")
    return 129


if __name__ == "__main__":
    main._dispatch = leave_text
    sys.exit(main.main([]))

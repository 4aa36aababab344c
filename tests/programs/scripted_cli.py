"""The command line with two scripted engines."""

from __future__ import annotations

import sys

from tests.support.engines import scripted_spec
from tui.cli import arguments, main

if __name__ == "__main__":
    arguments.specs = lambda options: [scripted_spec("pytorch"), scripted_spec("keras")]
    sys.exit(main.main(sys.argv[1:]))

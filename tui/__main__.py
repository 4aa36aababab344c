"""`python -m tui`: the command, for whoever has no scripts folder on the path."""

import sys

from tui.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

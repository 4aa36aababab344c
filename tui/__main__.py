"""`python -m tui`: the command `mnist-tui`, where no scripts folder is on the path."""

import sys

from tui.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

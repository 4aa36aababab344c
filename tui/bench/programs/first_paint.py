"""Write a byte to a pipe once an app's first refresh is painted: `first_paint mnist-tui|empty DESCRIPTOR`."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing would be measured
if TYPE_CHECKING:
    from typing import Any

    from textual.app import App


def mnist_app() -> App[Any]:
    """Make the app with both panes, as the command does, but without workers, which would disturb the next measurement."""
    from tui.terminal import startup_gc

    startup_gc.pause_gc()
    from engines.api import RunRequest, engine_spec
    from tui.app import MnistApp

    return MnistApp([engine_spec("pytorch"), engine_spec("keras")], RunRequest(framework="neither"))


def empty_app() -> App[Any]:
    """Make Textual's empty app, the plain program that the app is compared with."""
    from textual.app import App

    return App()


def main(name: str, descriptor: int) -> None:
    """Run the app until its first paint."""
    app = mnist_app() if name == "mnist-tui" else empty_app()

    def on_painted() -> None:
        os.write(descriptor, b"!")
        app.exit()

    app.call_later(app.call_after_refresh, on_painted)
    getattr(app, "run_guarded", app.run)()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

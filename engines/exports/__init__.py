"""Export saved runs to the formats of other tools. Each writer imports its library when called; none needs a framework."""

from __future__ import annotations


class ExportError(Exception):
    """A run that can't be exported; the message says why and what to do."""


def missing(error: ImportError) -> ExportError:
    """Return the error that says how to install the package that a writer needs."""
    return ExportError(f"This format needs {error.name}: install it with `pip install 'mnist-tui[export]'`.")

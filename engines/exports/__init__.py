"""A kept run in the formats of other tools. Each writer imports its library when it is asked for; none needs a framework."""

from __future__ import annotations


class ExportError(Exception):
    """A run that can't be written in that form: one sentence, with what to do next."""


def missing(error: ImportError) -> ExportError:
    """What to install for a writer."""
    return ExportError(f"This form needs {error.name}: install it with `pip install 'mnist-tui[export]'`.")

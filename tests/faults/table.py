"""`make faults`: each test is a row of the table that says what was tried, and whether the app survived it.

A test names its row: `@pytest.mark.fault("worker", "SIGKILL in mid-epoch")`. Rows that take long are
`slow` as well, and so not in CI.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import groupby

import pytest

_rows: dict[str, tuple[str, str, str, str]] = {}
"""By test: (area, what was tried, which case of it, how it went)."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how each row went."""
    report = yield
    marker = item.get_closest_marker("fault")
    if marker is not None and (report.when == "call" or not report.passed):
        area, tried = marker.args
        case = item.callspec.id if hasattr(item, "callspec") else ""
        outcome = {"passed": "survived", "failed": "LOST"}.get(report.outcome, report.outcome)
        _rows[item.nodeid] = (str(area), str(tried), case, outcome)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not _rows:
        return
    terminalreporter.write_sep("=", "faults")
    terminalreporter.write_line("| where | tried | cases | |\n|---|---|---|---|")
    for (area, tried), group in groupby(sorted(_rows.values()), key=lambda row: row[:2]):
        cases = list(group)
        lost = [case or "it" for *_, case, outcome in cases if outcome == "LOST"]
        outcome = f"LOST: {', '.join(lost)}" if lost else cases[0][3]
        terminalreporter.write_line(f"| {area} | {tried} | {len(cases)} | {outcome} |")
    lost_rows = sum(outcome == "LOST" for *_, outcome in _rows.values())
    terminalreporter.write_line(f"{len(_rows)} tried, {len(_rows) - lost_rows} survived, {lost_rows} lost")

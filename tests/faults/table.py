"""`make faults`: a table of the faults that the tests tried, and whether the app survived them.

A test names its row: `@pytest.mark.fault("worker", "SIGKILL in mid-epoch")`. Tests that take minutes are marked `slow` as well, and
so do not run in CI.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from itertools import groupby

import pytest

_ROW = "fault"
_rows: dict[str, tuple[str, str, str, str]] = {}
"""Maps a test to (area, what was tried, the case, the outcome)."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Store the row in the report, which another process than the test's may read."""
    report = yield
    marker = item.get_closest_marker("fault")
    if marker is not None:
        area, tried = marker.args
        case = item.callspec.id if hasattr(item, "callspec") else ""
        report.user_properties.append((_ROW, (str(area), str(tried), case)))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record the outcome of each row."""
    if report.when == "call" or not report.passed:
        outcome = {"passed": "survived", "failed": "LOST"}.get(report.outcome, report.outcome)
        for name, row in report.user_properties:
            if name == _ROW:
                area, tried, case = map(str, row)  # type: ignore[call-overload]  # appended above
                _rows[report.nodeid] = (area, tried, case, outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if not _rows:
        return
    terminalreporter.write_sep("=", "faults")
    terminalreporter.write_line("| where | tried | cases | |\n|---|---|---|---|")
    for (area, tried), group in groupby(sorted(_rows.values()), key=lambda row: row[:2]):
        cases = list(group)
        lost = [case or "it" for *_, case, outcome in cases if outcome == "LOST"]
        outcome = f"LOST: {', '.join(lost)}" if lost else ", ".join(sorted({case[3] for case in cases}))
        terminalreporter.write_line(f"| {area} | {tried} | {len(cases)} | {outcome} |")
    counts = Counter(outcome for *_, outcome in _rows.values())
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    terminalreporter.write_line(f"{len(_rows)} tried, {counts['survived']} survived, {counts['LOST']} lost{skipped}")

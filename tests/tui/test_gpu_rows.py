"""The rows of the GPU wall and their lines, of a fake box of GPUs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from engines.messages.event_parts import GpuDetails, GpuHolder, GpuReading
from engines.runs.machine_history import GpuHistory
from tests.support.fake_gpus import fake_gpu, lost_fake_gpu
from tui.gpu_rows import SORTS, GpuRow, filter_rows, gpu_rows, sort_rows, summary
from tui.widgets.gpu_lines import heat_columns, lines_for, reasons, seconds_per_cell

COLORS: dict[str, str] = defaultdict(str)
OURS = GpuHolder(pid=7, user="ada", name="python", memory_bytes=30 * 10**9, ours=True)
OTHER = GpuHolder(pid=8, user="bob", name="train\x1b[2J", memory_bytes=2 * 10**9)
HIDDEN = GpuHolder(pid=9)
LINKS = GpuDetails(memory_clock_mhz=2619.0, pcie_in=1.2e9, pcie_out=0.3e9, nvlink_in=4e9, nvlink_out=5e9)


def fake_rows(*readings: GpuReading, now: tuple[GpuReading, ...] | None = None, visible: str = "") -> list[GpuRow]:
    """Return the rows of these fake GPUs, of which only those of `now` are still read."""
    gpus = {reading.index: GpuHistory() for reading in readings}
    for t in range(70):
        for reading in readings:
            gpus[reading.index].add(reading, float(t))
    environment = {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
    return gpu_rows(gpus, readings if now is None else now, "NVML not answering" if now == () else "", environment)


def fake_box(count: int = 8) -> list[GpuReading]:
    readings = [
        replace(
            fake_gpu(index=i, watts=200.0 + i), sm_clock_mhz=1980.0, utilization_percent=90.0 if i in (0, 4) else 0.0
        )
        for i in range(count)
    ]
    readings[0] = replace(readings[0], throttled="power limit, heat", details=replace(LINKS, holders=(OURS, OTHER)))
    readings[1] = replace(readings[1], utilization_percent=None, missing=(("utilization_percent", "under MIG"),))
    readings[2] = replace(readings[2], details=replace(LINKS, holders=(HIDDEN,)))
    return readings


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_line_is_wider_than_the_screen_and_no_gpu_has_too_many(width: int, count: int, ascii_only: bool) -> None:
    rows = fake_rows(*fake_box(), lost_fake_gpu(8))
    for row in rows:
        lines = lines_for(row, width, count, COLORS, ascii_only=ascii_only)
        assert 1 <= len(lines) <= count
        assert all(line.cell_len <= width for line in lines)
        assert "\x1b" not in "".join(line.plain for line in lines), "a process can name itself as it likes"


def test_a_gpu_has_its_figures_and_heat_in_two_lines_at_80_columns() -> None:
    first, second = (line.plain for line in lines_for(fake_rows(*fake_box(), visible="0,4")[0], 80, 2, COLORS))
    assert first == "   0 Fake GPU          90 % ███████████  200/700 W  55 °C 1980 MHz ▼ power limi…"
    assert second.split()[:3] == ["visible", "3/80", "GB"]
    assert second.endswith("ours: ada python 30.0 GB +1")
    links = lines_for(fake_rows(*fake_box())[0], 80, 2, COLORS, links=True)[1].plain
    assert links.endswith("PCIe 1.2/0.3  NVLink 4.0/5.0 GB/s")


def test_more_lines_have_links_and_processes() -> None:
    texts = [line.plain for line in lines_for(fake_rows(*fake_box())[0], 200, 4, COLORS)]
    assert texts[1].endswith("PCIe in 1.2, out 0.3 GB/s  NVLink in 4.0, out 5.0 GB/s")
    assert [text.strip() for text in texts[2:]] == ["ours: ada python 30.0 GB", "bob train 2.0 GB"]
    assert lines_for(fake_rows(*fake_box())[2], 200, 4, COLORS)[2].plain.strip() == "process 9"
    assert "not recorded" in lines_for(fake_rows(*fake_box())[3], 200, 4, COLORS, unread="not recorded")[1].plain


def test_the_heat_covers_a_minute_and_does_not_shimmer() -> None:
    """A reading stays in its cell: with each new one, the cells before the last one or two are as they were."""
    history, before = GpuHistory(), ""
    for t in range(300):
        history.add(replace(fake_gpu(), utilization_percent=float(t * 37 % 100)), float(t))
        (row,) = gpu_rows({0: history}, [fake_gpu()])
        heat = lines_for(row, 80, 2, COLORS)[0].plain[28:39]
        assert heat[:-1] in (before[:-1], before[1:]) or t == 0
        before = heat
    assert " " not in before
    assert (heat_columns(80), seconds_per_cell(11), seconds_per_cell(heat_columns(200))) == (11, 6, 1)


def test_a_gpu_that_disappears_stays_as_a_row_that_says_so() -> None:
    box = fake_box()
    rows = fake_rows(*box, now=(*box[:5], lost_fake_gpu(5), box[6]))
    assert summary(rows) == "8 GPUs, 2 busy, 2 lost"
    lost = [lines_for(row, 80, 2, COLORS)[0].plain for row in rows if row.gone]
    assert lost == ["   5 Fake GPU  n/a: GPU is lost", "   7 Fake GPU  n/a: not reported any more"]
    assert {row.gone for row in fake_rows(*box, now=())} == {"NVML not answering"}


def test_rows_are_sorted_by_a_figure_with_the_unknown_last() -> None:
    rows = fake_rows(*fake_box(4), lost_fake_gpu(4))
    order = {by: [row.reading.index for row in sort_rows(rows, by)] for by in SORTS}
    assert order["index"] == [0, 1, 2, 3, 4]
    assert order["utilisation"] == [0, 2, 3, 1, 4]
    assert order["power"] == [3, 2, 1, 0, 4]


@pytest.mark.parametrize(
    ("text", "indices"),
    [("", [0, 1, 2, 3, 4]), ("busy", [0]), ("idle", [2, 3]), ("lost", [4]), ("visible", [0, 2]), ("ours", [0]), ("BOB", [0]),
     ("gpu3", [3]), ("fake idle", [2, 3]), ("busy lost", [])],
)  # fmt: skip
def test_a_filter_finds_marks_and_names(text: str, indices: list[int]) -> None:
    rows = fake_rows(*fake_box(4), lost_fake_gpu(4), visible="0,2")
    assert [row.reading.index for row in filter_rows(rows, text)] == indices


def test_missing_figures_have_one_sentence_for_each_reason() -> None:
    old = replace(fake_gpu(index=9), missing=(("power_watts", "too old"), ("sm_clock_mhz", "too old")))
    assert reasons(fake_rows(*fake_box(), old, lost_fake_gpu(10))) == [
        "n/a: utilisation of GPU 1: under MIG",
        "n/a: power, clock of GPU 9: too old",
    ]
    assert reasons(fake_rows(old)) == ["n/a: power, clock: too old"]

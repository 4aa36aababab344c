"""The code of both engines side by side: sections, blocks, alignment, and wrapping."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from engines.api import BACKENDS, ENGINES, read_source
from engines.tools.source import FILE_NAME, ORDER, SETUP, fold, logical_lines, sections_of, source_files
from tests.engines.tools.test_source import MODULE
from tui.reports.source_columns import (
    aligned_blocks,
    blocks,
    break_line,
    columns,
    counts_table,
    hanging_indent,
    pairs,
    read_pairs,
    read_script_pairs,
    total_lines,
)


def test_both_engines_have_the_same_sections_and_nothing_is_lost() -> None:
    """The sections contain every line of the files but blank ones and the titles."""
    titles = [[section.title for section in read_source(engine)] for engine in ENGINES]
    assert titles[0] == titles[1]
    for backend in ("jax", "torch"):
        sections = read_source("keras", backend)
        assert {section.title for section in sections} == set(titles[0])
        assert [section.title for section in sections][: len(ORDER)] == list(ORDER)
        files = source_files("keras", backend)
        assert [path.parent.name for path in files if path.name in ("engine.py", "device.py")] == [
            f"keras_{backend}"
        ] * 2
        assert sum(section.lines for section in sections) == sum(logical_lines(path.read_text()) for path in files)
        shown = "\n".join(section.code for section in sections)
        assert all(line in shown for line in files[0].read_text().splitlines() if not line.strip().startswith("# "))
    assert titles[0][: len(ORDER)] == list(ORDER)
    for i, engine in enumerate(ENGINES):
        told = {line for section in read_source(engine) for line in section.code.splitlines()}
        texts = [path.read_text(encoding="utf-8") for path in source_files(engine)]
        missing = {line for text in texts for line in text.splitlines() if line.strip()} - told
        assert {line.strip().removeprefix("# ") for line in missing} <= set(titles[0])
        assert total_lines(read_pairs(ENGINES), i) == sum(map(logical_lines, texts))


def test_an_engine_may_lack_a_section() -> None:
    aligned = pairs([sections_of(MODULE), sections_of("# Train\n")])
    assert [pair.title for pair in aligned] == [SETUP, "Train", "Predict"]
    assert aligned[2].sections[1] is None
    assert total_lines(aligned, 1) == 0


@given(st.text(alphabet=" abc(),.=", max_size=150), st.integers(8, 60))
def test_wrapped_lines_fit_and_are_complete(line: str, width: int) -> None:
    parts = break_line(line, width)
    assert "".join(line[start:end] for start, end in parts).replace(" ", "") == line.replace(" ", "")
    assert all(end - start <= width - (hanging_indent(line, width) if i else 0) for i, (start, end) in enumerate(parts))
    assert all(len(piece.text([line])) <= width for row in columns([line], width) for piece in row[0] if piece)


def test_lines_wrap_between_arguments_first() -> None:
    line = "    self.optimizer.apply(gradients, self.model.trainable_variables)"
    (start, end), (again, _) = break_line(line, 56)
    assert line[start:end] == "    self.optimizer.apply(gradients,"
    assert line[again:] == "self.model.trainable_variables)"
    signature = "def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:"
    assert [signature[a:b] for a, b in break_line(signature, 66)][1] == "npt.NDArray[np.float32]:"


def test_blocks_have_names_and_methods_are_dedented() -> None:
    sections = {section.title: section for section in sections_of(MODULE)}
    assert [(block.name, block.dedent) for block in blocks(sections["Train"].code)] == [("train", 4), ("twice", 0)]
    assert [block.name for block in blocks(sections[SETUP].code)] == ["", "Engine"]
    nested = "class A:\n    x = 1\n\n    @property\n    def f(self): ...\n\n\nclass B:\n    def f(self): ...\n"
    assert [(block.name, block.dedent) for block in blocks(nested)] == [("A", 0), ("A.f", 0), ("B", 0), ("B.f", 0)]


def test_twins_start_side_by_side() -> None:
    """Blocks that only one engine has are placed below those that both have."""
    left, right = (
        f"def {names.replace(' ', '(): ...{0}def ')}(): ...".replace("{0}", "\n\n\n") for names in ("a b c", "a x c d")
    )
    names = [tuple([block.name for block in its] for its in row) for row in aligned_blocks([left, right])]
    assert names == [(["a", "b"], ["a", "x"]), (["c"], ["c", "d"])]


@pytest.mark.parametrize("width", [20, 38, 56, 76, 200])
def test_every_line_of_both_engines_is_shown(width: int) -> None:
    for pair in read_pairs(ENGINES):
        codes = [section.code for section in pair.sections if section]
        for i, code in enumerate(codes):
            shown_pieces = [piece for row in columns(codes, width) for piece in row[i] if piece]
            told = "".join(code.splitlines()[piece.line][piece.start : piece.end] for piece in shown_pieces)
            assert "".join(told.split()) == "".join(code.split())
            assert all(len(piece.text(code.splitlines())) <= width for piece in shown_pieces)


@pytest.mark.parametrize("backend", BACKENDS)
def test_folding_hides_docstrings_and_comments_and_nothing_else(backend: str) -> None:
    for engine in ENGINES:
        for section in read_source(engine, backend):
            folded = fold(section)
            assert '"""' not in folded.code
            assert fold(folded) == folded
            assert len(folded.code.splitlines()) >= section.lines
            comments = [line for line in folded.code.splitlines() if line.lstrip().startswith("#")]
            assert comments == [line for line in section.code.splitlines() if FILE_NAME.fullmatch(line)]
            assert [block.name for block in blocks(folded.code)] == [block.name for block in blocks(section.code)]
            if section.code.startswith(("def", "class", "import")):
                assert logical_lines(folded.code) == section.lines


def test_the_readme_has_the_scripts_counts() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    table = "\n".join(counts_table(ENGINES, read_script_pairs(ENGINES)))
    assert table in readme, f"README's table is not this one:\n{table}"

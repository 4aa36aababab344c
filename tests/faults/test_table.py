"""The table in docs/faults.md lists every fault that the tests try. MNIST_TUI_UPDATE=1 writes it again."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "faults.md"


def faults() -> Iterator[tuple[str, str]]:
    """Yield (where, tried) of each test that is marked with a fault."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                where, tried = (text_of(constants.get(ast.unparse(word), word)) for word in node.args)
                yield where, tried


def text_of(node: ast.expr) -> str:
    """Return the text of a string, with an ellipsis for each figure that is filled in."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return str(ast.literal_eval(node))


def test_the_document_lists_every_fault() -> None:
    rows = [f"| {where} | {tried} |" for where, tried in sorted(set(faults()))]
    table = "\n".join(["| where | tried |", "|---|---|", *rows])
    text = DOCUMENT.read_text(encoding="utf-8")
    head = text.partition("| where |")[0]
    if os.environ.get("MNIST_TUI_UPDATE"):
        DOCUMENT.write_text(f"{head}{table}\n", encoding="utf-8")
    assert len(rows) > 150
    assert DOCUMENT.read_text(encoding="utf-8") == f"{head}{table}\n"

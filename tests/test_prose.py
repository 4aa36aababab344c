"""Guards of the house: docstrings that stand alone, short modules, and no import cycle."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 400
FRAGMENT_WORDS = frozenset({
    "also", "and", "but", "how", "neither", "nor", "of", "or", "so", "than", "that", "what", "whatever", "when", "where",
    "wherever", "whether", "which", "who", "whom", "whose", "why", "yet",
})  # fmt: skip
"""First words of a phrase that does not stand alone."""
CLAUSE_WORDS = frozenset({
    "after", "although", "as", "at", "because", "before", "beside", "besides", "by", "for", "from", "if", "in", "into", "on",
    "since", "to", "until", "with", "without",
})  # fmt: skip
"""First words of a fragment, unless a comma or a colon ends their clause: "In a replay, commands do nothing."."""


def sources(package: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield (path from the root, syntax tree) of every module of a package."""
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each docstring of modules, classes, functions, attributes and constants."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for i, statement in enumerate(node.body):
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                continue
            text, documented = statement.value.value, node.body[i - 1] if i else node
            owners = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign
            if isinstance(text, str) and isinstance(documented, owners):
                yield statement.lineno, text


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0].strip()


def problem(text: str) -> str:
    """Return the fault of a docstring's first line; empty when it has none."""
    line = first_line(text)
    word = line.partition(" ")[0].rstrip(",:;.").lower()
    has_clause = "," in line or ":" in line
    if word in FRAGMENT_WORDS or (word in CLAUSE_WORDS and not has_clause):
        return f"begins with {word!r}"
    return "" if line.endswith(".") else "has no period at the end of its first line"


@pytest.mark.parametrize("package", ["engines", "tests", "tui"])
def test_docstrings_stand_alone(package: str) -> None:
    """Report every docstring whose first line is a fragment or has no period."""
    offenders = [
        f"{path}:{line}: {fault}: {first_line(text)}"
        for path, tree in sources(package)
        for line, text in docstrings(tree)
        if (fault := problem(text))
    ]
    assert not offenders, f"{len(offenders)} docstrings:\n" + "\n".join(offenders)


@pytest.mark.parametrize("package", ["engines", "tui"])
def test_modules_are_short(package: str) -> None:
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path, _ in sources(package)}
    offenders = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > MAX_LINES]
    assert not offenders, f"more than {MAX_LINES} lines:\n" + "\n".join(offenders)


def test_no_import_cycle() -> None:
    """Ignore imports inside functions and under TYPE_CHECKING: they run after the modules are loaded, or never."""
    trees = {module_name(path): (path, tree) for package in ("engines", "tui") for path, tree in sources(package)}
    graph = {name: set(imported_modules(name, path, tree, trees)) for name, (path, tree) in trees.items()}
    cycles = []
    while cycle := find_cycle(graph):
        cycles.append(" -> ".join(cycle))
        graph[cycle[0]].remove(cycle[1])  # break it to find the others
    assert not cycles, f"{len(cycles)} import cycles:\n" + "\n".join(cycles)


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of an import cycle, each imported by the one before it; empty without a cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        modules: list[str] = error.args[1]
        return modules[::-1]
    return []


def module_name(path: str) -> str:
    """Return the dotted name of a module by its path."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imported_modules(name: str, path: str, tree: ast.Module, modules: Collection[str]) -> Iterator[str]:
    """Yield the names in `modules` that a module imports while it is loaded."""
    package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
    for statement in loading_statements(tree.body):
        if isinstance(statement, ast.Import):
            candidates = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            parts = package.split(".")
            parents = parts[: len(parts) - statement.level + 1] if statement.level else []
            base = ".".join([*parents, *filter(None, [statement.module])])
            submodules = [f"{base}.{alias.name}" for alias in statement.names]
            candidates = [submodule if submodule in modules else base for submodule in submodules]
        else:
            continue
        yield from (candidate for candidate in candidates if candidate in modules and candidate != name)


def loading_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run while a module is loaded, without functions and TYPE_CHECKING blocks."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from loading_statements(statement.orelse)
            continue
        yield statement
        for field in ("body", "orelse", "finalbody"):
            yield from loading_statements(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from loading_statements(handler.body)


def test_the_guards_find_planted_faults() -> None:
    assert problem("Of the process.") == "begins with 'of'"
    assert problem("In its order.") == "begins with 'in'"
    assert problem("In a replay, commands do nothing.") == ""
    assert problem("Write a file") == "has no period at the end of its first line"
    assert problem("Write a file.\n\n    Raises OSError") == ""
    documented = ast.parse('X = 1\n"""Of X."""\ndef f():\n    """And f."""\n    print()\n    "no docstring"\n')
    assert [text for _, text in docstrings(documented)] == ["Of X.", "And f."]
    importing = ast.parse(
        "import b\nif TYPE_CHECKING:\n    import c\ndef f():\n    import d\ntry:\n    import e\nexcept OSError:\n    import g\n"
    )
    assert list(imported_modules("a", "a.py", importing, "abcdeg")) == ["b", "e", "g"]
    assert sorted(find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}})[:2]) == ["b", "c"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []

"""Rules for the layout of the source, read from the files themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import engines

PACKAGE = Path(engines.__file__).parent
MIRRORS = (PACKAGE / "pytorch", PACKAGE / "keras")
UNMIRRORED = {
    "base.py": "Keras alone has backends, which share it",
    "captured_step.py": "PyTorch captures a step by hand; Keras compiles its loop",
}
"""Files that only one of the mirror packages has, with the reason."""
LONGEST_ENGINE = 120
"""Lines of an engine.py: it fits on a page."""


def names_in(path: Path) -> list[str]:
    """Return the names that a module defines, methods included, in their order."""
    names: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            names += [node.name, *(f"{node.name}.{method}" for method in methods)]
        elif isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def test_the_framework_packages_have_the_same_files() -> None:
    pytorch, keras = ({path.name for path in folder.glob("*.py")} for folder in MIRRORS)
    assert {"engine.py", "model.py", "state.py"} <= pytorch
    assert pytorch ^ keras == set(UNMIRRORED)


def test_mirror_files_define_the_same_names_in_the_same_order() -> None:
    """Names that only one file has are allowed; those that both have follow each other alike."""
    for path in sorted(path for path in MIRRORS[0].glob("*.py") if path.name not in UNMIRRORED):
        pytorch, keras = names_in(path), names_in(MIRRORS[1] / path.name)
        shared = [name for name in pytorch if name in keras]
        assert shared == [name for name in keras if name in pytorch], path.name
        assert shared or path.name == "__init__.py", path.name


def test_an_engine_fits_on_a_page() -> None:
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.glob("*/engine.py")}
    assert len(lengths) == 4
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_ENGINE} == {}

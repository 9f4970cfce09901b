"""What every file of the repository keeps to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from repository.source import ROOT, modules, tracked_files

TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".json", ".csv", ".txt", ".cfg", ".sh", ""}
OF_A_MACHINE = re.compile(r"(?<![\w.~:/-])/(home|root|work|Users|mnt)/\w|[A-Z]:\\\\?Users")


def _of_a_machine(text: str) -> list[str]:
    return [line for line in text.splitlines() if OF_A_MACHINE.search(line)]


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()[:100]}"
        for path in tracked_files()
        if path.suffix in TEXT and path != Path(__file__).resolve()
        for line in _of_a_machine(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_a_path_of_one_machine_is_seen() -> None:
    assert _of_a_machine('root = "/home/me/data"')
    assert _of_a_machine("see (/root/x)")
    assert not _of_a_machine("https://example.org/home/page, ../work/data, /path/to/python")


def _public_without_docstring(source: str) -> list[str]:
    """Public classes and functions of a module that say nothing of themselves."""
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if ast.get_docstring(node) is None
    ]


def test_modules_and_public_names_say_what_they_are() -> None:
    silent = []
    for module, path in modules().items():
        source = path.read_text()
        silent += [] if ast.get_docstring(ast.parse(source)) else [module]
        names = _public_without_docstring(source)
        silent += [f"{module}.{name}" for name in names if not name.endswith("_arguments")]
    assert silent == []


def test_a_missing_docstring_is_seen() -> None:
    silent = 'def f():\n    pass\n\ndef g():\n    "Says."\n\ndef _h():\n    pass\n\nclass C:\n    pass\n'
    assert _public_without_docstring(silent) == ["f", "C"]


def _evaluated(source: str) -> bool:
    """Whether a file with code in it does without the import that keeps annotations from being evaluated."""
    tree = ast.parse(source)
    has_code = len(tree.body) > (ast.get_docstring(tree) is not None)
    return has_code and "from __future__ import annotations" not in source


def test_annotations_are_not_evaluated() -> None:
    sources = {path: path.read_text() for path in tracked_files() if path.suffix == ".py"}
    assert [str(path.relative_to(ROOT)) for path, source in sources.items() if _evaluated(source)] == []
    assert _evaluated("import os\n")
    assert not _evaluated('"""Says."""\n')

"""Importing stays light: the package imports nothing, its help no torch, its front end torch and numpy alone."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib

from repository.source import PACKAGE, ROOT, imports, modules

LOADED = """
import sys
def loaded():
    return {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
"""


def _loaded_after(statements: str, given: str = "") -> set[str]:
    """Packages beyond the standard library that `statements` load in a fresh interpreter, `given` loaded before."""
    code = f"{LOADED}\n{given}\nbefore = loaded()\n{statements}\nprint(*(loaded() - before))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.splitlines()[-1].split())


def test_the_package_loads_nothing_else() -> None:
    assert _loaded_after("import tenuto") == {"tenuto"}


def test_help_loads_no_torch() -> None:
    for arguments in (["--help"], ["train", "--help"]):
        helped = f"""
from contextlib import suppress
from tenuto.cli import main
with suppress(SystemExit):
    main({arguments!r})
"""
        assert not _loaded_after(helped) & {"torch", "numpy", "lightning", "timm", "matplotlib", "soundfile"}


def test_the_front_end_needs_torch_and_numpy_alone() -> None:
    on_cuda_only = {"tenuto.frontend._warp_triton", "tenuto.frontend._warp_triton_kernels"}
    names = [name for name in modules() if name.startswith("tenuto.frontend") and name not in on_cuda_only]
    assert len(names) > 5
    assert _loaded_after(f"import {', '.join(names)}", given="import numpy, torch") <= {"tenuto"}


def test_the_test_sees_what_is_loaded() -> None:
    assert "yaml" in _loaded_after("import tenuto, yaml")
    assert "torch" in _loaded_after("import tenuto; tenuto.warp")


# A package imports itself and what stands left of it.
ORDER = (
    *("errors", "files", "report", "frontend", "models"),
    *("data", "training", "inference", "experiments", "allocator", "cli"),
)


def _home(module: str) -> str:
    """The package or file right under tenuto that a module belongs to; tenuto itself is its own."""
    return module.split(".")[1] if "." in module else module


def _upward(module: str, source: str) -> list[str]:
    """What a module imports against the house plan."""
    ours = {name for name in imports(source) if name.partition(".")[0] == "tenuto"}
    allowed = ORDER[: ORDER.index(_home(module)) + 1]
    return sorted(name for name in ours if name != "tenuto" and _home(name) not in allowed)


def test_imports_go_down_the_house_plan() -> None:
    sources = {name: path.read_text() for name, path in modules().items() if name != "tenuto"}  # tenuto is lazy
    upward = {name: found for name, source in sources.items() if (found := _upward(name, source))}
    assert upward == {}
    from_the_top = {
        alias.name
        for source in sources.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == "tenuto"
        for alias in node.names
    }
    assert from_the_top <= {"__version__"}, "import from the module that defines it"


def test_an_upward_import_is_seen() -> None:
    assert _upward("tenuto.frontend.warp", "from tenuto.models.heads import x\nimport tenuto.data.audio") == [
        "tenuto.data.audio",
        "tenuto.models.heads",
    ]
    assert _upward("tenuto.training.fit", "def f():\n    from tenuto.cli import main") == ["tenuto.cli"]
    assert _upward("tenuto.training.fit", "import torch\nfrom tenuto.frontend.warp import warp") == []


def test_what_is_imported_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [declared["dependencies"], *declared["optional-dependencies"].values()]
    packages = {_package(requirement) for group in groups for requirement in group} | {"tenuto"}
    packages.add("triton")  # comes with PyTorch for CUDA, and is done without elsewhere
    for module, path in modules().items():
        third_party = {name.partition(".")[0] for name in imports(path.read_text())} - set(sys.stdlib_module_names)
        unknown = {name for name in third_party if IMPORT_NAMES.get(name, name) not in packages}
        assert not unknown, f"{module} imports {unknown}, which pyproject.toml does not name"


IMPORT_NAMES = {"yaml": "pyyaml", "espeakng_loader": "espeakng-loader", "huggingface_hub": "timm"}  # comes with it


def _package(requirement: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else " " for letter in requirement).split()[0]


def test_every_package_folder_has_its_place_in_the_order() -> None:
    assert {_home(module) for module in modules()} - {"tenuto"} <= set(ORDER)
    assert (PACKAGE / "py.typed").exists()

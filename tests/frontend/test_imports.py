"""`tenuto.frontend` imports with torch and numpy alone, and this test can tell."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import tenuto.frontend

NAMES = [module.name for module in pkgutil.iter_modules(tenuto.frontend.__path__)]
# imported on CUDA only, and only where Triton is there
MODULES = ["tenuto.frontend", *(f"tenuto.frontend.{name}" for name in NAMES if not name.startswith("_warp_triton"))]

# Run in a fresh interpreter: argv names folders to look in first, a "--", and the modules to import.
SCRIPT = """
import importlib, sys
import numpy, torch, torch.utils.data  # with all that they want themselves

allowed = set(sys.stdlib_module_names) | {"torch", "numpy", "tenuto"} | {name.partition(".")[0] for name in sys.modules}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ImportError(f"{name} is neither torch nor numpy")

split = sys.argv.index("--")
sys.path[:0] = sys.argv[1:split]
sys.meta_path.insert(0, Refuse())
for name in sys.argv[split + 1:]:
    allowed.add(name.partition(".")[0])
    importlib.import_module(name)
higher = sorted(name for name in sys.modules if name.startswith("tenuto."))
print(*(name for name in higher if not name.startswith(("tenuto.frontend", "tenuto.errors"))))
"""


def imported(modules: list[str], *folders: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *map(str, folders), "--", *modules]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_front_end_wants_torch_and_numpy_and_nothing_above_it() -> None:
    assert len(MODULES) > 8
    run = imported(MODULES)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [], "imports go down only"


@pytest.mark.parametrize(
    ("line", "refused"),
    [("import soundfile", "soundfile"), ("from timm.layers import DropPath", "timm"), ("import scipy.signal", "scipy")],
)
def test_this_test_can_fail(tmp_path: Path, line: str, refused: str) -> None:
    (tmp_path / "greedy.py").write_text(line)
    run = imported(["greedy"], tmp_path)
    assert run.returncode != 0
    assert f"{refused} is neither torch nor numpy" in run.stderr


def test_what_lies_above_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "upward.py").write_text("import tenuto.frontend.lengths, tenuto.files")
    assert imported(["upward"], tmp_path).stdout.split() == ["tenuto.files"]

"""The Triton kernels become machine code for a GPU that is not here."""

from __future__ import annotations

import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from tenuto.frontend import _warp_kernels as door

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
POINTERS = {"ends": "fp64", "first": "i32", "last": "i32", "n_largest": "i32", "at_start": "fp32", "at_end": "fp32"}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The kernels and what launches them; what they are compiled to is kept for one test."""
    kernels = door._triton()
    if kernels is None:
        pytest.skip("this Triton is too old for the kernels")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    return kernels


@pytest.mark.parametrize("n_bands", [128, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["by_output", "by_frame"])
def test_kernels_compile_for_a_gpu_that_is_not_here(
    name: str, dtype: torch.dtype, n_bands: int, module: Any, tmp_path: Path
) -> None:
    """To machine code of an A100, and as they would be called: what lies together is read together, in registers."""
    tile = module._FORWARD if name == "by_output" else module._BACKWARD
    constants = dict(module._constants(dtype, n_bands, tile, True, True, False))
    options = {key: constants.pop(key) for key in ("num_warps", "enable_fp_fusion")}
    constants |= {"COUNTED": True} if name == "by_output" else {"STORED": True}
    element, divisible = "fp32" if dtype == torch.float32 else "bf16", ["n_bands"] if n_bands % 16 == 0 else []
    compiled = compiled_for_a_gpu(getattr(module, name), element, constants, options, divisible)
    assert compiled.asm["cubin"]
    assert ("ld.global.v" in compiled.asm["ptx"]) == (n_bands % 16 == 0)
    assert bytes_spilled(compiled.asm["cubin"], tmp_path) == 0


def test_gradients_of_importance_compile_for_a_gpu_that_is_not_here(module: Any) -> None:
    """They are added up in float64."""
    compiled = compiled_for_a_gpu(module.by_clip, "fp32", {"FRAMES": module._FRAMES}, module._FUSION, [])
    assert compiled.asm["cubin"]
    assert "add.f64" in compiled.asm["ptx"]
    assert "add.f32" not in compiled.asm["ptx"]


def test_the_cut_compiles_for_a_gpu_that_is_not_here(module: Any) -> None:
    """It compares where frames end in float64."""
    compiled = compiled_for_a_gpu(module.cut, "fp64", {"OUTPUTS": module._OUTPUTS}, module._FUSION, [])
    assert compiled.asm["cubin"]
    assert set(re.findall(r"setp\.\w+\.(f\d+)", compiled.asm["ptx"])) == {"f64"}


def bytes_spilled(cubin: bytes, folder: Path) -> int:
    """What a thread keeps in memory, since its registers do not hold it."""
    (folder / "kernel.cubin").write_bytes(cubin)
    program = Path(pytest.importorskip("triton").__file__).parent / "backends/nvidia/bin/cuobjdump"
    command = [program, "--dump-resource-usage", folder / "kernel.cubin"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum(int(stack) + int(local) for stack, local in re.findall(r"STACK:(\d+).*?LOCAL:(\d+)", told))


def compiled_for_a_gpu(
    kernel: Any, element: str, constants: dict[str, Any], options: dict[str, Any], divisible: list[str]
) -> Any:
    """A kernel as it would be called with energies of this type, for an A100."""
    compiler, backends = (pytest.importorskip(f"triton.{part}") for part in ("compiler", "backends.compiler"))
    names = kernel.arg_names
    sizes = dict.fromkeys(("n_out", "n_frames", "n_bands", "n_steps"), "i32")
    signature = {key: "constexpr" if key in constants else sizes.get(key) for key in names}
    signature |= {key: "*" + POINTERS.get(key, element) for key, kind in signature.items() if kind is None}
    aligned = [i for i, key in enumerate(names) if signature[key][0] == "*" or key in divisible]
    source = compiler.ASTSource(kernel, signature, constants, {(i,): [["tt.divisibility", 16]] for i in aligned})
    return compiler.compile(source, target=backends.GPUTarget("cuda", 80, 32), options=options)

"""A trained model as one file for other programs: ONNX, or an exported program of PyTorch, checked before it stands.

waveforms (batch, samples), lengths (batch,) -> probabilities (batch, class): filterbank, warp and backbone in it.
"""

from __future__ import annotations

import copy
import io
import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tenuto import __version__
from tenuto.errors import UsageError, WorkError
from tenuto.files import atomic_write
from tenuto.frontend._exportable import exportable
from tenuto.frontend.compression import LayerNorm
from tenuto.frontend.diffres import DiffRes
from tenuto.inference.inputs import PathLike
from tenuto.inference.onnx_classifier import open_session
from tenuto.inference.onnx_facts import FORMAT, FORMAT_VERSION
from tenuto.inference.predictions import LeftOut
from tenuto.inference.trials import Trial, of_files, synthetic
from tenuto.models.checkpoint import load
from tenuto.models.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float32]]

TOLERANCE = 1e-4  # of a probability, between the file and PyTorch
FACTS_FILE = "tenuto.json"  # beside the program in a .pt2
_TRACED_SAMPLES = 16037  # any number, but for what sizes are mistaken for constants


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its probabilities lie from PyTorch's: the largest of all clips and classes."""

    path: Path
    largest_difference: float
    n_trials: int
    n_clips: int
    facts: dict[str, str]
    left_out: tuple[LeftOut, ...] = ()  # of the clips to check on, those that cannot be read


class _Deployed(nn.Module):
    """A classifier as other programs call it, in the operators that exported graphs have."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = copy.deepcopy(classifier).cpu().eval()
        self.classifier.frontend.filterbank = exportable(self.classifier.frontend.filterbank)
        self.eval()

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """waveforms (batch, samples), lengths int64 (batch,) -> probabilities (batch, class)

        NaN for a clip whose energies or features are not finite: in PyTorch that comes of itself, but the maximum of
        other programs may pass over a NaN, and an answer to nothing would look like any other.
        """
        seen: list[Tensor] = []
        hook = self.classifier.frontend.filterbank.register_forward_hook(lambda *call: seen.append(call[2]))
        output = self.classifier(waveforms, lengths)
        hook.remove()
        seen.append(output.resolution.features)
        if isinstance(self.classifier.frontend.compression, LayerNorm):
            seen.append(seen[0].square())  # its variance: onnxruntime makes 0 of what is divided by infinity
        heard = torch.stack([values.isfinite().flatten(1).all(1) for values in seen]).all(0)
        probabilities: Tensor = self.classifier.probabilities(output.logits)
        return probabilities.masked_fill(~heard[:, None], math.nan)


def export(model: Classifier | PathLike, out: PathLike, clips: PathLike | Sequence[PathLike] = ()) -> Exported:
    """Writes the model to `out`, once it has been checked against PyTorch: to 1e-4 of every probability.

    Args:
        model: a classifier, or the run or model folder it was saved in.
        out: .onnx (needs onnx, onnxscript and onnxruntime) or .pt2 (`torch.export.load`).
        clips: audio files, and folders of them, to check on; of each what the model hears at once, one by one and
            in batches. What cannot be read is listed in the answer and stops nothing, as long as something can.
            Synthetic sounds of several lengths and batches are always checked.

    Raises:
        UsageError: another suffix, a model that cannot be loaded.
        WorkError: a model that cannot be exported, or whose file does not say what PyTorch says: nothing is written.
        AudioError: clips of which none can be read.
    """
    target = Path(out)
    if target.suffix not in (".onnx", ".pt2"):
        raise UsageError(f"{target}: wanted a name that ends in .onnx or .pt2 (an exported program of PyTorch)")
    if target.is_dir():
        raise UsageError(f"{target} is a folder: wanted the name of a file")
    classifier = model if isinstance(model, Classifier) else load(model)
    classifier = copy.deepcopy(classifier).cpu().eval()
    real, left_out = of_files(classifier, clips) if clips else ([], [])
    trials = [*synthetic(classifier), *real]
    facts = facts_of(classifier)
    with atomic_write(target) as beside:
        run = _write(classifier, facts, beside, target.suffix)
        largest = max(_difference(trial, run, classifier) for trial in trials)
        if not largest <= TOLERANCE:
            raise WorkError(
                f"{target} is not written: its probabilities lie up to {largest:.2g} from PyTorch's, wanted "
                f"{TOLERANCE:g}; the run folder itself still predicts"
            )
    n_clips = sum(len(trial.lengths) for trial in trials)
    return Exported(target, largest, len(trials), n_clips, facts, tuple(left_out))


def facts_of(classifier: Classifier) -> dict[str, str]:
    """What one must know to use the file, as text by name; lists and numbers as JSON."""
    frontend = classifier.frontend
    resolution = frontend.resolution
    n_kept = resolution.n_kept if isinstance(resolution, DiffRes) else None
    # ChangeHop saves by its hop alone
    reduction = resolution.reduction if resolution.kept(1000) < 1000 else 0.0
    settings = classifier.settings[0] if classifier.settings is not None else None
    nyquist_hz = classifier.sample_rate / 2
    values = {
        "labels": list(classifier.labels),
        "sample_rate": classifier.sample_rate,
        "multi_label": classifier.multi_label,
        "clip_seconds": classifier.clip_seconds,
        "hop_length": frontend.filterbank.hop_length,
        "reduction": reduction,
        "n_kept": n_kept,
        "f_min": 0.0 if settings is None else settings.f_min,
        "f_max": nyquist_hz if settings is None or settings.f_max is None else settings.f_max,
    }
    known = {"format": FORMAT, "format_version": FORMAT_VERSION, "tenuto_version": __version__}
    known["activation"] = classifier.activation
    return known | {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}


def _write(classifier: Classifier, facts: dict[str, str], path: Path, suffix: str) -> Run:
    """Traces, converts and writes; -> what the file answers. WorkError where that cannot be."""
    from torch.fx.experimental import _config

    if not hasattr(_config, "backed_size_oblivious"):
        raise WorkError(f"PyTorch {torch.__version__} is too old to export any batch and length: pip install -U torch")
    no_cases: Any = _config  # a batch of one and a clip of one frame are no cases of their own
    try:
        with torch.no_grad(), warnings.catch_warnings(), no_cases.patch(backed_size_oblivious=True):
            warnings.simplefilter("ignore")
            program = _program(classifier)
            return _write_pt2(program, facts, path) if suffix == ".pt2" else _write_onnx(program, facts, path)
    except (ImportError, OSError, WorkError):
        raise
    except Exception as error:  # whatever torch.export and torch.onnx raise, and they raise all there is
        raise _refused(classifier, error) from error


def _program(classifier: Classifier) -> torch.export.ExportedProgram:
    """Traced once, for any batch and any length."""
    any_size = torch.export.Dim.DYNAMIC
    waveforms = torch.zeros(3, _TRACED_SAMPLES)
    lengths = torch.tensor([_TRACED_SAMPLES, 9000, 300])
    shapes = {"waveforms": {0: any_size, 1: any_size}, "lengths": {0: any_size}}
    deployed = _Deployed(classifier)
    return torch.export.export(deployed, (waveforms, lengths), dynamic_shapes=shapes, strict=False)


def _of_any_size(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program without the sizes it is said to be good for: more than one clip, more than one frame, no whole hops.

    torch.export notes on which side of such questions its example lay, though the operators are the same on both;
    that they are is what the check is for.
    """
    from torch.utils._sympy.numbers import int_oo
    from torch.utils._sympy.value_ranges import ValueRanges

    program._guards_code = []
    for symbol in program.range_constraints:
        program.range_constraints[symbol] = ValueRanges(1, int_oo)
    return program


def _refused(classifier: Classifier, error: Exception) -> WorkError:
    parts = [type(part).__name__ for part in (classifier.frontend.filterbank, classifier.frontend.compression)]
    parts.append(type(classifier.frontend.resolution).__name__)
    parts.append(str(getattr(classifier.backbone, "name", type(classifier.backbone).__name__)))
    reason = " ".join(str(error).split()) or type(error).__name__
    return WorkError(
        f"this model ({', '.join(parts)}) cannot be exported for any batch and length: {reason[:300]}; "
        "predict from the run folder, or train with another backbone"
    )


def _write_onnx(program: torch.export.ExportedProgram, facts: dict[str, str], path: Path) -> Run:
    """Writes the file; -> what onnxruntime answers from it."""
    from tenuto.inference.onnx_model import to_onnx

    content = to_onnx(program, facts)
    path.write_bytes(content)
    session = open_session(content)

    def run(waveforms: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = session.run(None, {"waveforms": waveforms, "lengths": lengths})[0]
        return answer

    return run


def _write_pt2(program: torch.export.ExportedProgram, facts: dict[str, str], path: Path) -> Run:
    """Writes the file; -> what PyTorch answers from it."""
    program = _of_any_size(program.run_decompositions({}))  # no blocks of torch.autocast, which cannot be written
    packed = io.BytesIO()
    torch.export.save(program, packed, extra_files={FACTS_FILE: json.dumps(facts, ensure_ascii=False)})
    path.write_bytes(packed.getvalue())
    module = torch.export.load(io.BytesIO(packed.getvalue())).module()

    @torch.no_grad()
    def run(waveforms: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        answer: NDArray[np.float32] = module(torch.from_numpy(waveforms), torch.from_numpy(lengths)).numpy()
        return answer

    return run


def _difference(trial: Trial, run: Run, classifier: Classifier) -> float:
    """The largest of a probability; 0 where both say NaN, infinite where one of them does, which is refused."""
    with torch.no_grad():
        wanted = classifier.probabilities(classifier(*map(torch.from_numpy, trial)).logits).numpy()
    found = run(trial.waveforms, trial.lengths)
    differences = np.abs(found - wanted)
    differences[np.isnan(differences)] = math.inf
    differences[np.isnan(found) & np.isnan(wanted)] = 0
    return float(differences.max())

"""An exported program as ONNX: what the converter lacks, the cut to the longest clip, and the facts in the file."""

from __future__ import annotations

import io
import logging
import math
import operator
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import onnx
import torch
from onnx import helper
from onnxscript import opset18

op: Any = opset18
OUTPUT = "probabilities"
OPSET = 18  # the first whose scatter takes a maximum
_DOUBLINGS = 18  # exact up to 2^18 frames, 43 minutes at 10 ms
_NOTHING = -1e30  # stands for log 0: below all that is told apart, and finite, so that no difference is undefined


def to_onnx(program: torch.export.ExportedProgram, facts: Mapping[str, str]) -> bytes:
    """The program (waveforms, lengths) -> probabilities as an ONNX file, `facts` in its metadata.

    Waveforms that were padded further than the longest clip are cut to it first, and lengths to the waveforms.
    """
    model = _converted(program)
    _name_axes(model.graph)
    _cut_to_longest(model.graph)
    _forget_origins(model)
    helper.set_model_props(model, dict(facts))
    model.producer_name, model.producer_version = "tenuto", facts["tenuto_version"]
    onnx.checker.check_model(model)
    packed = io.BytesIO()
    onnx.save_model(model, packed)
    return packed.getvalue()


def _converted(program: torch.export.ExportedProgram) -> onnx.ModelProto:
    """The program as the converter writes it, with what it lacks."""
    with _errors_alone("onnxscript"):
        converted = torch.onnx.export(
            program,
            dynamo=True,
            output_names=[OUTPUT],
            opset_version=OPSET,
            custom_translation_table={
                torch.ops.aten.sort.stable: _sort,
                torch.ops.aten.logcumsumexp.default: _logcumsumexp,
                torch.sym_float: _double,
                math.trunc: _whole,
                operator.mul: _times,
                operator.add: _plus,
            },
            verbose=False,
        )
    assert converted is not None
    model: onnx.ModelProto = converted.model_proto
    return model


@contextmanager
def _errors_alone(name: str) -> Iterator[None]:
    """Keeps a logger's warnings to itself: of constants that are not folded, which change nothing."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _double(size: Any) -> Any:
    """A size as a number with which shares are taken exactly as PyTorch takes them (the converter: in float32)."""
    return op.Cast(size, to=onnx.TensorProto.DOUBLE)


def _whole(share: Any) -> Any:
    """A number >= 0 rounded down to a size."""
    return op.Cast(share, to=onnx.TensorProto.INT64)


def _times(a: Any, b: Any) -> Any:
    """The product of two sizes, or of one with a share."""
    return op.Mul(_number(a), _number(b))


def _plus(a: Any, b: Any) -> Any:
    """The sum of two sizes, or of one with a share."""
    return op.Add(_number(a), _number(b))


def _number(value: Any) -> Any:
    """Numbers of the program as ONNX has them: whole ones in int64, others in float64."""
    if isinstance(value, int | float):
        kind = onnx.TensorProto.INT64 if isinstance(value, int) else onnx.TensorProto.DOUBLE
        return op.Constant(value=helper.make_tensor("number", kind, [], [value]))
    return value


def _sort(values: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
    """Values in their order, and where each stood; of equal ones the first comes first, as ONNX has it anyway."""
    n = op.Gather(op.Shape(values), op.Constant(value_ints=[dim]))
    return op.TopK(values, n, axis=dim, largest=int(descending), sorted=1)


def _logcumsumexp(values: Any, dim: int) -> Any:
    """log(cumsum(exp(values))) along the last of two axes, by doubling: nothing under- or overflows.

    Of -inf comes the like of it, -1e30. Each step looks twice as far back as the one before: [a b c d] and, moved
    by 2, [. . a b].
    """
    assert dim in (1, -1)
    n, zero, one = op.Shape(values, start=1, end=2), op.Constant(value_ints=[0]), op.Constant(value_ints=[1])
    nothing = op.CastLike(op.Constant(value_float=_NOTHING), values)
    total = op.Max(values, nothing)
    for step in range(_DOUBLINGS):
        pads = op.Constant(value_ints=[0, 2**step, 0, 0])
        earlier = op.Slice(op.Pad(total, pads, nothing), zero, n, one)
        largest = op.Max(total, earlier)
        both = op.Add(op.Exp(op.Sub(total, largest)), op.Exp(op.Sub(earlier, largest)))
        total = op.Add(largest, op.Log(both))
    return total


def _name_axes(graph: onnx.GraphProto) -> None:
    """Calls the sizes of waveforms (batch, samples) so; inside, behind the cut, samples are those of the longest clip.

    Of any other size, such as s7 // 160 + 1 frames, the symbols in it get their names.
    """
    axes = graph.input[0].type.tensor_type.shape.dim
    names = {axes[0].dim_param: "batch", axes[1].dim_param: "longest"}
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), axis.dim_param)
    axes[1].dim_param = "samples"


def _cut_to_longest(graph: onnx.GraphProto) -> None:
    """Puts before all else: waveforms = waveforms[:, : max(lengths)], lengths = min(lengths, samples)."""
    waveforms, lengths = (each.name for each in graph.input)
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in (waveforms, lengths):
                node.input[place] = f"{name}_heard"
    numbers = {"tenuto_zero": [0], "tenuto_one": [1]}
    graph.initializer.extend(helper.make_tensor(n, onnx.TensorProto.INT64, [1], v) for n, v in numbers.items())
    steps = [
        helper.make_node("Shape", [waveforms], ["tenuto_samples"], start=1, end=2),
        helper.make_node("Min", [lengths, "tenuto_samples"], [f"{lengths}_heard"]),
        helper.make_node("ReduceMax", [f"{lengths}_heard", "tenuto_zero"], ["tenuto_largest"], keepdims=1),
        helper.make_node("Max", ["tenuto_largest", "tenuto_one"], ["tenuto_longest"]),
        helper.make_node("Slice", [waveforms, "tenuto_zero", "tenuto_longest", "tenuto_one"], [f"{waveforms}_heard"]),
    ]
    for place, step in enumerate(steps):
        graph.node.insert(place, step)


def _forget_origins(model: onnx.ModelProto) -> None:
    """Takes out where in which source file each node came from: paths of the machine that exported it."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("metadata_props")

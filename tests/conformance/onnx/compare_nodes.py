"""Finds the first node of a model at which Sylvite and ONNX Runtime part: compare_nodes.py MODEL [--shape NAME=1x3x8x8]...
[--input FILE.npz] [--tolerance 1e-3]

Every tensor that a node makes becomes an output of the model, in both; inputs that the file does not give are random, with
the sizes of --shape, else 2 for a free one. Nodes are checked in their order, and the first whose output differs by more
than the tolerance, relative to its largest element, is named, with its inputs and attributes.
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from backend import CompileError, compile_model
from library import Library


def random_inputs(model, shapes, given):
    random = np.random.default_rng(0)
    initializers = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for value in model.graph.input:
        if value.name in initializers:
            continue
        kind = value.type.tensor_type
        shape = shapes.get(value.name) or [dim.dim_value or 2 for dim in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if value.name in given:
            feeds[value.name] = given[value.name]
        elif np.issubdtype(dtype, np.floating):
            feeds[value.name] = random.standard_normal(shape).astype(dtype)
        else:
            feeds[value.name] = random.integers(0, 2, shape).astype(dtype)
    return feeds


def with_all_outputs(model, tensors):
    """A copy whose outputs are `tensors`; shapes and types are left to ONNX Runtime."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    return copy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--input")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    arguments = parser.parse_args()
    model = onnx.load(arguments.model)
    shapes = {text.partition("=")[0]: [int(size) for size in text.partition("=")[2].split("x")]
              for text in arguments.shape}
    feeds = random_inputs(model, shapes, np.load(arguments.input) if arguments.input else {})
    makers = {output: node for node in model.graph.node for output in node.output if output}
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(with_all_outputs(model, makers).SerializeToString(), settings)
    expected = dict(zip(makers, session.run(list(makers), feeds)))
    # Tensors without elements exist only while a model is imported.
    tensors = [name for name in makers if isinstance(expected[name], np.ndarray) and expected[name].size]
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "model.onnx"
        path.write_bytes(with_all_outputs(model, tensors).SerializeToString())
        try:
            library = Library(compile_model(path, directory, *[w for s in arguments.shape for w in ("--shape", s)]), "m")
        except CompileError as error:
            return f"cannot be compiled: {error}"
        results = dict(zip(library.output_names, library.run([feeds[name] for name in library.input_names])))
    worst = 0.0
    for name in tensors:
        want, have = expected[name].astype(np.float64), results[name].astype(np.float64)
        scale = np.abs(want[np.isfinite(want)]).max(initial=0) or 1.0
        same = want.shape == have.shape
        error = np.abs(want - have)[np.isfinite(want)].max(initial=0) / scale if same else np.inf
        worst = max(worst, error)
        if error > arguments.tolerance:
            return f"{name} differs by {error:.3g} of its scale ({want.shape}, {have.shape}), made by\n{makers[name]}"
    print(f"{len(tensors)} tensors agree; the largest difference is {worst:.2g} of the tensor's scale")
    return 0


if __name__ == "__main__":
    sys.exit(main())

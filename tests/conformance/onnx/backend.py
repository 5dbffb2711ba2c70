"""Sylvite as an ONNX backend (onnx.backend.base): each model is compiled to a shared library, which is loaded and called.

Sylvite compiles ahead of time, so an operand that decides shapes or a loop's length has to be known when the model is
compiled. Where the conformance suite passes such an operand as an input of the graph (the axes of ReduceSum, the sizes of
Resize), the compiler says that it depends on the model's input, and this backend compiles the model once more with the
value of the first call in place of the input. Nothing else is changed: `baked` lists what was.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np
import onnx
from library import Library
from onnx import numpy_helper
from onnx.backend.base import Backend, BackendRep


class CompileError(Exception):
    """The compiler's diagnostic."""


def compile_model(path, directory, *options, name="m"):
    """Compiles the model file to DIRECTORY/libNAME.so; raises CompileError with the diagnostic."""
    command = [os.environ.get("SYLVITE", "sylvite"), "compile", str(path), "-o", str(directory), "--name", name,
               "--emit", "so", *options]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if result.returncode:
        text = result.stderr.strip()
        raise CompileError(text if result.returncode > 0 else f"the compiler died by signal {-result.returncode}: {text}")
    return pathlib.Path(directory) / f"lib{name}.so"


def sources_of(graph):
    """For each value of the graph and of those within it, the names that its node reads, itself or in its subgraphs."""
    sources = {}
    for node in graph.node:
        reads = list(node.input)
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                within = sources_of(inner)
                sources.update(within)
                reads += [name for inputs in within.values() for name in inputs]
        sources.update({output: reads for output in node.output})
    return sources


class Rep(BackendRep):
    def __init__(self, model):
        self.model, self.library, self.baked = model, None, []
        self.directory = tempfile.mkdtemp(prefix="sylvite-onnx-")

    def __del__(self):
        if self.library:
            self.library.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def inputs(self):
        initializers = {tensor.name for tensor in self.model.graph.initializer}
        return [value for value in self.model.graph.input if value.name not in initializers]

    def build(self, named):
        """Compiles the model, with inputs made constants as long as the compiler asks for that."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        # The sizes of this call, so that free dimensions do not stand in the way of a test that has none.
        while True:
            path = pathlib.Path(self.directory) / "model.onnx"
            path.write_bytes(model.SerializeToString())
            try:
                return Library(compile_model(path, self.directory), "m")
            except CompileError as error:
                text = str(error)
                found = re.search(r"tensor '([^']*)', (depends on the model's input|is not a constant)", text)
                empty = re.search(r"input '([^']*)' has no elements", text)
                candidates = [match.group(1) for match in (found, empty) if match]
                # What the operand is computed from, when it is no input itself.
                sources = sources_of(model.graph)
                while candidates and (candidates[0] not in named or candidates[0] in self.baked):
                    candidates += sources.pop(candidates.pop(0), [])
                if not candidates:
                    raise
                name = candidates[0]
                self.baked.append(name)
                model.graph.initializer.append(numpy_helper.from_array(np.asarray(named[name]), name))

    def run(self, inputs, **kwargs):
        declared = [value.name for value in self.inputs()]
        named = dict(zip(declared, [np.asarray(value) for value in inputs]))
        if self.library is None:
            self.library = self.build(named)
        results = dict(zip(self.library.output_names, self.library.run([named[n] for n in self.library.input_names])))
        return [results[value.name] for value in self.model.graph.output]


class SylviteBackend(Backend):
    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        return Rep(model)

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

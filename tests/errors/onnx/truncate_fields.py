"""Cuts every field of an ONNX model short: truncate_fields.py MODEL-DIRECTORY; sylvite-import is on PATH.

Two damages for each field of each message, however deep: the field ends one byte early though its length says otherwise, with
all lengths around it kept right, and the file ends in the middle of it. The importer must take the model or report one
error, and nothing else.
"""
import pathlib
import subprocess
import sys

import numpy as np
import onnx.parser
from onnx import TensorProto, helper, numpy_helper

MODEL = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["" : 17, "local" : 1], producer_name: "p">
  g (float[N,3] x) => (float[N,3] y) {
    c = Constant <value = float[3] {1, 2, 3}> ()
    a = Add (x, c)
    s = LeakyRelu <alpha = 0.5> (a)
    t = Transpose <perm = [0, 1]> (s)
    k = Constant <value_floats = [0.5, 2.0, 1.0]> ()
    m = Mul (t, k)
    f = local.twice <n = 1> (m)
    q = Constant <value = bool {1}> ()
    i = If (q) <then_branch = g1 () => (float[N,3] o) { o = Neg (f) }, else_branch = g2 () => (float[N,3] p) { p = Exp (f) }>
    y = Add (i, w)
  }
  <domain: "local", opset_import: ["" : 17]> twice <n> (v) => (r) { r = Add (v, v) }""")
MODEL.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), "w"))
MODEL.graph.initializer.append(TensorProto(name="unused", dims=[2], data_type=TensorProto.INT64, int64_data=[1, 2]))
MODEL.metadata_props.add(key="k", value="v")
MODEL.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, ["N", 3]))


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def encode(value):
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes(data) + bytes([value])


def fields(message, data):
    """(descriptor, start, end of its tag and length, end) for each field of `message`."""
    at, by_number = 0, {field.number: field for field in message.DESCRIPTOR.fields}
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        wire = tag & 7
        if wire == 0:
            begin, (_, at) = at, varint(data, at)
        elif wire == 2:
            length, begin = varint(data, at)
            at = begin + length
        else:
            begin, at = at, at + (4 if wire == 5 else 8)
        yield by_number[tag >> 3], tag, start, begin, at


def damaged(message, data):
    """`data`, a message, with one of its fields cut short, for each of them and of those within."""
    for descriptor, tag, start, begin, end in fields(message, data):
        if end - begin > 0:
            yield f"{message.DESCRIPTOR.name}.{descriptor.name}", data[:end - 1] + data[end:]
        if descriptor.message_type:
            inner = getattr(onnx, descriptor.message_type.name, None)
            if inner is None:
                inner = type(getattr(message(), descriptor.name).add() if is_repeated(message, descriptor)
                             else getattr(message(), descriptor.name))
            for name, part in damaged(inner, data[begin:end]):
                yield name, data[:start] + encode(tag) + encode(len(part)) + part + data[end:]


def is_repeated(message, descriptor):
    return hasattr(getattr(message(), descriptor.name), "add")


def main(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    whole = MODEL.SerializeToString()
    variants = [("whole", whole), *damaged(onnx.ModelProto, whole)]
    variants += [(f"cut at {end}", whole[:end]) for end in range(1, len(whole), 7)]
    names = {name for name, _ in variants}
    accepted = 0
    for name, data in variants:
        path = directory / "model.onnx"
        path.write_bytes(data)
        result = subprocess.run(["sylvite-import", "--quiet", str(path)], capture_output=True, text=True, errors="replace")
        errors = sum("error:" in line for line in result.stderr.splitlines())
        accepted += result.returncode == 0
        if (result.returncode, errors) not in ((0, 0), (1, 1)) or (name == "whole") > (result.returncode == 0):
            sys.exit(f"{name}: exit status {result.returncode}, {errors} errors\n{result.stderr}")
    print(f"{len(variants)} files, {len(names)} kinds of fields; {accepted} are models")


if __name__ == "__main__":
    main(sys.argv[1])

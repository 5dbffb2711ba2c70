"""Compares small models with ONNX Runtime where ONNX's own suite is thin: check_operators.py GROUP DIRECTORY, or without
arguments, the groups.

A case is one node with constant weights, or the text of a model; free dimensions are named, and a case gives one or more
sets of inputs for one compiled model. Outputs must be within 1e-5 of ONNX Runtime's, relative to the largest element, and
within 1e-3 where they are halves.
"""
import os
import pathlib
import sys

import numpy as np
import onnx
import onnx.parser
import onnxruntime
from onnx import helper, numpy_helper

# This directory's backend, and Failure and compare of the directory above.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from backend import compile_model  # noqa: E402
from library import Library  # noqa: E402
from reference import exact_settings  # noqa: E402
from sylvite import Failure, compare  # noqa: E402

RANDOM = np.random.default_rng(7)
GROUPS = {}


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def with_values(model, **values):
    """`model` with values for some of its names."""
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    return model


def case(group, name, model, *sets):
    """`sets` are dicts of inputs."""
    cases = GROUPS.setdefault(group, {})
    assert name not in cases, name
    cases[name] = (model, sets)


def node(kind, inputs, outputs, opset=22, **attributes):
    """A model of one node. `inputs` are, in order: None for one left out, an array for a constant, and (name, dtype,
    shape) for an input of the model."""
    names, declared, constants = [], [], []
    for i, value in enumerate(inputs):
        if value is None:
            names.append("")
        elif isinstance(value, tuple):
            names.append(value[0])
            declared.append(helper.make_tensor_value_info(value[0], helper.np_dtype_to_tensor_dtype(np.dtype(value[1])),
                                                          value[2]))
        else:
            names.append(f"c{i}")
            constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
    made = helper.make_node(kind, names, outputs, **attributes)
    results = [onnx.ValueInfoProto(name=output) for output in outputs if output]
    graph = helper.make_graph([made], "g", declared, results, constants)
    opsets = [helper.make_opsetid("", opset)]
    if "domain" in attributes:
        opsets.append(helper.make_opsetid(attributes["domain"], 1))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    inferred = onnx.shape_inference.infer_shapes(model)  # the types of the results
    return inferred


def parse(body, opset=17):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {body}')


# ---- Recurrent layers ---------------------------------------------------------------------------------------------------

F, H = 5, 6


def recurrent(name, kind, directions=1, bias=True, lengths=False, initial=False, peepholes=False, sets=((4, 3), (7, 2)),
              **attributes):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    inputs = [("x", np.float32, ["T", "N", F]), normal(directions, gates * H, F), normal(directions, gates * H, H),
              normal(directions, 2 * gates * H) if bias else None,
              ("lengths", np.int32, ["N"]) if lengths else None]
    if initial:
        inputs += [("h", np.float32, [directions, "N", H])]
        inputs += [("c", np.float32, [directions, "N", H])] if kind == "LSTM" else []
    elif peepholes:
        inputs += [None, None]
    if peepholes:
        inputs += [normal(directions, 3 * H)]
    while inputs[-1] is None:
        inputs.pop()
    outputs = ["y", "y_h"] + ["y_c"] * (kind == "LSTM")
    feeds = []
    for steps, items in sets:
        feeds.append({"x": normal(steps, items, F)})
        if lengths:
            feeds[-1]["lengths"] = (steps - np.arange(items)).clip(1).astype(np.int32)
        if initial:
            feeds[-1].update(h=normal(directions, items, H), c=normal(directions, items, H))
        feeds[-1] = {key: feeds[-1][key] for key in feeds[-1] if key in [i[0] for i in inputs if isinstance(i, tuple)]}
    model = node(kind, inputs, outputs, hidden_size=H, **attributes)
    case("recurrent", f"{kind.lower()}-{name}", model, *feeds)


for kind in ("LSTM", "GRU", "RNN"):
    recurrent("plain", kind)
    recurrent("no-bias", kind, bias=False, sets=[(5, 1)])
    recurrent("reverse", kind, direction="reverse", initial=True)
    recurrent("bidirectional", kind, directions=2, direction="bidirectional", initial=True)
    recurrent("lengths", kind, lengths=True, initial=True)
    recurrent("lengths-bidirectional", kind, directions=2, direction="bidirectional", lengths=True)
    recurrent("clip", kind, clip=0.5)
recurrent("activations", "RNN", activations=["LeakyRelu"], activation_alpha=[0.3])
recurrent("activations-bidirectional", "RNN", directions=2, direction="bidirectional", activations=["Affine", "ScaledTanh"],
          activation_alpha=[0.3, 0.7], activation_beta=[0.1, 0.9])
recurrent("reset-first", "GRU", linear_before_reset=0, initial=True)
recurrent("reset-after", "GRU", linear_before_reset=1, initial=True)
recurrent("reset-after-lengths", "GRU", directions=2, direction="bidirectional", linear_before_reset=1, lengths=True)
recurrent("activations", "GRU", activations=["HardSigmoid", "Softsign"])
recurrent("activations", "LSTM", activations=["HardSigmoid", "Relu", "Relu"], activation_alpha=[0.3], activation_beta=[0.4])
recurrent("three-activations", "LSTM", activations=["Sigmoid", "Tanh", "Softsign"])
recurrent("peepholes", "LSTM", peepholes=True, initial=True)
recurrent("peepholes-lengths", "LSTM", directions=2, direction="bidirectional", peepholes=True, lengths=True)
recurrent("coupled", "LSTM", input_forget=1)

# Weights are of seven bits: with eight, ONNX Runtime's product of bytes saturates on processors without VNNI.
for name, directions, channels in (("per-tensor", 1, 1), ("per-channel", 2, 4 * H)):
    inputs = [("x", np.float32, ["T", 1, F]), RANDOM.integers(-63, 64, (directions, F, 4 * H)).astype(np.int8),
              RANDOM.integers(-63, 64, (directions, H, 4 * H)).astype(np.int8), normal(directions, 8 * H), None, None, None,
              None]
    shape = (directions, channels) if channels > 1 else (directions,)
    inputs += 2 * [RANDOM.uniform(0.004, 0.02, shape).astype(np.float32), np.zeros(shape, np.int8)]
    case("recurrent", f"quantized-lstm-{name}",
         node("DynamicQuantizeLSTM", inputs, ["y", "y_h", "y_c"], domain="com.microsoft", hidden_size=H,
              direction="bidirectional" if directions == 2 else "forward"), {"x": normal(5, 1, F)}, {"x": normal(3, 1, F)})

for kind in ("LSTM", "GRU"):  # a state of one item where the batch is free
    gates, state = (4, ["h", "c"]) if kind == "LSTM" else (3, ["h"])
    case("recurrent", f"{kind.lower()}-state-of-one-item",
         node(kind, [("x", np.float32, ["T", "N", F]), normal(1, gates * H, F), normal(1, gates * H, H), None, None]
              + [(name, np.float32, [1, 1, H]) for name in state], ["y", "y_h"], hidden_size=H),
         {"x": normal(4, 1, F)} | {name: normal(1, 1, H) for name in state})

# ---- Free sizes ------------------------------------------------------------------------------------------------------

case("free-sizes", "concat", parse("""g (float[2,N,3] x, float[2,M,3] y) => (float[2,K,3] z)
  <float[2,2,3] k = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}> {
  a = Exp (x)  z = Concat <axis = 1> (a, y, k, x) }"""),
     {"x": normal(2, 3, 3), "y": normal(2, 1, 3)}, {"x": normal(2, 1, 3), "y": normal(2, 40, 3)})
case("free-sizes", "concat-last", parse("""g (float[N,A] x, float[N,B] y) => (float[N,C] z) { z = Concat <axis = -1> (x, y) }"""),
     {"x": normal(2, 37), "y": normal(2, 5)}, {"x": normal(1, 1), "y": normal(1, 64)})
# The centres of a grid's cells, as detectors of the YOLO family make them.
case("free-sizes", "grid", parse("""g (float[N,1,H,W] x) => (float[1,2,K] anchors, float[K] strides)
  <int64 i2 = {2}, int64 i3 = {3}, float zero = {0}, float one = {1}, float half = {0.5}, int64[1] m1 = {-1}, float[1] stride = {8},
   int64[1] last = {-1}, int64[1] first = {0}, int64[2] pair = {1, -1}> {
  s = Shape (x)  h = Gather (s, i2)  w = Gather (s, i3)
  hf = Cast <to = 1> (h)  wf = Cast <to = 1> (w)
  ry = Range (zero, hf, one)  rx = Range (zero, wf, one)
  y = Add (ry, half)  xx = Add (rx, half)
  h1 = Unsqueeze (h, first)  w1 = Unsqueeze (w, first)  hw = Concat <axis = 0> (h1, w1)
  column = Neg (pair)  yc = Reshape (y, column)
  ye = Expand (yc, hw)  xe = Expand (xx, hw)
  yf = Unsqueeze (ye, last)  xf = Unsqueeze (xe, last)  both = Concat <axis = -1> (xf, yf)
  rows = Constant <value_ints = [-1, 2]> ()  flat = Reshape (both, rows)  t = Transpose <perm = [1, 0]> (flat)
  anchors = Unsqueeze (t, first)
  n = Mul (h, w)  n1 = Unsqueeze (n, first)  strides = Expand (stride, n1) }"""),
     {"x": normal(1, 1, 4, 7)}, {"x": normal(2, 1, 9, 3)})
case("free-sizes", "range-of-another-size", parse("""g (float[N] x) => (int64[M] up, float[M] y, float[K] z)
  <int64 i0 = {0}, int64 one = {1}, int64 two = {2}, int64 three = {3}, float fzero = {1}, float fstep = {2}> {
  s = Shape (x)  n = Gather (s, i0)  d = Mul (n, two)  e = Add (d, two)  m = Div (e, three)
  up = Range (i0, m, one)  y = Cast <to = 1> (up)
  df = Cast <to = 1> (d)  z = Range (fzero, df, fstep) }"""), {"x": normal(5)}, {"x": normal(40)})
case("free-sizes", "reshape", parse("""g (float[N,T] like, float[K,4] x) => (float[N,T,4] y) <int64[1] four = {4}> {
  s = Shape (like)  t = Concat <axis = 0> (s, four)  y = Reshape (x, t) }"""),
     {"like": normal(2, 3), "x": normal(6, 4)}, {"like": normal(1, 7), "x": normal(7, 4)})
case("free-sizes", "sizes-as-numbers", parse("""g (float[N,T] x) => (float[N,T] y, int64[2] s) <int64 i1 = {1}> {
  s = Shape (x)  n = Gather (s, i1)  f = Cast <to = 1> (n)  y = Div (x, f) }"""), {"x": normal(2, 3)}, {"x": normal(1, 50)})
case("free-sizes", "slice-from-the-end", parse("""g (float[N,T] x, float[N,K] y) => (float[N,K] last, float[N,L] rest)
  <int64[1] i1 = {1}, int64[1] one = {1}, int64[1] zero = {0}, int64[1] most = {9223372036854775807}> {
  s = Shape (y)  n = Gather <axis = 0> (s, i1)  m = Neg (n)
  last = Slice (x, m, most, one)  rest = Slice (x, zero, m, one) }"""),
     {"x": normal(2, 9), "y": normal(2, 4)}, {"x": normal(1, 3), "y": normal(1, 2)})
PAD = """g (float[2,N] x) => (float[2,M] y)
  <int64[1] one = {1}, int64[1] zero = {0}, int64[1] two = {2}, float value = {0.5}> {
  s = Shape (x)  n = Gather <axis = 0> (s, one)  half = Div (n, two)
  p = Concat <axis = 0> (zero, half, zero, two)  y = Pad <mode = "MODE"> (x, p, value) }"""
for mode in ("constant", "edge", "reflect"):
    case("free-sizes", f"pad-{mode}", parse(PAD.replace("MODE", mode)), {"x": normal(2, 6)}, {"x": normal(2, 21)})
case("free-sizes", "pad-to-a-length", parse("""g (float[N] x) => (float[16] y) <int64[1] zero = {0}, int64[1] length = {16}> {
  s = Shape (x)  rest = Sub (length, s)  p = Concat <axis = 0> (zero, rest)  y = Pad (x, p) }"""),
     {"x": normal(6)}, {"x": normal(16)}, {"x": normal(20)})
case("free-sizes", "stft", parse("""g (float[N,L] x) => (float[N,F,9,2] y) <int64 step = {5}, int64 length = {16}> {
  w = HannWindow (length)  y = STFT <onesided = 1> (x, step, w) }"""), {"x": normal(2, 16)}, {"x": normal(1, 83)})

RESIZE = """g (float[N,2,H,W] x, float[M,3,A,B] like) => (float[N,2,A,B] y) {
  n = Shape <start = 0, end = 2> (x)  s = Shape <start = 2> (like)  t = Concat <axis = 0> (n, s)
  y = Resize <ATTRIBUTES> (x, , , t) }"""
for name, attributes in (("linear", 'mode = "linear"'), ("cubic", 'mode = "cubic", cubic_coeff_a = -0.5'),
                         ("aligned-corners", 'mode = "linear", coordinate_transformation_mode = "align_corners"'),
                         ("pytorch", 'mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"'),
                         ("nearest", 'mode = "nearest"'), ("nearest-ceil", 'mode = "nearest", nearest_mode = "ceil"'),
                         ("nearest-floor", 'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"')):
    case("free-sizes", f"resize-{name}", parse(RESIZE.replace("ATTRIBUTES", attributes)),
         {"x": normal(2, 2, 5, 7), "like": normal(1, 3, 9, 4)}, {"x": normal(1, 2, 9, 3), "like": normal(2, 3, 1, 8)})
for scale in (0.5, 1.7):
    case("free-sizes", f"resize-by-{scale}",
         node("Resize", [("x", np.float32, ["N", 2, "H", 7]), None, np.array([1, 1, scale, 2], np.float32)], ["y"], mode="linear"),
         {"x": normal(2, 2, 5, 7)}, {"x": normal(1, 2, 8, 7)})
for mode in ("linear", "nearest", "cubic"):
    case("free-sizes", f"grid-sample-{mode}",
         node("GridSample", [("x", np.float32, ["N", 3, 5, 6]), ("grid", np.float32, ["N", "A", "B", 2])], ["y"], mode=mode),
         *({"x": normal(n, 3, 5, 6), "grid": normal(n, a, b, 2) * np.float32(0.8)} for n, a, b in ((2, 4, 3), (1, 1, 7))))

# ---- Halves: sums are of single precision ---------------------------------------------------------------------------------

HALF = np.float16
for name, kind, inputs, attributes in (
        ("mean", "ReduceMean", [np.array([1])], {}), ("softmax", "Softmax", [], {}),
        ("matmul", "MatMul", [normal(2000, 5)], {}), ("layer-norm", "LayerNormalization", [normal(2000), normal(2000)], {})):
    case("halves", name, node(kind, [("x", HALF, ["N", 2000])] + [i.astype(HALF) if i.dtype == np.float32 else i for i in inputs],
                              ["y"], **attributes), {"x": (normal(3, 2000) + 30).astype(HALF)})
for name, kind, inputs, attributes in (
        ("conv", "Conv", [normal(3, 2, 9, 9)], {}), ("conv-transpose", "ConvTranspose", [normal(2, 3, 4, 4)], {"strides": [2, 2]}),
        ("average-pool", "AveragePool", [], {"kernel_shape": [9, 9]}),
        ("instance-norm", "InstanceNormalization", [normal(2), normal(2)], {}),
        ("resize", "Resize", [None, np.array([1, 1, 2, 1.5], np.float32)], {"mode": "linear"})):
    inputs = [i.astype(HALF) if i is not None and kind != "Resize" else i for i in inputs]
    case("halves", name, node(kind, [("x", HALF, ["N", 2, 20, 22])] + inputs, ["y"], **attributes),
         {"x": (normal(3, 2, 20, 22) + 30).astype(HALF)})

# ---- Bytes -----------------------------------------------------------------------------------------------------------------


def integers(dtype, *shape):
    limits = np.iinfo(dtype)
    return RANDOM.integers(limits.min, limits.max, shape, dtype, endpoint=True)


for dtype in (np.uint8, np.int8):  # with elements beyond the other's range, and windows that padding fills in part
    case("bytes", f"max-pool-{np.dtype(dtype).name}",
         node("MaxPool", [("x", dtype, ["N", 3, 9, 8])], ["y"], kernel_shape=[3, 2], strides=[2, 2], pads=[2, 1, 2, 1]),
         {"x": integers(dtype, 2, 3, 9, 8)})

# ---- Weights that are stored as bytes --------------------------------------------------------------------------------------


def stored(name, body, columns, w, *feeds, s=None, z=None):
    """`body` makes `y` from `x`, bytes `w`, scales `s` and zero points `z`."""
    def literal(kind, name, array):
        return f"{kind}[{', '.join(map(str, array.shape))}] {name} = {{{', '.join(map(str, array.ravel()))}}}"
    constants = [literal("int8", "w", w), literal("float", "s", s)] + ([literal("int8", "z", z)] if z is not None else [])
    x = next(iter(feeds[0].values()))
    kind = "int64" if x.dtype == np.int64 else "float"
    dims = ", ".join(["N", *map(str, x.shape[1:])]) if kind == "float" else "N, T"
    case("weights", name, parse(f"g ({kind}[{dims}] x) => (float[{columns}] y) <{', '.join(constants)}> {{ {body} }}", 19), *feeds)


def scales(*shape):
    return RANDOM.uniform(0.01, 0.03, shape).astype(np.float32)


STORED, ROWS = integers(np.int8, 16, 40), [{"x": normal(n, 16)} for n in (1, 13)]
PRODUCT = "n = DequantizeLinear<axis = 1>(w, s, z) y = MatMul(x, n)"
stored("columns", PRODUCT, "N, 40", STORED, *ROWS, s=scales(40), z=np.zeros(40, np.int8))
stored("zero-points", PRODUCT, "N, 40", STORED, *ROWS, s=scales(40), z=integers(np.int8, 40))
stored("one-scale", "n = DequantizeLinear(w, s) y = MatMul(x, n)", "N, 40", STORED, *ROWS, s=scales(1))
stored("along-sum", "n = DequantizeLinear<axis = 0>(w, s) y = MatMul(x, n)", "N, 40", STORED, *ROWS, s=scales(16))
stored("arithmetic", "f = Cast<to = 1>(w) n = Mul(f, s) p = MatMul(x, n) y = Relu(p)", "N, 40", STORED, *ROWS, s=scales(1, 40))
stored("few-columns", PRODUCT, "N, 3", integers(np.int8, 16, 3), *ROWS, s=scales(3), z=np.zeros(3, np.int8))
TRANSPOSED = integers(np.int8, 40, 16)
stored("transposed", "n = DequantizeLinear<axis = 0>(w, s) y = Gemm<transB = 1>(x, n)", "N, 40", TRANSPOSED, *ROWS, s=scales(40))
stored("transposed-before", "n = DequantizeLinear<axis = 0>(w, s) t = Transpose(n) y = MatMul(x, t)", "N, 40", TRANSPOSED, *ROWS,
       s=scales(40))
stored("images", PRODUCT, "N, 3, 40", STORED, {"x": normal(2, 3, 16)}, s=scales(40), z=np.zeros(40, np.int8))
IDS = {"x": RANDOM.integers(0, 16, (2, 5))}
for name, count in (("rows", 16), ("columns", 40)):
    stored(f"table-{name}", f"n = DequantizeLinear<axis = {count == 40:d}>(w, s) y = Gather(n, x)", "N, T, 40", STORED, IDS,
           s=scales(count))

# ---- ONNX Runtime's own operators ------------------------------------------------------------------------------------------


def contributed(name, kind, inputs, *feeds, outputs=("y",), **attributes):
    case("contributed", name, node(kind, inputs, list(outputs), domain="com.microsoft", **attributes), *feeds)


def number(value):
    return np.array(value, np.float32)


X = [("x", np.uint8, ["N", 4, 5]), number(0.1), np.array(90, np.uint8)]
Y = [("y", np.uint8, ["N", 4, 5]), number(0.2), np.array(7, np.uint8)]
BYTES = {"x": integers(np.uint8, 3, 4, 5), "y": integers(np.uint8, 3, 4, 5)}
for kind, scale in (("QLinearAdd", 0.3), ("QLinearMul", 0.9)):
    contributed(kind, kind, X + Y + [number(scale), np.array(3, np.uint8)], BYTES, outputs=["z"])
contributed("QLinearConcat", "QLinearConcat", [number(0.25), np.array(9, np.uint8)] + X + Y, BYTES, outputs=["z"], axis=1)
contributed("QLinearSigmoid", "QLinearSigmoid", X + [number(0.004), np.array(3, np.uint8)], {"x": BYTES["x"]})
contributed("QLinearLeakyRelu", "QLinearLeakyRelu", X + [number(0.07), np.array(33, np.uint8)], {"x": BYTES["x"]}, alpha=0.1)
SOFTMAX = node("QLinearSoftmax", X + [number(1 / 256), np.array(0, np.uint8)], ["y"], domain="com.microsoft", axis=-1)
SOFTMAX.graph.node[0].attribute.append(helper.make_attribute("opset", 13))
case("contributed", "QLinearSoftmax", SOFTMAX, {"x": BYTES["x"]})
for last in (0, 1):  # with scales whose quotient leaves no mean between two numbers, where rounding is a matter of the order
    contributed(f"QLinearGlobalAveragePool-{last}", "QLinearGlobalAveragePool",
                [("x", np.uint8, ["N", 4, 5, 6]), *X[1:], number(0.07), np.array(3, np.uint8)], {"x": integers(np.uint8, 2, 4, 5, 6)},
                channels_last=last)
WEIGHTS = RANDOM.integers(-63, 64, (16, 6)).astype(np.int8)
contributed("DynamicQuantizeMatMul", "DynamicQuantizeMatMul",
            [("x", np.float32, ["N", 16]), WEIGHTS, number(0.01), np.array(3, np.int8), normal(6)], {"x": normal(3, 16)})
contributed("MatMulIntegerToFloat", "MatMulIntegerToFloat",
            [("x", np.uint8, ["N", 16]), WEIGHTS, number(0.02), np.full(6, 0.01, np.float32), np.array(7, np.uint8), None, normal(6)],
            {"x": integers(np.uint8, 3, 16)})
IMAGE = [("x", np.float32, ["N", 4, 7, 6]), normal(5, 4, 3, 3), normal(5)]
for activation, parameters in (("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.5]), ("HardSigmoid", [0.3, 0.4])):
    contributed(f"FusedConv-{activation}", "FusedConv", IMAGE, {"x": normal(2, 4, 7, 6)}, activation=activation,
                activation_params=parameters, pads=[1, 1, 1, 1])
contributed("FusedConv-sum", "FusedConv", IMAGE + [("z", np.float32, ["N", 5, 5, 4])],
            {"x": normal(2, 4, 7, 6), "z": normal(2, 5, 5, 4)}, activation="Relu")
contributed("FusedMatMul", "FusedMatMul", [("x", np.float32, ["N", 16, "T"]), normal(6, 16)], {"x": normal(2, 16, 3)},
            transA=1, transB=1, alpha=0.3)
SEQUENCES = [("x", np.float32, ["N", "T", 16]), ("y", np.float32, ["N", "T", 16])]
PAIR = {"x": normal(2, 3, 16), "y": normal(2, 3, 16)}
contributed("SkipLayerNormalization", "SkipLayerNormalization", SEQUENCES + [normal(16), normal(16), normal(16)], PAIR,
            outputs=["z", "", "", "sum"], epsilon=1e-6)
contributed("SkipSimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization", SEQUENCES + [normal(16)], PAIR, outputs=["z"])
for kind in ("BiasGelu", "FastGelu"):
    contributed(kind, kind, [SEQUENCES[0], normal(16)], {"x": PAIR["x"]})
for kind in ("Gelu", "QuickGelu"):
    contributed(kind, kind, [SEQUENCES[0]], {"x": PAIR["x"]})
contributed("EmbedLayerNormalization", "EmbedLayerNormalization",
            [(name, np.int32, ["N", "T"]) for name in ("words", "segments")] + [normal(n, 16) for n in (20, 9, 2)]
            + [normal(16), normal(16)],
            {name: RANDOM.integers(0, n, (2, 5)).astype(np.int32) for name, n in (("words", 20), ("segments", 2))},
            outputs=["y", "mask"])

# Attention: inputs of 4 heads of 8 elements.
SEQUENCE = [("x", np.float32, ["N", "T", 32])]
PROJECTION = [normal(32, 96) * np.float32(0.3), normal(96)]
MASKS = {"lengths": np.array([5, 3], np.int32), "keys": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0]], np.int32),
         "pairs": np.tril(np.ones((2, 5, 5), np.int32))}
for name, mask in MASKS.items():
    shape = ["N"] + ["T"] * (mask.ndim - 1)
    contributed(f"Attention-{name}", "Attention", SEQUENCE + PROJECTION + [("mask", np.int32, shape)],
                {"x": normal(2, 5, 32), "mask": mask}, num_heads=4)
contributed("Attention-past", "Attention", SEQUENCE + PROJECTION + [None, ("past", np.float32, [2, "N", 4, "P", 8])],
            {"x": normal(2, 3, 32), "past": normal(2, 2, 4, 5, 8)}, {"x": normal(1, 1, 32), "past": normal(2, 1, 4, 2, 8)},
            {"x": normal(2, 3, 32), "past": normal(2, 2, 4, 0, 8)},
            outputs=["y", "present"], num_heads=4, unidirectional=1)
contributed("Attention-bias", "Attention", SEQUENCE + [normal(32, 80) * np.float32(0.3), normal(80), None, None,
                                                       ("bias", np.float32, [1, 4, "T", "T"])],
            {"x": normal(2, 5, 32), "bias": normal(1, 4, 5, 5)}, num_heads=4, qkv_hidden_sizes=[32, 32, 16], scale=0.5)
QKV = [(name, np.float32, ["N", length, 32]) for name, length in (("q", "T"), ("k", "S"), ("v", "S"))]
Q, K, V = normal(2, 3, 32), normal(2, 6, 32), normal(2, 6, 32)
PAST = [(name, np.float32, ["N", 4, "P", 8]) for name in ("pk", "pv")]
contributed("MultiHeadAttention", "MultiHeadAttention", QKV + [normal(96)], {"q": Q, "k": K, "v": V}, num_heads=4)
contributed("MultiHeadAttention-mask", "MultiHeadAttention", QKV + [None, ("mask", np.int32, ["N", "S"]),
                                                                    ("bias", np.float32, [1, 4, "T", "S"])],
            {"q": Q, "k": K, "v": V, "mask": np.array([[1] * 6, [1, 0, 1, 1, 0, 0]], np.int32), "bias": normal(1, 4, 3, 6)},
            num_heads=4, scale=0.4)
contributed("MultiHeadAttention-past", "MultiHeadAttention", QKV[:1] + [(n, np.float32, ["N", "T", 32]) for n in "kv"]
            + [normal(96), None, None] + PAST,
            *({"q": Q, "k": normal(2, 3, 32), "v": normal(2, 3, 32), "pk": normal(2, 4, p, 8), "pv": normal(2, 4, p, 8)} for p in (5, 0)),
            outputs=["y", "key", "value"], num_heads=4, unidirectional=1)
contributed("MultiHeadAttention-cross", "MultiHeadAttention", QKV[:1] + PAST,
            {"q": Q, "pk": normal(2, 4, 5, 8), "pv": normal(2, 4, 5, 8)}, num_heads=4)
ANGLES = RANDOM.uniform(0, 6, (20, 4))
TABLES = [np.cos(ANGLES).astype(np.float32), np.sin(ANGLES).astype(np.float32)]
for name, shape, positions, attributes in (("rows", [2, 5, 32], [[0, 1, 2, 3, 4], [3, 4, 5, 9, 19]], {}),
                                           ("heads", [2, 4, 5, 8], [7], {"interleaved": 1}),
                                           ("part", [2, 5, 48], [2], {"num_heads": 4, "rotary_embedding_dim": 8})):
    free = ["N", "T", shape[2]] if len(shape) == 3 else ["N", 4, "T", 8]
    positions = np.array(positions)
    contributed(f"RotaryEmbedding-{name}", "RotaryEmbedding",
                [("x", np.float32, free), ("p", np.int64, ["N", "T"] if positions.ndim == 2 else [1])] + TABLES,
                {"x": normal(*shape), "p": positions}, **attributes)
for bits, size, zeros in ((4, 16, None), (4, 32, "packed"), (8, 16, "packed"), (4, 16, "numbers")):
    blocks = -(-40 // size)
    weights = RANDOM.integers(0, 256, (6, blocks, size * bits // 8), np.uint8)
    zero = {None: None, "packed": RANDOM.integers(0, 256, (6, -(-blocks * bits // 8)), np.uint8),
            "numbers": RANDOM.uniform(4, 9, (6, blocks)).astype(np.float32)}[zeros]
    contributed(f"MatMulNBits-{bits}-{size}-{zeros or 'middle'}", "MatMulNBits",
                [("x", np.float32, ["N", "T", 40]), weights, RANDOM.uniform(0.01, 0.1, (6, blocks)).astype(np.float32), zero, None,
                 normal(6)], {"x": normal(2, 3, 40)}, K=40, N=6, bits=bits, block_size=size)

# ---- More free sizes ---------------------------------------------------------------------------------------------------

for mode, padding in (("linear", "zeros"), ("linear", "reflection"), ("nearest", "border"), ("cubic", "reflection")):
    for align in (0, 1):
        case("free-sizes", f"grid-sample-of-a-free-image-{mode}-{padding}-{align}",
             node("GridSample", [("x", np.float32, ["N", 3, "H", "W"]), ("grid", np.float32, ["N", "A", "B", 2])], ["y"],
                  mode=mode, padding_mode=padding, align_corners=align),
             *({"x": normal(n, 3, h, w), "grid": normal(n, 4, 3, 2)} for n, h, w in ((2, 5, 6), (1, 9, 4))))
case("free-sizes", "split", node("Split", [("x", np.float32, ["N", "T"])], ["a", "b", "c"], axis=1, num_outputs=3),
     {"x": normal(2, 9)}, {"x": normal(2, 11)})
# Padding that depends on the size, and windows that hang over.
IMAGES = [{"x": normal(2, 3, 9, 8)}, {"x": normal(1, 3, 8, 7)}, {"x": normal(1, 3, 4, 6)}]
for pad in ("SAME_UPPER", "SAME_LOWER"):
    for size, stride in ((3, 2), (5, 3), (2, 3)):
        name = f"{pad.lower().replace('_', '-')}-{size}-by-{stride}"
        attributes = {"auto_pad": pad, "strides": [stride, 2]}
        case("free-sizes", f"conv-{name}",
             node("Conv", [("x", np.float32, ["N", 3, "H", "W"]), normal(4, 3, size, 3)], ["y"], **attributes), *IMAGES)
        if size < stride:  # which ONNX Runtime does not pool
            continue
        case("free-sizes", f"max-pool-{name}",
             node("MaxPool", [("x", np.float32, ["N", 3, "H", "W"])], ["y"], kernel_shape=[size, 3], **attributes), *IMAGES)
case("free-sizes", "conv-transpose-same",
     node("ConvTranspose", [("x", np.float32, ["N", 3, "H", "W"]), normal(3, 4, 3, 3)], ["y"], auto_pad="SAME_UPPER",
          strides=[2, 2]), *IMAGES)
for kind, pads, attributes in (("MaxPool", [1, 0, 0, 1], {}), ("AveragePool", [1, 0, 0, 1], {}),
                               ("AveragePool", [0, 0, 0, 0], {"count_include_pad": 1})):
    case("free-sizes", f"{kind}-ceil{pads[0]}",
         node(kind, [("x", np.float32, ["N", "C", "H", "W"])], ["y"], kernel_shape=[3, 4], strides=[2, 3], pads=pads,
              ceil_mode=1, **attributes), *IMAGES)
case("free-sizes", "index-of-a-size", parse("""g (float[N,T] x, float[9,4] table) => (float[1,4] y) <int64[1] i1 = {1}> {
  s = Shape (x)  t = Gather (s, i1)  y = Gather (table, t) }"""), *({"x": normal(1, t), "table": normal(9, 4)} for t in (3, 8)))
case("free-sizes", "elements-by-sizes", parse("""g (float[N,T] x, float[20,1] y) => (float[3,1] z)
  <int64 i1 = {1}, int64[3,1] steps = {0, 2, 1}> {
  s = Shape (x)  t = Gather (s, i1)  u = Mul (t, steps)  z = GatherElements <axis = 0> (y, u) }"""),
     *({"x": normal(1, t), "y": normal(20, 1)} for t in (3, 8)))
# The rest of a head that is not rotated, of which there is none.
case("free-sizes", "join-nothing", parse("""g (float[N,T,8] x) => (float[N,T,8] y) <int64[2] parts = {8, 0}, int64[1] eight = {8},
   int64[1] most = {9223372036854775807}, int64[1] axis = {2}, int64[1] none = {0}> {
  a, b = Split <axis = 2> (x, parts)  c = Slice (x, eight, most, axis)  e = Exp (a)
  s = Shape <end = 2> (x)  t = Concat <axis = 0> (s, none)  d = ConstantOfShape (t)  f = Neg (d)
  y = Concat <axis = 2> (e, c, b, f) }"""),
     {"x": normal(2, 3, 8)})
case("free-sizes", "nonzero-of-ones", parse("""g (float[N,T] x) => (int64[2,K] y) {
  s = Shape (x)  ones = ConstantOfShape <value = bool[1] {1}> (s)  y = NonZero (ones) }"""),
     {"x": normal(2, 3)}, {"x": normal(4, 1)})
case("free-sizes", "power", parse("""g (float[N,T] x, float[K] z) => (float[4,M] y) <int64[1] i1 = {1}, int64[1] two = {2},
   float base = {16}, float half = {0.5}, int64[1] zero = {0}> {
  s = Shape (x)  t = Gather (s, i1)  m = Pow (t, two)  root = Pow (base, half)  r = Cast <to = 7> (root)
  four = Unsqueeze (r, zero)  to = Concat <axis = 0> (four, m)  y = Reshape (z, to) }"""), {"x": normal(1, 3), "z": normal(36)})

# ---- Convolutions ---------------------------------------------------------------------------------------------------------

for mode in ("reflect", "edge"):  # of few channels, whose rows are padded as numbers where the border is one
    case("convolutions", f"padded-{mode}", parse(f"""g (float[N,4,T] x, float[8,4,4] w) => (float[N,8,K] y)
  <int64[6] pads = {{0, 0, 2, 0, 0, 1}}> {{ p = Pad <mode = "{mode}"> (x, pads)  y = Conv <strides = [2]> (p, w) }}"""),
         {"x": normal(2, 4, 11), "w": normal(8, 4, 4)})
    case("convolutions", f"padded-{mode}-static",
         parse(f"""g (float[N,3,8,8] x) => (float[N,8,4,4] y)
  <int64[8] pads = {{0, 0, 1, 1, 0, 0, 1, 1}}, int64[4] s = {{8, 3, 4, 4}}> {{
  w = ConstantOfShape <value = float[1] {{0.1}}> (s)  p = Pad <mode = "{mode}"> (x, pads)
  y = Conv <strides = [2, 2]> (p, w) }}"""),
         {"x": normal(2, 3, 8, 8)})

# ---- Loops ---------------------------------------------------------------------------------------------------------------

SCAN = """g (float[3] h0, float[T,3] x) => (float[3] last, float[T,3] all) <float[3] k = {0.5, 0.25, 2}> {
  last, all = Scan <num_scan_inputs = 1, %s
    body = b (float[3] h, float[3] s) => (float[3] n, float[3] o) { p = Mul (h, k)  q = Add (p, s)  n = Tanh (q)  o = Neg (n) }
  > (h0, x) }"""
for name, attributes in (("forward", ""), ("backward", "scan_input_directions = [1], scan_output_directions = [1],"),
                         ("back-and-forth", "scan_input_directions = [1],")):
    case("loops", f"scan-{name}", parse(SCAN % attributes), {"h0": normal(3), "x": normal(40, 3)},
         {"h0": normal(3), "x": normal(7, 3)})
case("loops", "scan-axes", parse("""g (float[2] h0, float[2,T] x) => (float[2] last, float[2,T] all) {
  last, all = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [-1],
    body = b (float[2] h, float[2] s) => (float[2] n, float[2] o) { n = Add (h, s)  o = Identity (n) }> (h0, x) }"""),
     {"h0": normal(2), "x": normal(2, 33)})
case("loops", "loop-of-free-length", parse("""g (float[T,3] x) => (float[3] sum, float[T,3] all)
  <int64 zero = {0}, float[3] start = {1, 2, 3}> {
  shape = Shape (x)
  steps = Gather (shape, zero)
  sum, all = Loop (steps, , start) <body = b (int64 i, bool c, float[3] s) => (bool d, float[3] n, float[3] o) {
    d = Identity (c)  row = Gather (x, i)  t = Add (s, row)  n = Sin (t)  o = Identity (n) }> }"""),
     {"x": normal(5, 3)}, {"x": normal(21, 3)})

# ---- Selection ------------------------------------------------------------------------------------------------------------

case("selection", "compress-axis", node("Compress", [("x", np.float32, ["N", 5]), np.array([1, 0, 0, 1, 1], bool)], ["y"],
                                        axis=1), {"x": normal(3, 5)}, {"x": normal(1, 5)})
case("selection", "nonzero-of-mask", parse("""g (float[3,3] x) => (int64[2,K] y) <int64[2] s = {3, 3}> {
  ones = ConstantOfShape <value = float[1] {1}> (s)  upper = Trilu (ones)  indices = NonZero (upper)
  real = Cast <to = 1> (indices)  zero = Sub (x, x)  z = ReduceSum <keepdims = 0> (zero)  t = Add (real, z)
  y = Cast <to = 7> (t) }"""), {"x": normal(3, 3)})

# ---- Infinities ----------------------------------------------------------------------------------------------------------

MASK = np.tril(np.ones((4, 4), bool))
case("infinities", "masked-softmax", parse("""g (float[N,4,4] x, bool[4,4] m) => (float[N,4,4] y) <float zero = {0}, float low = {-inf}> {
  bias = Where (m, zero, low)  scores = Add (x, bias)  y = Softmax <axis = -1> (scores) }"""),
     {"x": normal(2, 4, 4), "m": MASK}, {"x": normal(1, 4, 4), "m": MASK[::-1, ::-1].copy()})
case("infinities", "causal-mask", parse("""g (float[N,T,T] x) => (float[N,T,T] y) <int64 one = {1}, float zero = {0}, float low = {-inf}> {
  s = Shape <start = 1> (x)  ones = ConstantOfShape <value = float[1] {1}> (s)  upper = Trilu (ones, one)
  masked = Greater (upper, zero)  bias = Where (masked, low, zero)  scores = Add (x, bias)  y = Softmax <axis = -1> (scores) }"""),
     {"x": normal(2, 5, 5)}, {"x": normal(1, 3, 3)})
case("infinities", "found", parse("""g (float[N] x) => (float[N] y) <float zero = {0}, float low = {-inf}, float bound = {-1e30}> {
  isLow = Less (x, bound)  marked = Where (isLow, low, x)  inf = IsInf (marked)  y = Where (inf, zero, marked) }"""),
     {"x": np.array([1, -2e30, 3, -np.inf], np.float32)})

# ---- Vision ---------------------------------------------------------------------------------------------------------------

REGIONS = np.array([[1, 2, 6, 7], [0, 0, 9, 5], [3.3, 1.2, 4.1, 8.8], [-2, -3, 15, 20]], np.float32)
for mode, transformation in (("avg", "half_pixel"), ("avg", "output_half_pixel"), ("max", "output_half_pixel")):
    case("vision", f"roialign-{mode}-{transformation}",
         node("RoiAlign", [("x", np.float32, ["N", 3, 8, 10]), ("rois", np.float32, ["R", 4]), ("items", np.int64, ["R"])],
              ["y"], opset=16, mode=mode, coordinate_transformation_mode=transformation, output_height=3, output_width=2,
              sampling_ratio=2, spatial_scale=0.5),
         {"x": normal(2, 3, 8, 10), "rois": REGIONS, "items": np.array([0, 1, 1, 0])},
         {"x": normal(1, 3, 8, 10), "rois": REGIONS[:1], "items": np.array([0])})
case("vision", "col2im-strided", node("Col2Im", [("x", np.float32, [2, 12, 12]), np.array([6, 7]), np.array([2, 3])], ["y"],
                                      opset=18, strides=[2, 2], pads=[1, 0, 1, 1], dilations=[1, 1]),
     {"x": normal(2, 12, 12)})


# ---- Convolutions -------------------------------------------------------------------------------------------------------

# Filters so large that Winograd's algorithm transforms them in the kernel; the last block of them is not whole.
for size, filters in ((14, 512), (13, 500)):
    case("convolutions", f"large-filter-{size}",
         node("Conv", [("x", np.float32, ["N", 512, size, size]), normal(filters, 512, 3, 3)], ["y"], pads=[1, 1, 1, 1]),
         {"x": normal(1, 512, size, size)}, {"x": normal(2, 512, size, size)})

case("free-sizes", "slice-to-a-multiple", parse("""g (float[N,T] x) => (float[N,K] y)
  <int64[1] four = {4}, int64[1] i1 = {1}, int64[1] i0 = {0}> {
  s = Shape (x)  t = Gather <axis = 0> (s, i1)  m = Mod (t, four)  d = Sub (four, m)  rest = Mod (d, four)
  end = Neg (rest)  y = Slice (x, i0, end, i1) }"""), {"x": normal(2, 9)}, {"x": normal(1, 15)})

# ---- Empty sizes -------------------------------------------------------------------------------------------------------------

# What joins nothing, adds up nothing, attends to no keys but those that are new.
case("empty-sizes", "pointwise", parse("""g (float[N,T] x, float[1,T] y) => (float[N,T] z) { e = Exp (x)  z = Add (e, y) }"""),
     {"x": normal(0, 3), "y": normal(1, 3)}, {"x": normal(2, 0), "y": normal(1, 0)}, {"x": normal(2, 20), "y": normal(1, 20)})
for axis, shapes in ((0, ("P,6", "S,6")), (1, ("N,P,6", "N,S,6")), (2, ("N,4,P", "N,4,S")), (-1, ("P", "S"))):
    feeds = [{key: normal(*(int(s.get(d, d)) for d in shape.split(","))) for key, shape in zip("xy", shapes)}
             for s in ({"N": 2, "P": 0, "S": 3}, {"N": 1, "P": 0, "S": 40}, {"N": 2, "P": 7, "S": 0}, {"N": 2, "P": 3, "S": 2})]
    joined = shapes[0].replace("P", "Q")
    case("empty-sizes", f"concat-{axis}", parse(f"""g (float[{shapes[0]}] x, float[{shapes[1]}] y) => (float[{joined}] z) {{
      a = Exp (x)  b = Tanh (y)  z = Concat <axis = {axis}> (a, b, x) }}"""), *feeds)
for kind in ("ReduceSum", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2"):
    case("empty-sizes", kind, node(kind, [("x", np.float32, ["N", "T", 20]), np.array([1])], ["y"], keepdims=0),
         {"x": normal(2, 0, 20)}, {"x": normal(2, 5, 20)}, {"x": normal(0, 5, 20)})
case("empty-sizes", "matmul", parse("""g (float[N,K] x, float[K,20] y) => (float[N,20] z) { z = MatMul (x, y) }"""),
     {"x": normal(3, 0), "y": normal(0, 20)}, {"x": normal(0, 5), "y": normal(5, 20)}, {"x": normal(3, 5), "y": normal(5, 20)})
# Matrices that are computed: two that half of a second cache does not hold; depths that are prime, too.
for depth, columns in ((1004, 512), (787, 336), (131, 64)):
    case("products", f"matrix-{depth}", parse(
        f"""g (float[N,{depth}] x, float[{depth},{columns}] y) => (float[N,{columns}] z) {{ z = MatMul (x, y) }}"""),
         *({"x": normal(rows, depth), "y": normal(depth, columns)} for rows in (1, 3, 33)))
case("empty-sizes", "rows", parse("""g (float[N,T,4] x) => (float[N,T,4] y, float[T,N,2] z)
  <float[4] g = {1, 2, 3, 4}, int64[1] i2 = {2}, int64[1] low = {1}, int64[1] high = {3}> {
  n = LayerNormalization (x, g)  y = Softmax (n)  s = Slice (n, low, high, i2)  z = Transpose <perm = [1, 0, 2]> (s) }"""),
     {"x": normal(2, 0, 4)}, {"x": normal(0, 3, 4)}, {"x": normal(2, 3, 4)})
# A decoder's step: positions go on after the past, and each query sees the keys up to its own.
DECODER = """g (INPUTS) => (float[N,S,32] y, float[N,4,Q,8] key, float[N,4,Q,8] value)
  <int64[4] heads = {0, 0, 4, 8}, int64[3] rows = {0, 0, 32}, int64 i0 = {0}, int64 i1 = {1}, int64 i2 = {2}, int64[1] a1 = {1},
   float scale = {0.35}, float barred = {-1e9}> {
  q0 = MatMul (x, wq)  k0 = MatMul (x, wk)  v0 = MatMul (x, wv)
  q1 = Reshape (q0, heads)  q = Transpose <perm = [0, 2, 1, 3]> (q1)
  k1 = Reshape (k0, heads)  k2 = Transpose <perm = [0, 2, 1, 3]> (k1)  key = Concat <axis = 2> (pk, k2)
  v1 = Reshape (v0, heads)  v2 = Transpose <perm = [0, 2, 1, 3]> (v1)  value = Concat <axis = 2> (pv, v2)
  ps = Shape (pk)  p = Gather (ps, i2)  xs = Shape (x)  s = Gather (xs, i1)  all = Add (p, s)
  at = Range (p, all, i1)  keys = Range (i0, all, i1)  column = Unsqueeze (at, a1)  late = Greater (keys, column)
  w0 = Gather (positions, at)  q2 = Add (q, w0)
  kt = Transpose <perm = [0, 1, 3, 2]> (key)  s0 = MatMul (q2, kt)  s1 = Mul (s0, scale)  s2 = Where (late, barred, s1)
  w = Softmax (s2)  y0 = MatMul (w, value)  y1 = Transpose <perm = [0, 2, 1, 3]> (y0)  y = Reshape (y1, rows) }"""
DECODER_INPUTS = ["float[N,S,32] x", "float[N,4,P,8] pk", "float[N,4,P,8] pv"]
for name, order in (("tokens-first", [0, 1, 2]), ("cache-first", [1, 2, 0])):
    model = with_values(parse(DECODER.replace("INPUTS", ", ".join(DECODER_INPUTS[i] for i in order))),
                        wq=normal(32, 32), wk=normal(32, 32), wv=normal(32, 32), positions=normal(64, 8))
    case("empty-sizes", f"decoder-{name}", model, *({"x": normal(n, s, 32), "pk": normal(n, 4, p, 8), "pv": normal(n, 4, p, 8)}
                                                    for n, s, p in ((1, 5, 0), (2, 1, 0), (2, 1, 5), (1, 3, 40))))

# ---- Branches that data choose -----------------------------------------------------------------------------------------------

BRANCH = """g (SIGNATURE)
  <float[4,4] w = {1, -2, 3, 4, 5, 6, -7, 8, 9, 1, -1, 2, 3, 5, 7, 1},
   float[4,4] v = {2, 1, 0, -1, 3, 3, 1, 2, -2, 1, 5, 4, 1, 1, 2, 2}, float zero = {0},
   int64[1] i1 = {1}> { BODY }"""


def branches(name, signature, body, *feeds):
    case("branches", name, parse(BRANCH.replace("SIGNATURE", signature).replace("BODY", body), opset=16), *feeds)


HOLDS = [np.array(True), np.array(False)]
branches("products", "bool c, float[N,4] x) => (float[N,4] y, float[N,4] z", """
  a, b = If (c) <then_branch = t () => (float[N,4] p, float[N,4] q) { p = MatMul (x, w)  q = Relu (p) },
                 else_branch = e () => (float[N,4] r, float[N,4] s) { r0 = MatMul (x, v)  r = Tanh (r0)  s = Identity (x) }>
  y = Add (a, x)  z = Neg (b)""", *({"c": c, "x": normal(n, 4)} for c in HOLDS for n in (1, 5)))
branches("on-what-is-computed", "float[N,4] x) => (float[N,4] y", """
  s = ReduceSum <keepdims = 0> (x)  c = Greater (s, zero)
  y = If (c) <then_branch = t () => (float[N,4] p) { p = MatMul (x, w) }, else_branch = e () => (float[N,4] q) { q = Identity (x) }>
""", {"x": np.abs(normal(3, 4))}, {"x": -np.abs(normal(2, 4))})
branches("arithmetic", "bool c, float[N,4] x) => (float[N,4] y, int64[1] n", """
  a = Mul (x, x)
  b, n = If (c) <then_branch = t () => (float[N,4] p, int64[1] k) { p = Add (a, zero)  k = Neg (i1) },
                 else_branch = e () => (float[N,4] q, int64[1] l) { q = Sub (zero, x)  l = Add (i1, i1) }>
  y = Exp (b)""", *({"c": c, "x": normal(3, 4)} for c in HOLDS))
branches("of-one-element", "bool[1] c, float[2,3] x) => (float[6] y", """
  y = If (c) <then_branch = t () => (float[6] p) { m = Constant <value_ints = [-1]> ()  p = Reshape (x, m) },
              else_branch = e () => (float[6] q) { n = Constant <value_ints = [6]> ()  a = Exp (x)  q = Reshape (a, n) }>
""", *({"c": c.reshape(1), "x": normal(2, 3)} for c in HOLDS))
branches("nested", "bool c, bool d, float[N,4] x) => (float[N,4] y", """
  e0 = Exp (x)
  y0 = If (c) <then_branch = t () => (float[N,4] p) {
                 p = If (d) <then_branch = tt () => (float[N,4] pp) { pp = MatMul (e0, w) },
                             else_branch = te () => (float[N,4] pq) { pq = MatMul (e0, v) }> },
               else_branch = e () => (float[N,4] q) { q = If (d) <then_branch = et () => (float[N,4] qp) { qp = Neg (e0) },
                             else_branch = ee () => (float[N,4] qq) { qq = Identity (e0) }> }>
  y = Add (y0, e0)""", *({"c": c, "d": d, "x": normal(3, 4)} for c in HOLDS for d in HOLDS))
branches("in-a-loop", "float[T,N,4] xs, float[N,4] h) => (float[N,4] last, float[T,N,4] all", """
  last, all = Scan <num_scan_inputs = 1, body = b (float[N,4] s, float[N,4] x) => (float[N,4] next, float[N,4] out) {
    m = ReduceSum <keepdims = 0> (x)  c = Greater (m, zero)
    next = If (c) <then_branch = t () => (float[N,4] p) { p0 = MatMul (s, w)  p1 = Add (p0, x)  p = Tanh (p1) },
                   else_branch = e () => (float[N,4] q) { q = Identity (s) }>
    out = Identity (next) }> (h, xs)""", *({"xs": normal(t, n, 4), "h": normal(n, 4)} for t, n in ((20, 2), (40, 1))))
branches("with-a-loop", "bool c, float[T,4] xs, float[4] h) => (float[4] y", """
  y = If (c) <then_branch = t () => (float[4] p) { p = Scan <num_scan_inputs = 1, body = b (float[4] s, float[4] x) => (float[4] n) {
                n0 = Add (s, x)  n = Tanh (n0) }> (h, xs) },
              else_branch = e () => (float[4] q) { q = Identity (h) }>
""", *({"c": c, "xs": normal(20, 4), "h": normal(4)} for c in HOLDS))
branches("sizes-and-constants", "bool c, float[N,T] x) => (float[N,T] y, int64[1] n, float[4,4] m", """
  y0, n, m = If (c) <then_branch = t () => (float[N,T] p, int64[1] k, float[4,4] o) { s = Shape (x)  k = Gather <axis = 0> (s, i1)
                 f = Cast <to = 1> (k)  p = Div (x, f)  o = Identity (w) },
               else_branch = e () => (float[N,T] q, int64[1] l, float[4,4] r) { q = Softmax (x)  l = Identity (i1)  r = Identity (v) }>
  y = Add (y0, x)""", *({"c": c, "x": normal(n, t)} for c in HOLDS for n, t in ((2, 3), (1, 40))))
# Rows of a free number, by Winograd's algorithm: tiles that reach beyond the last one, groups that are not full, a batch.
for name, width, channels, filters, pads in (
        ("rows", 20, 32, 48, [1, 1, 1, 1]), ("rows-apart", 23, 48, 32, [0, 2, 2, 0]),
        ("rows-many-channels", 12, 128, 64, [1, 1, 1, 1]), ("rows-no-padding", 30, 32, 32, [0, 0, 0, 0])):
    case("winograd", name,
         node("Conv", [("x", np.float32, ["N", channels, "H", width]), 0.1 * normal(filters, channels, 3, 3), normal(filters)], ["y"],
              pads=pads),
         *({"x": normal(items, channels, rows, width)} for items, rows in ((1, 3), (1, 4), (2, 5), (1, 8), (3, 33), (1, 70))))

# Depthwise windows over an image whose rows of padding are not summed: beyond one side, wider than the image, apart, of free sizes.
for name, sizes, channels, window, attributes, shapes in (
        ("short", (3, "W"), 40, (5, 5), {"pads": [2, 2, 2, 2]}, ((3, 1), (3, 7), (3, 29))),
        ("steps", ("H", "W"), 32, (3, 3), {"pads": [0, 1, 1, 0], "strides": [2, 2]}, ((2, 3), (9, 8), (16, 33))),
        ("apart", ("H", 20), 24, (3, 5), {"pads": [4, 4, 4, 4], "dilations": [3, 2]}, ((1, 20), (5, 20), (30, 20))),
        ("whole", (7, 7), 64, (7, 7), {"pads": [3, 3, 3, 3]}, ((7, 7),))):
    case("convolutions", f"depthwise-{name}",
         node("Conv", [("x", np.float32, ["N", channels, *sizes]), normal(channels, 1, *window), normal(channels)], ["y"],
              group=channels, **attributes),
         *({"x": normal(items, channels, *shape)} for shape in shapes for items in (1, 2)))
# Columns of a free number, numbered down the image, and both free, in strips.
for name, sizes, channels, filters, pads, shapes in (
        ("columns", (20, "W"), 32, 48, [1, 1, 1, 1], ((20, 1), (20, 5), (20, 64))),
        ("columns-apart", (23, "W"), 48, 32, [2, 0, 0, 2], ((23, 2), (23, 37))),
        ("strips", ("H", "W"), 64, 24, [1, 1, 1, 1], ((1, 1), (4, 4), (6, 17), (16, 16), (33, 50), (70, 4), (3, 100))),
        ("strips-apart", ("H", "W"), 32, 64, [0, 2, 1, 0], ((3, 2), (9, 30), (64, 20))),
        ("strips-many-channels", ("H", "W"), 96, 160, [1, 1, 1, 1], ((7, 13), (20, 20))),
        ("strips-no-padding", ("H", "W"), 32, 32, [0, 0, 0, 0], ((3, 3), (18, 18), (40, 9)))):
    case("winograd", name,
         node("Conv", [("x", np.float32, ["N", channels, *sizes]), 0.1 * normal(filters, channels, 3, 3), normal(filters)], ["y"],
              pads=pads),
         *({"x": normal(items, channels, *shape)} for shape in shapes for items in (1, 2)))

# Batches whose images leave the cache: computed one at a time, or a few, with what is joined, added and multiplied in between.
IMAGES = """net (float[N,3,96,96] x, float[32,3,3,3] w0, float[32,32,3,3] w1, float[32,32,3,3] w2, float[32,32,1,1] w3,
                  float[8,96,1,1] s0, float[96,8,1,1] s1, float[64,96,3,3] w4, float[64,10] w5)
  => (float[N,10] y, float[N,96,48,48] joined) {
     a = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (x, w0)  b = Relu (a)
     c = Conv <pads = [1, 1, 1, 1]> (b, w1)  d = Add (c, b)  e = Relu (d)
     f = Conv <pads = [1, 1, 1, 1], group = 1> (e, w2)  g = Conv (e, w3)
     joined = Concat <axis = 1> (e, f, g)
     m = GlobalAveragePool (joined)  m0 = Conv (m, s0)  m1 = Relu (m0)  m2 = Conv (m1, s1)  m3 = Sigmoid (m2)
     h = Mul (joined, m3)  i = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (h)
     j = Conv <pads = [1, 1, 1, 1]> (i, w4)  k = Relu (j)
     l = ReduceMean <axes = [2, 3], keepdims = 0> (k)  y = MatMul (l, w5)
}"""


def images():
    graph = (model := parse(IMAGES)).graph
    for weight in list(graph.input)[1:]:
        dims = [dim.dim_value for dim in weight.type.tensor_type.shape.dim]
        graph.initializer.append(numpy_helper.from_array(normal(*dims) * np.float32((np.prod(dims) / dims[0]) ** -0.5), weight.name))
        graph.input.remove(weight)
    return model


case("microbatch", "images", images(), *({"x": normal(items, 3, 96, 96)} for items in (1, 2, 5, 33, 70)))

# Convolutions of few terms, which the kernel of the pooling after them computes: with and without bias and activation between the
# two, in blocks of channels and not, windows of several shapes, images that they do not fill.
for name, between, filters, size, window in (
        ("relu", "z = Add (c, b)  r = Relu (z)", 32, (28, 28), (2, 2)), ("bias", "r = Add (c, b)", 48, (29, 31), (2, 2)),
        ("alone", "r = Identity (c)", 32, (20, 20), (2, 2)), ("tanh", "z = Tanh (c)  r = Add (z, b)", 32, (20, 20), (2, 2)),
        ("falling", "z = Neg (c)  r = Add (z, b)", 32, (20, 20), (2, 2)),
        ("limits", "z = Clip (c, low, high)  r = Add (z, b)", 16, (17, 9), (1, 2)),
        ("thirds", "z = Add (b, c)  r = Relu (z)", 20, (31, 50), (3, 3)), ("rows", "r = Relu (c)", 64, (12, 100), (4, 1)),
        ("many", "r = Relu (c)", 32, (34, 34), (4, 4)), ("one", "r = Relu (c)", 32, (4, 5), (2, 3))):
    graph = parse(f"""g (float[N,3,{size[0]},{size[1]}] x, float[{filters},3,3,3] w, float[{filters},1,1] b, float low, float high)
      => (float[N,{filters},P,Q] y) {{ c = Conv (x, w)  {between}
         y = MaxPool <kernel_shape = [{window[0]}, {window[1]}], strides = [{window[0]}, {window[1]}]> (r) }}""")
    for weight, value in (("w", normal(filters, 3, 3, 3)), ("b", normal(filters, 1, 1)),
                          ("low", np.float32(-0.5)), ("high", np.float32(2))):
        graph.graph.initializer.append(numpy_helper.from_array(np.asarray(value), weight))
    del graph.graph.input[1:]
    case("pooled", name, graph, *({"x": normal(items, 3, *size)} for items in (1, 2, 5)))

# Dilated windows over images so small that some taps, or all but one, are in the padding everywhere.
for name, size, attributes in (
        ("middle", (7, 9), {"pads": [12, 12, 12, 12], "dilations": [12, 12]}),
        ("rows", (7, 30), {"pads": [8, 8, 8, 8], "dilations": [8, 8]}),
        ("strided", (9, 9), {"pads": [6, 2, 6, 2], "dilations": [6, 2], "strides": [4, 2]}),
        ("below", (5, 6), {"pads": [0, 1, 14, 3], "dilations": [7, 2]}),
        ("depthwise", (6, 6), {"pads": [9, 9, 9, 9], "dilations": [9, 9], "group": 16})):
    case("dilated", name,
         node("Conv", [("x", np.float32, ["N", 16, *size]), normal(16, 16 // attributes.get("group", 1), 3, 3)], ["y"], **attributes),
         *({"x": normal(items, 16, *size)} for items in (1, 3)))

# An inverted residual of a batch that is one, and of a free one.
for items in (1, "N"):
    graph = parse(f"""g (float[{items},16,20,24] x, float[96,16,1,1] expand, float[96,1,3,3] window, float[16,96,1,1] project)
      => (float[P,Q,R,S] y) {{ e = Conv (x, expand)  a = Relu (e)
         d = Conv <pads = [1, 1, 1, 1], group = 96> (a, window)  b = Relu (d)  p = Conv (b, project)  y = Add (x, p) }}""")
    for weight, shape in (("expand", (96, 16, 1, 1)), ("window", (96, 1, 3, 3)), ("project", (16, 96, 1, 1))):
        graph.graph.initializer.append(numpy_helper.from_array(normal(*shape), weight))
    del graph.graph.input[1:]
    case("convolutions", f"inverted-residual-{items}", graph,
         *({"x": normal(batch, 16, 20, 24)} for batch in ((1,) if items == 1 else (1, 3))))

# ---- Attention to many keys, a block of them after the other -----------------------------------------------------------------

KEYS = 9001  # more than the second cache has room for
# A mask lets rows see all keys, few of them, none of the first blocks, or none at all.
SEEN = np.zeros((5, KEYS), np.float32)
SEEN[1, 3:] = SEEN[2, :8000] = SEEN[3] = -np.inf
SEEN[4, ::2] = np.finfo(np.float32).min
ATTENTION = """g (float[N,2,T,{d}] q, float[N,2,{d},{s}] k, float[N,2,{s},{d}] v{mask}) => (float[N,2,T,{d}] y)
  <float zero = {{0}}, float scale = {{0.3}}> {{
  products = MatMul (q, k)  scores = {scores}  p = Softmax <axis = -1> (scores)
  undefined = IsNaN (p)  weights = Where (undefined, zero, p)  y = MatMul (weights, v) }}"""


def attention(items, rows, keys, elements, **more):
    return {"q": normal(items, 2, rows, elements), "k": normal(items, 2, elements, keys), "v": normal(items, 2, keys, elements), **more}


case("attention", "free", parse(ATTENTION.format(d=16, s="S", mask="", scores="Mul (products, scale)")),
     attention(1, 9, KEYS, 16), attention(2, 40, 700, 16), attention(1, 1, 1, 16))
case("attention", "free-masked", parse(ATTENTION.format(d=16, s="S", mask=", float[T,S] m", scores="Add (products, m)")),
     attention(2, 5, KEYS, 16, m=SEEN), attention(1, 5, 40, 16, m=SEEN[:, :40]))
case("attention", "fixed", parse(ATTENTION.format(d=64, s=KEYS, mask="", scores="Mul (products, scale)")), attention(1, 30, KEYS, 64))
case("attention", "fixed-masked", parse(ATTENTION.format(d=64, s=KEYS, mask=f", float[5,{KEYS}] m", scores="Add (products, m)")
                                        .replace(",T,", ",5,")), attention(1, 5, KEYS, 64, m=SEEN))

# Several items of a batch, whose tiles one group has: some groups are not full.
for name, items, size, channels, filters, pads in (
        ("items", 20, (8, 8), 128, 96, [1, 1, 1, 1]), ("items-of-one-tile", 37, (4, 4), 256, 64, [1, 1, 1, 1]),
        ("items-that-overhang", 7, (7, 9), 160, 128, [0, 2, 2, 0]), ("items-no-padding", 6, (6, 6), 128, 128, [0, 0, 0, 0])):
    case("winograd", name,
         node("Conv", [("x", np.float32, [items, channels, *size]), 0.1 * normal(filters, channels, 3, 3), normal(filters)], ["y"],
              pads=pads), {"x": normal(items, channels, *size)})
POOLED = with_values(parse("""g (float[18,128,8,8] x) => (float[18,64,4,4] y) {
  c = Conv <pads = [1, 1, 1, 1]> (x, w)  r = Relu (c)  y = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r) }"""),
                     w=0.1 * normal(64, 128, 3, 3))
case("winograd", "items-pooled", POOLED, {"x": normal(18, 128, 8, 8)})

# Products with weights that come from memory, of rows that a rectifier wrote: one row leaves out what meets a zero.
def repeated(*shape):
    return np.resize(0.01 * normal(4099), shape)


case("rectified", "matrix",
     with_values(parse("g (float[N,9000] x) => (float[N,1024] y) { r = Relu (x)  p = MatMul (r, w)  b = Add (p, c)  y = Relu (b) }"),
                 w=repeated(9000, 1024), c=normal(1024)),
     *({"x": normal(items, 9000)} for items in (1, 2, 67)), {"x": -np.ones((1, 9000), np.float32)},
     {"x": np.where(np.arange(9000) == 8999, np.nan, normal(1, 9000)).astype(np.float32)})
case("rectified", "pooled",
     with_values(parse("""g (float[N,1,26,26] x) => (float[N,1024] y) {
  c = Conv (x, f)  r = Clip (c, zero, six)  p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
  v = Flatten (p)  y = Gemm <transB = 1> (v, w, b) }"""),
                 f=normal(64, 1, 3, 3), zero=np.float32(0), six=np.float32(6), w=repeated(1024, 9216), b=normal(1024)),
     *({"x": normal(items, 1, 26, 26)} for items in (1, 3)))

# A NaN passes bounds.
case("rectified", "bounds", parse("""g (float[N,13] x) => (float[N,13] y, float[N,13] z, bool[N,13] u) <float zero = {0}, float six = {6}> {
  y = Relu (x)  z = Clip (x, zero, six)  u = IsNaN (z) }"""),
     {"x": np.where(normal(3, 13) > 1, np.nan, 9 * normal(3, 13)).astype(np.float32)})


def main(group, directory):
    failures = []
    for name, (model, sets) in GROUPS[group].items():
        place = pathlib.Path(directory) / name
        os.makedirs(place, exist_ok=True)
        path = place / "model.onnx"
        path.write_bytes(model.SerializeToString())
        try:
            settings = exact_settings()
            reference = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
            library = Library(compile_model(path, place), "m")
            names = [output.name for output in reference.get_outputs()]
            for i, feeds in enumerate(sets):
                results = dict(zip(library.output_names, library.run([feeds[key] for key in library.input_names])))
                for output, expected in zip(names, reference.run(names, feeds)):
                    atol = 1e-3 if np.asarray(expected).dtype == np.float16 else 1e-5  # two units in the last place
                    compare(f"{output} (inputs {i})", results[output], expected, rtol=0, atol=atol)
            print(f"{name}: {len(sets)} sets of inputs")
        except Exception as error:  # the next case tells something too
            failures.append(f"{name}: {type(error).__name__}: {error}")
    if failures:
        raise Failure("\n".join(failures))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print("\n".join(GROUPS))
    else:
        main(*sys.argv[1:])

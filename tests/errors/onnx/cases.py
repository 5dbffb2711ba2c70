"""Bad ONNX files, and what the one diagnostic says of each; in the form of tests/errors/import/cases.py."""
import numpy as np
import onnx
import onnx.parser
from onnx import TensorProto, helper, numpy_helper

CASES = {}


def case(name, model, *expected, arguments=(), **files):
    assert name not in CASES, name
    contents = model if isinstance(model, bytes) else model.SerializeToString()
    CASES[name] = ({"model.onnx": contents, **{k.replace("_", "."): v for k, v in files.items()}}, arguments, expected)


def parse(body, opset=17):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {body}')


def relu(**changes):
    """A model of one Relu, with fields of its graph, node or input changed."""
    model = parse("g (float[2,3] x) => (float[2,3] y) { y = Relu (x) }")
    for path, value in changes.items():
        target = model
        *way, last = path.split("__")
        for step in way:
            target = target[int(step)] if step.isdigit() else getattr(target, step)
        setattr(target, last, value)
    return model


def weighted(tensor):
    """Adds an initializer to the input."""
    model = parse("g (float[2,3] x) => (float[2,3] y) { y = Add (x, w) }")
    model.graph.initializer.append(tensor)
    return model


VALID = relu().SerializeToString()

# ---- The file -----------------------------------------------------------------------------------------------------------

case("file_cut_off", VALID[:-3], "is no ONNX model: its protocol buffer is damaged or cut off")
case("file_trailing_bytes", VALID + b"\xff\xff", "is no ONNX model: its protocol buffer is damaged or cut off")
case("file_header_only", b"\x08\x08\x12", "is no ONNX model")
case("model_without_graph", onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)]),
     "the model has no graph")
model = relu()
del model.opset_import[:]
case("model_without_opsets", model, "does not say which operator sets it imports")
model = relu()
model.opset_import.append(helper.make_opsetid("", 18))
case("model_with_two_opsets", model, "imports the operator sets 17 and 18 of the domain ''")
case("stft_rank", parse("g (float[8] x) => (float[1,2,3,2] y) <int64 step = {4}, int64 length = {4}> { y = STFT (x, step, , length) }"),
     "node 'y' (STFT): its input has shape (8); supported: (N, samples) or (N, samples, parts)")
case("resize_scale_too_large", parse("g (float[N,2,4] x) => (float[N,2,M] y) <float[3] s = {1.0, 1.0, 1e22}> { y = Resize (x, , s) }"),
     "node 'y' (Resize): one of its scales is 1.000000e+22")
model = parse("g (float[N,4] x) => (float[M,4] y) <int64[4] p = {1, 0, 1, 0}> { y = Pad <mode = \"wrap\"> (x, q) }", opset=19)
model.graph.node.insert(0, helper.make_node("Shape", ["x"], ["s"]))
model.graph.node.insert(1, helper.make_node("Concat", ["s", "s"], ["q"], axis=0))
case("pad_wrap_by_free_amounts", model, "node 'y' (Pad): its pads depend on free dimensions; supported with mode wrap: known pads")
case("opset_unknown", relu(opset_import__0__version=999), "uses operator set 999 of ONNX; supported: 6 to 28")
case("opset_too_old", relu(opset_import__0__version=3), "uses operator set 3 of ONNX; supported: 6 to 28")
case("weights_beside_onnx", relu(), "is an ONNX model, which carries its weights",
     arguments=["--weights", "w.bin"], w_bin=b"\x00")

# ---- The graph ------------------------------------------------------------------------------------------------------------

case("node_cycle", parse("g (float[2] x) => (float[2] b) { a = Add (x, b)  b = Relu (a) }"),
     "node 'a' (Add): its input 'b' is made by no node before it", "cannot have a cycle")
case("node_missing_input", parse("g (float[2] x) => (float[2] y) { y = Add (x, z) }"),
     "node 'y' (Add): its input 'z' is made by no node before it")
for kind, inputs in (("Equal", "k"), ("And", "k"), ("Where", "k, k")):
    body = "g (float[2] x) => (float[2] y) <bool[2] k = {1, 0}> { z = KIND (INPUTS)  y = Relu (x) }"
    case(f"known_too_few_inputs_{kind}", parse(body.replace("KIND", kind).replace("INPUTS", inputs)),
         f"node 'z' ({kind}): its input {inputs.count('k')} is missing")
case("node_too_few_inputs", parse("g (float[2] x) => (float[2] y) { y = Add (x) }"),
     "node 'y' (Add): its input 1 is missing")
case("node_two_results_of_one_name", parse("g (float[2] x) => (float[2] y) { y = Relu (x) y = Exp (x) }"),
     "node 'y' (Exp): its result 'y' has the name of another value")
case("node_unknown_type", relu(graph__node__0__op_type="Relux"), "node 'y' (Relux)", "is not supported")
case("node_without_type", relu(graph__node__0__op_type=""), "node 'y' has no op_type")
case("node_unknown_domain", relu(graph__node__0__domain="com.example"),
     "node 'y' (com.example::Relu): the model does not import an operator set of the domain 'com.example'")
case("output_undefined", relu(graph__output__0__name="z"), "output 'z' is made by no node")
case("input_of_strings", parse("g (string[2] x) => (string[2] y) { y = Identity (x) }"),
     "input 'x' is of type string; supported: tensors of float")
case("input_without_shape", helper.make_model(helper.make_graph(
         [helper.make_node("Relu", ["x"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
         [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]), opset_imports=[helper.make_opsetid("", 17)]),
     "input 'x' has no shape; supported: inputs of known rank (give it, as in --shape x=1x3x224x224)")
case("input_empty", parse("g (float[2,0] x) => (float[2,0] y) { y = Relu (x) }"), "input 'x' has no elements")
case("input_too_large", parse("g (float[2147483647,2147483647] x) => (float[2] y) { y = Relu (x) }"),
     "input 'x' has shape (2147483647, 2147483647); supported: at most 2147483647 elements")
case("shape_of_unknown_input", relu(), "a shape is given for input 'z', which the model does not have; it has x",
     arguments=["--shape", "z=2x3"])
case("shape_of_other_rank", relu(), "has 3 dimensions, the model's has 2", arguments=["--shape", "x=2x3x4"])
case("shape_against_model", relu(), "has a dimension of size 4 where the model has 3", arguments=["--shape", "x=2x4"])

# ---- Attributes -------------------------------------------------------------------------------------------------------------

case("attribute_of_other_kind", parse("g (float[2] x) => (float[2] y) { y = LeakyRelu <alpha = \"a\"> (x) }"),
     "node 'y' (LeakyRelu): attribute 'alpha' is \"a\"; supported: a number")
case("attribute_unknown", parse("g (float[2] x) => (float[2] y) { y = Relu <slope = 2> (x) }"),
     "node 'y' (Relu): attribute 'slope' is 2; supported: no such attribute")
case("attribute_missing", parse("g (float[2] x) => (float[2] y) { y = Cast (x) }"), "attribute 'to' is missing")
case("attribute_perm", parse("g (float[2,3] x) => (float[3,2] y) { y = Transpose <perm = [1, 1]> (x) }"),
     "attribute 'perm' is [1, 1]; supported: a permutation of the dimensions of an input of rank 2")
case("attribute_axis", parse("g (float[2,3] x) => (float[2,3] y) { y = Softmax <axis = 2> (x) }"),
     "attribute 'axis' is 2; supported: a dimension of an input of rank 2")
case("attribute_kernel", parse("g (float[1,1,4] x) => (float[1,1,4] y) { y = MaxPool <kernel_shape = [3, 3]> (x) }"),
     "attribute 'kernel_shape' is [3, 3]; supported: 1 integers from 1")
case("cast_to_string", parse("g (float[2] x) => (float[2] y) { y = Cast <to = 8> (x) }"), "attribute 'to' is 8 (string)")

# ---- Recurrent layers and selections ------------------------------------------------------------------------------------

LSTM = "g (float[3,2,4] x, float[1,20,4] w, float[1,20,%d] r) => (float[3,1,2,5] y) { y = LSTM <%s> (x, w, r) }"
case("lstm_direction", parse(LSTM % (5, 'direction = "both"')),
     "attribute 'direction' is \"both\"; supported: \"forward\", \"reverse\", \"bidirectional\"")
case("lstm_activation", parse(LSTM % (5, 'activations = ["Sigmoid", "Tanh", "Cosine"]')),
     "attribute 'activations' is [\"Sigmoid\", \"Tanh\", \"Cosine\"]; supported: affine, elu, hardsigmoid")
case("lstm_too_few_activations", parse(LSTM % (5, 'activations = ["Sigmoid"]')), "supported: 3 names of functions")
case("lstm_hidden_size", parse(LSTM % (5, "hidden_size = 4")), "attribute 'hidden_size' is 4; supported: the 5 of")
case("lstm_weights", parse(LSTM % (6, "hidden_size = 6")),
     "its weights has shape (1, 20, 4); supported: (1, 24, 4), with elements of the input's type")
case("lstm_free_size", parse(LSTM.replace("%d", "%s") % ("H", "hidden_size = 5")),
     "node 'y' (LSTM): dimension 2 of its input (1, 20, H) is free")
case("nonzero_of_input", parse("g (float[4] x) => (int64[1,N] y) { y = NonZero (x) }"),
     "node 'y' (NonZero): its input, tensor 'x', depends on the model's input, and so does the size of its result")
case("unique_of_input", parse("g (float[4] x) => (float[N] y) { y = Unique (x) }"),
     "node 'y' (Unique): its input, tensor 'x', depends on the model's input, and so does the size of its result")
case("compress_by_input", parse("g (float[4] x, bool[4] c) => (float[N] y) { y = Compress (x, c) }"),
     "node 'y' (Compress): its condition, tensor 'c', depends on the model's input")
case("compress_beyond", parse("g (float[2] x) => (float[N] y) <bool[3] c = {0, 0, 1}> { y = Compress (x, c) }"),
     "its condition chooses element 2 of 2")
case("suppression_of_inputs", parse("g (float[1,4,4] x, float[1,1,4] s) => (int64[N,3] y) { y = NonMaxSuppression (x, s) }"),
     "node 'y' (NonMaxSuppression): its boxes, tensor 'x', depends on the model's input")
case("roi_align_adaptive", parse("""g (float[1,2,8,8] x, float[1,4] r, int64[1] i) => (float[1,2,1,1] y) {
       y = RoiAlign (x, r, i) }"""), "attribute 'sampling_ratio' is missing; supported: 1 to 64")

# ---- Shapes ---------------------------------------------------------------------------------------------------------------

case("shapes_do_not_broadcast", parse("g (float[2,3] x, float[4] z) => (float[2,3] y) { y = Add (x, z) }"),
     "its inputs have shapes (2, 3), (4), which do not broadcast together")
case("shapes_matmul", parse("g (float[2,3] x, float[4,5] z) => (float[2,5] y) { y = MatMul (x, z) }"),
     "node 'y' (MatMul): cannot contract a dimension of 3 with one of 4")
case("types_differ", parse("g (float[2] x, int64[2] z) => (float[2] y) { y = Add (x, z) }"),
     "its inputs have different types of elements; supported: one")
case("huge_result", parse("g (float[1] x) => (float[N] y) <int64[2] s = {2000000000, 2000000000}> { y = Expand (x, s) }"),
     "its result would have shape (2000000000, 2000000000)")
case("endless_loop", parse("""g (float[1] x) => (float[1] y) <bool c = {1}> {
       y = Loop (, c, x) <body = b (int64 i, bool p, float[1] v) => (bool p, float[1] w) { w = Exp (v) }> }"""),
     "node 'y' (Loop): it runs more than 10000 times")
case("loop_carries_another_shape", parse("""g (float[N,2] x) => (float[M,2] y) <int64 z = {0}> {
       s = Shape (x)  n = Gather (s, z)
       y = Loop (n, , x) <body = b (int64 i, bool p, float[N,2] v) => (bool p, float[M,2] w) { w = Concat <axis = 0> (v, v) }> }"""),
     "node 'y' (Loop): a value that it carries from step to step has shape (N, 2) and then ((N * 2), 2)")
case("loop_ends_by_itself", parse("""g (float[N] x) => (float[N] y) <int64 z = {0}> {
       s = Shape (x)  n = Gather (s, z)
       y = Loop (n, , x) <body = b (int64 i, bool p, float[N] v) => (bool q, float[N] w) <int64 l = {3}> {
         q = Less (i, l)  w = Exp (v) }> }"""), "node 'y' (Loop): its condition changes from step to step")
IF = """g (TYPE c, float[4] x) => (float[N] y) {
       y = If (c) <then_branch = t () => (float[4] p) { p = Exp (x) }, else_branch = e () => (float[M] q) { q = ELSE }> }"""
case("if_of_a_number", parse(IF.replace("TYPE", "float").replace("ELSE", "Neg (x)")),
     "node 'y' (If): its condition, tensor 'c', is no bool")
case("if_of_several", parse(IF.replace("TYPE", "bool[2]").replace("ELSE", "Neg (x)")),
     "node 'y' (If): its input has shape (2), which cannot be reshaped to ()")
case("if_of_two_shapes", parse(IF.replace("TYPE", "bool").replace("ELSE", "Concat <axis = 0> (x, x)")),
     "node 'y' (If): its condition depends on the model's input, and its branches give (4) and (8)")

# ---- Tensors --------------------------------------------------------------------------------------------------------------

case("tensor_short", weighted(TensorProto(name="w", dims=[3], data_type=1, raw_data=b"12345678")),
     "tensor 'w' has 8 bytes of data, its type and shape 12")
case("tensor_long", weighted(TensorProto(name="w", dims=[1], data_type=1, float_data=[1, 2])),
     "tensor 'w' has 2 elements of data, its shape 1")
case("tensor_huge", weighted(TensorProto(name="w", dims=[1 << 40, 1 << 40], data_type=1)),
     "tensor 'w' has shape (1099511627776, 1099511627776); supported: at most")
case("tensor_negative", weighted(TensorProto(name="w", dims=[-3], data_type=1)), "tensor 'w' has shape (-3)")
case("tensor_unknown_type", weighted(TensorProto(name="w", dims=[3], data_type=77, raw_data=b"")),
     "is a tensor of type 77; supported: float")
case("tensor_segment", weighted(TensorProto(name="w", dims=[3], data_type=1, segment=TensorProto.Segment(begin=0, end=3))),
     "tensor 'w' is stored in segments")


def external(**entries):
    tensor = TensorProto(name="w", dims=[3], data_type=1, data_location=TensorProto.EXTERNAL)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    return weighted(tensor)


case("external_absolute", external(location="/etc/hostname"),
     "its external data are in '/etc/hostname'; supported: a file in the model's folder")
case("external_above", external(location="../secret.bin"), "'../secret.bin'; supported: a file in the model's folder")
case("external_hidden_above", external(location="a/../../secret.bin"), "supported: a file in the model's folder")
case("external_none", external(), "supported: a file in the model's folder")
case("external_missing", external(location="no.bin"), "cannot read its external data 'no.bin'")
case("external_short", external(location="w.bin"), "12 bytes at 0, leave the file 'w.bin' of 8 bytes", w_bin=bytes(8))
case("external_offset", external(location="w.bin", offset="18446744073709551615"), "leave the file", w_bin=bytes(16))
case("external_offset_text", external(location="w.bin", offset="-1"), "offset '-1'; supported: a number of bytes",
     w_bin=bytes(16))
case("external_length", external(location="w.bin", length="8"), "have 8 bytes, its type and shape 12", w_bin=bytes(16))
double = weighted(numpy_helper.from_array(np.zeros(3, np.float32), "w"))
double.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "w"))
case("tensor_twice", double, "has two initializers called 'w'")

# ---- Operators of ONNX Runtime's domain, and parts without elements -------------------------------------------------------


def contributed(body):
    return onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]> {body}')


case("multi_head_attention_packed", contributed("""g (float[1,5,4,3,8] x) => (float[1,5,32] y) {
  y = com.microsoft.MultiHeadAttention <num_heads = 4> (x, x, x) }"""),
     "its input has shape (1, 5, 4, 3, 8); supported: (N, T, heads * size), or (N, heads, T, size)")
case("attention_sizes", contributed("""g (float[1,5,8] x, float[8,24] w) => (float[1,5,8] y) {
  y = com.microsoft.Attention <num_heads = 2, qkv_hidden_sizes = [8, 8, 4]> (x, w) }"""),
     "(com.microsoft::Attention)", "qkv_hidden_sizes", "three sizes that are 24 together")
case("attention_mask_of_pictures", contributed("""g (float[1,5,8] x, float[8,24] w, int32[1,1,5,5] m) => (float[1,5,8] y) {
  y = com.microsoft.Attention <num_heads = 2> (x, w, "", m) }""".replace('""', "")),
     "its mask has shape (1, 1, 5, 5); supported: lengths (N), (N, keys) or (N, T, keys)")
BITS = """g (float[1,32] x) => (float[1,2] y) <uint8[2,2,BYTES] w = {DATA}, float[4] s = {1, 1, 1, 1}> {
  y = com.microsoft.MatMulNBits <K = 32, N = 2, block_size = 16, bits = WIDTH> (x, w, s) }"""
case("weights_of_five_bits", contributed(BITS.replace("BYTES", "1").replace("DATA", "0, 0, 0, 0").replace("WIDTH", "5")),
     "(com.microsoft::MatMulNBits)", "bits", "supported: 2, 4, 8")
case("weights_of_other_blocks", contributed(BITS.replace("BYTES", "1").replace("DATA", "0, 0, 0, 0").replace("WIDTH", "4")),
     "its weights and scales are not constants of 2 times 2 blocks of 16 integers")
case("part_without_elements", parse("""g (float[N,8] x) => (float[N,0] y) <int64[2] parts = {8, 0}> {
  a, b = Split <axis = 1> (x, parts)  y = Softmax (b) }"""), "has no elements, its shape is (N, 0)")

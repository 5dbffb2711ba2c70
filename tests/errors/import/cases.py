"""Bad inputs to the importers, and what the one diagnostic says of each.

CASES maps a name to (files, arguments, expected): `files` maps names to contents, the first of which is the model;
`arguments` are further ones for sylvite-import; `expected` lists texts that the diagnostic holds. Contents are bytes, or
JSON values.
"""
import io
import json
import pathlib
import struct
import zipfile

from models import called, functional, input_layer, layer, sequential, tensor

CASES = {}
REFERENCE = pathlib.Path(__file__).resolve().parents[2] / "data" / "keras" / "mnist_cnn.keras"


def case(name, contents, *expected, arguments=(), file="model.json", **more):
    assert name not in CASES, name
    CASES[name] = ({file: contents, **{key.replace("_", "."): value for key, value in more.items()}}, arguments, expected)


def one(name, shape, bad, *expected, **options):
    """A Sequential of the layer `bad` on an input of `shape`."""
    case(name, sequential(input_layer(shape), bad), *expected, **options)


# ---- Files ------------------------------------------------------------------------------------------------------------

case("file_empty", b"", "is no model that is supported")
case("file_of_another_kind", b"\x89PNG\r\n\x1a\n" + bytes(64), "is no model that is supported")
case("file_missing", None, "cannot read", "No such file or directory")

# ---- Zip archives -----------------------------------------------------------------------------------------------------

ARCHIVE = REFERENCE.read_bytes()
MEMBERS = {info.filename: zipfile.ZipFile(io.BytesIO(ARCHIVE)).read(info)
           for info in zipfile.ZipFile(io.BytesIO(ARCHIVE)).infolist()}
CONFIG, WEIGHTS = "config.json", "model.weights.h5"


def archive(members, compression=zipfile.ZIP_STORED):
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w", compression) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return result.getvalue()


def changed_config(change):
    config = json.loads(MEMBERS[CONFIG])
    change(config["config"]["layers"])
    return archive({**MEMBERS, CONFIG: json.dumps(config)})


def patched(data, offset, new):
    return data[:offset] + new + data[offset + len(new):]


END = ARCHIVE.rindex(b"PK\x05\x06")
DIRECTORY = struct.unpack_from("<I", ARCHIVE, END + 16)[0]

case("zip_truncated", ARCHIVE[: len(ARCHIVE) // 2], "truncated zip archive")
case("zip_cut_in_directory", ARCHIVE[: END - 10], "truncated zip archive")
case("zip_without_config", archive({WEIGHTS: MEMBERS[WEIGHTS]}), "has no member 'config.json'")
case("zip_without_weights", archive({CONFIG: MEMBERS[CONFIG]}), "has no member 'model.weights.h5'")
case("zip_sharded_weights", archive({CONFIG: MEMBERS[CONFIG], "model.weights.json": b"{}"}), "weights are sharded")
case("zip_damaged_config", ARCHIVE.replace(b'"filters": 32', b'"filters": 64'), "'config.json'", "its checksum differs")
case("zip_damaged_weights", patched(ARCHIVE, ARCHIVE.index(b"\x89HDF") + 5000, b"\xff\xfe\xfd\xfc"),
     "'model.weights.h5'", "its checksum differs")
case("zip_damaged_deflate", patched(deflated := archive(MEMBERS, zipfile.ZIP_DEFLATED),
                                    deflated.index(b"config.json") + 60, b"\xff" * 40), "'config.json'", "is damaged")
case("zip_directory_outside", patched(ARCHIVE, END + 16, struct.pack("<I", 0x7FFFFFFF)), "its directory leaves the file")
case("zip_directory_of_nothing", patched(ARCHIVE, DIRECTORY, b"????"), "directory entry 0")
case("zip_member_outside", patched(ARCHIVE, ARCHIVE.index(b"config.json", DIRECTORY) - 4, struct.pack("<I", 0x7FFFFFF0)),
     "the data of 'config.json' leave the file")
case("zip_compression_method", archive(MEMBERS, zipfile.ZIP_BZIP2), "compression method 12", "stored and deflated")
case("zip_encrypted", archive(MEMBERS).replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"),
     "is encrypted")

# ---- HDF5 -------------------------------------------------------------------------------------------------------------

H5 = MEMBERS[WEIGHTS]
TINY = sequential(input_layer([4]), layer("Dense", "dense", units=2))
WITH = ("--weights", "weights.h5")

case("hdf5_truncated", archive({**MEMBERS, WEIGHTS: H5[:3000]}), "truncated HDF5 file")
case("hdf5_cut_in_superblock", archive({**MEMBERS, WEIGHTS: H5[:40]}), "truncated HDF5 file")
case("hdf5_of_another_kind", archive({**MEMBERS, WEIGHTS: b"weights"}), "neither HDF5 nor safetensors")
case("hdf5_superblock_version", archive({**MEMBERS, WEIGHTS: patched(H5, 8, b"\x09")}), "superblock version 9")
case("hdf5_offset_size", archive({**MEMBERS, WEIGHTS: patched(H5, 13, b"\x03")}), "offsets of 3")
case("hdf5_damaged_tree", archive({**MEMBERS, WEIGHTS: H5.replace(b"TREE", b"EERT")}), "damaged HDF5 file", "tree node")
case("hdf5_damaged_heap", archive({**MEMBERS, WEIGHTS: H5.replace(b"HEAP", b"PAEH")}), "damaged HDF5 file", "local heap")
case("hdf5_damaged_nodes", archive({**MEMBERS, WEIGHTS: H5.replace(b"SNOD", b"DONS")}), "damaged HDF5 file",
     "symbol table node")
case("hdf5_root_outside", archive({**MEMBERS, WEIGHTS: patched(H5, 64, struct.pack("<Q", 1 << 60))}), "damaged HDF5 file",
     "no object header")
case("hdf5_without_model", H5, "no attribute 'model_config'", file="model.h5")
case("hdf5_missing_variable", changed_config(lambda layers: layers.append(layer("Dense", "extra", units=3))),
     "layer 'extra' (Dense)", "variable 'kernel' is missing", "'layers/dense_1/vars/0' of model.weights.h5")
case("hdf5_wrong_shape", changed_config(lambda layers: layers[-1]["config"].update(units=11)),
     "layer 'dense", "variable 'kernel' has shape (5408, 10)", "the layer needs (5408, 11)")
case("hdf5_extra_variable", changed_config(lambda layers: layers[-1]["config"].update(use_bias=False)),
     "layer 'dense", "its weights hold 2 variables, the layer has 1")

# ---- safetensors ------------------------------------------------------------------------------------------------------


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


KERNEL = {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 32]}
BIAS = {"dtype": "F32", "shape": [2], "data_offsets": [32, 40]}

case("safetensors_truncated", TINY, "the data of 'dense/bias' lie beyond its end", arguments=WITH,
     weights_h5=safetensors({"dense/kernel": KERNEL, "dense/bias": BIAS}, bytes(36)))
case("safetensors_header_too_long", TINY, "neither HDF5 nor safetensors", arguments=WITH,
     weights_h5=struct.pack("<Q", 1 << 40) + b"{}")
case("safetensors_header_not_json", TINY, "safetensors header is not valid JSON", arguments=WITH,
     weights_h5=safetensors(b'{"a": }'))
case("safetensors_wrong_size", TINY, "'dense/kernel' holds 32 bytes", "ask for 36", arguments=WITH,
     weights_h5=safetensors({"dense/kernel": {**KERNEL, "shape": [3, 3]}, "dense/bias": BIAS}, bytes(40)))
case("safetensors_overflow", TINY, "'dense/kernel' has shape", arguments=WITH,
     weights_h5=safetensors({"dense/kernel": {**KERNEL, "shape": [1 << 40, 1 << 40]}}, bytes(40)))
case("safetensors_dtype", TINY, "has dtype 'C64'", arguments=WITH,
     weights_h5=safetensors({"dense/kernel": {**KERNEL, "dtype": "C64"}}, bytes(40)))
case("safetensors_missing_variable", TINY, "layer 'dense' (Dense)", "variable 'bias' is missing", "'dense/bias'",
     arguments=WITH, weights_h5=safetensors({"dense/kernel": KERNEL}, bytes(32)))
case("safetensors_wrong_shape", TINY, "variable 'kernel' has shape (2, 4)", "the layer needs (4, 2)", arguments=WITH,
     weights_h5=safetensors({"dense/kernel": {**KERNEL, "shape": [2, 4]}, "dense/bias": BIAS}, bytes(40)))

# ---- JSON -------------------------------------------------------------------------------------------------------------

case("json_truncated", json.dumps(TINY).encode()[:-20], "is not valid JSON")
case("json_not_utf8", json.dumps(TINY).encode().replace(b"dense", b"d\xff\xfese"), "is not valid JSON", "UTF-8")
case("json_too_deep", b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}", "levels deep", "256 are supported")
case("json_key_twice", b'{"class_name": "Sequential", "class_name": "Functional"}', "holds 'class_name' twice")
case("json_without_model", {"a": 1}, "lacks 'class_name' or 'config'")
case("json_config_of_wrong_type", {"class_name": "Sequential", "config": 7}, "has no list of layers")
case("json_nan", json.dumps(sequential(input_layer([4]), layer("BatchNormalization", "bn", epsilon=float("nan")))).encode(),
     "layer 'bn' (BatchNormalization)", "attribute 'epsilon' is NaN", "a finite number")
case("json_infinity", json.dumps(sequential(input_layer([4]), layer("Rescaling", "r", scale=float("inf")))).encode(),
     "layer 'r' (Rescaling)", "attribute 'scale' is Infinity")

# ---- Graphs -----------------------------------------------------------------------------------------------------------

X = input_layer([4])


def dense(name, *calls):
    return called(layer("Dense", name, units=4), *calls)


case("graph_empty", sequential(), "the model has no layers")
case("graph_subclassed", {"module": "my", "class_name": "MyModel", "config": {"name": "m", "width": 3}},
     "'MyModel' has no list of layers")
case("graph_without_outputs", functional([X], ["x"], []), "'output_layers' is []")
case("graph_without_inputs", functional([X, dense("a", [tensor("x")])], [], ["a"]), "'input_layers' is []")
case("graph_cyclic", functional([X, called(layer("Add", "a"), [[tensor("x"), tensor("b")]]), dense("b", [tensor("a")])],
                                ["x"], ["b"]), "the graph is cyclic")
case("graph_self_loop", functional([X, dense("a", [tensor("a")])], ["x"], ["a"]), "layer 'a' (Dense)", "the graph is cyclic")
case("graph_undefined_producer", functional([X, dense("a", [tensor("y")])], ["x"], ["a"]),
     "layer 'a' refers to [\"y\",0,0]", "no layer has that name")
case("graph_undefined_output", functional([X, dense("a", [tensor("x")])], ["x"], ["z"]),
     "'output_layers' refers to [\"z\",0,0]", "no layer has that name")
case("graph_call_out_of_range", functional([X, dense("a", [tensor("x")]), dense("b", [tensor("a", 1)])], ["x"], ["b"]),
     "layer 'b' refers to [\"a\",1,0]", "is called 1 times")
case("graph_result_out_of_range", functional([X, dense("a", [tensor("x")]), dense("b", [tensor("a", 0, 2)])], ["x"], ["b"]),
     "layer 'b' (Dense)", "uses result 2 of layer 'a', which has 1")
case("graph_history_of_wrong_type",
     functional([X, dense("a", [{"class_name": "__keras_tensor__", "config": {"keras_history": "x"}}])], ["x"], ["a"]),
     "refers to \"x\"", "is not [layer, node, tensor]")
case("graph_undeclared_input", functional([X, input_layer([4], "y"), called(layer("Add", "a"), [[tensor("x"), tensor("y")]])],
                                          ["x"], ["a"]), "layer 'y' (InputLayer)", "not among the inputs of model 'model'")
case("graph_input_is_no_input_layer", functional([X, dense("a", [tensor("x")])], ["a"], ["a"]), "layer 'a' (Dense)",
     "is not an InputLayer")
case("graph_names_twice", sequential(X, layer("Dense", "a", units=2), layer("Dense", "a", units=2)), "layer 'a' (Dense)",
     "two layers of this name")
case("graph_layer_without_name", sequential(X, {"class_name": "Dense", "config": {"units": 2}}), "has no name")
case("graph_layer_of_wrong_type", sequential(X, 7), "lacks 'class_name' or 'config'; it is 7")
case("graph_second_input_layer", sequential(X, input_layer([4], "y")), "must be the first layer")
case("graph_without_input_shape", sequential(layer("Dense", "a", units=2)), "does not say the shape of its input")
case("graph_input_shape_zero", sequential(layer("InputLayer", "x", batch_shape=[None, 0]), layer("Flatten", "f")),
     "layer 'x' (InputLayer)", "input shape [null,0]")
case("graph_input_shape_of_wrong_type", sequential(layer("InputLayer", "x", batch_shape=[None, "a"]), layer("Flatten", "f")),
     "layer 'x' (InputLayer)", "input shape [null,\"a\"]")
case("graph_sparse_input", sequential(input_layer([4], sparse=True), layer("Flatten", "f")), "sparse is true")
case("graph_input_dtype", sequential(input_layer([4], dtype="string"), layer("Flatten", "f")), "dtype 'string'", "float32")
case("graph_call_without_tensors", functional([X, dense("a", [7])], ["x"], ["a"]), "layer 'a' (Dense)",
     "called without tensors")
case("graph_nested_arguments",
     functional([X, called({**functional([X, dense("a", [tensor("x")])], ["x"], ["a"], name="inner")},
                           [[tensor("x"), tensor("x")]])], ["x"], ["inner"]),
     "layer 'inner' (Functional)", "called with 2 tensors, it has 1 inputs")


def nested(depth, branch):
    """Models within models: the inner one called `branch` times by each."""
    model = functional([X, dense("a", [tensor("x")])], ["x"], ["a"], name="m")
    for _ in range(depth):
        chain = [[tensor("x")], *[[tensor("m", call)] for call in range(branch - 1)]]
        model = functional([X, called(model, *chain)], ["x"], [["m", branch, 0]], name="m")
    return model


case("graph_nested_too_deep", nested(40, 1), "nested more than 32 deep")
case("graph_calls_without_end", nested(25, 2), "calls its layers more than 200000 times")

# ---- Layers and attributes --------------------------------------------------------------------------------------------

IMAGE = [8, 8, 3]


def conv(name, *expected, shape=IMAGE, **config):
    one(name, shape, layer("Conv2D", "c", **{"filters": 4, "kernel_size": [3, 3], **config}), "layer 'c' (Conv2D)", *expected)


one("layer_unknown", [4], layer("Conv9D", "c"), "layer 'c' (Conv9D)", "is not supported")
one("layer_lambda", [4], layer("Lambda", "f"), "layer 'f' (Lambda)", "is not supported")
case("operation_unknown", functional([X, called({"module": "keras.src.ops.numpy", "class_name": "Median",
                                                 "config": {"name": "median"}}, [tensor("x")])], ["x"], ["median"]),
     "operation 'median' (Median)", "is not supported")


def operation(name, kind, *expected, arguments=None, shape=(4,), **config):
    """One function of keras.ops, of an input of `shape`."""
    node = {"module": "keras.src.ops.numpy", "class_name": kind, "config": {"name": "f", **config}}
    model = functional([input_layer(list(shape)), called(node, arguments or [tensor("x")])], ["x"], ["f"])
    case(name, model, f"operation 'f' ({kind})", *expected)


operation("top_k_too_many", "TopK", "attribute 'k' is 5", "at most the 4 elements", k=5)
operation("sort_of_all", "Sort", "supported: a dimension", axis=None)
operation("tensordot_axes", "Tensordot", "attribute 'axes'", "dimensions of both arguments", axes=[[1], [2]],
          arguments=[tensor("x"), tensor("x")])
operation("tensordot_sizes", "Tensordot", "it sums over dimensions of 4 and 3 elements", axes=[[1], [2]],
          arguments=[tensor("x"), [[[1.0, 2.0, 3.0]]]])
operation("normalize_order", "Normalize", "attribute 'order' is 3", "supported: 1, 2", order=3)
operation("stft_window", "STFT", "attribute 'window' is \"kaiser\"", "\"hann\"", sequence_length=4, sequence_stride=2,
          fft_length=4, window="kaiser", shape=(40,))
operation("stft_too_short", "STFT", "its input has 4 samples", "supported: 8 or more", sequence_length=8, sequence_stride=2,
          fft_length=8, center=False)
case("fft_shapes", functional([X, called(layer("Dense", "d", units=3), [tensor("x")]),
                               called({"module": "keras.src.ops.math", "class_name": "FFT", "config": {"name": "f"}},
                                      [[tensor("x"), tensor("d")]])], ["x"], ["f"]),
     "operation 'f' (FFT)", "its real and its imaginary part differ in shape")
operation("fft_one_tensor", "FFT", "it is called with 1 tensors; supported: 2")
one("spectrogram_mode", [40, 1], layer("STFTSpectrogram", "s", mode="angle"), "layer 's' (STFTSpectrogram)",
    "attribute 'mode' is \"angle\"", "\"stft\"")
one("spectrogram_without_weights", [400, 1], layer("STFTSpectrogram", "s"), "layer 's' (STFTSpectrogram)", "initializer 'STFT'")
one("mel_of_nothing", [100, 2], layer("MelSpectrogram", "s"), "layer 's' (MelSpectrogram)", "2 dimensions")
one("activation_unknown", [4], layer("Dense", "d", units=2, activation="cube"), "layer 'd' (Dense)",
    "attribute 'activation' is \"cube\"", "supported: celu, elu,")
one("activation_custom", [4], layer("Dense", "d", units=2, activation={"module": "builtins", "class_name": "function",
                                                                          "config": "mine"}), "layer 'd' (Dense)",
    "attribute 'activation'")
one("initializer_unknown", [4], layer("Dense", "d", units=2, kernel_initializer="ninths"), "layer 'd' (Dense)",
    "initializer 'ninths'", "supported are Constant")
one("initializer_nan", [4], layer("Dense", "d", units=2, kernel_initializer={"class_name": "Constant",
                                                                              "config": {"value": float("nan")}}),
    "layer 'd' (Dense)", "Constant has value NaN")
one("attribute_unknown", [4], layer("Dense", "d", units=2, sparsity=0.5), "layer 'd' (Dense)",
    "attribute 'sparsity' is 0.5")
one("dtype_policy", [4], layer("Dense", "d", units=2, dtype={"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}),
    "layer 'd' (Dense)", "attribute 'dtype' is \"mixed_float16\"", "\"float32\"")
one("dense_units_zero", [4], layer("Dense", "d", units=0), "attribute 'units' is 0", "from 1 to 2147483647")
one("dense_units_of_wrong_type", [4], layer("Dense", "d", units="two"), "attribute 'units' is \"two\"", "an integer")
one("dense_units_missing", [4], layer("Dense", "d"), "attribute 'units' is missing")
one("dense_units_overflow", [100000], layer("Dense", "d", units=2000000000), "variable 'kernel' has shape (100000, 2000000000)",
    "at most 2147483647 elements")
one("dense_bias_of_wrong_type", [4], layer("Dense", "d", units=2, use_bias="yes"), "attribute 'use_bias' is \"yes\"")
conv("conv_filters_zero", "attribute 'filters' is 0", filters=0)
conv("conv_filters_fraction", "attribute 'filters' is 2.5", filters=2.5)
conv("conv_kernel_zero", "attribute 'kernel_size' is [3,0]", kernel_size=[3, 0])
conv("conv_kernel_of_wrong_rank", "attribute 'kernel_size' is [3,3,3]", "2 of them", kernel_size=[3, 3, 3])
conv("conv_stride_negative", "attribute 'strides' is [1,-1]", strides=[1, -1])
conv("conv_dilation_zero", "attribute 'dilation_rate' is 0", dilation_rate=0)
conv("conv_groups_do_not_divide", "attribute 'groups' is 2", "3 input channels", groups=2)
conv("conv_kernel_beyond_input", "a window of 9 dilated by 1 does not fit", kernel_size=9)
conv("conv_padding_unknown", "attribute 'padding' is \"full\"", "\"valid\", \"same\"", padding="full")
conv("conv_padding_causal", "attribute 'padding' is \"causal\"", padding="causal")
conv("conv_data_format_unknown", "attribute 'data_format' is \"nhwc\"", "\"channels_first\"", data_format="nhwc")
conv("conv_input_rank", "its input has shape (?, 8, 3)", "4 dimensions", shape=[8, 3])
conv("conv_free_channels", "dimension 3 of its input (?, 8, 8, ?) is free", shape=[8, 8, None])
one("conv_lstm_stateful", [3, 8, 8, 2], layer("ConvLSTM2D", "l", filters=2, kernel_size=3, stateful=True), "layer 'l' (ConvLSTM2D)",
    "attribute 'stateful' is true", "supported: false")
one("category_sparse", [4], layer("CategoryEncoding", "e", num_tokens=3, sparse=True), "layer 'e' (CategoryEncoding)",
    "attribute 'sparse' is true", "supported: false")
one("discretization_without_boundaries", [4], layer("Discretization", "d", num_bins=3), "layer 'd' (Discretization)",
    "attribute 'bin_boundaries' is missing", "a list of numbers")
one("resizing_interpolation", [8, 8, 3], layer("Resizing", "r", height=4, width=4, interpolation="area"), "layer 'r' (Resizing)",
    "attribute 'interpolation' is \"area\"", "lanczos5")
conv("conv_overflow", "variable 'kernel' has shape", kernel_size=[60000, 60000], padding="same")
one("conv_result_overflow", [40000, 40000, 1], layer("ZeroPadding2D", "z", padding=30000), "layer 'z' (ZeroPadding2D)",
    "at most 2147483647 elements")
one("conv_transpose_output_padding", IMAGE, layer("Conv2DTranspose", "t", filters=2, kernel_size=3, strides=2,
                                                    output_padding=2), "attribute 'output_padding' is 2", "below the strides")
one("pool_window_beyond_input", IMAGE, layer("MaxPooling2D", "p", pool_size=9), "layer 'p' (MaxPooling2D)", "does not fit")
one("pool_size_negative", IMAGE, layer("AveragePooling2D", "p", pool_size=[2, -2]), "attribute 'pool_size' is [2,-2]")
one("batch_normalization_axis", IMAGE, layer("BatchNormalization", "n", axis=4), "attribute 'axis' is 4", "rank 4")
one("layer_normalization_axis_twice", IMAGE, layer("LayerNormalization", "n", axis=[3, -1]), "attribute 'axis' is [3,-1]")
one("normalization_without_variance", [4], layer("Normalization", "n", mean=0.5), "attribute 'variance' is missing")
one("normalization_wrong_size", [4], layer("Normalization", "n", mean=[1, 2], variance=[1, 2]), "attribute 'mean' is [1,2]",
    "size 4")
one("rescaling_of_wrong_type", [4], layer("Rescaling", "r", scale="half"), "attribute 'scale' is \"half\"")
one("group_normalization_groups", IMAGE, layer("GroupNormalization", "n", groups=2), "attribute 'groups' is 2", "3 channels")
one("softmax_axis", [4], layer("Softmax", "s", axis=2), "attribute 'axis' is 2")
one("relu_max_value_negative", [4], layer("ReLU", "r", max_value=-1.0), "attribute 'max_value' is -1.0")
one("prelu_shares_batch", [4], layer("PReLU", "p", shared_axes=[0]), "attribute 'shared_axes' is [0]")
one("reshape_other_size", IMAGE, layer("Reshape", "r", target_shape=[5, 5]), "attribute 'target_shape' is [5,5]",
    "192 elements")
one("reshape_two_open", IMAGE, layer("Reshape", "r", target_shape=[-1, -1]), "attribute 'target_shape' is [-1,-1]")
one("reshape_overflow", IMAGE, layer("Reshape", "r", target_shape=[2000000000] * 5), "attribute 'target_shape'")
one("permute_not_a_permutation", IMAGE, layer("Permute", "p", dims=[1, 1, 2]), "attribute 'dims' is [1,1,2]")
one("cropping_everything", IMAGE, layer("Cropping2D", "c", cropping=4), "attribute 'cropping' is 4", "dimension 1")
one("zero_padding_negative", IMAGE, layer("ZeroPadding2D", "z", padding=[[1, 1], [-1, 1]]), "attribute 'padding'")
one("up_sampling_interpolation", IMAGE, layer("UpSampling2D", "u", interpolation="lanczos3"),
    "attribute 'interpolation' is \"lanczos3\"", "\"nearest\", \"bilinear\"")
one("up_sampling_overflow", IMAGE, layer("UpSampling2D", "u", size=2000000000), "attribute 'size' is 2000000000")
one("repeat_vector_rank", IMAGE, layer("RepeatVector", "r", n=2), "layer 'r' (RepeatVector)", "2 dimensions")
one("subtract_of_one", [4], layer("Subtract", "s"), "called with 1 tensors; supported: 2")


def merge(name, shapes, bad, *expected):
    inputs = [input_layer(shape, f"x{i}") for i, shape in enumerate(shapes)]
    names = [f"x{i}" for i in range(len(shapes))]
    case(name, functional([*inputs, called(bad, [[tensor(n) for n in names]])], names, [bad["config"]["name"]]), *expected)


merge("add_does_not_broadcast", [[4], [3]], layer("Add", "a"), "layer 'a' (Add)", "(?, 4), (?, 3)",
      "do not broadcast together")
merge("concatenate_other_sizes", [[4, 2], [3, 3]], layer("Concatenate", "a"), "layer 'a' (Concatenate)")
merge("dot_other_sizes", [[4], [3]], layer("Dot", "a", axes=1), "layer 'a' (Dot)", "4 and 3 elements")
merge("dot_over_batch", [[4], [4]], layer("Dot", "a", axes=0), "attribute 'axes' is 0", "other than the batch")
case("call_in_training", functional([X, called(layer("Dropout", "d", rate=0.5), ([tensor("x")], {"training": True}))],
                                    ["x"], ["d"]), "layer 'd' (Dropout)", "training=True")
case("call_with_other_shapes",
     functional([X, input_layer([5], "y"), dense("a", [tensor("x")], [tensor("y")])], ["x", "y"], ["a", ["a", 1, 0]]),
     "layer 'a' (Dense)", "has shape (4, 4) in the layer's first call and (5, 4) in another")

# ---- Sequences --------------------------------------------------------------------------------------------------------

LSTM = layer("LSTM", "r", units=3)
one("recurrent_rank", [4], LSTM, "layer 'r' (LSTM)", "its input has shape (?, 4); supported: 3 dimensions")
one("recurrent_free_features", [4, None], LSTM, "layer 'r' (LSTM)", "dimension 2 of its input")
one("recurrent_units", [4, 2], layer("GRU", "r", units=0), "layer 'r' (GRU)", "attribute 'units' is 0")
one("recurrent_activation", [4, 2], layer("GRU", "r", units=2, recurrent_activation="cube"), "layer 'r' (GRU)",
    "attribute 'recurrent_activation' is \"cube\"; supported: celu, elu")
one("recurrent_stateful_without_units", [4, 2], layer("LSTM", "r", stateful=True), "layer 'r' (LSTM)",
    "attribute 'units' is missing")
one("recurrent_stateful_free_batch", [4, 2], layer("LSTM", "r", units=2, stateful=True), "layer 'r' (LSTM)",
    "dimension 0 of its input")
one("recurrent_cell", [4, 2], layer("RNN", "r", cell=layer("MyCell", "c", units=2)), "layer 'r' (RNN)", "attribute 'cell' is",
    "supported: cells of class LSTMCell, GRUCell, SimpleRNNCell, and stacks of them")
one("recurrent_no_cell", [4, 2], layer("RNN", "r"), "layer 'r' (RNN)", "attribute 'cell' is missing")
one("bidirectional_merge_mode", [4, 2], layer("Bidirectional", "b", layer=LSTM, merge_mode="max"), "layer 'b' (Bidirectional)",
    "attribute 'merge_mode' is \"max\"; supported: \"concat\", \"sum\", \"ave\", \"mul\", null")
one("bidirectional_of_dense", [4, 2], layer("Bidirectional", "b", layer=layer("Dense", "d", units=2)),
    "layer 'b' (Bidirectional)", "supported: a layer of class LSTM, GRU, SimpleRNN, RNN")
one("bidirectional_without_units", [4, 2], layer("Bidirectional", "b", layer=layer("LSTM", "r")),
    "layer 'b/forward_layer' (LSTM): attribute 'units' is missing")
case("recurrent_initial_states", functional([input_layer([4, 2]), input_layer([3], "h"), called(LSTM, (
    [tensor("x")], {"initial_state": [tensor("h")]}))], ["x", "h"], ["r"]), "layer 'r' (LSTM)",
     "it is called with 1 initial states; supported: 2")
case("recurrent_mask_of_other_length", functional([input_layer([4, 2]), input_layer([5], "m", dtype="bool"), called(LSTM, (
    [tensor("x")], {"mask": tensor("m")}))], ["x", "m"], ["r"]), "layer 'r' (LSTM)", "the mask is")
one("time_distributed_rank", [4], layer("TimeDistributed", "t", layer=layer("Dense", "d", units=2)),
    "layer 't' (TimeDistributed)", "supported: three or more")
one("embedding_units", [4], layer("Embedding", "e", input_dim=4, output_dim=0), "layer 'e' (Embedding)", "'output_dim' is 0")
one("einsum_equation", [4], layer("EinsumDense", "e", equation="aa,ab->b", output_shape=3), "layer 'e' (EinsumDense)",
    "attribute 'equation' is \"aa,ab->b\"")
one("einsum_output_shape", [4], layer("EinsumDense", "e", equation="ab,bc->ac", output_shape=[]), "layer 'e' (EinsumDense)",
    "attribute 'output_shape'")


def attend(name, shape, config, keywords, *expected, **options):
    attention = layer("MultiHeadAttention", "a", num_heads=2, key_dim=3, **config)
    case(name, functional([input_layer(shape), called(attention, ([tensor("x"), tensor("x")], keywords))], ["x"], ["a"]),
         "layer 'a' (MultiHeadAttention)", *expected, **options)


attend("attention_rank", [4], {}, {}, "its query has 2 dimensions; supported: three or more")
attend("attention_axes", [4, 5], {"attention_axes": [2]}, {}, "attribute 'attention_axes' is [2]")

# ---- Options ----------------------------------------------------------------------------------------------------------

case("shape_of_unknown_input", TINY, "input 'y', which the model does not have; it has x", arguments=("--shape", "y=?x4"))
case("shape_of_other_rank", TINY, "has 3 dimensions, the model's has 2", arguments=("--shape", "x=?x4x4"))
case("shape_malformed", TINY, "--shape is 'x=?xfour'", arguments=("--shape", "x=?xfour"))
case("weights_missing", TINY, "cannot read 'weights.h5'", arguments=WITH)

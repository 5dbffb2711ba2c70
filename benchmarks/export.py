"""Writes the model files that the peers read. One step runs in each environment: `export.py STEP FOLDER NAME [BATCH]`.

keras:  model.keras, reference.npz (inputs and outputs) and info.json     (environment tensorflow; Sylvite and JAX read these)
tf:     frozen.pb                                                        (environment tensorflow)
litert: batchN.tflite                                                    (environment tensorflow)
module: model.pt                                                         (environment torch)
torch:  model.pt, model.onnx                                             (environment torch; ONNX Runtime and OpenVINO too)
training: model.keras, info.json and batchN.npz (batches, and the losses of the first steps) of a model that is trained
                                                                         (environment tensorflow)
onnx:   model.onnx, inputs.npz, reference.npz and info.json of a model that is an ONNX file: one of
        tests/conformance/onnx/models.py, or, with the compiler's --shape options behind the batch, any    (environment onnx)
"""
import json
import os
import pathlib
import sys

STEP, FOLDER, NAME = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
os.environ["KERAS_BACKEND"] = "torch" if STEP in ("module", "torch") else "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402

if STEP != "onnx":
    import keras  # noqa: E402  (after the choice of the backend)

REFERENCE_INPUTS = 2
BATCHES, REFERENCE_STEPS = 8, 5  # of training


def export_keras():
    import models

    build, values = models.MODELS[NAME]
    model = build()
    models.randomize(model, values)
    inputs = models.inputs(model, values, REFERENCE_INPUTS)
    outputs = model(inputs, training=False).numpy()
    if not np.isfinite(outputs).all() or np.abs(outputs[0] - outputs[1]).max() < 1e-2 * np.abs(outputs).max():
        sys.exit(f"{NAME}: the outputs do not depend on the input, or are not finite")
    model.save(FOLDER / "model.keras")
    np.savez(FOLDER / "reference.npz", x=inputs, y=outputs)
    info = {"flops": models.flops(model), "parameters": model.count_params()}
    (FOLDER / "info.json").write_text(json.dumps(info))


def export_training():
    import models
    import trainers

    batch, (build, values, optimizer) = int(sys.argv[4]), models.TRAINED_MODELS[NAME]
    model = build()
    models.randomize(model, values)
    model.save(FOLDER / "model.keras")
    info = {"flops": models.training_flops(model), "parameters": model.count_params(), "optimizer": optimizer,
            "options": trainers.compile_options(optimizer)}
    (FOLDER / "info.json").write_text(json.dumps(info))

    x = models.inputs(model, values, BATCHES * batch)
    y = np.random.RandomState(3).randint(0, model.output_shape[-1], len(x)).astype(np.int32)
    model.compile(trainers.keras_optimizer(optimizer), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    losses = []
    for first in range(0, REFERENCE_STEPS * batch, batch):
        model.reset_metrics()
        losses.append(model.train_on_batch(x[first:first + batch], y[first:first + batch]))
    if not np.isfinite(losses).all():
        sys.exit(f"{NAME}: the losses are not finite")
    np.savez(FOLDER / f"batch{batch}.npz", x=x, y=y, losses=losses)


def frozen(model, batch):
    """The model for one batch size as a concrete function whose weights are constants, and its GraphDef."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda x: model(x, training=False))
    inputs = tf.TensorSpec((batch, *model.input_shape[1:]), model.inputs[0].dtype)
    return convert_variables_to_constants_v2(function.get_concrete_function(inputs))


def export_tf():
    function = frozen(keras.models.load_model(FOLDER / "model.keras", compile=False), None)
    (FOLDER / "frozen.pb").write_bytes(function.graph.as_graph_def().SerializeToString())
    (FOLDER / "frozen.json").write_text(json.dumps([function.inputs[0].name, function.outputs[0].name]))


def export_litert():
    import tensorflow as tf

    batch = int(sys.argv[4])
    function = frozen(keras.models.load_model(FOLDER / "model.keras", compile=False), batch)
    (FOLDER / f"batch{batch}.tflite").write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())


def export_module():
    import torch
    import torch_model

    module = torch_model.convert(keras.models.load_model(FOLDER / "model.keras", compile=False))
    torch.save(module, FOLDER / "model.pt")
    return module


def export_torch():
    import torch

    module = export_module()
    with np.load(FOLDER / "reference.npz") as reference:
        x = reference["x"]
        x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x))
    torch.onnx.export(module, (x,), FOLDER / "model.onnx", dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})


def export_onnx():
    import shutil

    import onnxruntime

    tests = pathlib.Path(__file__).resolve().parents[1] / "tests/conformance/onnx"
    sys.path.insert(0, str(tests))
    import models
    from fetch_models import fetch
    from reference import exact_settings

    if NAME.endswith(".onnx"):
        file, options, feeds = pathlib.Path(NAME), sys.argv[5:], None
    else:
        file, options, sets, _ = models.MODELS[NAME]
        file, feeds = fetch(FOLDER.parent / "onnx") / file, sets[0](np.random.default_rng(0))
    shutil.copy(file, FOLDER / "model.onnx")
    session = onnxruntime.InferenceSession(str(file), exact_settings(), providers=["CPUExecutionProvider"])
    if feeds is None:
        feeds = random_inputs(session.get_inputs(), options)
    feeds = {value.name: feeds[value.name] for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    np.savez(FOLDER / "inputs.npz", **{str(i): value for i, value in enumerate(feeds.values())})
    np.savez(FOLDER / "reference.npz", **{str(i): value for i, value in enumerate(session.run(names, feeds))})
    info = {"flops": 0, "parameters": 0, "inputs": list(feeds), "outputs": names, "options": list(options)}
    (FOLDER / "info.json").write_text(json.dumps(info))


def random_inputs(inputs, options):
    """Numbers, or zeros and ones, of the sizes that --shape gives; a dimension that stays free is 1."""
    random, shapes = np.random.default_rng(0), {}
    for name, _, sizes in (text.partition("=") for text in options if text != "--shape"):
        shapes[name] = [1 if size == "?" else int(size) for size in sizes.split("x")]
    feeds = {}
    for value in inputs:
        shape = shapes.get(value.name, [size if isinstance(size, int) else 1 for size in value.shape])
        kind = {"float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_}.get(value.type[7:-1])
        feeds[value.name] = (random.integers(0, 2, shape).astype(kind or value.type[7:-1]) if kind in (None, np.bool_)
                             else random.standard_normal(shape).astype(kind))
    return feeds


FOLDER.mkdir(parents=True, exist_ok=True)
{"keras": export_keras, "tf": export_tf, "litert": export_litert, "module": export_module, "torch": export_torch,
 "training": export_training, "onnx": export_onnx}[STEP]()

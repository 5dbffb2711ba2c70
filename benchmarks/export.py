"""Writes the model files that the peers read. One step runs in each environment: `export.py STEP FOLDER NAME [BATCH]`.

keras:  model.keras, reference.npz (inputs and outputs) and info.json     (environment tensorflow; Sylvite and JAX read these)
tf:     frozen.pb                                                        (environment tensorflow)
litert: batchN.tflite                                                    (environment tensorflow)
torch:  model.pt, model.onnx                                             (environment torch; ONNX Runtime and OpenVINO too)
"""
import json
import os
import pathlib
import sys

STEP, FOLDER, NAME = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
os.environ["KERAS_BACKEND"] = "torch" if STEP == "torch" else "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402  (after the choice of the backend)
import numpy as np  # noqa: E402

REFERENCE_INPUTS = 2


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


def export_torch():
    import torch
    import torch_model

    module = torch_model.convert(keras.models.load_model(FOLDER / "model.keras", compile=False))
    with np.load(FOLDER / "reference.npz") as reference:
        x = reference["x"]
        x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x))
    torch.save(module, FOLDER / "model.pt")
    torch.onnx.export(module, (x,), FOLDER / "model.onnx", dynamo=False, opset_version=17, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})


FOLDER.mkdir(parents=True, exist_ok=True)
{"keras": export_keras, "tf": export_tf, "litert": export_litert, "torch": export_torch}[STEP]()

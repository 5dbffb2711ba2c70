"""What the make_*.py share: trains a model with Keras step by step, and keeps what check_steps.py compares with.

An archive has for each case CASE its model, compiled, as the bytes of a .keras (or .onnx) file, `CASE/model`; options of `sylvite
compile` that go with it, one a line, `CASE/options`; what each step takes, `CASE/K/in/NAME`; and what comes of it:
`CASE/K/loss` and the trained variables in Keras's order, `CASE/K/after/I`. `CASE/final/I` are those that Keras's fit ends
with.
"""
import pathlib
import tempfile

import numpy as np


class Recorder:
    def __init__(self):
        self.arrays = {}

    def train(self, case, model, optimizer, loss, batches, options=(), weight=None, columns=(), class_weight=None, **compiled):
        """`batches`: for each step the arrays by their names in the compiled library, first the inputs of `model`, then
        its targets, then what is neither. `weight` names the sample weights among them, to which Keras wants the dimensions
        `columns` added."""
        model.compile(optimizer=optimizer, loss=loss, **compiled)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "model.keras"
            model.save(path)
            self.arrays[f"{case}/model"] = np.frombuffer(path.read_bytes(), np.uint8)
        self.arrays[f"{case}/options"] = np.frombuffer("\n".join(options).encode(), np.uint8)
        for step, arrays in enumerate(batches):
            self.arrays |= {f"{case}/{step}/in/{name}": array for name, array in arrays.items()}
            values = list(arrays.values())
            x, y = values[:len(model.inputs)], values[len(model.inputs):len(model.inputs) + len(model.outputs)]
            model.reset_metrics()
            loss = model.train_on_batch(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0],
                                        sample_weight=arrays[weight].reshape(*arrays[weight].shape, *columns) if weight else None,
                                        class_weight=class_weight, return_dict=True)["loss"]
            self.arrays[f"{case}/{step}/loss"] = np.float32(loss)
            self.keep(f"{case}/{step}/after", model)
        optimizer.finalize_variable_values(model.trainable_variables)
        self.keep(f"{case}/final", model)

    def keep(self, prefix, model):
        self.arrays |= {f"{prefix}/{i}": np.asarray(v.value) for i, v in enumerate(model.trainable_variables)}

    def save(self, path):
        np.savez_compressed(path, **self.arrays)

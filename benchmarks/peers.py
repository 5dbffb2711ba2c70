"""What is measured: each class loads one model in the way that its makers recommend for inference on a CPU.

Packages are imported in `load`, never before: run.py reads this file without them, and the worker, in the peer's own environment, times
the import too. All compute in float32 and are told the number of threads; what they do to a graph by default stays on,
but for the quantization of activations, which gives another result than the model's.
"""
import ctypes
import glob
import importlib.util
import json
import os
import pathlib
import sys


class Peer:
    """One runtime with one model, batch size and number of threads.

    `environment` is the virtual environment it runs in, `steps` what export.py must have written for it, `channels_first` says that
    it takes inputs of images as [batch, channels, height, width], as its own users have them, and `pinned` that its process gets no
    more processors than threads.
    """

    environment = "onnx"
    steps = ()
    channels_first = False
    pinned = True
    note = ""

    def __init__(self, folder, batch, threads):
        self.folder, self.batch, self.threads = pathlib.Path(folder), batch, threads

    def load(self, inputs):
        """Loads the model; returns a function of no arguments that runs it on `inputs` and returns the output."""
        raise NotImplementedError

    def load_onnx(self, inputs):
        """The same for a model that is an ONNX file: `inputs` are in its order, and what runs it returns its outputs."""
        raise NotImplementedError(f"{self.title} reads no ONNX files")

    def info(self):
        return json.loads((self.folder / "info.json").read_text())

    def model_files(self):
        return []

    def runtime_files(self):
        """Glob patterns of the libraries that have to be shipped with the model."""
        return []

    def deploy_bytes(self):
        return {"model_bytes": size(self.model_files()), "runtime_bytes": size(self.runtime_files())}


def size(patterns):
    return sum(os.path.getsize(path) for pattern in patterns for path in glob.glob(str(pattern)) if not os.path.islink(path))


def package(name):
    return os.path.dirname(importlib.util.find_spec(name).origin)


class Sylvite(Peer):
    title = "Sylvite"
    options = ()
    note = "`sylvite compile` with default options; called through the C ABI with ctypes"

    def create(self):
        """The library, and a handle of its model."""
        library = ctypes.CDLL(str(self.library()))
        library.model_create.restype = ctypes.c_void_p
        library.model_last_error.restype = ctypes.c_char_p
        library.model_last_error.argtypes = [ctypes.c_void_p]
        library.model_set_threads(self.threads)
        handle = library.model_create(None)
        if not handle:
            raise RuntimeError(library.model_last_error(None).decode())
        return library, handle

    def load(self, inputs):
        import numpy as np

        library, handle = self.create()
        with np.load(self.folder / "reference.npz") as reference:
            output = np.empty((self.batch, *reference["y"].shape[1:]), np.float32)
        arguments = (ctypes.c_void_p(handle), ctypes.c_void_p(inputs.ctypes.data), ctypes.c_int64(self.batch),
                     ctypes.c_void_p(output.ctypes.data))
        forward = library.model_forward

        def run():
            if forward(*arguments):
                raise RuntimeError(library.model_last_error(handle).decode())
            return output
        return run

    def load_onnx(self, inputs):
        sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tests/conformance/onnx"))
        import library as binding
        import numpy as np

        model = binding.Library(self.library(), "model", self.threads)
        order = self.info()["inputs"]
        arguments, outputs = model.bind([inputs[order.index(name)] for name in model.input_names])
        names = self.info()["outputs"]
        outputs = [np.asarray(outputs[model.output_names.index(name)]) for name in names]
        function = model.function("run")

        def run():
            if function(*arguments):
                raise RuntimeError(model.function("last_error")(model.model).decode())
            return outputs
        return run

    def library(self):
        return self.folder / "sylvite" / "libmodel.so"

    def model_files(self):
        return [self.library()]


class SylviteExact(Sylvite):
    title = "Sylvite --exact"
    options = ("--exact",)
    note = "the same without Winograd's algorithm"

    def library(self):
        return self.folder / "sylvite-exact" / "libmodel.so"


class OnnxRuntime(Peer):
    title = "ONNX Runtime"
    steps = ("torch",)
    channels_first = True
    note = "the ONNX file with its batch fixed, all graph optimizations but those that quantize activations, inputs and outputs bound"

    def options(self):
        import onnxruntime

        sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tests/conformance/onnx"))
        from reference import exact_settings

        options = exact_settings()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        return options

    def load(self, inputs):
        import numpy as np
        import onnxruntime

        options = self.options()
        options.add_free_dimension_override_by_name("batch", self.batch)
        session = onnxruntime.InferenceSession(str(self.folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.input = onnxruntime.OrtValue.ortvalue_from_numpy(inputs)
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", self.input)
        self.output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(session.get_outputs()[0].shape, np.float32)
        binding.bind_ortvalue_output("y", self.output)
        output = self.output.numpy  # copies, outside of what is timed

        def run():
            session.run_with_iobinding(binding)
            return output
        return run

    def load_onnx(self, inputs):
        import onnxruntime

        session = onnxruntime.InferenceSession(str(self.folder / "model.onnx"), self.options(), providers=["CPUExecutionProvider"])
        binding, info = session.io_binding(), self.info()
        self.inputs = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in inputs]
        for name, value in zip(info["inputs"], self.inputs):
            binding.bind_ortvalue_input(name, value)
        for name in info["outputs"]:
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        self.outputs = binding.get_outputs()  # of the sizes that these inputs give
        if all(len(value.shape()) == len(declared.shape) for value, declared in zip(self.outputs, session.get_outputs())):
            for name, value in zip(info["outputs"], self.outputs):
                binding.bind_ortvalue_output(name, value)
        results = [lambda i=i: binding.get_outputs()[i].numpy() for i in range(len(self.outputs))]

        def run():
            session.run_with_iobinding(binding)
            return results
        return run

    def model_files(self):
        return [self.folder / "model.onnx"]

    def runtime_files(self):
        return [package("onnxruntime") + "/capi/libonnxruntime.so*"]


class OpenVino(Peer):
    title = "OpenVINO"
    steps = ("torch",)
    channels_first = True
    note = "the ONNX file with its batch fixed, latency hint, float32 asked for, activations not quantized, input and output tensors bound"

    def options(self):
        """Left alone, it quantizes the activations before compressed weights: another result than the model's."""
        return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}

    def load(self, inputs):
        import openvino

        core = openvino.Core()
        model = core.read_model(self.folder / "model.onnx")
        model.reshape(list(inputs.shape))
        compiled = core.compile_model(model, "CPU", self.options())
        request = compiled.create_infer_request()
        request.set_input_tensor(openvino.Tensor(inputs))
        output = request.get_output_tensor(0).data
        # The binding's own method: the wrapper around it copies the results into a dictionary.
        infer = super(type(request), request).infer

        def run():
            infer({}, share_outputs=True, decode_strings=False)
            return output
        return run

    def load_onnx(self, inputs):
        import openvino

        core = openvino.Core()
        model = core.read_model(self.folder / "model.onnx")
        places = {name: port for port in model.inputs for name in port.get_names()}
        names = self.info()["inputs"]
        model.reshape({places[name]: list(value.shape) for name, value in zip(names, inputs)})
        compiled = core.compile_model(model, "CPU", self.options())
        request = compiled.create_infer_request()
        for name, value in zip(names, inputs):
            request.set_tensor(name, openvino.Tensor(value))
        infer = super(type(request), request).infer
        results = [lambda name=name: request.get_tensor(name).data for name in self.info()["outputs"]]

        def run():
            infer({}, share_outputs=True, decode_strings=False)
            return results
        return run

    def model_files(self):
        return [self.folder / "model.onnx"]

    def runtime_files(self):
        return [package("openvino") + "/libs/" + name for name in ("libopenvino.so*", "libopenvino_intel_cpu_plugin.so",
                                                                   "libopenvino_onnx_frontend.so*", "libtbb.so*")]


class TorchEager(Peer):
    title = "PyTorch eager"
    environment = "torch"
    steps = ("torch",)
    channels_first = True
    note = "a hand-written module's graph (torch_model.py), channels-last memory format, inference mode"

    def load(self, inputs):
        import torch

        torch.set_num_threads(self.threads)
        module, x = torch.load(self.folder / "model.pt", weights_only=False), torch.from_numpy(inputs)
        if x.ndim == 4:
            module, x = module.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
        function = self.prepare(torch, module)

        def run():
            with torch.no_grad():
                return function(x)
        return run

    def prepare(self, torch, module):
        return module

    def model_files(self):
        return [self.folder / "model.pt"]

    def runtime_files(self):
        return [package("torch") + "/lib/" + name for name in ("libtorch_cpu.so", "libtorch.so", "libc10.so", "libgomp*")]


class TorchCompile(TorchEager):
    title = "PyTorch compile"
    note = "the same module through torch.compile (inductor, weights frozen), compiled in the process: nothing from a cache"

    def prepare(self, torch, module):
        import torch._inductor.config as config

        config.freezing = True
        config.force_disable_caches = True
        return torch.compile(module)


class TensorFlow(Peer):
    title = "TensorFlow"
    environment = "tensorflow"
    steps = ("tf",)
    # Its executor spins in a thread of its own while the caller waits, so on one processor it would be measured against itself; its
    # own settings limit it.
    pinned = False
    note = "a frozen graph, so that batch normalizations fold, run by a session's callable"

    def load(self, inputs):
        import json

        import tensorflow as tf

        graph_def = tf.compat.v1.GraphDef.FromString((self.folder / "frozen.pb").read_bytes())
        source, target = json.loads((self.folder / "frozen.json").read_text())
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(graph_def, name="")
        session = tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=self.threads, inter_op_parallelism_threads=1))
        call = session.make_callable(target, [source])
        return lambda: call(inputs)

    def model_files(self):
        return [self.folder / "frozen.pb"]

    def runtime_files(self):
        return [package("tensorflow") + "/libtensorflow_cc.so*", package("tensorflow") + "/libtensorflow_framework.so*"]


class LiteRt(Peer):
    title = "LiteRT"
    environment = "tensorflow"
    steps = ("litert",)
    note = "converted for its batch size; the interpreter with its default XNNPACK delegate"

    def load(self, inputs):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(self.file()), num_threads=self.threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], inputs)
        output = interpreter.get_output_details()[0]["index"]

        def run():
            interpreter.invoke()
            return lambda: interpreter.get_tensor(output)
        return run

    def file(self):
        return self.folder / f"batch{self.batch}.tflite"

    def model_files(self):
        return [self.file()]

    def runtime_files(self):
        return [package("ai_edge_litert") + "/" + name for name in ("_pywrap_litert_interpreter_wrapper.so", "libpywrap_litert_common.so")]


class Jax(Peer):
    title = "JAX"
    environment = "tensorflow"
    note = "Keras on JAX, the whole model under jax.jit"

    def load(self, inputs):
        os.environ["KERAS_BACKEND"] = "jax"
        import jax
        import keras

        model = keras.models.load_model(self.folder / "model.keras", compile=False)
        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        call = jax.jit(lambda trainable, others, x: model.stateless_call(trainable, others, x, training=False)[0])
        x = jax.device_put(inputs)
        return lambda: call(trainable, others, x).block_until_ready()

    def model_files(self):
        return [self.folder / "model.keras"]

    def runtime_files(self):
        return [package("jaxlib") + "/*.so", package("jaxlib") + "/*/*.so"]


PEERS = {"sylvite": Sylvite, "sylvite-exact": SylviteExact, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "litert": LiteRt,
         "tensorflow": TensorFlow, "torch": TorchEager, "torch-compile": TorchCompile, "jax": Jax}

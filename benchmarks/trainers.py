"""What is measured of training: each class makes one step after another in the way that its makers recommend for a CPU.

A step is the forward pass, the mean cross-entropy of logits, its gradients and the optimizer's update, and gives the loss as a number.
`load` takes the batches, pairs of inputs and labels; what it returns takes one after the other, over and over. For the rest see peers.py.
"""
import ctypes
import functools
import itertools
import os

import peers

OPTIMIZERS = {"adam": {"learning_rate": 1e-3, "epsilon": 1e-7}, "sgd": {"learning_rate": 1e-2, "momentum": .9}}


def compile_options(optimizer):
    """Those of `sylvite compile`."""
    settings = ",".join(f"{name}={value}" for name, value in OPTIMIZERS[optimizer].items())
    return ["--train", "--loss", "sparse_categorical_crossentropy:from_logits=true", "--optimizer", f"{optimizer}:{settings}"]


def keras_optimizer(name):
    import keras

    return {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[name](**OPTIMIZERS[name])


class Sylvite(peers.Sylvite):
    environment = "tensorflow"  # what is measured was made there
    note = "`sylvite compile --train`; `train_step` called through the C ABI with ctypes"

    def load(self, batches):
        library, handle = self.create()
        metrics = (ctypes.c_float * 1)()
        turns = itertools.cycle([(ctypes.c_void_p(handle), ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data),
                                  ctypes.c_int64(self.batch), metrics) for x, y in batches])
        train_step = library.model_train_step

        def run():
            if train_step(*next(turns)):
                raise RuntimeError(library.model_last_error(handle).decode())
            return metrics[0]
        return run


class SylviteExact(Sylvite, peers.SylviteExact):
    note = peers.SylviteExact.note


class Keras(peers.Peer):
    environment = "tensorflow"
    backend = ""

    def model(self):
        """The model, its optimizer and its loss, in the backend."""
        os.environ["KERAS_BACKEND"] = self.backend
        import keras

        model = keras.models.load_model(self.folder / "model.keras", compile=False)
        optimizer = keras_optimizer(self.info()["optimizer"])
        optimizer.build(model.trainable_variables)
        return model, optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def model_files(self):
        return [self.folder / "model.keras"]


class KerasTensorFlow(Keras, peers.TensorFlow):
    title = "Keras, TensorFlow"
    steps = ()
    backend = "tensorflow"
    xla = False
    note = "a step of Keras on TensorFlow under tf.function, without the overhead of `fit`"

    def load(self, batches):
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        model, optimizer, loss = self.model()

        @tf.function(jit_compile=self.xla)
        def step(x, y):
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            optimizer.apply(tape.gradient(value, model.trainable_variables))
            return value

        turns = itertools.cycle([(tf.constant(x), tf.constant(y)) for x, y in batches])
        return lambda: step(*next(turns)).numpy()


class KerasXla(KerasTensorFlow):
    title = "Keras, TensorFlow XLA"
    xla = True
    note = "the same with jit_compile"


class KerasJax(Keras, peers.Jax):
    title = "Keras, JAX"
    backend = "jax"
    note = "a step of Keras on JAX, written without state, under jax.jit with its arguments donated"

    def load(self, batches):
        model, optimizer, loss = self.model()
        import jax

        def forward(trainable, others, x, y):
            logits, others = model.stateless_call(trainable, others, x, training=True)
            return loss(y, logits), others

        @functools.partial(jax.jit, donate_argnums=0)
        def step(state, x, y):
            trainable, others, slots = state
            (value, others), gradients = jax.value_and_grad(forward, has_aux=True)(trainable, others, x, y)
            trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
            return (trainable, others, slots), value

        state = [[variable.value for variable in variables]
                 for variables in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)]
        turns = itertools.cycle(jax.device_put(batches))

        def run():
            nonlocal state
            state, value = step(state, *next(turns))
            return float(value)
        return run


class TorchEager(peers.TorchEager):
    steps = ("module",)
    note = "a hand-written module's graph (torch_model.py), channels-last memory format, fused optimizer"

    def load(self, batches):
        import torch

        torch.set_num_threads(self.threads)
        module = torch.load(self.folder / "model.pt", weights_only=False).train()
        batches = [(torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in batches]
        if batches[0][0].ndim == 4:
            module = module.to(memory_format=torch.channels_last)
            batches = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in batches]
        optimizer = self.optimizer(torch, [parameter for parameter in module.parameters() if parameter.requires_grad])
        forward = self.prepare(torch, lambda x, y: torch.nn.functional.cross_entropy(module(x), y))
        turns = itertools.cycle(batches)

        def run():
            optimizer.zero_grad()
            loss = forward(*next(turns))
            loss.backward()
            optimizer.step()
            return loss.item()
        return run

    def optimizer(self, torch, parameters):
        name = self.info()["optimizer"]
        names = {"learning_rate": "lr", "epsilon": "eps"}
        settings = {names.get(key, key): value for key, value in OPTIMIZERS[name].items()}
        return {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name](parameters, fused=True, **settings)


class TorchCompile(TorchEager):
    title = peers.TorchCompile.title
    note = "forward and backward pass through torch.compile (inductor), compiled in the process: nothing from a cache"

    def prepare(self, torch, function):
        import torch._inductor.config as config

        config.force_disable_caches = True
        return torch.compile(function)


PEERS = {"sylvite": Sylvite, "sylvite-exact": SylviteExact, "keras": KerasTensorFlow, "keras-xla": KerasXla, "keras-jax": KerasJax,
         "torch": TorchEager, "torch-compile": TorchCompile}

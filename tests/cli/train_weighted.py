"""Runs `sylvite train` with sample weights, class weights, accumulated gradients and moving averages of the weights.

Usage: train_weighted.py DIRECTORY, whose libraries are compiled as train_weighted.test says. Expected values come from the
same training in NumPy, below.
"""
import pathlib
import sys

import numpy as np
from training_run import check, finish, read_checkpoint, read_log, run_train

directory = pathlib.Path(sys.argv[1])
RATE, BATCH, STEPS, MOMENTUM = 0.1, 8, 2, 0.9


def train(library, data, *arguments, **expected):
    return run_train(directory / f"lib{library}.so", "--no-shuffle", "--batch", BATCH, "--data", directory / f"{data}.npz", *arguments,
                     **expected)


def expected(x, y, weights, epochs):
    """The losses of the epochs, the averages of the parameters at the end, and the parameters after each epoch."""
    p, average, sums, step, losses, parameters = np.array([0.5, -0.25, 0, 1]), np.zeros(4), np.zeros(4), 0, [], []
    x = np.concatenate([x, np.ones((len(x), 1))], 1).astype(np.float64)
    for _ in range(epochs):
        total = 0
        for start in range(0, len(x), BATCH):
            part, target, weight = x[start:start + BATCH], y[start:start + BATCH], weights[start:start + BATCH]
            error = part @ p - target
            total += (weight * error ** 2).sum()
            sums = sums + 2 * part.T @ (weight * error) / len(part)
            momentum = 0 if step // STEPS == 0 else MOMENTUM
            step += 1
            if step % STEPS == 0:
                p, sums = p - RATE * sums / STEPS, np.zeros(4)
            average = momentum * average + (1 - momentum) * p
        losses.append(total / len(x))
        parameters.append(p)
    return losses, average, parameters


def check_run(label, losses, average, _):
    logged = [line["loss"] for line in read_log(log)]
    check(np.allclose(logged, losses, rtol=1e-4), f"{label}: losses {logged}, expected {losses}")
    tensors, _ = read_checkpoint(saved)
    parameters = np.frombuffer(tensors["dense/kernel"] + tensors["dense/bias"], np.float32)
    check(np.allclose(parameters, average, rtol=1e-4, atol=1e-6), f"{label}: {parameters}, expected {average}")


generator = np.random.default_rng(9)
x = generator.normal(size=(45, 3)).astype(np.float32)
y = (x @ [1, -2, 3] + 0.5).astype(np.float32)
weights = generator.uniform(0, 2, 45).astype(np.float32)
saved, log = directory / "run.safetensors", directory / "run.jsonl"
np.savez(directory / "weighted.npz", x=x, targets=y[:, None], sample_weight=weights)
np.savez(directory / "plain.npz", x=x, targets=y[:, None])

result = train("affine", "weighted", "--epochs", 3, "--save", saved, "--log", log)
check_run("weighted", *expected(x, y, weights, 3))
check("moving averages" in result.stderr, f"what it says: {result.stderr}")
finished = saved.read_bytes()
train("affine", "weighted", "--epochs", 3, "--save", saved, "--resume")
check(saved.read_bytes() == finished, "a finished run that is resumed changes")
# Without sample weights, all items weigh one.
train("affine", "plain", "--epochs", 2, "--save", saved, "--log", log)
check_run("plain", *expected(x, y, np.ones(45), 2))

# Targets that are numbers of classes: their weights multiply those of the items, 1 for a class that none names, and do not count
# in validation.
classes = np.float32(generator.integers(0, 4, 45))
np.savez(directory / "classes.npz", x=x, targets=classes[:, None], sample_weight=weights)
by_class = weights * np.array([2.5, 1, 0.25, 1])[classes.astype(int)]
train("affine", "classes", "--epochs", 2, "--save", saved, "--log", log, "--class-weights", "0=2.5,2=0.25", "--validation",
      directory / "classes.npz")
run = expected(x, classes, by_class, 2)
check_run("classes", *run)
validation = [np.mean(weights * (x @ p[:3] + p[3] - classes) ** 2) for p in run[2]]
check(np.allclose([line["val_loss"] for line in read_log(log)], validation, rtol=1e-4), f"validation: {read_log(log)}, {validation}")
train("plain", "plain", "--class-weights", "0=2", status=1, message="class weights need a library that takes a weight of each item")
train("affine", "plain", "--class-weights", "0=x", status=1, message="error: --class-weights: '0=x' is not of the form CLASS=WEIGHT")

# Labels, and targets that are vectors, as where the library has the weights itself.
labels = generator.integers(0, 10, 45).astype(np.int32)
data = {"input_layer_2": generator.normal(size=(45, 784)).astype(np.float32)}
for form, target in (("sparse", {"labels": labels}), ("dense", {"targets": np.eye(10, dtype=np.float32)[labels]})):
    np.savez(directory / f"{form}.npz", **data, **target)
    train(f"{form}_outside", form, "--class-weights", "1=3,4=0,9=0.5", "--save", saved)
    outside = read_checkpoint(saved)[0]
    train(f"{form}_inside", form, "--save", saved)
    inside = read_checkpoint(saved)[0]
    for name in outside:
        values = [np.frombuffer(tensors[name], np.float32) for tensors in (outside, inside)]
        check(np.allclose(*values, rtol=1e-4, atol=1e-6), f"{form}: {name}")
    check(len(outside) > 4, f"{form}: {list(outside)}")
finish()

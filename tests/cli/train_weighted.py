"""Runs `sylvite train` with sample weights, accumulated gradients and moving averages of the weights.

Usage: train_weighted.py LIBRARY DIRECTORY, where LIBRARY is compiled as train_weighted.test says. Expected values come from the
same training in NumPy, below.
"""
import json
import pathlib
import subprocess
import sys

import numpy as np

library, directory = map(pathlib.Path, sys.argv[1:])
failures = []
RATE, BATCH, STEPS, MOMENTUM = 0.1, 8, 2, 0.9


def train(*arguments):
    result = subprocess.run(["sylvite", "train", str(library), "--no-shuffle", "--batch", str(BATCH), *map(str, arguments)],
                            capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{arguments}: {result.stderr}")
    return result


def read_checkpoint(path):
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + length])
    values = [np.frombuffer(content[8 + length + header[name]["data_offsets"][0]:8 + length + header[name]["data_offsets"][1]], np.float32)
              for name in ("dense/kernel", "dense/bias")]
    return np.concatenate(values)


def expected(x, y, weights, epochs):
    """The losses of the epochs, and the averages of the parameters at the end."""
    p, average, sums, step, losses = np.array([0.5, -0.25, 0, 1]), np.zeros(4), np.zeros(4), 0, []
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
    return losses, average


def check(label, saved, log, losses, average):
    logged = [json.loads(line)["loss"] for line in log.read_text().splitlines()]
    if not np.allclose(logged, losses, rtol=1e-4):
        failures.append(f"{label}: losses {logged}, expected {losses}")
    if not np.allclose(read_checkpoint(saved), average, rtol=1e-4, atol=1e-6):
        failures.append(f"{label}: {read_checkpoint(saved)}, expected {average}")


generator = np.random.default_rng(9)
x = generator.normal(size=(45, 3)).astype(np.float32)
y = (x @ [1, -2, 3] + 0.5).astype(np.float32)
weights = generator.uniform(0, 2, 45).astype(np.float32)
saved, log = directory / "run.safetensors", directory / "run.jsonl"
np.savez(directory / "weighted.npz", x=x, targets=y[:, None], sample_weight=weights)
np.savez(directory / "plain.npz", x=x, targets=y[:, None])

result = train("--data", directory / "weighted.npz", "--epochs", 3, "--save", saved, "--log", log)
check("weighted", saved, log, *expected(x, y, weights, 3))
if "moving averages" not in result.stderr:
    failures.append(f"what it says: {result.stderr}")
finished = saved.read_bytes()
train("--data", directory / "weighted.npz", "--epochs", 3, "--save", saved, "--resume")
if saved.read_bytes() != finished:
    failures.append("a finished run that is resumed changes")
# Without sample weights, all items weigh one.
train("--data", directory / "plain.npz", "--epochs", 2, "--save", saved, "--log", log)
check("plain", saved, log, *expected(x, y, np.ones(45), 2))

print("\n".join(failures) or "all as expected")
sys.exit(bool(failures))

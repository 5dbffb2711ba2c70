"""Runs `sylvite train` and checks what it says and leaves. Usage: train.py DIRECTORY, where libline.so is the model of
tests/abi/Inputs/regression.c. Expected values come from the same training in NumPy, below."""
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
from training_run import check, failures, finish, read_checkpoint, read_log, run_train

directory = pathlib.Path(sys.argv[1])
library = directory / "libline.so"


def train(*arguments, data="data.npz", library=library, **expected):
    return run_train(library, "--data", directory / data, "--threads", "1", *arguments, **expected)


MASK = (1 << 64) - 1


class SplitMix64:
    def __init__(self, state):
        self.state = state & MASK

    def next(self):
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31


def order(count, seed, epoch):
    items, generator = list(range(count)), SplitMix64(SplitMix64(seed).next() + epoch)
    for left in range(count, 1, -1):
        choice = generator.next() * left >> 64
        items[left - 1], items[choice] = items[choice], items[left - 1]
    return items


def measure(w, b, x, y):
    error = x @ w + b - y
    return np.array([np.mean(error ** 2), np.mean(np.abs(error))])


def expected(x, y, epochs, batch, seed=None, validation=None, rate=0.125):
    """The rows of the log, and the parameters at the end."""
    w, b, m = np.array([0.5, -0.25, 0]), 1.0, np.zeros(4)
    rows = []
    for epoch in range(epochs):
        items = range(len(x)) if seed is None else order(len(x), seed, epoch)
        sums = np.zeros(2)
        for start in range(0, len(x), batch):
            chosen = list(items[start:start + batch])
            part, target = x[chosen], y[chosen]
            sums += measure(w, b, part, target) * len(chosen)
            e = 2 * (part @ w + b - target) / len(chosen)
            m = 0.5 * m - rate * np.append(part.T @ e, e.sum())
            w, b = w + m[:3], b + m[3]
        rows.append([*sums / len(x), *(measure(w, b, *validation) if validation else [])])
    return rows, np.append(w, b)


def same_run(log, rows, label):
    keys = ["loss", "mae:0", "val_loss", "val_mae:0"][:len(rows[0])]
    actual = [[line[key] for key in keys] for line in log]
    check([line["epoch"] for line in log] == list(range(1, len(rows) + 1)), f"{label}: epochs of {log}")
    if np.shape(actual) != np.shape(rows) or not np.allclose(actual, rows, rtol=1e-4, atol=1e-6):
        failures.append(f"{label}: {actual} instead of {rows}")


generator = np.random.default_rng(5)
x = generator.normal(size=(103, 3)).astype(np.float32)
y = (x @ [1, -2, 3] + 0.5 + 0.01 * generator.normal(size=103)).astype(np.float32)
np.savez(directory / "data.npz", x=x, y=y)
np.savez(directory / "test.npz", x=x[:20], y=y[:20])
log, saved = directory / "run.jsonl", directory / "tuned.safetensors"

# Metrics are means over all items, with a last batch of 7; shuffled or not.
result = train("--epochs", 3, "--batch", 16, "--seed", 2**64 - 1, "--log", log, "--save", saved)
rows, parameters = expected(x, y, 3, 16, seed=2**64 - 1)
same_run(read_log(log), rows, "shuffled")
tensors, record = read_checkpoint(saved)
check(np.allclose(np.frombuffer(tensors["dense/kernel"] + tensors["dense/bias"], np.float32), parameters, rtol=1e-4),
      f"parameters: {tensors}")
check(np.frombuffer(tensors["optimizer/iterations"], np.int64)[0] == 21, "iterations")
check(len(record["epochs"]) == 3 and record["done"] == 0, f"record: {record}")
check(all(line["learning_rate"] == 0.125 for line in read_log(log)), "learning rate in the log")
table = result.stdout.split("\n")
check(table[0].split() == ["epoch", "seconds", "loss", "mae:0"] and len(table) == 5 and table[3].endswith("best") and
      table[2].split()[2] == f"{rows[1][0]:.4f}", f"table: {result.stdout}")
check("epoch 2/3" in result.stderr and "\x1b" not in result.stderr, f"progress: {result.stderr}")
train("--epochs", 2, "--no-shuffle", "--log", log)
same_run(read_log(log), expected(x, y, 2, 32)[0], "in order")
train("--epochs", 2, "--no-shuffle", "--batch", 1000, "--learning-rate", "0.0625", "--log", log)
same_run(read_log(log), expected(x, y, 2, 103, rate=0.0625)[0], "one batch")
train("--log", log, library=directory / "scheduled" / "libline.so")
check("learning_rate" not in read_log(log)[0], "a scheduled rate is not logged")

# Validation: the last tenth, or a file.
train("--epochs", 2, "--validation", "0.1", "--log", log)
same_run(read_log(log), expected(x[:92], y[:92], 2, 32, seed=0, validation=(x[92:], y[92:]))[0], "fraction")
result = train("--epochs", 2, "--validation", directory / "test.npz", "--batch", 8, "--log", log)
same_run(read_log(log), expected(x, y, 2, 8, seed=0, validation=(x[:20], y[:20]))[0], "file")
check(result.stdout.split()[:6] == ["epoch", "seconds", "loss", "mae:0", "val_loss", "val_mae:0"], "table with validation")

# Early stopping: without a change no epoch is better than the first; the best is kept.
result = train("--epochs", 9, "--learning-rate", 0, "--early-stopping", 2, "--validation", "0.5", "--save", saved, "--log", log,
               message="stopped early: no better epoch than 1 in 2")
check(len(read_log(log)) == 3, f"early stopping: {read_log(log)}")
check(len(read_checkpoint(directory / "tuned.best.safetensors")[1]["epochs"]) == 1, "the best epoch")
check(f"best epoch: {directory}/tuned.best.safetensors" in result.stdout, f"best: {result.stdout}")

# A run that goes on ends with the bits of one that did not stop.
whole, part = directory / "whole.safetensors", directory / "part.safetensors"
settings = ("--batch", 10, "--validation", "0.2", "--seed", 7)
train("--epochs", 4, *settings, "--save", whole, "--log", directory / "whole.jsonl")
train("--epochs", 1, *settings, "--save", part, "--resume")
train("--epochs", 4, *settings, "--save", part, "--resume", "--log", log, message="resuming after 1 epoch\n")


def same_end(label):
    check(read_checkpoint(whole)[0] == read_checkpoint(part)[0], f"{label}: other parameters")
    strip = [[{key: value for key, value in line.items() if key != "seconds"} for line in read_log(path)]
             for path in (directory / "whole.jsonl", log)]
    check(strip[0] == strip[1], f"{label}: {strip[1]} instead of {strip[0]}")


same_end("resumed")
train("--epochs", 4, *settings, "--save", part, "--resume", "--log", log, message="resuming after 4 epochs\n")
same_end("nothing to do")

# The same within an epoch: Ctrl-C, and kill -9 at random moments.
many = generator.normal(size=(200000, 3)).astype(np.float32)
np.savez(directory / "many.npz", x=many, y=many.sum(1) + generator.normal(size=len(many)).astype(np.float32))
settings = ["--learning-rate", "0.01", "--data", directory / "many.npz", "--batch", 1, "--epochs", 4, "--validation", "0.1", "--threads", 1]
command = [str(part) for part in ["sylvite", "train", library, *settings]]


def start(*arguments):
    return subprocess.Popen([*command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


started = time.monotonic()
check(start("--save", whole, "--log", directory / "whole.jsonl").wait() == 0, "the whole run")
duration = time.monotonic() - started
part.unlink()
moments = random.Random(3)
interrupted = killed = 0
for attempt in range(60):
    process = start("--save", part, "--resume", "--log", log)
    kind = signal.SIGINT if attempt % 2 else signal.SIGKILL
    try:
        process.wait(timeout=moments.uniform(0.02, 0.8 * duration))
    except subprocess.TimeoutExpired:
        process.send_signal(kind)
    _, errors = process.communicate()
    if process.returncode == -signal.SIGINT:
        # Before the run has begun, the signal ends the process at once.
        interrupted += f"{part} is saved, and the same command with --resume goes on from there" in errors
    elif process.returncode == -signal.SIGKILL:
        killed += 1
    else:
        check(process.returncode == 0, f"status {process.returncode}: {errors}")
        if interrupted and killed:
            break
        part.unlink()  # it was too fast: once more
    if part.exists():
        read_checkpoint(part)
else:
    check(start("--save", part, "--resume", "--log", log).wait() == 0, "the last attempt")
check(interrupted and killed, f"{interrupted} interrupted, {killed} killed")
same_end("interrupted and killed")
process = start()
time.sleep(duration / 2)
process.send_signal(signal.SIGTERM)
_, errors = process.communicate()
check(process.returncode in (0, -signal.SIGTERM) and (process.returncode == 0 or "nothing is saved" in errors),
      f"SIGTERM: {process.returncode}, {errors}")

# Failures.
train("--learning-rate", "1e6", "--epochs", 90, status=1, message="the training diverges, which a lower learning rate")
compiled = directory / "compiled" / "libline.so"
diverged = directory / "diverged.safetensors"
train("--save", diverged, library=compiled)
for place, arguments in (("batch 2 of epoch 1", ()), ("batch 2 of epoch 2", ("--save", diverged, "--resume"))):
    result = train("--learning-rate", "1e38", "--epochs", 9, *arguments, library=compiled, status=1,
                   message="the loss is not a number: going through the run again, to find the layer")
    check(f"error: the loss is not a number in {place}: layer 'dense" in result.stderr and
          f"computes a value that is not a number in {place}" in result.stderr, f"the layer: {result.stderr}")
check("diverged.safetensors holds an earlier state" in result.stderr, f"checkpoint: {result.stderr}")
broken = x.copy()
broken[41, 1] = np.nan
np.savez(directory / "nan.npz", x=broken, y=y)
train("--no-shuffle", "--save", directory / "none.safetensors", data="nan.npz", status=1,
      message="error: the loss is not a number in batch 2 of epoch 1: so is item 41 of 'x'\n")
check(not (directory / "none.safetensors").exists(), "nothing to save")
train(library=directory / "libidentity.so", status=1, message="cannot be trained: compile its model with --train")
np.savez(directory / "empty.npz", x=x[:0], y=y[:0])
train(data="empty.npz", status=1, message="has no items")
np.savez(directory / "uneven.npz", x=x, y=y[1:])
train(data="uneven.npz", status=1, message="inputs disagree on 'batch': 103 in 'x', 102 in 'y'")
np.savez(directory / "unlabelled.npz", x=x)
train(data="unlabelled.npz", status=1, message="has no array 'y'")
for fraction in ("0", "1", "-0.5", "nan", "0.999"):
    train("--validation", fraction, status=1, message="leaves nothing for one of the two")
train("--validation", "/no/such/file", status=1, message="cannot read /no/such/file")
train("--save", "/no/such/directory/file", status=1, message="/no/such/directory/file")
train("--log", "/no/such/directory/file", status=1, message="cannot write /no/such/directory/file")
train("--learning-rate", 1, library=directory / "scheduled" / "libline.so", status=1, message="follows a schedule")
train("--resume", status=2, message="--save")
train("--epochs", 0, status=2, message="--epochs")
saved.write_bytes(b"junk")
train("--resume", "--save", saved, status=1, message="tuned.safetensors")
train("--epochs", 1, "--batch", 2, "--save", saved)
content = saved.read_bytes()
length = int.from_bytes(content[:8], "little")
for old, new, message in ((b"sylvite.note", b"another.note", "holds no record of a run"), (b'items', b'jtems', "is damaged"),
                          (b'\\"done\\":0', b'\\"done\\":9', "in the middle of an epoch with 103 items, batch 2, seed 0; "
                           "this run has 103 items, batch 32, seed 0")):
    check(old in content, f"{old} in the checkpoint")
    saved.write_bytes(content.replace(old, new))
    train("--resume", "--save", saved, status=1, message=message)
saved.write_bytes(content)
train("--epochs", 2, "--weights", saved, "--log", log)
check(len(read_log(log)) == 2, "weights start another run")

finish()

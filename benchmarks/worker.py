"""One peer with one model in a process of its own, started by run.py: loads it, compares its output, times it when told to.

Answers are JSON lines on the standard output; anything the peer prints goes to the standard error. Times are nanoseconds for one call:
[wall, CPU of the whole process], CPU because it does not count what other programs take from the processor.
"""
import json
import os
import sys
import time
import traceback

SETTINGS = json.loads(sys.argv[1])
os.environ["OMP_NUM_THREADS"] = str(SETTINGS["threads"])
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np  # noqa: E402  (after the number of threads is set)
import peers  # noqa: E402
import trainers  # noqa: E402

ANSWERS = os.fdopen(os.dup(1), "w")
SAMPLE_SECONDS = 2e-4  # calls shorter than this are timed several at once


def answer(**values):
    ANSWERS.write(json.dumps(values) + "\n")
    ANSWERS.flush()


def peak_memory():
    """The most memory that the process ever had resident, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def measure(run, seconds):
    started = time.perf_counter()
    run()
    calls = max(1, int(SAMPLE_SECONDS / max(time.perf_counter() - started, 1e-7)))
    samples = []
    while not samples or time.perf_counter() - started < seconds:
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(calls):
            run()
        cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
        samples.append([wall / calls, cpu / calls])
    return samples


def difference(value, expected):
    """The largest, of what is the largest of those expected."""
    value, expected = np.asarray(value, np.float64), np.asarray(expected)
    return float(np.abs(value.reshape(expected.shape) - expected).max() / max(np.abs(expected).max(), 1e-30)) if expected.size else 0


def laid_out(peer, inputs):
    """`inputs` as the peer takes them."""
    if peer.channels_first and inputs.ndim == 4:
        inputs = inputs.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(inputs)


# Of each form of model, what the peer loads, and whether it computes what it should: a function that loads it and returns one that runs
# it, and one that compares the first result, with what follows, to the reference.

def keras(peer):
    reference = arrays("reference.npz")
    rows = np.arange(peer.batch) % len(reference["x"])
    inputs = laid_out(peer, reference["x"][rows])
    return (lambda: peer.load(inputs),
            lambda output, _: difference(output() if callable(output) else output, reference["y"][rows]))


def onnx(peer):
    inputs, expected = (list(arrays(name).values()) for name in ("inputs.npz", "reference.npz"))
    return (lambda: peer.load_onnx(inputs),
            lambda outputs, _: max(difference(have() if callable(have) else have, want) for have, want in zip(outputs, expected)))


def training(peer):
    reference = arrays(f"batch{peer.batch}.npz")
    split = lambda values: np.split(values, len(values) // peer.batch)
    batches = list(zip(split(laid_out(peer, reference["x"])), split(reference["y"])))
    losses = reference["losses"]
    return (lambda: peer.load(batches),
            lambda first, run: difference([first, *(run() for _ in losses[1:])], losses))


def arrays(name):
    """All arrays of a file; those with numbers for names are in their order."""
    with np.load(os.path.join(SETTINGS["folder"], name)) as file:
        return {key: file[key] for key in sorted(file.files, key=lambda key: (len(key), key))}


def main():
    os.dup2(2, 1)
    threads, form = SETTINGS["threads"], SETTINGS["form"]
    kind = (trainers if form == "training" else peers).PEERS[SETTINGS["peer"]]
    if kind.pinned:  # a hard limit, whatever the peer's own pools think
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-threads:]))

    peer = kind(SETTINGS["folder"], SETTINGS["batch"], threads)
    load, compare = {"keras": keras, "onnx": onnx, "training": training}[form](peer)
    started = time.perf_counter()
    run = load()
    result = run()
    first_result = time.perf_counter() - started
    answer(first_result_s=first_result, error=compare(result, run), **peer.deploy_bytes())
    for line in sys.stdin:
        answer(samples=measure(run, json.loads(line)["seconds"]), peak_memory=peak_memory())


try:
    main()
except Exception as error:
    traceback.print_exc()
    answer(error_message=f"{type(error).__name__}: {error}"[:500])
os._exit(0)

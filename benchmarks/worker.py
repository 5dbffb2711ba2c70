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


def main():
    os.dup2(2, 1)
    threads = SETTINGS["threads"]
    # A hard limit, whatever the peer's own pools think. TensorFlow's executor spins in a thread of its own while the caller waits,
    # so on one processor it would be measured against itself; its own settings limit it.
    if SETTINGS["peer"] != "tensorflow":
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[-threads:]))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

    import numpy as np
    import peers

    folder, batch = SETTINGS["folder"], SETTINGS["batch"]
    peer = peers.PEERS[SETTINGS["peer"]](folder, batch, threads)
    if SETTINGS["onnx"]:
        with np.load(os.path.join(folder, "inputs.npz")) as arrays:
            inputs = [arrays[str(i)] for i in range(len(arrays))]
        with np.load(os.path.join(folder, "reference.npz")) as arrays:
            expected = [arrays[str(i)] for i in range(len(arrays))]
    else:
        with np.load(os.path.join(folder, "reference.npz")) as reference:
            rows = np.arange(batch) % len(reference["x"])
            inputs, expected = reference["x"][rows], [reference["y"][rows]]
        if peer.channels_first and inputs.ndim == 4:
            inputs = inputs.transpose(0, 3, 1, 2)
        inputs = np.ascontiguousarray(inputs)

    started = time.perf_counter()
    run = peer.load_onnx(inputs) if SETTINGS["onnx"] else peer.load(inputs)
    output = run()
    first_result = time.perf_counter() - started
    outputs = output if SETTINGS["onnx"] else [np.asarray(output() if callable(output) else output)]
    outputs = [np.asarray(value() if callable(value) else value, np.float64) for value in outputs]
    error = max(float(np.abs(have.reshape(want.shape) - want).max() / max(np.abs(want).max(), 1e-30))
                for have, want in zip(outputs, expected) if want.size)
    answer(first_result_s=first_result, error=error, **peer.deploy_bytes())
    for line in sys.stdin:
        answer(samples=measure(run, json.loads(line)["seconds"]), peak_memory=peak_memory())


try:
    main()
except Exception as error:
    traceback.print_exc()
    answer(error_message=f"{type(error).__name__}: {error}"[:500])
os._exit(0)

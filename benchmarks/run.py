#!/usr/bin/env python3
"""Measures Sylvite and its peers on the same models, in one session, and writes results.md and results.svg beside this file.

With --training it measures steps of training, and writes training.md and training.svg.

    benchmarks/run.py                                        everything: environments, models, measurements (hours)
    benchmarks/run.py --models ResNet-50 --peers sylvite,onnxruntime --threads 1
    benchmarks/run.py --training --models MLP --rounds 2
    benchmarks/run.py --models onnx --peers sylvite,onnxruntime,openvino --page onnx.md       trained models (tests/conformance/onnx)
    benchmarks/run.py --models net.onnx --shape x=1x3x64x64 --peers sylvite,onnxruntime       any ONNX file, on random inputs

Needs only Python's standard library: each peer lives in a virtual environment of its own, which this program makes from
requirements/*.txt, under build/benchmarks, where the models and everything else that it writes are too.

Every (peer, model, batch, threads) is a process (worker.py). All peers of one (model, batch, threads) are loaded first and then take turns;
those that wait are stopped, so that no spinning thread disturbs the one that is timed. Turns are short, so a disturbance hits all alike.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import peers
import report
import trainers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
MODELS = ("VGG-16", "ResNet-18", "ResNet-50", "MobileNetV2", "MobileNetV3", "EfficientNetB0", "DenseNet-121", "InceptionV3",
          "ConvNeXt-Tiny", "MNIST CNN", "LSTM", "GRU", "Attention", "BERT-base", "GPT-2", "ViT-Tiny")
TRAINED_MODELS = {"MNIST CNN": 128, "MLP": 32, "CIFAR ResNet-18": 32, "LSTM classifier": 32, "Transformer": 16}  # and their batches
TIMEOUT_SECONDS = 600


class Failure(Exception):
    pass


class Workplace:
    """The folder with the environments, the exported models and the compiled libraries; what is there is not made again."""

    def __init__(self, arguments):
        self.folder, self.sylvite, self.keep = arguments.folder, arguments.sylvite, arguments.keep_libraries
        self.training = arguments.training
        self.peers = trainers.PEERS if self.training else peers.PEERS
        self.shapes = [word for shape in arguments.shape for word in ("--shape", shape)]
        self.compile_seconds = {}

    def python(self, environment):
        """The interpreter of an environment, which is installed if it is missing or its requirements have changed."""
        folder, requirements = self.folder / "environments" / environment, HERE / "requirements" / f"{environment}.txt"
        installed = folder / "requirements.txt"
        if not installed.exists() or installed.read_text() != requirements.read_text():
            print(f"installing {environment}", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            self.log(f"install-{environment}", sys.executable, "-m", "venv", folder)
            self.log(f"install-{environment}", folder / "bin" / "pip", "install", "-r", requirements)
            shutil.copy(requirements, installed)
        return folder / "bin" / "python"

    def log(self, name, *command):
        """Runs a command with its output in a log, whose end is in the exception if it fails."""
        path = self.folder / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a") as log:
            if subprocess.run([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode:
                raise Failure(f"{name} failed: {path}\n{path.read_text()[-2000:]}")

    def model(self, name):
        return self.folder / ("training" if self.training else "models") / pathlib.PurePath(name).name

    def form(self, name):
        """How a model is given: "training", "keras", or "onnx" for a file, by its path or as a name of tests/conformance/onnx/models.py."""
        return "training" if self.training else "keras" if name in MODELS else "onnx"

    def onnx_models(self):
        command = f"import runpy; print(*runpy.run_path({str(ROOT / 'tests/conformance/onnx/models.py')!r})['MODELS'])"
        return subprocess.run([self.python("onnx"), "-c", command], check=True, capture_output=True, text=True).stdout.split()

    def export(self, step, name, batch):
        """Runs a step of export.py unless what it writes is there."""
        folder = self.model(name)
        written = {"keras": "info.json", "onnx": "info.json", "tf": "frozen.json", "litert": f"batch{batch}.tflite",
                   "module": "model.pt", "torch": "model.onnx", "training": f"batch{batch}.npz"}[step]
        if not (folder / written).exists():
            print(f"{name}: export for {step}", flush=True)
            python = self.python({"module": "torch", "torch": "torch", "onnx": "onnx"}.get(step, "tensorflow"))
            self.log(f"export-{step}-{folder.name}", python, HERE / "export.py", step, folder, name, batch, *self.shapes)

    def compile(self, name, peer):
        """Compiles a model with Sylvite, once in a session, from a cold cache; returns the seconds that it took.

        None if --keep-libraries kept an older library.
        """
        folder = self.model(name) / peer
        if (name, peer) not in self.compile_seconds:
            started = time.monotonic()
            if self.keep and (folder / "libmodel.so").exists():
                return None
            with tempfile.TemporaryDirectory(dir=self.folder) as cache:
                options = json.loads((self.model(name) / "info.json").read_text()).get("options", [])
                file = "model.onnx" if self.form(name) == "onnx" else "model.keras"
                self.log(f"compile-{peer}-{folder.parent.name}", "env", f"SYLVITE_CACHE_DIR={cache}", self.sylvite, "compile",
                         self.model(name) / file, "-o", folder, "--name", "model", *options, *self.peers[peer].options)
            self.compile_seconds[name, peer] = time.monotonic() - started
        return self.compile_seconds[name, peer]


class Worker:
    """A worker.py process in a session of its own."""

    def __init__(self, workplace, settings):
        log = workplace.folder / "logs" / "{peer}-{model}-{batch}-{threads}.log".format(
            **{**settings, "model": pathlib.PurePath(settings["model"]).name})
        log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        command = [str(workplace.python(workplace.peers[settings["peer"]].environment)), str(HERE / "worker.py"), json.dumps(settings)]
        with open(log, "w") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)

    def receive(self):
        answer, deadline = b"", time.monotonic() + TIMEOUT_SECONDS
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            if not part:
                return {"error_message": "died" if ready else f"no answer in {TIMEOUT_SECONDS} s"}
            answer += part
        return json.loads(answer)

    def measure(self, seconds):
        self.signal(signal.SIGCONT)
        with contextlib.suppress(OSError):  # needs root; without it the worker competes with whatever else runs
            os.setpriority(os.PRIO_PGRP, self.process.pid, -20)
        self.process.stdin.write((json.dumps({"seconds": seconds}) + "\n").encode())
        self.process.stdin.flush()
        answer = self.receive()
        self.signal(signal.SIGSTOP)
        return answer

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def close(self):
        self.signal(signal.SIGKILL)
        self.process.wait()


def load(workplace, settings):
    """Prepares the files of a peer and starts its worker; returns it, stopped, and its first answer."""
    name, peer, form = settings["model"], workplace.peers[settings["peer"]], settings["form"]
    for step in ["onnx"] if form == "onnx" else [form, *peer.steps]:
        workplace.export(step, name, settings["batch"])
    costs = {}
    if issubclass(peer, peers.Sylvite):
        costs["compile_s"] = workplace.compile(name, settings["peer"])
    worker = Worker(workplace, settings)
    answer = worker.receive()
    worker.signal(signal.SIGSTOP)
    return worker, {**answer, **costs}


def measure(workplace, model, batch, threads, arguments):
    """All peers on one model: a list of result dictionaries."""
    results, workers = {}, {}
    try:
        for name in arguments.peers:
            settings = {"peer": name, "model": model, "batch": batch, "threads": threads, "folder": str(workplace.model(model)),
                        "form": workplace.form(model)}
            try:
                workers[name], answer = load(workplace, settings)
            except Failure as failure:
                answer = {"error_message": str(failure)}
            results[name] = {"peer": name, "model": model, "batch": batch, "threads": threads, "samples": [], **answer}
        for turn in range(-1, arguments.rounds):  # the first only warms up
            for name, worker in workers.items():
                if "error_message" in results[name]:
                    continue
                answer = worker.measure(arguments.seconds)
                if turn >= 0:
                    answer["samples"] = results[name]["samples"] + answer.get("samples", [])
                    results[name].update(answer)
    finally:
        for worker in workers.values():
            worker.close()
    return [summary(result) for result in results.values()]


def summary(result):
    """Replaces samples by their minimum and median in milliseconds.

    With one thread a sample is the smaller of wall and processor time: the latter if another program took the processor, the former if
    a second thread of the peer spun meanwhile. With several threads only wall time means something.
    """
    samples = result.pop("samples")
    if samples:
        times = [wall if result["threads"] > 1 else min(wall, cpu) for wall, cpu in samples]
        result.update(min_ms=min(times) / 1e6, median_ms=statistics.median(times) / 1e6, runs=len(times))
    return result


def machine():
    """What the page says about the processor, with its FMA peak measured on one core."""
    with open("/proc/cpuinfo") as cpuinfo:
        model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), platform.processor())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "date": datetime.date.today().isoformat()}


def fma_peak(folder):
    """GFLOP/s of one core, by fma_peak.c."""
    program = folder / "fma_peak"
    subprocess.run(["cc", "-O3", "-march=native", str(HERE / "fma_peak.c"), "-o", str(program)], check=True)
    return float(subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout)


def versions(workplace, names):
    """Package versions in the environments, of those that matter."""
    wanted = {"onnxruntime", "openvino", "torch", "tensorflow-cpu", "tensorflow_cpu", "ai-edge-litert", "jax", "keras"}
    found = {}
    for environment in {workplace.peers[name].environment for name in names}:
        command = [str(workplace.python(environment)), "-m", "pip", "list", "--format=freeze"]
        packages = [line.split("==") for line in subprocess.run(command, capture_output=True, text=True).stdout.split()]
        found.update((name, version) for name, version in packages if name in wanted)
    return found


def listed(kind=str):
    return lambda text: [kind(part) for part in text.split(",")]


def session(workplace, arguments, results_file):
    """Measures what the arguments ask for and keeps results.json up to date."""
    record = {"machine": machine(), "versions": versions(workplace, arguments.peers), "training": arguments.training, "results": [],
              "models": {}}
    if arguments.append and results_file.exists():
        earlier = json.loads(results_file.read_text())
        record = {**earlier, "machine": record["machine"], "versions": {**earlier["versions"], **record["versions"]}}
    record["machine"]["peak_gflops"] = fma_peak(arguments.folder)
    key = lambda result: [result[field] for field in ("peer", "model", "batch", "threads")]
    batches = lambda model: arguments.batches or [TRAINED_MODELS[model] if arguments.training else 1]
    cases = [(model, batch, threads) for model in arguments.models for batch in batches(model) for threads in arguments.threads]
    for model, batch, threads in cases:
        new = measure(workplace, model, batch, threads, arguments)
        replaced = [key(result) for result in new]
        record["results"] = [result for result in record["results"] if key(result) not in replaced] + new
        record["models"][model] = json.loads((workplace.model(model) / "info.json").read_text())
        results_file.write_text(json.dumps(record, indent=1))
        for result in sorted(new, key=lambda result: result.get("min_ms", 1e9)):
            print(report.line(result), flush=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # so that workers, stopped ones too, end with this program
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--training", action="store_true", help="measure steps of training instead of inference")
    parser.add_argument("--models", type=listed(), help="comma-separated; default: those of Keras; onnx: all ONNX files")
    parser.add_argument("--shape", action="append", default=[], help="sizes of an input of an ONNX file: x=1x3x64x64")
    parser.add_argument("--peers", type=listed(), help="comma-separated; default: all")
    parser.add_argument("--batches", type=listed(int), help="batch sizes, comma-separated; default: 1, in training the model's own")
    parser.add_argument("--threads", type=listed(int), default=[1, 2], help="thread counts, comma-separated")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each peer")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn; at least one run")
    parser.add_argument("--sylvite", type=pathlib.Path, default=ROOT / "build/bin/sylvite", help="the compiler")
    parser.add_argument("--keep-libraries", action="store_true", help="do not compile again what is compiled")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/benchmarks", help="environments, models, logs, results")
    parser.add_argument("--page", type=pathlib.Path, help="the page, by default results.md or training.md; the plot goes beside it")
    parser.add_argument("--append", action="store_true", help="add to the results that are there instead of starting over")
    parser.add_argument("--report-only", action="store_true", help="write page and plot from the results that are there")
    arguments = parser.parse_args()

    name = "training" if arguments.training else "results"
    results_file = arguments.folder / f"{name}.json"
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if not arguments.report_only:
        workplace = Workplace(arguments)
        arguments.models = arguments.models or list(TRAINED_MODELS if arguments.training else MODELS)
        arguments.peers = arguments.peers or list(workplace.peers)
        if arguments.models == ["onnx"]:
            arguments.models = workplace.onnx_models()
        session(workplace, arguments, results_file)
    report.write(json.loads(results_file.read_text()), arguments.page or HERE / f"{name}.md")


if __name__ == "__main__":
    main()

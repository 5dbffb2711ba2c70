"""Compares architectures that no test has with ONNX Runtime: check_exports.py [--free-batch] NAME...

A model of timm, or of torchvision (`tv:swin_t`, `tv:segmentation:deeplabv3_mobilenet_v3_large`), gets random weights,
is exported by PyTorch, compiled, and run where nothing may be read or written beyond the ends of its buffers. One line
for each says the largest difference of an output, relative to its largest element, and both times, one thread, the
minimum of some runs. The exit status is one where a model does not compile or differs by more than 1e-3.

It needs torch, torchvision, timm, onnx and onnxruntime, which the test suite does without; `sylvite` is the one on PATH.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
import torch
from library import Library
from reference import exact_settings


def create(name):
    """A model with random weights, none of which are all alike, and the shape of its input."""
    if name.startswith("tv:"):
        import torchvision
        *module, function = name.removeprefix("tv:").split(":")
        models = getattr(torchvision.models, module[0]) if module else torchvision.models
        options = {"weights_backbone": None} if module == ["segmentation"] else {}
        model, shape = getattr(models, function)(weights=None, **options), (1, 3, 224, 224)
        if module == ["video"]:
            shape = (1, 3, 8, 112, 112)
    else:
        import timm
        model = timm.create_model(name, pretrained=False, exportable=True)
        shape = (1, *model.pretrained_cfg.get("input_size", (3, 224, 224)))
    random = torch.Generator().manual_seed(1)
    for module in model.modules():
        if getattr(module, "running_var", None) is not None:
            module.running_mean.normal_(0, 0.1, generator=random)
            module.running_var.uniform_(0.5, 1.5, generator=random)
    for parameter in model.parameters():
        if parameter.dim() == 1 and parameter.std() == 0:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=random)
    return model.eval(), shape


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{command[1]}: {result.stderr.strip().splitlines()[0] if result.stderr else result.returncode}")
    return result.stdout


def check(name, free_batch, directory):
    model, shape = create(name)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    path = directory / "model.onnx"
    with torch.no_grad():
        torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17, input_names=["x"],
                          dynamic_axes={"x": {0: "batch"}} if free_batch else None)
    run("sylvite", "compile", path, "-o", directory, "--emit=so")
    library = directory / "libmodel.so"
    results = Library(library, "model").run([x.numpy()])
    settings = exact_settings()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x.numpy()})
    error = max(np.abs(ours - theirs).max() / np.abs(theirs).max() for ours, theirs in zip(results, expected, strict=True))
    ours = float(re.search(r"min ([\d.]+) ms", run("sylvite", "bench", library, "--threads", 1, "--seconds", 1)).group(1))
    theirs, end = np.inf, time.perf_counter() + 1
    while time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, {"x": x.numpy()})
        theirs = min(theirs, 1e3 * (time.perf_counter() - start))
    print(f"{name}: differs by {error:.1e}; {ours:.3g} ms, ONNX Runtime {theirs:.3g} ({ours / theirs:.2f})", flush=True)
    return error <= 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--free-batch", action="store_true", help="leave the batch free instead of one")
    parser.add_argument("names", nargs="+", metavar="NAME")
    options = parser.parse_args()
    passed = True
    for name in options.names:
        with tempfile.TemporaryDirectory() as directory:
            try:
                passed &= bool(check(name, options.free_batch, pathlib.Path(directory)))
            except RuntimeError as error:
                print(f"{name}: {str(error).splitlines()[0]}", flush=True)
                passed = False
    sys.exit(not passed)


if __name__ == "__main__":
    main()

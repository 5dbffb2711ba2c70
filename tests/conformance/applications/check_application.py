"""Compiles a keras.applications model with seeded random weights and compares the library with Keras's own output.

Usage: check_application.py ARCHIVE NAME DIRECTORY [--compile-only] [--keep] [-- OPTIONS OF sylvite compile]
ARCHIVE is applications.tar.xz. The weights are written to DIRECTORY first (weights.py) and, with the library, removed at the end.
Models with free spatial sizes (MobileNetV3) are compiled for the size in their description.
"""
import argparse
import io
import json
import pathlib
import shutil
import sys
import tarfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import weights  # noqa: E402
from sylvite import Failure, Library, check  # noqa: E402


def member(archive, path):
    return archive.extractfile(path).read()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive")
    parser.add_argument("name")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--compile-only", action="store_true", help="do not run the library")
    parser.add_argument("--keep", action="store_true", help="leave the weights and the library in DIRECTORY")
    parser.add_argument("options", nargs="*", help="options of sylvite compile, after --")
    options = parser.parse_args()
    shutil.rmtree(options.directory, ignore_errors=True)
    options.directory.mkdir(parents=True)
    with tarfile.open(options.archive) as archive:
        description = json.loads(member(archive, f"{options.name}/description.json"))
        config = options.directory / "config.json"
        config.write_bytes(member(archive, f"{options.name}/config.json"))
        expected = None
        if f"{options.name}/output.npy" in archive.getnames():
            expected = np.load(io.BytesIO(member(archive, f"{options.name}/output.npy")))
    file = options.directory / "model.weights.h5"
    weights.write(description, file)
    layers = json.loads(config.read_text())["config"]["layers"]
    source = next(layer["config"] for layer in layers if layer["class_name"] == "InputLayer")
    shape = []
    if None in source["batch_shape"][1:]:
        shape = ["--shape", f"{source['name']}=?x" + "x".join(map(str, description["input_shape"]))]
    try:
        library = Library(config, options.directory, "--weights", file, *shape, *options.options)
        report = f"compiled in {library.compile_seconds:.1f} s"
        if not options.compile_only:
            if expected is None:
                raise Failure(f"{options.name} has no reference output; use --compile-only")
            images = weights.images(description)
            started = time.monotonic()
            # Most agree to 1e-5 of the scale. EfficientNetB0 with these weights amplifies rounding: Keras's float32 output is
            # 1.4e-4 of the scale away from its float64 output.
            error = check(library, [images], [expected], batches=(1, 2), threads=(1, 2), rtol=1e-3, atol=3e-4)
            report += f", largest error {error:.2e} of the output's scale, run in {time.monotonic() - started:.1f} s"
    except Failure as failure:
        print(failure)
        return 1
    finally:
        if not options.keep:
            shutil.rmtree(options.directory, ignore_errors=True)
    print(f"{options.name}: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes a corpus for fuzz-import: the models of tests/errors and tests/import, small archives, weights files.

Usage: make_import_corpus.py DIRECTORY
"""
import importlib.util
import io
import json
import pathlib
import sys
import zipfile

import onnx.parser

TESTS = pathlib.Path(__file__).resolve().parents[1]


def cases_of(suite):
    spec = importlib.util.spec_from_file_location(f"{suite}_cases", TESTS / "errors" / suite / "cases.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(TESTS / "errors" / suite))
    spec.loader.exec_module(module)
    return module.CASES


MODEL, WEIGHTS = b"\0", b"\1"


def main(directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    seeds = {}
    for name, (files, _, _) in [*cases_of("import").items(), *cases_of("onnx").items()]:
        for file, contents in files.items():
            if contents is None:
                continue
            data = contents if isinstance(contents, bytes) else json.dumps(contents).encode()
            if len(data) < 20000:
                seeds[f"{name}-{file}"] = (WEIGHTS if file.startswith("weights") else MODEL) + data
    for test in sorted((TESTS / "import" / "keras").glob("*.test")):
        for piece in test.read_text().split("//--- ")[1:]:
            name, text = piece.split("\n", 1)
            seeds[f"{test.stem}-{name}"] = MODEL + text.encode()
    for test in sorted((TESTS / "import" / "onnx").glob("*.test")):
        for i, piece in enumerate(test.read_text().split("# -----\n")):
            lines = [line for line in piece.splitlines() if not line.startswith("#")]
            if lines and lines[0].startswith("<"):
                seeds[f"onnx-{test.stem}-{i}"] = MODEL + onnx.parser.parse_model("\n".join(lines)).SerializeToString()
    model = seeds["weights-model.json"][1:]
    for weights in sorted((TESTS / "import" / "keras" / "Inputs").glob("*.h5")):
        data = weights.read_bytes()
        seeds[weights.name] = WEIGHTS + data
        seeds[f"whole-{weights.name}"] = MODEL + data
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            archive = io.BytesIO()
            with zipfile.ZipFile(archive, "w", method) as target:
                target.writestr("config.json", model)
                target.writestr("model.weights.h5", data)
            seeds[f"archive-{method}-{weights.name}"] = MODEL + archive.getvalue()
    for name, data in seeds.items():
        (directory / name).write_bytes(data)
    print(len(seeds), "seeds")


if __name__ == "__main__":
    main(*sys.argv[1:])

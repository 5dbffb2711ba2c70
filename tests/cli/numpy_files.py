"""Round trips and malformed .npy and .npz files through `sylvite run`, with a library whose output is its input.

Usage: numpy_files.py DIRECTORY, which has identity<element size>.ll
"""
import io
import pathlib
import struct
import subprocess
import sys
import zipfile

import numpy as np

# enum sylvite_dtype
DTYPES = {"float32": 0, "float64": 1, "float16": 2, "int8": 4, "int16": 5, "int32": 6, "int64": 7, "uint8": 8,
          "uint16": 9, "uint32": 10, "uint64": 11, "bool": 12}
BFLOAT16 = 3

directory = pathlib.Path(sys.argv[1])
failures = []


def library(code, size):
    name = f"identity_{code}"
    if not (directory / f"lib{name}.so").exists():
        subprocess.run(["sylvite-test-library", directory / f"identity{size}.ll", "-o", directory, "--name", name,
                        "--identity", str(code)], check=True)
    return directory / f"lib{name}.so"


def run(lib, source, target):
    target.unlink(missing_ok=True)
    result = subprocess.run(["sylvite", "run", lib, "--input", source, "--output", target], capture_output=True, text=True)
    if result.returncode not in (0, 1):
        failures.append(f"exit status {result.returncode} for {source}: {result.stderr}")
    if result.returncode != 0 and target.exists():
        failures.append(f"{source}: an output in spite of the error")
    if list(directory.glob("*.tmp")):
        failures.append(f"{source}: temporary files stay")
    return result


def expect_same(label, array, dtype, source="a.npy", expected=None):
    code = DTYPES[dtype]
    result = run(library(code, np.dtype(dtype).itemsize), directory / source, directory / "out.npy")
    if result.returncode != 0:
        failures.append(f"{label}: {result.stderr}")
        return
    actual = np.load(directory / "out.npy")
    expected = array.astype(dtype) if expected is None else expected
    if actual.dtype != dtype or actual.tobytes() != np.ascontiguousarray(expected).tobytes():
        failures.append(f"{label}: {actual!r} where {expected!r} was expected")


def expect_error(label, content, message, lib=None, name="bad.npy"):
    (directory / name).write_bytes(content)
    result = run(lib or library(0, 4), directory / name, directory / "out.npy")
    if result.returncode != 1 or message not in result.stderr or result.stderr.count("\n") != 1:
        failures.append(f"{label}: status {result.returncode}, '{message}' expected in {result.stderr!r}")


def npy(array, version=(1, 0)):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def header(text, data=b"", version=1, length=None):
    text = text.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(text) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


def archive(members, compression=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return out.getvalue()


# Every type, format version, order of bytes and of dimensions.
for dtype in DTYPES:
    values = np.array([[0, 1, 2], [3, 4, 100]]) % (2 if dtype == "bool" else 128)
    array = values.astype(dtype)
    for version in ((1, 0), (2, 0), (3, 0)):
        for order in "CF":
            for endian in "<>":
                form = np.asarray(array, order=order).astype(np.dtype(dtype).newbyteorder(endian), order=order)
                (directory / "a.npy").write_bytes(npy(form, version))
                expect_same(f"{dtype} {version} {order} {endian}", array, dtype)
rng = np.random.default_rng(1)
large = rng.standard_normal((1001, 3)).astype(np.float32)
(directory / "a.npy").write_bytes(npy(np.asfortranarray(large)))
expect_same("large", large, "float32")
for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
    (directory / "a.npz").write_bytes(archive([("other.npy", b"junk"), ("x.npy", npy(large))], compression))
    expect_same("npz", large, "float32", "a.npz")
(directory / "a.npy").write_bytes(header("{'shape': (1, 3,), 'descr': \"<f4\", 'fortran_order': False}   \n", bytes(12)))
expect_same("another order of keys", np.zeros((1, 3)), "float32")

# Conversions: exact ones only.
specials = np.array([[np.inf, -np.inf, -0.0]])
(directory / "a.npy").write_bytes(npy(specials))
expect_same("float64 to float32", specials, "float32")
expect_same("float64 to float16", specials, "float16")
halves = np.array([[65504, 6.103515625e-05, 5.960464477539063e-08], [2047 * 16, -1.5, 0.333251953125]])
(directory / "a.npy").write_bytes(npy(halves))
expect_same("float64 to float16", halves, "float16")
(directory / "a.npy").write_bytes(npy(np.array([[np.nan, 1, 2]])))
result = run(library(0, 4), directory / "a.npy", directory / "out.npy")
if not np.isnan(np.load(directory / "out.npy")[0, 0]):
    failures.append("NaN is lost")
(directory / "a.npy").write_bytes(npy(np.array([[1, 2, 2**24]])))
expect_same("int64 to float32", np.array([[1, 2, 2**24]]), "float32")
(directory / "a.npy").write_bytes(npy(np.array([[0.0, 1.0, 1.0]])))
expect_same("float64 to bool", np.array([[0, 1, 1]]), "bool")
(directory / "a.npy").write_bytes(npy(np.array([[1.5, -2.0, 256.0]], np.float32)))
result = run(library(BFLOAT16, 2), directory / "a.npy", directory / "out.npy")
if result.returncode or np.load(directory / "out.npy").tolist() != [[1.5, -2.0, 256.0]]:
    failures.append(f"bfloat16: {result.stderr}")
for label, array, dtype, _ in (
        ("float64 to float32", np.array([[0.1, 0, 0]]), "float32", "1.000000e-01"),
        ("int64 to float32", np.array([[0, 2**24 + 1, 0]]), "float32", "16777217"),
        ("uint64 to int64", np.array([[0, 2**63, 0]], np.uint64), "int64", "9.223372e+18"),
        ("int64 to uint8", np.array([[0, -1, 0]]), "uint8", "-1"),
        ("int64 to uint8", np.array([[0, 256, 0]]), "uint8", "256"),
        ("float64 to int32", np.array([[0.5, 0, 0]]), "int32", "5.000000e-01"),
        ("float64 to int32", np.array([[np.nan, 0, 0]]), "int32", "nan"),
        ("int64 to bool", np.array([[2, 0, 0]]), "bool", "2"),
        ("float64 to float16", np.array([[65520.0, 0, 0]]), "float16", "6.552000e+04"),
        ("float64 to float16", np.array([[2.0**-25, 0, 0]]), "float16", "2.980232e-08"),
        ("float32 to bfloat16", np.array([[1.001, 0, 0]], np.float32), BFLOAT16, "1.001")):
    code = DTYPES.get(dtype, dtype)
    size = 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize
    expect_error(label, npy(array), "which has no value equal to ", library(code, size))

# Malformed files.
good = npy(np.zeros((2, 3), np.float32))
for size in (*range(1, 16), *range(16, len(good), 9), len(good) - 1):
    expect_error(f"the first {size} bytes", good[:size], "")
DESCR = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }"
for label, content, message in (
        ("empty", b"", "is neither a .npy nor a .npz file"),
        ("text", b"hello, world", "is neither a .npy nor a .npz file"),
        ("version 0", header(DESCR, bytes(12), 0), "version 0 of the .npy format"),
        ("version 4", header(DESCR, bytes(12), 4), "version 4 of the .npy format"),
        ("long header", header(DESCR, bytes(12), 2, 2**32 - 1), "truncated .npy header"),
        ("no header", header("", bytes(12)), "malformed .npy header"),
        ("no dictionary", header("[1, 2]", bytes(12)), "malformed .npy header"),
        ("unfinished", header(DESCR[:-3], bytes(12)), "malformed .npy header"),
        ("text after", header(DESCR + "x", bytes(12)), "malformed .npy header"),
        ("no shape", header("{'descr': '<f4', 'fortran_order': False}", bytes(12)), "malformed .npy header"),
        ("key twice", header(DESCR[:-1] + "'descr': '<f4'}", bytes(12)), "malformed .npy header"),
        ("unknown key", header(DESCR[:-1] + "'evil': 1}", bytes(12)), "malformed .npy header"),
        ("order", header(DESCR.replace("False", "0"), bytes(12)), "malformed .npy header"),
        ("shape text", header(DESCR.replace("3", "x"), bytes(12)), "malformed .npy header"),
        ("negative", header(DESCR.replace("3", "-3"), bytes(12)), "malformed .npy header"),
        ("overflow", header(DESCR.replace("1, 3", "4294967296, 4294967296, 4294967296"), bytes(12)), "does not fit into memory"),
        ("overflow and zero", header(DESCR.replace("1, 3", "0, 4294967296, 4294967296, 4294967296"), b""), "does not fit into memory"),
        ("huge", header(DESCR.replace("1, 3", "9223372036854775808"), bytes(12)), "cannot exist"),
        ("claims too much", header(DESCR.replace("1, 3", "1000000000, 3"), bytes(12)), "describes 12000000000 bytes of data"),
        ("too much", header(DESCR, bytes(13)), "describes 12 bytes of data, shape (1, 3), and there are 13"),
        ("complex", npy(np.zeros((1, 3), np.complex64)), "arrays of type '<c8' are not supported"),
        ("text array", npy(np.array(["a"])), "arrays of type '<U1' are not supported"),
        ("objects", npy(np.array([[None] * 3])), "arrays of type '|O' are not supported"),
        ("structured", npy(np.zeros(3, [("a", "f4"), ("b", "f4")])), "structured arrays are not supported"),
        ("rank", npy(np.zeros(3, np.float32)), "input 'x' has shape (3,); the model needs (batch, 3)"),
        ("width", npy(np.zeros((2, 4), np.float32)), "input 'x' has shape (2, 4); the model needs (batch, 3)"),
        ("no items", npy(np.zeros((0, 3), np.float32)), "batch must be positive, not 0"),
        ("scalar", npy(np.float32(1)), "input 'x' has shape (); the model needs (batch, 3)"),
        ("truncated zip", archive([("x.npy", good)])[:-30], "is not a readable .npz file"),
        ("only a signature", b"PK\x03\x04", "is not a readable .npz file"),
        ("no such array", archive([("y.npy", good)]), "has no array 'x' for the model's input of that name; it has: y"),
        ("empty zip", archive([]), "has no array 'x' for the model's input of that name; it has: none"),
        ("junk member", archive([("x.npy", b"junk")]), "array 'x' is not a .npy file"),
        ("short member", archive([("x.npy", good[:-1])]), "describes 24 bytes of data, shape (2, 3), and there are 23"),
        ("header only", archive([("x.npy", good[:20])]), "truncated or malformed .npy header"),
        ("checksum", archive([("x.npy", good)]).replace(bytes(24), b"\1" + bytes(23)), "CRC")):
    expect_error(label, content, message)
bomb = bytearray(archive([("x.npy", good)], zipfile.ZIP_DEFLATED))
for at in (bomb.find(b"PK\x03\x04") + 22, bomb.find(b"PK\x01\x02") + 24):
    bomb[at:at + 4] = struct.pack("<I", 128 + 12 * 2**27)  # the uncompressed size
expect_error("bomb", bytes(bomb), "")
for label, source in (("a directory", directory), ("no file", directory / "absent.npy")):
    result = run(library(0, 4), source, directory / "out.npy")
    if result.returncode != 1 or "cannot read" not in result.stderr:
        failures.append(f"{label}: {result.stderr}")
(directory / "a.npy").write_bytes(good)
for target in (directory / "no" / "such" / "out.npy", directory / "no" / "such" / "out.npz", pathlib.Path("/proc/out.npy")):
    result = run(library(0, 4), directory / "a.npy", target)
    if result.returncode != 1 or f"cannot write {target}" not in result.stderr:
        failures.append(f"{target}: {result.stderr}")

print("\n".join(failures) or "all as expected")
sys.exit(bool(failures))

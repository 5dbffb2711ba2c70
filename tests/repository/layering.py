"""Checks the direction of includes: tools -> import, passes, codegen -> dialects; the runtime stands alone.

Halide's and MLIR's headers never meet in one translation unit, and only compiler/codegen sees Halide's.
Usage: layering.py SOURCE_ROOT; prints each breach and exits with 1 if there is one.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)
# What each directory must not include; prefixes of include paths.
FORBIDDEN = {
    "runtime": ("dialects/", "passes/", "compiler/", "mlir/", "llvm/", "Halide"),
    "dialects": ("passes/", "compiler/", "runtime/", "Halide"),
    "passes": ("compiler/", "Halide"),
    "compiler/import": ("compiler/codegen/", "compiler/tools/", "Halide"),
    "compiler/codegen": ("compiler/import/", "compiler/tools/"),
    "compiler/tools": ("Halide",),
}


def main(root):
    breaches = []
    for directory, forbidden in FORBIDDEN.items():
        for path in sorted((root / directory).rglob("*")):
            if path.suffix not in (".h", ".c", ".cpp", ".inc"):
                continue
            includes = INCLUDE.findall(path.read_text())
            name = path.relative_to(root)
            breaches += [f"{name} includes {i}, which {directory} must not know"
                         for i in includes if i.startswith(forbidden)]
            if any(i.startswith("Halide") for i in includes) and \
                    any(i.startswith(("mlir/", "llvm/", "dialects/")) for i in includes):
                breaches.append(f"{name} includes Halide's and MLIR's headers")
    print("\n".join(breaches) or "layering holds")
    return bool(breaches)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))

"""Shows that the gradient table catches a wrong rule: takes a term or a factor from each of a dozen rules, and asks that the
row named here fails. Run by hand, for it edits the sources, builds, and puts the sources back:

    mutate.py BUILD_DIRECTORY [--separately]

Each row depends on no other of the rules changed here, so all are changed at once, for one build; with --separately each has
a build of its own. Only sylvite-opt is built, which differentiates; the build's sylvite compiles the libraries.
"""
import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What is changed, file, text, what stands there instead, family, row.
MUTATIONS = [
    ("softmax: half the sum of y * g", "dialects/nn/Norm.cpp", "{y, gradients[0], sum}", "{y, gradients[0], b.scale(sum, 0.5)}",
     "norm", "norm_softmax_last"),
    ("layer_norm: no mean of y * g", "dialects/nn/Norm.cpp", "s.sub(s.sub(v[0], v[1]), s.mul(v[2], v[3]))", "s.sub(v[0], v[1])",
     "norm", "norm_layer_norm_last"),
    ("rms_norm: no mean of y * g", "dialects/nn/Norm.cpp", "s.sub(v[0], s.mul(v[1], v[2]))", "v[0]", "norm", "norm_rms_norm_last"),
    ("batch_norm: half the gradient of the variance", "dialects/nn/Norm.cpp", "s.constant(-0.5, v[0])", "s.constant(-0.25, v[0])",
     "norm", "norm_batch_norm_matrix"),
    ("reduce mean: not divided", "dialects/nn/Norm.cpp", "over(b.map(g, b.countElements(x, getDims()), &ScalarBuilder::div))",
     "over(g)", "reduce", "reduce_mean_last"),
    ("divf: nothing for the denominator", "dialects/nn/PointwiseGradient.cpp", ", add(x(1), s.neg(s.mul(share, y))), true", ", true",
     "pointwise", "pointwise_divf"),
    ("matmul: twice the gradient of the left side", "dialects/nn/Dense.cpp", "{b.sumTo(dx, b.typeOf(x)),",
     "{b.scale(b.sumTo(dx, b.typeOf(x)), 2),", "dense", "dense_matmul_stacks_tx"),
    ("conv: the filter is not turned", "dialects/nn/Conv.cpp", "if (shape[i] > 1)", "if (false)", "conv", "conv_same"),
    ("conv_transpose: what padding has added is cut at the wrong end", "dialects/nn/Conv.cpp", "starts[i + 1] = before;",
     "starts[i + 1] = 0;", "conv_transpose", "conv_transpose_negative_padding"),
    ("avg_pool: padding does not count", "dialects/nn/Pool.cpp", "getCountIncludePad())", "false)",
     "pool", "pool_avg_pool_padded_count_include_pad"),
    ("gather: of equal indices the last only", "dialects/nn/ShapeGradient.cpp", "updates, ScatterKind::Add)",
     "updates, ScatterKind::Set)", "shape", "shape_gather_repeated"),
    ("pad reflect: the border is not turned", "dialects/nn/ShapeGradient.cpp", "start, size, mode == PadMode::Reflect)",
     "start, size, false)", "shape", "shape_pad_reflect"),
    ("scan: a captured value has the last gradient only", "passes/nn/Differentiate.cpp", "gradient ? t.add(sum, gradient) : sum",
     "gradient ? gradient : sum", "scan", "scan_without_carried"),
]


@contextlib.contextmanager
def changed(mutations):
    """The sources with these mutations, while the context lasts."""
    originals = {}
    try:
        for name, file, text, other, _, _ in mutations:
            path = ROOT / file
            source = path.read_text()
            originals.setdefault(path, source)
            if source.count(text) != 1:
                sys.exit(f"{name}: {file} has {source.count(text)} times '{text}', not once")
            path.write_text(source.replace(text, other))
        yield
    finally:
        for path, source in originals.items():
            path.write_text(source)


def fails(build, directory, family, row):
    """Whether the row fails by its numbers."""
    check = pathlib.Path(__file__).with_name("check_gradients.py")
    environment = {**os.environ, "PATH": os.pathsep.join([str(build / "bin"), os.environ["PATH"]])}
    result = subprocess.run([sys.executable, check, family, pathlib.Path(directory) / row, "--row", row], env=environment,
                            capture_output=True, text=True)
    return result.returncode != 0 and f"FAIL  {row}" in result.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--separately", action="store_true", help="one build per mutation")
    options = parser.parse_args()
    build = options.build.resolve()

    def rebuild():
        subprocess.run(["cmake", "--build", build, "--target", "sylvite-opt"], check=True, stdout=subprocess.DEVNULL)
    missed = 0
    with tempfile.TemporaryDirectory() as directory:
        for _, _, _, _, family, row in MUTATIONS:
            if fails(build, directory, family, row):
                sys.exit(f"{row} fails before anything is changed")
        for mutations in [[mutation] for mutation in MUTATIONS] if options.separately else [MUTATIONS]:
            with changed(mutations):
                rebuild()
                for name, _, _, _, family, row in mutations:
                    caught = fails(build, directory, family, row)
                    missed += not caught
                    print(f"{'caught' if caught else 'MISSED'}  {name} ({row})", flush=True)
    rebuild()
    sys.exit(f"{missed} of {len(MUTATIONS)} mutations pass" if missed else 0)


if __name__ == "__main__":
    main()

"""Makes sylvite-test-library fail in every way that a user's machine can. Usage: failures.py DIRECTORY"""
import os
import pathlib
import re
import resource
import subprocess
import sys

directory = pathlib.Path(sys.argv[1])
temporary = directory / "tmp"
temporary.mkdir()
failures = []


def write(*arguments, output, host="host.ll", kernels=("kernels.o",), limit=None, environment=None):
    def limits():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run(
        ["sylvite-test-library", directory / host, *[directory / name for name in kernels], "-o", output, *arguments],
        capture_output=True, text=True, preexec_fn=limits, env={**os.environ, "TMPDIR": str(temporary), **(environment or {})})


def expect_failure(label, message, *arguments, output, **options):
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} if output.is_dir() else None
    result = write(*arguments, output=output, **options)
    after = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} if output.is_dir() else None
    if result.returncode != 1 or message not in result.stderr or not result.stderr.startswith("error: "):
        failures.append(f"{label}: status {result.returncode}, '{message}' expected in: {result.stderr}")
    if before != after:
        failures.append(f"{label}: the output's directory changed")
    if list(temporary.iterdir()):
        failures.append(f"{label}: left in the temporary directory: {list(temporary.iterdir())}")


out = directory / "out"
assert write(output=out).returncode == 0
expect_failure("no kernels", "undefined symbol: total_argv", output=out, kernels=())
expect_failure("kernels twice", "duplicate symbol: total_argv", output=out, kernels=("kernels.o", "kernels.o"))
(directory / "junk.o").write_bytes(b"junk")
expect_failure("junk kernel", "kernel1.o", output=out, kernels=("kernels.o", "junk.o"))
(directory / "partial.ll").write_text((directory / "host.ll").read_text().replace("@forward_arena_bytes", "@arena"))
expect_failure("no arena_bytes", "internal error: the host program has no function 'forward_arena_bytes'", output=out, host="partial.ll")
definition = r"define (dso_local )?i64 @forward_arena_bytes\("
(directory / "wrong.ll").write_text(re.sub(definition, r"\g<0>i64 %more, ", (directory / "host.ll").read_text()))
expect_failure("signature", "'forward_arena_bytes' has an unexpected signature", output=out, host="wrong.ll")
(directory / "file").write_bytes(b"x")
expect_failure("a file in the way", f"cannot create the directory {directory}/file/sub", output=directory / "file" / "sub")
expect_failure("a file as directory", f"cannot create the directory {directory}/file: a file has its name",
               output=directory / "file")
expect_failure("/proc", "cannot create the directory /proc/sub", output=pathlib.Path("/proc/sub"))
# A limit on the size of files stands in for a full disk. The smallest stops the host object, the others the linker, the
# weights in the shared library and the archive.
for limit in (1 << 10, 1 << 13, 60 << 10, 110 << 10, 1 << 20):
    expect_failure(f"limit {limit}", "File too large", "--megabytes", "2", output=out, limit=limit)
    new = directory / "new" / "directory"
    expect_failure(f"limit {limit}", "File too large", "--megabytes", "2", output=new, limit=limit)
    if new.parent.exists():
        failures.append(f"limit {limit}: an empty directory stays")
expect_failure("limit, external", "File too large", "--megabytes", "2", "--external", output=out, limit=1 << 20)
expect_failure("no temporary directory", "cannot create a temporary directory", output=out,
               environment={"TMPDIR": str(directory / "absent")})
(out / "other.h").mkdir()
expect_failure("a directory in the way", f"cannot write {out}/other.h: it is a directory", "--name", "other", output=out)
(out / "other.h").rmdir()
assert write("--megabytes", "2", output=out, limit=8 << 20).returncode == 0

print("\n".join(failures) or "all as expected")
sys.exit(bool(failures))

# Configuration of Sylvite's test suite: where the suites live, which programs a RUN line may name, and
# what a machine has. It runs through `cmake --build build --target check-sylvite`, or by hand with
# `lit -v build/tests/<suite>`; nothing here builds anything.
#
# A directory that needs more than RUN lines (the conformance suites, where one file holds many cases)
# sets its own test format in its lit.local.cfg.
import os
import platform
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from shell_format import ShellFormat, escape

config.name = "sylvite"
config.test_format = ShellFormat()
config.suffixes = [".mlir", ".test", ".c", ".cpp"]
config.excludes = ["Inputs", "CMakeLists.txt", "data", "fuzz"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.sylvite_binary_dir, "tests")

# The programs under test are found on PATH, set below. A tool that this build does not have leaves its
# feature out, so that a test says `REQUIRES: sylvite` and is counted as unsupported instead of failing
# on an unknown command.
for name in ("sylvite", "sylvite-import", "sylvite-opt", "sylvite-translate"):
    if os.path.exists(os.path.join(config.sylvite_tools_dir, name)):
        config.available_features.add(name)

sanitize = f"-fsanitize={config.sanitize}" if config.sanitize else ""
config.substitutions += [
    ("%cxx", f"{escape(config.cxx)} {sanitize}".strip()),
    ("%cc", f"{escape(config.cc)} {sanitize}".strip()),
    ("%python", escape(config.python)),
    ("%cmake", escape(config.cmake)),
    ("%ccflags", "-std=c11 -Wall -Wextra -Werror -pedantic"),
    ("%source_root", escape(config.sylvite_source_dir)),
    ("%binary_root", escape(config.sylvite_binary_dir)),
    ("%data", escape(os.path.join(config.test_source_root, "data"))),
]
# %ccflags must not be read as %cc followed by text.
config.substitutions.sort(key=lambda pair: -len(pair[0]) if pair[0].startswith("%") else 0)

if shutil.which("ruff"):
    config.available_features.add("ruff")
config.available_features.add(platform.machine().replace("AMD64", "x86_64"))
if config.sanitize:
    config.available_features.add("sanitizer")
    for kind in config.sanitize.split(","):
        config.available_features.add({"address": "asan", "undefined": "ubsan", "thread": "tsan"}
                                      .get(kind, kind))
if config.build_type == "Debug":
    config.available_features.add("debug")
# Permission checks mean nothing to root; tests of unwritable files ask for this.
if os.geteuid() != 0:
    config.available_features.add("unprivileged")

# Kernels cached by content would hide what a test wants to see compiled, and one user's cache must not
# decide another's result: the suite has its own.
config.environment["SYLVITE_CACHE_DIR"] = os.path.join(config.test_exec_root, "kernel-cache")
config.environment["PATH"] = os.pathsep.join(
    [config.sylvite_tools_dir, config.llvm_tools_dir, os.environ.get("PATH", "")])
config.environment["LC_ALL"] = "C.UTF-8"
# MLIR contexts are torn down at exit in no particular order, which LeakSanitizer reads as leaks.
# The headers of LLVM's allocators poison what our instrumented code sets aside; libMLIR, which is not instrumented, uses it.
config.environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0:allow_user_poisoning=0")
config.environment["UBSAN_OPTIONS"] = os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1")
config.environment["TSAN_OPTIONS"] = os.environ.get("TSAN_OPTIONS", "halt_on_error=1")

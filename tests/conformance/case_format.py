"""A lit test format for suites where one file holds many cases: each case is a test with a name of its own.

A suite's lit.local.cfg gives it the names and, for a name, the command; a test passes if its command exits with 0. Select
cases with lit's --filter, for example: lit -v build/tests/conformance/keras --filter conv2d_strides
"""
import hashlib
import os
import pathlib
import shlex
import shutil
import tarfile

import lit.formats
import lit.Test
import lit.util


class CaseFormat(lit.formats.base.TestFormat):
    def __init__(self, suite, commands):
        """`suite`: the directory under tests/ that has the cases, for lit asks about those inside it too. `commands`: a dict
        from the case's name to its command, a list of strings."""
        self.suite = tuple(suite.split("/"))
        self.commands = commands

    def getTestsInDirectory(self, suite, path_in_suite, lit_config, local_config):
        for name in self.commands if path_in_suite == self.suite else ():
            yield lit.Test.Test(suite, path_in_suite + (name,), local_config)

    def execute(self, test, lit_config):
        if "sylvite" not in test.config.available_features:
            return lit.Test.Result(lit.Test.UNSUPPORTED, "this build has no sylvite")
        command = self.commands[test.path_in_suite[-1]]
        limit = lit_config.maxIndividualTestTime or 0
        try:
            output, error, status = lit.util.executeCommand(
                command, env=test.config.environment, timeout=limit)
        except lit.util.ExecuteCommandTimeoutException as timeout:
            return lit.Test.Result(lit.Test.TIMEOUT, f"$ {shlex.join(command)}\n{timeout.out}\nmore than {limit} s")
        return lit.Test.Result(lit.Test.FAIL if status else lit.Test.PASS,
                               f"$ {shlex.join(command)}\n{output}{error}")


def unpack(archive, directory):
    """Extracts `archive` into `directory`, unless this very archive was before; returns the names of the top directories."""
    archive, directory = pathlib.Path(archive), pathlib.Path(directory)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    stamp = directory / ".sha256"
    if not stamp.exists() or stamp.read_text() != digest:
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        with tarfile.open(archive) as contents:
            for member in contents:
                if not member.isfile() or member.name.startswith("/") or ".." in member.name:
                    raise ValueError(f"{archive}: unexpected member {member.name}")
                contents.extract(member, directory)
        stamp.write_text(digest)
    return sorted(entry.name for entry in directory.iterdir() if entry.is_dir())

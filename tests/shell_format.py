# The format of a test made of RUN lines: lit's own, except that the suite may lie in a folder whose path
# has a space. A module of its own, because lit sends the format to its workers by name.
import os

import lit.formats
import lit.TestRunner


def escape(path):
    """A path as a word of a RUN line, where a space would end it. Not for use inside quotes."""
    return path.replace(" ", r"\ ")


class ShellFormat(lit.formats.ShTest):
    def execute(self, test, lit_config):
        source = test.getSourcePath()
        _, base = lit.TestRunner.getTempPaths(test)
        # The configuration's own come first: %source_root is not %s followed by text.
        substitutions = test.config.substitutions + [
            ("%s", escape(source)), ("%S", escape(os.path.dirname(source))), ("%t", escape(base) + ".tmp")]
        return lit.TestRunner.executeShTest(test, lit_config, self.execute_external, substitutions)

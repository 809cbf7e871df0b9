# SPDX-License-Identifier: GPL-3.0-or-later
"""What valgrind's callgrind has counted. Python's standard library only."""
import collections
import os
import re

# Names whole, not numbers for them.
OPTIONS = ("--tool=callgrind", "--compress-strings=no", "--compress-pos=no")


class Count:
    def __init__(self, path):
        self.took = collections.Counter()   # instructions of (program or library, function)
        self.called = collections.Counter() # how often a function was called
        where = callee = calls = ""
        with open(path, encoding="utf-8") as f:
            for line in f:
                key, _, value = line.strip().partition("=")
                if key == "ob":
                    where = os.path.basename(value).split(".so")[0]
                elif key == "fn":
                    function = value
                elif key == "cfn":
                    callee = value
                elif key == "calls":
                    calls = value.split()[0]
                    self.called[callee] += int(calls)
                elif re.match(r"[0-9+*-]", line):
                    if not calls: # else: what the callee took
                        self.took[where, function] += int(line.split()[1])
                    calls = ""

    def by_object(self):
        each = collections.Counter()
        for (where, _), took in self.took.items():
            each[where] += took
        return each

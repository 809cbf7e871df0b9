# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's rtpengine-recording, and what its sound is held against."""
import cmath
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import *  # noqa: E402,F403


UNREAD = 0.3 # [s] of packets that 10.5 may have before it at the end, on a busy machine


class Recording(Process):
    """Debian's rtpengine-recording, which forwards (and records, if told to)."""

    def __init__(self, dir, receiver, shim, options=()):
        self.dir = dir
        self.spool, self.proc = os.path.join(dir, "spool"), os.path.join(dir, "proc")
        self.output = os.path.join(dir, "output")
        for d in (self.spool, self.proc, self.output):
            os.makedirs(d, exist_ok=True)
        super().__init__(["rtpengine-recording", "--config-file=none", "--foreground",
            "--log-stderr", "--log-level=7", "--table=0", "--output-storage=file",
            *([] if options else ["--output-format=none"]), f"--spool-dir={self.spool}",
            f"--output-dir={self.output}", f"--pidfile={dir}/recording.pid",
            f"--tls-send-to=127.0.0.1:{receiver.port}", *options],
            os.path.join(dir, "recording.log"),
            {"LD_PRELOAD": shim, "SPOOLWIRE_PROC_ROOT": self.proc})
        # It says nothing when it is ready; before its inotify watch it would miss our calls.
        wait_for("its inotify watch", self.watches)

    def streams(self):
        """How many it has opened."""
        fds = f"/proc/{self.pid}/fd"
        return [os.path.realpath(os.path.join(fds, fd)).startswith(os.path.realpath(self.proc))
            for fd in os.listdir(fds)].count(True)

    def watches(self):
        for fd in os.listdir(f"/proc/{self.pid}/fdinfo"):
            if b"inotify wd:" in read(f"/proc/{self.pid}/fdinfo/{fd}"):
                return True
        return False


def correlation(a, b):
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    power = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b)) / power if power else 0.0


class Tones:
    """The parts of a signal that are these tones (whole tens of Hz), from 0.3 s on: there 10.5 has
    got over the beginning of its mix."""

    def __init__(self, samples_, rate, tones):
        begin = rate * 3 // 10
        n = (len(samples_) - begin - rate // 10) // (rate // 10) * (rate // 10)
        part = samples_[begin:begin + n]
        self.norm = math.sqrt(sum(x * x for x in part))
        self.parts, self.tones = [], tones # parts: e^iwt of an amplitude, as of sample 0
        for hz in tones:
            w = 2j * math.pi * hz / rate
            self.parts.append(sum(x * cmath.exp(-w * (begin + i)) for i, x in enumerate(part)) *
                math.sqrt(2 / n))

    def like(self, other):
        """Correlation with another signal when each tone is laid over its counterpart."""
        return sum(abs(a) * abs(b) for a, b in zip(self.parts, other.parts)) / (
            self.norm * other.norm)

    def like_fed(self):
        """Correlation with the sum of the tones as they were fed: all begin at once, as sines."""
        def at(shift): # [ms]
            return sum((a * cmath.exp(2j * math.pi * hz * shift / 1000)).imag
                for a, hz in zip(self.parts, self.tones)) / self.norm / -math.sqrt(len(self.parts))
        return max(at(shift / 4) for shift in range(-100, 101))

    def delays(self):
        """[ms] of each, modulo its period."""
        return [(-cmath.phase(a * 1j) / (2 * math.pi * hz) * 1000) % (1000 / hz)
            for a, hz in zip(self.parts, self.tones)]


class TheirsCase(Case):
    """With the shim through which rtpengine-recording reads the FIFOs of spoolwire-feed."""

    @classmethod
    def setUpClass(cls):
        cls.tools = tempfile.mkdtemp(prefix="spoolwire-")
        cls.addClassCleanup(shutil.rmtree, cls.tools, ignore_errors=True)
        cls.shim = os.path.join(cls.tools, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", cls.shim,
            os.path.join(SOURCE, "tests/bench/shim.c"), "-ldl"], check=True)


def main_with_theirs():
    if not shutil.which("rtpengine-recording") or not shutil.which("cc"):
        print("no rtpengine-recording to compare with, or no cc for the shim: skipped")
        sys.exit(77)
    main()

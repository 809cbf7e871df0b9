# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process took, from /proc; and the machine it ran on. Python's standard library only."""
import glob
import os
import platform
import re
import shutil
import subprocess
import time

HZ = os.sysconf("SC_CLK_TCK")
CORES = len(os.sched_getaffinity(0))


def text(path):
    """What the file says; nothing when the process has gone."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def number(pattern, where):
    found = re.search(pattern, where, re.M)
    return int(found.group(1)) if found else 0


def cpu(pid):
    """(user, system) seconds of a process and of all its threads, those that ended too."""
    fields = text(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()
    return (int(fields[11]) / HZ, int(fields[12]) / HZ) if fields else (0.0, 0.0)


def machine_ticks():
    """(idle, all) of all cores."""
    ticks = [int(x) for x in text("/proc/stat").split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


class Meter:
    """Follows one process: look() now and then, sum() at the end. What ended between two looks
    has switched a little more often than is counted."""

    def __init__(self, pid):
        self.pid = pid
        self.switches = {}
        self.resident_mib, self.threads = [], 0
        self.look()
        self.base_mib = self.resident_mib.pop()
        self.before = self.totals()

    def look(self):
        """False: there is no such process any more."""
        status = text(f"/proc/{self.pid}/status")
        rss = number(r"^VmRSS:\s+(\d+)", status)
        if not rss:
            return False
        self.resident_mib.append(rss / 1024)
        self.threads = max(self.threads, number(r"^Threads:\s+(\d+)", status))
        for path in glob.glob(f"/proc/{self.pid}/task/*/status"):
            task = text(path)
            if task:
                self.switches[path] = (number(r"^voluntary_ctxt_switches:\s+(\d+)", task),
                    number(r"^nonvoluntary_ctxt_switches:\s+(\d+)", task))
        return True

    def totals(self):
        user, system = cpu(self.pid)
        io = text(f"/proc/{self.pid}/io")
        return {"user_s": user, "system_s": system,
            "voluntary": sum(v for v, _ in self.switches.values()),
            "preempted": sum(p for _, p in self.switches.values()),
            "reads": number(r"^syscr: (\d+)", io), "writes": number(r"^syscw: (\d+)", io)}

    def sum(self):
        self.look()
        found = {k: v - self.before[k] for k, v in self.totals().items()}
        running = self.resident_mib[len(self.resident_mib) // 2:]
        found.update(base_mib=self.base_mib, threads=self.threads,
            resident_mib=sorted(running)[len(running) // 2],
            peak_mib=number(r"^VmHWM:\s+(\d+)", text(f"/proc/{self.pid}/status")) / 1024)
        return found


class SystemCalls:
    """Counts those of a process for a while, by a tracepoint in the kernel, which needs perf and
    root. It costs the process next to nothing; strace would cost all that is measured."""

    def __init__(self, pid, seconds):
        self.begun = time.monotonic()
        self.perf = None
        if shutil.which("perf"):
            self.perf = subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p",
                str(pid), "--", "sleep", str(seconds)], stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True)

    def over(self):
        return not self.perf or self.perf.poll() is not None

    def a_second(self):
        """None: they could not be counted here."""
        if not self.perf:
            return None
        lasted = number(r"sleep (\d+)", " ".join(self.perf.args))
        said = self.perf.communicate()[1]
        found = re.search(r"^(\d+),[^,]*,raw_syscalls", said, re.M)
        return int(found.group(1)) / lasted if found else None


def machine(build):
    """What has to be said beside every figure."""
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False)
    model = re.search(r"^model name\s*:\s*(.*)$", text("/proc/cpuinfo"), re.M)
    flags = re.search(r"^CFLAGS = (.*)$", text(os.path.join(build, "Makefile")), re.M)
    return {
        "cores": CORES, "cpu": model.group(1) if model else platform.machine(),
        "memory_mib": number(r"MemTotal:\s+(\d+)", text("/proc/meminfo")) // 1024,
        "kernel": platform.release(), "compiler": (compiler.stdout or "?").splitlines()[0],
        "cflags": flags.group(1) if flags else "?", "load": round(os.getloadavg()[0], 1),
    }

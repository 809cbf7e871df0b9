# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured. A case is calls of two RTP streams each (and two of RTCP, which nobody hears),
with an endpoint or files to go to."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Case:
    title: str
    streams: int                 # of RTP at once, or a second's worth of calls with `churn`
    calls: int = 0               # 0: half as many as streams
    rate: float = 0              # calls begun a second; 0: all within 5 s
    seconds: float = 20          # length of each call
    codec: str = "PCMA"
    endpoint: str = "reads"      # reads, refuses, stalls, slow, deaf; none: files are written
    receiver: tuple = ()         # options of the endpoint
    send_buffer: int = 0         # [bytes] of the recorder's sockets; 0: as the system has it
    files: str = ""              # mixed, single
    feed: tuple = ()             # options of the feed
    ours: tuple = ()             # options of spoolwire
    only_ours: bool = False
    drain: float = 1.5           # [s] from the last call to the recorder's end
    freeze: bool = False         # the disk for 5 s, while calls end
    kill: bool = False           # kill -9 and a new start in mid-call
    by_name: bool = False        # not one of those that are all

    @property
    def n_calls(self):
        return self.calls or self.streams // 2

    @property
    def a_second(self):
        return self.rate or self.n_calls / 5


def tls(streams, **more):
    return Case(f"TLS, {streams} streams", streams, **more)


def codec(name, shown=None):
    return Case(f"TLS, 500 streams of {shown or name}", 500, codec=name)


# A stream is 16 kB/s; with so small buffers the endpoint takes a good two thirds of that.
SLOW = ("--small-buffers", "--rate=14000")
STALL = ("--small-buffers", "--stall-after=5000", "--stall-for=5000")

CASES = { # those with `by_name` are a first look, and what tests make
    "wav-mixed-2000": Case("WAV mixed, 2000 streams", 2000, endpoint="none", files="mixed"),
    "wav-mixed-500": Case("WAV mixed, 500 streams", 500, endpoint="none", files="mixed"),
    "wav-single-500": Case("WAV single, 500 streams", 500, endpoint="none", files="single"),
    "tls-500": tls(500),
    "tls-1000": tls(1000),
    "tls-2000": tls(2000),
    "refuse": Case("endpoint refuses, 200 streams", 200, endpoint="refuses"),
    "stall": Case("endpoint stalls for 5 s, small socket buffers, 200 streams", 200,
        endpoint="stalls", receiver=STALL, send_buffer=8192),
    "slow": Case("endpoint reads slower than audio comes, small socket buffers, 200 streams", 200,
        endpoint="slow", receiver=SLOW, send_buffer=8192, drain=15),
    "frozen-200": Case("WAV mixed, disk frozen while calls end, 200 streams", 200, endpoint="none",
        files="mixed", freeze=True),
    "churn": Case("churn, 100 calls/s of 3 s", 600, calls=2500, rate=100, seconds=3),
    "restart": Case("kill -9 and start in mid-call, 100 streams", 100, kill=True),
    "codec-g722": codec("G722", "G.722"),
    "codec-opus": codec("opus", "Opus"),
    "codec-g729": codec("G729", "G.729"),
    "codec-amrwb": codec("AMR-WB"),
    "latency-20": Case("TLS, 500 streams, tls-latency-ms = 20", 500, ours=("--tls-latency-ms=20",),
        only_ours=True),
    "tls-100": tls(100, only_ours=True),
    "tls-4000": tls(4000, only_ours=True),
    "idle-1000": Case("no packet ever, 1000 streams", 1000, feed=("--loss=100",), seconds=10),
    "try-tls": tls(20, rate=20, seconds=3, by_name=True),
    "try-wav": Case("WAV mixed, 20 streams", 20, rate=20, seconds=3, endpoint="none",
        files="mixed", by_name=True),
    "try-restart": Case("kill -9, 10 streams", 10, rate=20, seconds=7, kill=True, by_name=True),
    "deaf-1000": Case("endpoint never reads, small socket buffers, 1000 streams", 1000,
        endpoint="deaf", receiver=("--no-read", "--small-buffers"), send_buffer=8192,
        only_ours=True),
}

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers that get next to no processor: first everything is late and whole, then the newest audio
goes, counted. The kernel's queues are drained and ended streams closed all the while."""
from harness import *

CALLS, STREAMS, BUSY = 20, 40, 4
SECOND = STREAMS * 50 # packets


class Starved:
    """The daemon's workers share one processor, as its idle time, with others who are never idle."""

    def __init__(self, test, daemon):
        self.test, self.daemon = test, daemon
        self.all = os.sched_getaffinity(0)

    def workers(self):
        tasks = f"/proc/{self.daemon.pid}/task"
        return [int(t) for t in os.listdir(tasks)
            if read(f"{tasks}/{t}/comm").startswith(b"worker-")]

    def __enter__(self):
        one = {min(self.all)}
        self.busy = [self.test.keep(Process([sys.executable, "-c", "while True: pass"],
            os.path.join(self.test.dir, "busy.log"))) for _ in range(BUSY)]
        for process in self.busy:
            os.sched_setaffinity(process.pid, one)
        for tid in self.workers():
            os.sched_setaffinity(tid, one)
            os.sched_setscheduler(tid, os.SCHED_IDLE, os.sched_param(0))

    def __exit__(self, *_):
        for process in self.busy:
            process.kill()
        for tid in self.workers():
            os.sched_setscheduler(tid, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(tid, self.all)


class Overload(Case):
    def begin(self, seconds, *options):
        self.endpoint = self.receiver()
        self.spoolwire = self.daemon(self.endpoint, "--num-threads=1", "--tls-header=json",
            *options)
        feed = self.feed(self.spoolwire, "--call-id", "steady", "--calls", str(CALLS), "--rate",
            "100", "--no-rtcp", "--seconds", str(seconds), name="steady")
        self.wait_counter("packets_in", SECOND)
        return feed

    def wait_counter(self, name, least):
        wait_for(f"{name} >= {least}", lambda: self.spoolwire.status().get(name, 0) >= least)

    def assertAccounts(self, feeds):
        """Every packet that was written was read, and is in the account of its stream; every
        millisecond that became audio was sent; what took the place of the others is silence."""
        results = [f.result() for f in feeds]
        accounts = {a["call-id"]: a
            for a in self.spoolwire.wait_accounts(sum(r["calls"] for r in results))}
        self.status = self.spoolwire.status()
        for result in results:
            self.assertEqual([result[k] for k in ("overruns", "streams_unopened", "streams_stuck")],
                [0, 0, 0], result)
        if TIMES:
            self.assertLess(self.status["time end_to_closed"]["p99"], 5000)
        self.assertEqual(self.spoolwire.stop(), 0)
        wait_for("the endpoint", lambda: len(self.endpoint.connections()) >=
            self.status["tls_connected"])
        self.endpoint.stop()
        # A handshake may have taken too long for the endpoint: nothing was sent then.
        self.heard = {(c["header"]["json"]["call-id"], c["header"]["json"]["stream"]): c
            for c in self.endpoint.connections() if c["bytes"]}
        self.refused = 0
        for fed in (call for f in feeds for call in f.calls()):
            account = accounts[fed["call_id"]]
            self.assertBalanced(account)
            sinks = {s["label"]: s for s in account["sinks"]}
            for stream in fed["streams"]:
                told = next(s for s in account["streams"] if s["number"] == stream["id"])
                self.assertStream(stream["packets"], told, sinks[f"stream {stream['id']}"],
                    self.heard[account["call-id"], stream["id"]])
        self.assertEqual(self.status["packets_in"], sum(r["packets"] for r in results))
        self.assertEqual(self.status.get("packets_dropped_queue", 0), self.refused)

    def assertStream(self, written, told, sink, connection):
        n = told["packets"]
        self.refused += n["refused"]
        self.assertEqual(n["in"], written, told)
        self.assertEqual(n["decoded"] + n["refused"], written, told)
        self.assertEqual(told["decoded-ms"], 20 * n["decoded"], told)
        self.assertEqual(sink["put-ms"], told["decoded-ms"] + told["concealed-ms"], (told, sink))
        self.assertEqual((sink["dropped-ms"], sink["waiting-ms"]), (0, 0), sink)
        self.assertEqual(connection["samples"],
            (sink["forwarded-ms"] + sink["silence-ms"]) * connection["rate"] // 1000, sink)

    def silences(self, after_ms=0):
        """[from, length] of all that should be a tone and is not."""
        return [run for c in self.heard.values() for rate, _, s in [sound(c)]
            for run in silent_runs(s[0], rate) if run[0] >= after_ms]

    def test_late_and_whole(self):
        """As long as the queue has room nothing is lost, nor anything taken for silence."""
        feed = self.begin(6)
        with Starved(self, self.spoolwire):
            self.wait_counter("packets_in", SECOND * 5 // 2)
        self.assertAccounts([feed])
        self.assertEqual(self.refused, 0)
        self.assertEqual(self.silences(), [])
        self.assertGreater(self.status["time worker_tick"]["max"], 500000) # it was behind, indeed

    def test_beyond_what_may_wait(self):
        """Then the newest packets go, until there is room; what was said is heard at its time."""
        feeds = [self.begin(15)]
        with Starved(self, self.spoolwire):
            feeds.append(self.feed(self.spoolwire, "--call-id", "short", "--calls", "30",
                "--rate", "10", "--no-rtcp", "--seconds", "1", name="short"))
            self.wait_counter("packets_dropped_queue", SECOND // 2)
        self.assertAccounts(feeds)
        self.assertGreater(self.refused, 0)
        for (call, _), c in self.heard.items():
            if call.startswith("steady"):
                self.assertAlmostEqual(c["duration_s"], 15, delta=.3)
        self.assertEqual(self.silences(after_ms=13000), []) # it is over when it is over


if __name__ == "__main__":
    main()

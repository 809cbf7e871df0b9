#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that are away, or do not read, for longer than the bound: what is kept comes in its
order and in its time, and no faster than the receiver can be asked to take it."""
import threading

from harness import *

RATE = 8000
LEAD = 64 * 1024 # [bytes] at once that are no burst: what the sockets between us held


class Endpoint:
    """Takes plain TCP on a port; notes when each byte came. Reads only while `reads` is set."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port))
        # What the kernel holds for a reader is not the daemon's any more: as little as possible.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = self.listener.getsockname()[1]
        self.reads = threading.Event()
        self.reads.set()
        self.taken = [] # of each connection: [(time, bytes)]
        self.sockets = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        try:
            while True:
                s, _ = self.listener.accept()
                self.taken.append([])
                self.sockets.append(s)
                threading.Thread(target=self._read, args=(s, self.taken[-1]), daemon=True).start()
        except OSError:
            return

    def _read(self, s, taken):
        try:
            while True:
                self.reads.wait()
                data = s.recv(65536)
                taken.append((time.monotonic(), data))
                if not data:
                    return
        except OSError:
            return

    def close(self):
        for s in [self.listener] + self.sockets: # or it would come back at once
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        self.thread.join()

    def audio(self, n):
        """Samples of the n-th connection, behind its header."""
        data = b"".join(d for _, d in self.taken[n]).split(b"\0", 1)[-1]
        return struct.unpack(f"<{len(data) // 2}h", data[:len(data) // 2 * 2])

    def ended(self, n):
        return len(self.taken) > n and self.taken[n] and not self.taken[n][-1][1]

    def fastest(self, n, rate=RATE):
        """The largest part of a connection within half a second, in multiples of real time."""
        taken, most = [(at, len(d)) for at, d in self.taken[n]], 0
        for i, (begin, _) in enumerate(taken):
            most = max(most, sum(size for at, size in taken[i:] if at < begin + 0.5))
        return max(0, most - LEAD) / (0.5 * 2 * rate)


class Outage(Case):
    def start(self, seconds, *options, port=None):
        self.endpoint = Endpoint()
        self.addCleanup(lambda: self.endpoint.close())
        self.spoolwire = self.daemon(None, f"--tcp-send-to=127.0.0.1:{port or self.endpoint.port}",
            "--tls-linger=10", *options)
        return self.feed(self.spoolwire, "--calls", "1", "--streams", "1", "--no-rtcp",
            "--seconds", str(seconds))

    def wait_taken(self, ms, n=0):
        wait_for(f"{ms} ms", lambda: len(self.endpoint.taken) > n and
            sum(len(d) for _, d in self.endpoint.taken[n]) > ms * RATE * 2 // 1000)

    def finished(self, feed, n=0):
        self.assertCloses(feed.result(), self.spoolwire.status())
        account, = self.spoolwire.wait_accounts(1)
        self.assertBalanced(account)
        wait_for("the end of the connection", lambda: self.endpoint.ended(n))
        self.assertEqual(self.spoolwire.stop(), 0)
        sink, = account["sinks"]
        return sink

    def test_comes_back(self):
        """Away for longer than the bound: silence for what was dropped, then what was kept."""
        feed = self.start(9, "--tls-buffer-ms=1500")
        self.wait_taken(1000)
        gone = self.endpoint
        gone.close()
        time.sleep(3.5) # the outage; twice the bound and more
        self.endpoint = Endpoint(gone.port)
        sink = self.finished(feed)
        before, after = gone.audio(0), self.endpoint.audio(0)
        self.assertEqual(sink["connects"], 2)
        self.assertGreaterEqual(sink["dropped-ms"], 1500)
        self.assertEqual(sink["frames"]["silence"], sink["frames"]["dropped"])
        # Time is true: what was written when the endpoint went may be lost, nothing else.
        self.assertAlmostEqual((len(before) + len(after)) / RATE, 9, delta=0.5)
        # First the silence for what was dropped, then sound without a hole to the end.
        (at, length), *more = silent_runs(after, RATE)
        self.assertEqual((at, more), (0, []))
        self.assertAlmostEqual(length, sink["dropped-ms"], delta=2)
        self.assertLess(self.endpoint.fastest(0), 8.5)

    def test_comes_up_late(self):
        """Nobody was there at the start: nothing is lost within the bound."""
        late = free_port()
        feed = self.start(4, "--tls-buffer-ms=10000", port=late)
        self.spoolwire.wait_text("nothing listens there")
        time.sleep(1.5)
        self.endpoint.close()
        self.endpoint = Endpoint(late)
        sink = self.finished(feed)
        self.assertEqual(sink["dropped-ms"], 0)
        self.assertEqual(len(self.endpoint.audio(0)), 4 * RATE)
        self.assertEqual(silent_runs(self.endpoint.audio(0), RATE), [])
        self.assertLess(self.endpoint.fastest(0), 8.5)

    def stall(self, policy, rate=192000):
        feed = self.start(5, "--tls-buffer-ms=1000", f"--tcp-resample={rate}",
            f"--tls-when-full={policy}")
        self.wait_taken(1000)
        self.endpoint.reads.clear()
        time.sleep(2.5) # the stall; twice the bound and more
        self.endpoint.reads.set()
        return feed, rate

    def test_drop_oldest(self):
        feed, rate = self.stall("drop-oldest")
        sink = self.finished(feed)
        heard = self.endpoint.audio(0)
        self.assertGreater(sink["dropped-ms"], 500)
        self.assertEqual(sink["full-episodes"], 1)
        self.assertEqual(sink["connects"], 1)
        self.assertEqual(len(heard), sink["frames"]["forwarded"] + sink["frames"]["silence"])
        self.assertAlmostEqual(len(heard) / rate, 5, delta=0.003)
        (at, length), *more = silent_runs(heard, rate, 20)
        self.assertEqual(more, [])
        self.assertAlmostEqual(length, sink["dropped-ms"], delta=3)
        self.assertLess(self.endpoint.fastest(0, rate), 8.5)

    def test_drop_newest(self):
        feed, rate = self.stall("drop-newest")
        sink = self.finished(feed)
        heard = self.endpoint.audio(0)
        self.assertGreater(sink["dropped-ms"], 500)
        self.assertAlmostEqual(len(heard) / rate, 5, delta=0.003)
        silent = silent_runs(heard, rate, 20)
        self.assertAlmostEqual(sum(length for _, length in silent), sink["dropped-ms"], delta=10)
        # What waited when the queue was full came before the silence.
        self.assertGreaterEqual(silent[0][0], 1000)

    def test_disconnect(self):
        feed, rate = self.stall("disconnect")
        feed.result()
        account, = self.spoolwire.wait_accounts(1)
        self.assertBalanced(account)
        sink, = account["sinks"]
        self.assertGreaterEqual(sink["connects"], 2)
        self.assertGreaterEqual(sink["dropped-ms"], 1000)
        self.assertGreater(self.spoolwire.status()["tls_lost"], 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred call set-ups a second, each with all its sections, while hundreds of calls run."""
from harness import *

RUNNING = int(os.environ.get("SPOOLWIRE_LOAD", "300"))
SETUPS = 100 # a second


class Load(Case):
    def test_setups_while_calls_run(self):
        """No call is missed, no packet dropped, streams are open in time, and closed in time."""
        endpoint = self.receiver(options=["--quiet"])
        daemon = self.daemon(endpoint, "--tls-handshakes-per-tick=32")
        # Less without clocks to hold: a sanitizer's daemon is ten times as slow.
        running, seconds = (RUNNING, 12) if TIMES else (RUNNING // 6, 8)
        steady = self.feed(daemon, "--call-id", "steady", "--calls", str(running), "--rate",
            str(SETUPS), "--seconds", str(seconds + running // SETUPS), name="steady")
        wait_for("the calls to run", lambda: daemon.status().get("sources_opened", 0) >= 4 * running)
        short = 5 * SETUPS if TIMES else SETUPS
        churn = self.feed(daemon, "--call-id", "short", "--calls", str(short), "--rate",
            str(SETUPS), "--seconds", "1", name="churn")
        results = [churn.result(), steady.result()]
        daemon.wait_accounts(running + short)
        status = daemon.status()
        for result in results:
            self.assertEqual((result["calls_unopened"], result["streams_unopened"]), (0, 0), result)
            self.assertCloses(result, status)
        self.assertEqual(status["calls"], running + short)
        self.assertEqual(status["packets_in"], sum(r["packets"] for r in results))
        self.assertEqual(status.get("packets_dropped_queue", 0), 0)
        self.assertEqual(status.get("ms_dropped_sink", 0), 0)
        self.assertEqual(status["ms_decoded"], status["ms_forwarded"])
        if TIMES: # section read to stream open, on the daemon's clock
            self.assertLess(status["time open"]["p99"], 20000, status["time open"])
        for account in daemon.accounts():
            self.assertBalanced(account)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    main()

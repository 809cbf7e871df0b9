#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Call data from a real Redis: early, late, torn, too large, not at all; and a Redis that is away,
hangs or is restarted. Audio takes no notice of any of it."""
import threading

from harness import *

SECONDS = 2


class CallData(Case):
    def start(self, redis, *options, feed=(), calls=1, seconds=SECONDS, port=None):
        self.endpoint = self.receiver()
        self.spoolwire = self.daemon(self.endpoint, f"--redis-url=redis://127.0.0.1:{port or redis.port}/0",
            *options)
        return self.feed(self.spoolwire, "--call-id", "call", "--calls", str(calls),
            "--rate", "100", "--seconds", str(seconds), *feed)

    def ended(self, feed, calls=1, seconds=SECONDS):
        """All accounts, by call-id, when audio was as it always is."""
        result = feed.result()
        accounts = self.spoolwire.wait_accounts(calls)
        status = self.spoolwire.status()
        self.assertCloses(result, status)
        for account in accounts:
            self.assertBalanced(account)
            self.assertEqual(sorted(s["forwarded-ms"] for s in account["sinks"]),
                [seconds * 1000] * 2, account)
            self.assertEqual(sum(s["dropped-ms"] for s in account["sinks"]), 0)
        wait_for("all connections", lambda: len(self.endpoint.connections()) >= 2 * calls)
        for c in self.endpoint.connections():
            self.assertEqual(c["duration_s"], seconds)
        return {a["call-id"]: a for a in accounts}

    def headers(self, call_id="call-0@feed"):
        return [h for h in (c["header"]["json"] for c in self.endpoint.connections())
            if h["call-id"] == call_id]

    def test_data_before_the_call(self):
        """Good, torn, of the wrong type and too large: each call has its own trouble only."""
        redis = self.redis()
        redis.push("call-0@feed", {"caller": "4711", "n": 1}, {"n": 2, "more": ["ä"]})
        redis.push("call-1@feed", '{"a": 1', "plain", b"\xff\xfe\x00bytes", "[1, 2]", "",
            {"b": 2}, "[" * 5000, '{"c": 1e999}')
        redis.command("SET", "call-mq:call-2@feed", "not a list")
        redis.push("call-3@feed", json.dumps({"big": "x" * 10_000_000}), {"a": 1})
        accounts = self.ended(self.start(redis, calls=4), calls=4)
        status = self.spoolwire.status()

        good, torn, wrong, large = (accounts[f"call-{i}@feed"] for i in range(4))
        self.assertEqual(good["data"], {"merged": {"caller": "4711", "n": 2, "more": ["ä"]},
            "texts": []})
        self.assertEqual(good["data-elements"], 2)
        self.assertLess(good["joined-after-ms"], 1000)
        self.assertEqual([h["data"] for h in self.headers()], [good["data"]] * 2)
        self.assertEqual(redis.command("LLEN", "call-mq:call-0@feed"), 2) # redis-consume=keep
        self.assertEqual(torn["data"]["merged"].get("b"), 2)
        self.assertLessEqual({'{"a": 1', "plain", "[1, 2]"}, set(torn["data"]["texts"]))
        self.assertEqual(torn["data-elements"], 8)
        self.assertIsNone(wrong["data"])
        self.assertGreater(status["redis_errors"], 0)
        self.assertEqual(large["data"]["merged"], {"a": 1})
        self.assertGreater(status["redis_elements_refused"], 0)

    def test_data_within_the_header_wait(self):
        """The audio waits for the header, and none of it is lost."""
        redis = self.redis()
        feed = self.start(redis, "--tls-header-wait-ms=5000")
        wait_for("packets", lambda: self.spoolwire.status().get("packets_in"))
        redis.push("call-0@feed", {"late": True})
        account = self.ended(feed)["call-0@feed"]
        self.assertEqual(account["data"]["merged"], {"late": True})
        self.assertEqual([h["data"]["merged"] for h in self.headers()], [{"late": True}] * 2)

    def test_data_after_the_header_wait(self):
        redis = self.redis()
        feed = self.start(redis, "--tls-header-wait-ms=100", seconds=3)
        wait_for("audio", lambda: self.spoolwire.status().get("ms_forwarded"))
        redis.push("call-0@feed", {"late": True})
        account = self.ended(feed, seconds=3)["call-0@feed"]
        self.assertEqual([h["data"] for h in self.headers()], [None, None])
        self.assertEqual(account["data"]["merged"], {"late": True})

    def test_elements_at_the_end_are_taken(self):
        """What is pushed in mid-call is there at the latest when the list is read at the end."""
        redis = self.redis()
        redis.push("call-0@feed", {"a": 1})
        feed = self.start(redis)
        wait_for("audio", lambda: self.spoolwire.status().get("ms_forwarded"))
        redis.push("call-0@feed", {"b": 2}, "bye")
        account = self.ended(feed)["call-0@feed"]
        self.assertEqual(account["data"], {"merged": {"a": 1, "b": 2}, "texts": ["bye"]})

    def test_published(self):
        """As a SIP server does: RPUSH for those who come later, PUBLISH for those who wait."""
        redis = self.redis()
        feed = self.start(redis, "--redis-channel=call:%c", "--tls-header-wait-ms=5000")
        wait_for("packets", lambda: self.spoolwire.status().get("packets_in"))
        redis.push("call-0@feed", {"a": 1})
        redis.command("PUBLISH", "call:call-0@feed", '{"a": 1}')
        account = self.ended(feed)["call-0@feed"]
        self.assertEqual(account["data"]["merged"], {"a": 1})
        self.assertEqual([h["data"]["merged"] for h in self.headers()], [{"a": 1}] * 2)

    def test_deleted_after_the_account(self):
        redis = self.redis()
        redis.push("call-0@feed", {"a": 1})
        feed, seen, stop = self.start(redis, "--redis-consume=delete"), [], threading.Event()

        def watch(): # the account's file must never be missing where the list is
            while not stop.is_set():
                gone = redis.command("EXISTS", "call-mq:call-0@feed") == 0
                if gone:
                    seen.append(bool(self.spoolwire.accounts()))
                    return
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.assertEqual(self.ended(feed)["call-0@feed"]["data"]["merged"], {"a": 1})
            wait_for("the list to be deleted", lambda: seen)
        finally:
            stop.set()
            watcher.join()
        self.assertEqual(seen, [True])

    def test_down_at_the_start(self):
        port = free_port()
        feed = self.start(None, port=port, seconds=4)
        wait_for("packets", lambda: self.spoolwire.status().get("packets_in"))
        redis = self.redis(port=port)
        redis.push("call-0@feed", {"a": 1})
        account = self.ended(feed, seconds=4)["call-0@feed"]
        self.assertEqual(account["data"]["merged"], {"a": 1})
        self.assertGreater(self.spoolwire.status()["redis_lost"], 0)

    def test_never_there(self):
        account = self.ended(self.start(None, "--redis-wait=1", port=free_port()))["call-0@feed"]
        self.assertIsNone(account["data"])
        self.assertEqual([h["data"] for h in self.headers()], [None, None])

    def test_stopped_and_started(self):
        """In mid-call; what was pushed after is found, the connection comes back by itself."""
        redis = self.redis()
        feed = self.start(redis, calls=20, seconds=5)
        wait_for("packets", lambda: self.spoolwire.status().get("packets_in", 0) > 1000)
        redis.kill()
        wait_for("the loss", lambda: self.spoolwire.status().get("redis_lost"))
        redis = self.redis(port=redis.port, name="redis-again")
        for i in range(20):
            redis.push(f"call-{i}@feed", {"i": i})
        accounts = self.ended(feed, calls=20, seconds=5)
        self.assertEqual([accounts[f"call-{i}@feed"]["data"]["merged"] for i in range(20)],
            [{"i": i} for i in range(20)])

    def test_hangs(self):
        """SIGSTOP: nothing answers, nothing is closed. No call waits for it."""
        redis = self.redis()
        feed = self.start(redis, "--redis-wait=1", calls=20, seconds=3)
        wait_for("packets", lambda: self.spoolwire.status().get("packets_in"))
        redis.send(signal.SIGSTOP)
        try:
            accounts = self.ended(feed, calls=20, seconds=3)
            self.assertEqual(len(accounts), 20)
            self.assertEqual(self.spoolwire.stop(), 0)
        finally:
            redis.send(signal.SIGCONT)


if __name__ == "__main__":
    main()

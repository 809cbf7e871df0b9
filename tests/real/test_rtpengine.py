#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real rtpengine records calls to a spool, a real Redis holds their data: what an endpoint gets
from spoolwire. Skipped where there is no rtpengine."""
import os
import shutil
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engine import EngineCase, level, read, talk, wait_for  # noqa: E402

ODD_IDS = ["with space@h", "abc/def@h", "../../../tmp/evil@h", "звонок-№1@пример", ".hidden",
    "-rf", "100%41%2F%s%n@h", "\"q'uo`te\"<a>&\\|b@h", "L" * 200]


class Calls(EngineCase):
    """What is heard of calls of all kinds, while they run."""

    def test_calls_of_all_kinds(self):
        redis = self.redis()
        receiver = self.receiver()
        daemon = self.daemon(receiver, f"--redis-url=redis://127.0.0.1:{redis.port}/0")
        engine = self.rtpengine()
        kinds = ["--codec=PCMA", "--codec=PCMU", "--codec=G722", "--codec=opus", "--codec=GSM",
            "--codec=PCMA --dtmf=42", "--codec=PCMA --reinvite-after=1500",
            "--codec=PCMA --hold-from=1000 --hold-for=1200", "--codec=PCMA --same-ssrc",
            "--codec=PCMU --same-ssrc"]
        for i in range(len(kinds)):
            redis.push(f"kind-{i}@feed", {"number": i, "from": f"a{i}"})
        calls = self.feed_calls(engine, "--seconds=4", "--call-id=kind", script=[
            f"{kind} --metadata=ci:{i}|from:a{i} --at={i * 0.1}" for i, kind in enumerate(kinds)])
        accounts = {a["call-id"]: a for a in daemon.wait_accounts(len(kinds))}
        found = self.received(receiver, 2 * len(kinds))
        for call in calls:
            self.check_call(call, accounts[call["call_id"]], found)
        self.check_kinds(accounts)
        self.assertEqual(daemon.stop(), 0)

    def check_call(self, call, account, found):
        number = int(call["call_id"].split("@")[0].split("-")[1])
        self.assertBalanced(account)
        self.assertEqual(account["metadata"]["parsed"], {"ci": str(number), "from": f"a{number}"})
        self.assertIsNotNone(account["joined-after-ms"])
        self.assertEqual(account["data"]["merged"], {"number": number, "from": f"a{number}"})
        for role in "caller", "callee":
            # a Redis that is quick has answered before the first 4096 bytes of the pcap
            header, connection = self.assertHeard(found, call["call_id"], role,
                call[role]["tone_hz"], 4.0, share=0.85)
            self.assertEqual(header["data"]["merged"]["number"], number)
            self.assertEqual(header["codec"], call["codec"].split("/")[0])
            self.assertEqual(connection["end"], "close_notify")
            pause = 2500 if number == 7 else 1000
            self.assertLess(connection["longest_pause_ms"], pause, call["call_id"])
        sent = sum(call[role]["sent"] for role in ("caller", "callee"))
        rtp = [s for s in account["streams"] if s["component"] == 1]
        self.assertEqual(len(rtp), 2)
        self.assertLessEqual(abs(sum(s["packets"]["in"] for s in rtp) - sent), 2)
        self.assertEqual(sum(s["packets"]["undecodable"] + s["packets"]["bad"] for s in rtp), 0)

    def check_kinds(self, accounts):
        def events(number, kind):
            return [e for e in accounts[f"kind-{number}@feed"]["events"] if e["kind"] == kind]

        digits = events(5, "digit")
        self.assertEqual([d["text"] for d in digits], ["4", "2"])
        for d in digits:
            self.assertIn(d["duration-ms"], range(80, 121))
        self.assertEqual(len(events(6, "ssrc")), 1)
        self.assertEqual(len(events(6, "sdp")), 4)
        self.assertEqual(len(events(7, "sdp")), 6)
        self.assertEqual([e["text"] for e in events(6, "sdp")].count("re-invite"), 1)
        self.assertEqual([(e["text"], e["tag"]) for e in events(7, "hold")],
            [("on", 0), ("off", 0)])
        ssrcs = {s["ssrc"] for n in (8, 9) for stream in accounts[f"kind-{n}@feed"]["streams"]
            for s in stream["ssrcs"]}
        self.assertEqual(ssrcs, {"0x5eed5eed"})

    def test_odd_call_ids(self):
        receiver = self.receiver()
        redis = self.redis()
        daemon = self.daemon(receiver, f"--redis-url=redis://127.0.0.1:{redis.port}/0")
        engine = self.rtpengine()
        pairs = []
        for i, call_id in enumerate(ODD_IDS):
            pair = self.phone(400 + 50 * i), self.phone(1200 + 50 * i)
            redis.push(call_id, {"n": i})
            self.call(engine, call_id, *pair)
            pairs.append(pair)
        talk([phone for pair in pairs for phone in pair], 2)
        for call_id in ODD_IDS:
            engine.order("delete", call_id=call_id, from_tag="f", delete_delay=0)
        daemon.wait_accounts(len(ODD_IDS))
        found = self.received(receiver, 2 * len(ODD_IDS))
        for i, (call_id, pair) in enumerate(zip(ODD_IDS, pairs)):
            for role, phone in zip(("caller", "callee"), pair):
                header, _ = self.assertHeard(found, call_id, role, phone.hz, 2.0)
                self.assertEqual(header["data"]["merged"], {"n": i})
        self.assertEqual({a["end"] for a in daemon.accounts()}, {"ended"})

    def test_name_too_long_for_its_metadata(self):
        """rtpengine writes a pcap and nothing else: both are heard, nobody says who is who."""
        receiver = self.receiver()
        daemon = self.daemon(receiver, "--tls-header=json", "--orphan-timeout=3")
        engine = self.rtpengine()
        call_id = "L" * 225
        pair = self.phone(500), self.phone(1300)
        self.call(engine, call_id, *pair)
        talk(pair, 2)
        engine.order("delete", call_id=call_id, from_tag="f", delete_delay=0)
        daemon.wait_accounts(1)
        both = [c for role in self.received(receiver, 2)[call_id].values() for c in role]
        self.check_unnamed(both, pair, 2.0)

    def check_unnamed(self, connections, phones, seconds):
        self.assertEqual(len(connections), len(phones))
        for phone in phones:
            shares = [level(audio, rate, phone.hz) for _, _, audio, rate in connections]
            self.assertGreater(max(shares), 0.9, phone.hz)
        for _, _, audio, rate in connections:
            self.assertAlmostEqual(len(audio) / rate, seconds, delta=0.1)

    def test_recording_stopped_and_started_again(self):
        receiver = self.receiver()
        daemon = self.daemon(receiver, "--tls-header=json")
        engine = self.rtpengine()
        pair = self.phone(500), self.phone(1300)
        self.call(engine, "again", *pair, metadata="from:a|to:b")
        talk(pair, 1.5)
        engine.order("stop recording", call_id="again", from_tag="f")
        talk(pair, 0.5)
        engine.order("start recording", call_id="again", from_tag="f", metadata="from:a|to:b")
        talk(pair, 1.5)
        engine.order("delete", call_id="again", from_tag="f", delete_delay=0)
        accounts = daemon.wait_accounts(2)
        self.assertEqual({a["call-id"] for a in accounts}, {"again"})
        found = self.received(receiver, 4)["again"]
        for role, phone in zip(("caller", "callee"), pair):
            self.assertHeard({"again": found}, "again", role, phone.hz, 1.5)
        self.check_unnamed([c for role in found if role not in ("caller", "callee")
            for c in found[role]], pair, 1.5)

    def test_ethernet(self):
        self.one_call(self.rtpengine(format="eth"))

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
        except OSError:
            self.skipTest("no ::1 here")
        self.one_call(self.rtpengine(interface="::1"), address="::1")

    def one_call(self, engine, **kw):
        receiver = self.receiver()
        daemon = self.daemon(receiver, "--tls-header=json")
        pair = self.phone(500, **kw), self.phone(1300, **kw)
        self.call(engine, "one", *pair)
        talk(pair, 1.5)
        engine.order("delete", call_id="one", from_tag="f", delete_delay=0)
        daemon.wait_accounts(1)
        found = self.received(receiver, 2)
        for role, phone in zip(("caller", "callee"), pair):
            self.assertHeard(found, "one", role, phone.hz, 1.5)

    def test_spool_that_comes_later(self):
        receiver = self.receiver()
        spool = os.path.join(self.dir, "not", "yet")
        daemon = self.daemon(receiver, "--tls-header=json", f"--spool-dir={spool}")
        time.sleep(0.5)
        os.makedirs(os.path.dirname(spool))
        engine = self.rtpengine(spool=spool)
        calls = self.feed_calls(engine, "--seconds=2", "--metadata=a:b")
        daemon.wait_accounts(1)
        found = self.received(receiver, 2)
        for role in "caller", "callee":
            self.assertHeard(found, calls[0]["call_id"], role, calls[0][role]["tone_hz"], 2.0)


class Faults(EngineCase):
    """What dies in mid-call."""

    def orphans(self, number):
        receiver = self.receiver()
        daemon = self.daemon(receiver, "--tls-header=json", "--orphan-timeout=2")
        engine = self.rtpengine()
        pairs = [(self.phone(500 + 100 * i), self.phone(1300 + 100 * i)) for i in range(3)]
        for i, pair in enumerate(pairs):
            self.call(engine, f"orphan-{i}", *pair)
        talk([phone for pair in pairs for phone in pair], 2)
        engine.send(number)
        engine.wait()
        begin = time.monotonic()
        accounts = daemon.wait_accounts(3)
        found = self.received(receiver, 6)
        for i, pair in enumerate(pairs):
            for role, phone in zip(("caller", "callee"), pair):
                # the last block of 4096 bytes may never have been written
                self.assertHeard(found, f"orphan-{i}", role, phone.hz, 1.9, within=0.25)
        return accounts, time.monotonic() - begin

    def test_rtpengine_killed(self):
        accounts, seconds = self.orphans(signal.SIGKILL)
        self.assertEqual({a["end"] for a in accounts}, {"orphaned"})
        self.assertGreater(seconds, 1)
        self.assertLess(seconds, 8)

    def test_rtpengine_stopped(self):
        """10.5 crashes while it stops with calls up: their files stay as they are."""
        accounts, seconds = self.orphans(signal.SIGTERM)
        self.assertLessEqual({a["end"] for a in accounts}, {"orphaned", "ended"})
        self.assertLess(seconds, 8)

    def test_spoolwire_killed_in_mid_call(self):
        receiver = self.receiver()
        daemon = self.daemon(receiver, "--tls-header=json")
        engine = self.rtpengine()
        feed = self.feed_calls(engine, "--seconds=8", wait=False)
        wait_for("audio", lambda: sum(os.path.getsize(os.path.join(receiver.out, name))
            for name in os.listdir(receiver.out)) > 2 * 16000 * 3)
        daemon.kill()
        daemon = self.daemon(receiver, "--tls-header=json", name="again")
        call = self.fed(feed)[0]
        daemon.wait_accounts(1)
        found = self.received(receiver, 4)[call["call_id"]]
        for role in "caller", "callee":
            parts = found[role]
            self.assertEqual(len(parts), 2)
            for _, _, audio, rate in parts:
                self.assertTone(audio, rate, call[role]["tone_hz"])
            total = sum(len(audio) / rate for _, _, audio, rate in parts)
            self.assertAlmostEqual(total, 8.0, delta=1.0)

    def test_finished_while_away_is_consumed_once(self):
        receiver = self.receiver()
        engine = self.rtpengine()
        call = self.feed_calls(engine, "--seconds=4")[0]
        for name in "first", "second", "third":
            daemon = self.daemon(receiver, "--tls-header=json", name=name)
            if name == "first":
                begin = time.monotonic()
                daemon.wait_accounts(1)
                self.assertGreater(time.monotonic() - begin, 0.3)  # at most 8x
            else:
                time.sleep(1)
            self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(daemon.accounts()), 1)
        found = self.received(receiver, 2)
        self.assertEqual(len(receiver.connections()), 2)
        for role in "caller", "callee":
            self.assertHeard(found, call["call_id"], role, call[role]["tone_hz"], 4.0)

    def test_spool_that_vanishes_and_comes_back(self):
        """A tmpfs that is unmounted, an administrator who tidies up: with a new rtpengine all is
        well again."""
        receiver = self.receiver()
        daemon = self.daemon(receiver, "--tls-header=json")
        for name in "first", "second":
            engine = self.rtpengine(name=name)
            call = self.feed_calls(engine, "--seconds=2", f"--call-id={name}", name=f"feed-{name}")
            daemon.wait_accounts(1 if name == "first" else 2)
            found = self.received(receiver, 2 if name == "first" else 4)
            for role in "caller", "callee":
                self.assertHeard(found, call[0]["call_id"], role, call[0][role]["tone_hz"], 2.0)
            engine.kill()
            shutil.rmtree(self.spool)
            time.sleep(0.2)
        self.assertEqual(daemon.stop(), 0)

    def test_redis_stopped_and_started(self):
        redis = self.redis()
        receiver = self.receiver()
        daemon = self.daemon(receiver, f"--redis-url=redis://127.0.0.1:{redis.port}/0",
            "--redis-wait=5")
        engine = self.rtpengine()
        redis.push("before-0@feed", {"n": 0})
        first = self.feed_calls(engine, "--seconds=4", "--call-id=before", wait=False)
        daemon.wait_text(r"Redis at \S+: connected")
        wait_for("data", lambda: daemon.status().get("calls_joined", 0) == 1)
        redis.stop()
        second = self.feed_calls(engine, "--seconds=4", "--call-id=during", name="second",
            wait=False)
        time.sleep(1.5)
        redis = self.redis(port=redis.port, name="again")
        redis.push("during-0@feed", {"n": 1})
        calls = self.fed(first) + self.fed(second)
        accounts = {a["call-id"]: a for a in daemon.wait_accounts(2)}
        for i, name in enumerate(("before-0@feed", "during-0@feed")):
            self.assertEqual(accounts[name]["data"]["merged"], {"n": i})
        found = self.received(receiver, 4)
        for call in calls:
            for role in "caller", "callee":
                self.assertHeard(found, call["call_id"], role, call[role]["tone_hz"], 4.0)


if __name__ == "__main__":
    if not shutil.which("rtpengine"):
        print("rtpengine is not installed: skipped")
        sys.exit(77)
    unittest.main(verbosity=2)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls of all kinds become at the endpoint: every tone at its participant, every sample in
its place, every packet in the account."""
from harness import *

# What the feed encodes: the least share of the tone in what is heard, [ms] in a packet, [s].
# The feed's loop of 50 packets is more than G.723.1 can bear twice: its decoder remembers too much.
CODECS = {"PCMA": (0.95, 20, 2), "PCMU": (0.95, 20, 2), "G722": (0.9, 20, 2), "GSM": (0.8, 20, 2),
    "G723": (0.5, 30, 1), "G726-16": (0.5, 20, 2), "G726-24": (0.8, 20, 2), "G726-32": (0.9, 20, 2),
    "G726-40": (0.9, 20, 2),
    "AAL2-G726-32": (0.9, 20, 2), "opus": (0.9, 20, 2), "speex": (0.5, 20, 2),
    "L16/48000/2": (0.95, 10, 2), "L16/16000": (0.95, 20, 2)}


class Checks(unittest.TestCase):
    """A run made once for a class."""
    feeds, daemon, more = {}, [], {}

    @classmethod
    def setUpClass(cls):
        cls.run_ = Run(cls.feeds, cls.daemon, **cls.more)
        cls.addClassCleanup(cls.run_.remove)
        cls.run_.finish()

    def assertTone(self, connection, hz, share=0.9, channel=0):
        rate, channels, heard = sound(connection)
        heard = heard[channel]
        # Codecs swing in and out; a resampler has nothing before its first sample.
        inner = heard[rate // 10:-rate // 10]
        self.assertGreater(level(inner, rate, hz), share, (connection["path"], hz))
        return heard

    def test_everything_was_closed_in_time(self):
        self.assertEqual(self.run_.status_code, 0)
        for result in self.run_.results.values():
            Case.assertCloses(self, result, self.run_.status)

    def test_accounts_balance_and_agree_with_both_ends(self):
        for name in self.feeds:
            for call, account, connections in self.run_.calls(name):
                self.assertTrue(balances(account), account)
                fed = {s["id"]: s["packets"] for s in call["streams"]}
                seen = {s["number"]: s["packets"]["in"] for s in account["streams"]}
                self.assertEqual(fed, seen, call["call_id"])
                for sink in account["sinks"]:
                    frames = sink["frames"]
                    self.assertEqual(frames["dropped"] + frames["waiting"], 0, sink)
                sent = sum(s["frames"]["forwarded"] + s["frames"]["silence"]
                    for s in account["sinks"])
                if self.more.get("header", "json") == "json":
                    self.assertEqual(sent, sum(c["samples"] for c in connections))


class Separate(Checks):
    """A connection for each stream."""
    feeds = {
        "clean": ["--calls", "4", "--seconds", "2"],
        "many": ["--streams", "4", "--seconds", "1"],
        "off": ["--forwarding", "off", "--seconds", "1"],
        "late": ["--forwarding", "late", "--seconds", "3"],
        "toggle": ["--forwarding", "toggle", "--seconds", "3.5"],
        "per-stream": ["--forwarding", "per-stream", "--seconds", "1"],
        "ssrc": ["--ssrc-change-after", "1000", "--seconds", "2"],
        "same-ssrc": ["--same-ssrc", "--calls", "3", "--seconds", "1", "--rate", "100"],
        "loss": ["--loss", "10", "--seconds", "3"],
        "reorder": ["--reorder", "10", "--seconds", "3"],
        "duplicate": ["--duplicate", "10", "--seconds", "3"],
        "jitter": ["--jitter", "50", "--seconds", "3"],
        "dtmf": ["--dtmf", "12#", "--seconds", "3"],
        "dtx": ["--vad", "dtx", "--seconds", "4"],
        "noise": ["--vad", "cn", "--seconds", "4"],
        "dialect-26": ["--dialect", "26", "--seconds", "1", "--calls", "2"],
        "ipv6": ["--ipv6", "--seconds", "1"],
        "no-rtcp": ["--no-rtcp", "--seconds", "1"],
        "ptime-60": ["--ptime", "60", "--seconds", "2"],
        "remake": ["--remake-after", "1000", "--seconds", "2"],
        "restored": ["--remake-after", "1000", "--remake-gap", "2500", "--seconds", "2",
            "--calls", "10", "--rate", "1000"],
        "discard": ["--discard", "--seconds", "1"],
        "all": ["--loss", "5", "--reorder", "5", "--duplicate", "5", "--jitter", "60",
            "--seconds", "3"],
        **{"codec-" + name.replace("/", "-"): ["--codec", name, "--ptime", str(ptime),
            "--seconds", str(seconds)] for name, (_, ptime, seconds) in CODECS.items()},
    }

    def assertWhole(self, fed, connections):
        """One connection with exactly what was sent: no hole, nothing twice."""
        self.assertEqual(len(connections), 1, fed)
        heard = self.assertTone(connections[0], fed["tone_hz"])
        self.assertEqual(len(heard), fed["packets"] * 160)
        self.assertEqual(silent_runs(heard, 8000), [])
        self.assertEqual(connections[0]["end"], "close_notify")

    def test_clean_calls_are_whole(self):
        for name in "clean", "many", "same-ssrc", "dialect-26", "ipv6", "no-rtcp":
            with self.subTest(name):
                for fed, seen, connections in self.run_.streams(name):
                    self.assertWhole(fed, connections)
                    self.assertEqual(seen["packets"]["decoded"], fed["packets"])
                    self.assertEqual(seen["decoded-ms"], fed["packets"] * 20)

    def test_header_says_who_speaks(self):
        for name in "clean", "many", "dialect-26":
            for call, account, connections in self.run_.calls(name):
                self.assertEqual(len(connections),
                    len([s for s in call["streams"] if not s["rtcp"]]))
                for c in connections:
                    h = c["header"]["json"]
                    fed = next(s for s in call["streams"] if s["id"] == h["stream"])
                    self.assertEqual(h["tag"], fed["tag"])
                    self.assertEqual(h["parent"], call["parent"])
                    self.assertEqual(h["metadata"]["raw"], call["metadata"])
                    self.assertEqual((h["rate"], h["channels"], h["codec"]), (8000, 1, "PCMA"))
                    self.assertEqual(c["bytes"], len(c["header"]["raw"].encode()) + 1 +
                        fed["packets"] * 320)

    def test_wider_packets(self):
        for fed, seen, connections in self.run_.streams("ptime-60"):
            heard = self.assertTone(connections[0], fed["tone_hz"])
            self.assertEqual(len(heard), fed["packets"] * 480)

    def test_nothing_without_forwarding(self):
        (_, account, connections), = self.run_.calls("off")
        self.assertEqual(connections, [])
        self.assertEqual(account["sinks"], [])
        self.assertTrue(all(s["packets"]["unwanted"] == s["packets"]["in"] - s["packets"]["rtcp"]
            for s in account["streams"]), account)

    def test_forwarding_begins_late(self):
        for fed, seen, (connection,) in self.run_.streams("late"):
            heard = self.assertTone(connection, fed["tone_hz"])
            self.assertEqual(len(heard), seen["packets"]["decoded"] * 160)
            self.assertAlmostEqual(len(heard) / 8000, 2, delta=0.3)
            self.assertEqual(seen["packets"]["decoded"] + seen["packets"]["unwanted"], fed["packets"])

    def test_forwarding_on_and_off(self):
        for fed, seen, connections in self.run_.streams("toggle"):
            self.assertEqual(len(connections), 2)
            self.assertEqual(sum(c["samples"] for c in connections),
                seen["packets"]["decoded"] * 160)
            for c in connections:
                self.assertTone(c, fed["tone_hz"])
                self.assertAlmostEqual(c["duration_s"], 1, delta=0.3)

    def test_forwarding_of_one_stream(self):
        (caller, _, heard), (_, other, nothing) = self.run_.streams("per-stream")
        self.assertEqual(nothing, [])
        self.assertWhole(caller, heard)
        self.assertEqual(other["packets"]["decoded"], 0)

    def test_new_ssrc_keeps_the_connection(self):
        changed, steady = self.run_.streams("ssrc")
        self.assertWhole(changed[0], changed[2])
        self.assertEqual(len(changed[1]["ssrcs"]), 2)
        self.assertEqual(len(steady[1]["ssrcs"]), 1)
        self.assertWhole(steady[0], steady[2])

    def test_losses_are_counted_and_time_goes_on(self):
        result, lost = self.run_.results["loss"], 0
        for fed, seen, (connection,) in self.run_.streams("loss"):
            lost += seen["packets"]["lost"]
            self.assertEqual(connection["samples"], (fed["packets"] + seen["packets"]["lost"]) * 160)
            self.assertAlmostEqual(connection["duration_s"], 3, delta=0.1)
            self.assertTone(connection, fed["tone_hz"], 0.7)
        # What is lost at either end of a stream leaves no hole in the sequence.
        self.assertGreater(lost, 0)
        self.assertLessEqual(lost, result["lost"])
        self.assertGreaterEqual(lost, result["lost"] - 4)

    def test_order_is_restored(self):
        found = 0
        for fed, seen, connections in self.run_.streams("reorder"):
            self.assertWhole(fed, connections)
            self.assertEqual((seen["packets"]["lost"], seen["packets"]["late"]), (0, 0))
            found += seen["packets"]["reordered"]
        self.assertEqual(found, self.run_.results["reorder"]["reordered"])

    def test_duplicates_are_thrown_away(self):
        found = 0
        for fed, seen, connections in self.run_.streams("duplicate"):
            self.assertEqual(connections[0]["samples"], seen["packets"]["decoded"] * 160)
            self.assertTone(connections[0], fed["tone_hz"])
            found += seen["packets"]["duplicate"]
            self.assertEqual(seen["packets"]["decoded"] + seen["packets"]["duplicate"],
                fed["packets"])
        self.assertEqual(found, self.run_.results["duplicate"]["duplicated"])

    def test_jitter_costs_nothing(self):
        for fed, seen, connections in self.run_.streams("jitter"):
            self.assertWhole(fed, connections)

    def test_all_at_once_is_still_in_time(self):
        for fed, seen, (connection,) in self.run_.streams("all"):
            self.assertAlmostEqual(connection["duration_s"], 3, delta=0.1)
            self.assertTone(connection, fed["tone_hz"], 0.7)

    def test_digits(self):
        (_, account, _), = self.run_.calls("dtmf")
        digits = [e for e in account["events"] if e["kind"] == "digit"]
        self.assertEqual("".join(e["text"] for e in digits), "12#")
        self.assertEqual({e["duration-ms"] for e in digits}, {100})
        for fed, seen, (connection,) in self.run_.streams("dtmf"):
            self.assertAlmostEqual(connection["duration_s"], 3, delta=0.03)
            self.assertTone(connection, fed["tone_hz"], 0.85)  # it begins anew after each digit
            self.assertEqual(seen["packets"]["undecodable"], 0)

    def test_pauses_are_silence(self):
        for fed, seen, (connection,) in self.run_.streams("dtx"):
            rate, _, (heard,) = sound(connection)
            runs = silent_runs(heard, rate, 100)
            self.assertEqual([at // 20 * 20 for at, _ in runs[:2]], [1000, 2500])
            for _, length in runs[:2]:
                self.assertAlmostEqual(length, 500, delta=10)

    def test_announced_pauses_are_comfort_noise(self):
        for fed, seen, (connection,) in self.run_.streams("noise"):
            self.assertGreater(seen["packets"]["noise"], 0)
            rate, _, (heard,) = sound(connection)
            pause = heard[rate + rate // 10:rate + rate * 4 // 10]
            loudest = max(abs(x) for x in pause)
            self.assertGreater(loudest, 0)
            self.assertLess(loudest, max(abs(x) for x in heard[:rate]) / 4)
            self.assertAlmostEqual(connection["duration_s"], 4, delta=0.6)

    def test_remade_call_goes_on(self):
        self.assertEqual(len(self.run_.calls("remake")), 1)
        (call, account, connections), = self.run_.calls("remake")
        self.assertEqual(account["end"], "ended")
        for fed, seen, own in self.run_.streams("remake"):
            self.assertEqual(seen["packets"]["decoded"], fed["packets"])
            self.assertEqual(len(own), 1)
            self.assertTone(own[0], fed["tone_hz"])
            self.assertAlmostEqual(own[0]["duration_s"], 2, delta=0.3)

    def test_calls_restored_late_go_on(self):
        """Their streams were opened once more in vain before their metafiles were made anew."""
        self.assertEqual(self.run_.results["restored"]["streams_unopened"], 0)
        for _, account, _ in self.run_.calls("restored"):
            self.assertEqual(account["end"], "ended")
        for fed, seen, _ in self.run_.streams("restored"):
            self.assertEqual(seen["packets"]["decoded"], fed["packets"])

    def test_discarded_call_says_so(self):
        (_, account, _), = self.run_.calls("discard")
        self.assertEqual(account["end"], "discarded")

    def test_codecs_by_ear(self):
        for codec, (share, _, seconds) in CODECS.items():
            with self.subTest(codec):
                for fed, seen, connections in self.run_.streams("codec-" + codec.replace("/", "-")):
                    self.assertEqual(len(connections), 1)
                    self.assertTone(connections[0], fed["tone_hz"], share)
                    self.assertEqual(seen["packets"]["decoded"], fed["packets"])
                    self.assertAlmostEqual(connections[0]["duration_s"],
                        seen["decoded-ms"] / 1000, delta=0.03)
                    self.assertAlmostEqual(connections[0]["duration_s"], seconds, delta=0.1)


class MixedAndSingle(Checks):
    """Both at once, a channel for each participant, the caller on the left."""
    feeds = {"mixed": ["--calls", "3", "--seconds", "2"],
        "ssrc": ["--ssrc-change-after", "1000", "--seconds", "2"],
        "dtx": ["--vad", "dtx", "--seconds", "3"],
        "three": ["--streams", "3", "--seconds", "1"]}
    daemon = ["--tls-mixed", "--tls-single", "--mix-method=channels", "--mix-num-inputs=2"]

    def test_caller_left_callee_right(self):
        for name in "mixed", "ssrc":
            for call, account, connections in self.run_.calls(name):
                mixed = [c for c in connections if c["header"]["json"]["mixed"]]
                self.assertEqual((len(mixed), len(connections)), (1, 3))
                self.assertEqual(mixed[0]["channels"], 2)
                streams = [s for s in call["streams"] if not s["rtcp"]]
                for channel, fed in enumerate(streams): # caller first
                    heard = self.assertTone(mixed[0], fed["tone_hz"], 0.95, channel)
                    self.assertAlmostEqual(len(heard), fed["packets"] * 160, delta=1200)

    def test_singles_beside_the_mix(self):
        for fed, seen, connections in self.run_.streams("mixed"):
            single, = [c for c in connections if not c["header"]["json"]["mixed"]]
            self.assertTone(single, fed["tone_hz"])
            self.assertEqual(single["samples"], fed["packets"] * 160)

    def test_mix_goes_on_in_pauses(self):
        (call, account, connections), = self.run_.calls("dtx")
        mixed, = [c for c in connections if c["header"]["json"]["mixed"]]
        self.assertGreater(mixed["duration_s"], 2.4)

    def test_a_third_participant_costs_nobody_a_channel(self):
        (call, account, connections), = self.run_.calls("three")
        mixed, = [c for c in connections if c["header"]["json"]["mixed"]]
        for channel, fed in enumerate(s for s in call["streams"][:4] if not s["rtcp"]):
            self.assertTone(mixed, fed["tone_hz"], 0.3, channel)


class MixedDirect(Checks):
    """One channel, over TCP, at 16 kHz, with the header that rtpengine-recording sends."""
    feeds = {"direct": ["--calls", "1", "--seconds", "2", "--metadata", "a:1|b:zwölf"]}
    daemon = ["--tcp-mixed", "--mix-method=direct", "--tcp-resample=16000"]
    more = {"tcp": True, "header": "metadata", "receiver": ["--rate-hz", "16000"]}

    def test_both_in_one_channel(self):
        connection, = self.run_.all_connections
        self.assertEqual(connection["header"]["raw"], "a:1|b:zwölf")
        self.assertEqual(connection["end"], "eof")
        (call, account, _), = self.run_.calls("direct")
        tones = [s["tone_hz"] for s in call["streams"] if not s["rtcp"]]
        for hz in tones:
            self.assertTone(connection, hz, 0.4)
        # Each begins when its first packet came: a busy machine spreads that.
        self.assertAlmostEqual(connection["duration_s"], 2, delta=0.15)


class ConnectionPerSsrc(Checks):
    feeds = {"ssrc": ["--ssrc-change-after", "1000", "--seconds", "2"]}
    daemon = ["--tls-connection=ssrc", "--tls-resample=16000"]

    def test_new_ssrc_opens_another(self):
        changed, steady = self.run_.streams("ssrc")
        self.assertEqual((len(changed[2]), len(steady[2])), (2, 1))
        for c in changed[2] + steady[2]:
            fed = changed[0] if c in changed[2] else steady[0]
            self.assertEqual(c["rate"], 16000)
            self.assertTone(c, fed["tone_hz"])
        for c in changed[2]:
            self.assertAlmostEqual(c["duration_s"], 1, delta=0.1)


class EarlyMedia(Case):
    def test_header_waits_for_the_tag(self):
        """Only the answer tells the callee's tag, and audio comes before it."""
        endpoint = self.receiver()
        daemon = self.daemon(endpoint, "--tls-header=json", "--tls-header-wait-ms=10000")
        call = Hand(daemon)
        call.section("MEDIA 0 PAYLOAD TYPE 8", "PCMA/8000")
        call.section("FORWARDING 1")
        stream = call.stream(0, "tag-0-media-0-component-1-RTP-id-0", "")
        call.speak(stream, 15)
        call.section("TAG 0", "the-callee")
        call.speak(stream, 15, 15)
        call.end()
        daemon.wait_accounts(1)
        connection, = wait_for("the connection", endpoint.connections)
        self.assertEqual(connection["header"]["json"]["tag"], "the-callee")
        self.assertEqual(connection["samples"], 30 * 160)


del Checks  # only what is made of it are tests

if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidecar of a call in which everything happens: who was there, what is in the files, and each
event at its time."""
import datetime
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Hand, SOURCE, TIMES, main, rtp, wait_for  # noqa: E402
from recorded import CALLEE, CALLER, RecordCase, Voice, speak  # noqa: E402
from schema import Schema  # noqa: E402

EVENT_PT = 101
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 30000 RTP/AVP 8 101\r\na={}\r\n"


def press(voice, digit):
    """A telephone-event (RFC 4733) of 100 ms: five packets of one timestamp, the last one ends it."""
    begin = voice.seq
    for i in range(1, 6):
        payload = struct.pack("!BBH", digit, (0x80 if i == 5 else 0) | 10, i * 160)
        packet = bytearray(rtp(voice.seq, EVENT_PT, payload, voice.ssrc))
        struct.pack_into("!I", packet, 28 + 4, begin * 160)
        os.write(voice.stream, packet)
        voice.seq += 1
        time.sleep(0.02)


def at(text):
    """[s] since 1970; only times with microseconds and zone."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text), text
    return datetime.datetime.fromisoformat(text).timestamp()


class SidecarTest(RecordCase):
    def sdp(self, hand, tag, mode, direction="sendrecv"):
        hand.section(f"SDP from {tag} before {mode}")
        hand.section(f"SDP from {tag} after {mode}", SDP.format(direction))

    def talk(self, daemon):
        """[(kind, text, tag, time)] as it happens."""
        hand = Hand(daemon, "all-0123456789abcdef")
        hand.section("METADATA", "from:alice|to:bob")
        voices = [Voice(hand.stream(n, f"all-{n}", f"tag{n}"), hz, 0x1000 + n)
            for n, hz in enumerate((CALLER, CALLEE))]
        for n in range(2):
            hand.section(f"MEDIA {n} PAYLOAD TYPE 8", "PCMA/8000")
            hand.section(f"MEDIA {n} PAYLOAD TYPE {EVENT_PT}", "telephone-event/8000")
        hand.section("LABEL 0", "agent 7")
        done = []

        def does(kind, text, tag, after=0.0):
            done.append((kind, text, tag, time.time() + after))

        does("sdp", "offer", 0)
        self.sdp(hand, 0, "offer")
        does("sdp", "answer", 1)
        self.sdp(hand, 1, "answer")
        wait_for("both streams", lambda: daemon.status().get("sources_opened") == 2)
        speak(0.6, *voices)
        does("digit", "7", 1, 0.1)
        press(voices[1], 7)
        speak(0.4, *voices)
        does("sdp", "re-invite", 0)
        does("hold", "on", 0)
        self.sdp(hand, 0, "offer", "sendonly")
        does("sdp", "answer", 1)
        self.sdp(hand, 1, "answer", "recvonly")
        speak(0.4, voices[0])
        does("sdp", "re-invite", 0)
        does("hold", "off", 0)
        self.sdp(hand, 0, "offer")
        speak(0.3, *voices)
        does("recording", "off", None)
        hand.section("RECORDING 0")
        speak(0.4, *voices)
        does("recording", "on", None)
        hand.section("RECORDING 1")
        speak(0.3, *voices)
        voices[0].ssrc = 0x2000
        does("ssrc", "0x00002000", 0)
        speak(0.6, *voices)
        hand.end()
        return done

    def test_everything_happens(self):
        redis = self.redis()
        redis.push("all", {"order": 17})
        daemon = self.recorder("--mix-method=channels", "--mix-num-inputs=2",
            f"--redis-url=redis://127.0.0.1:{redis.port}/0")
        begin = time.time()
        done = self.talk(daemon)
        files = self.finish(daemon)
        schema = Schema(os.path.join(SOURCE, "docs", "recording.schema.json"))
        self.assertEqual(len(files), 4)
        for path in files.values():
            self.assertEqual(schema.errors(self.sidecar(path)), [])
        path = self.one(files, "mix")
        (file,), call = (self.sidecar(path)[k] for k in ("files", "call"))
        self.check_call(call)
        self.check_events(call["events"], done)
        self.assertAlmostEqual(at(file["end"]) - at(file["start"]), file["duration"], delta=1e-5)
        self.assertTrue(begin < at(file["start"]) < at(file["end"]) < time.time())
        self.assertEqual(file["channel-map"], ["tag0", "tag1"])

    def check_call(self, call):
        self.assertEqual((call["call-id"], call["parent"]), ("all", "all-0123456789abcdef"))
        self.assertEqual(call["metadata"],
            {"raw": "from:alice|to:bob", "parsed": {"from": "alice", "to": "bob"}})
        self.assertEqual(call["data"]["merged"], {"order": 17})
        self.assertEqual(sorted((t["number"], t["tag"], t["label"]) for t in call["tags"]),
            [(0, "tag0", "agent 7"), (1, "tag1", None)])
        streams = {s["tag"]: s for s in call["streams"]}
        self.assertEqual([(s["ssrc"], s["codec"]) for s in streams[0]["ssrcs"]],
            [("0x00001000", "PCMA"), ("0x00002000", "PCMA")])
        self.assertEqual([(s["ssrc"], s["codec"]) for s in streams[1]["ssrcs"]],
            [("0x00001001", "PCMA")])
        for stream in streams.values():
            self.assertEqual((stream["from"], stream["to"]), ("10.0.0.1:2000", "10.0.0.2:3000"))

    def check_events(self, events, done):
        found = [e for e in events if e["kind"] != "codec"]
        self.assertEqual([(e["kind"], e["text"], e["tag"]) for e in found],
            [d[:3] for d in done])
        for event, (kind, text, _, when) in zip(found, done):
            self.assertAlmostEqual(at(event["at"]), when, delta=0.25 if TIMES else 5,
                msg=(kind, text))
        (digit,) = [e for e in found if e["kind"] == "digit"]
        self.assertEqual((digit["stream"], digit["duration-ms"]), (1, 100))


if __name__ == "__main__":
    main()

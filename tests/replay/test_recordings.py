#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished recordings that lie in the spool when spoolwire starts: real ones of rtpengine 10.5 from
tests/data/recordings, and odd ones written here. All are consumed at once, each at most eight times
as fast as it was spoken."""
import os
import random
import shutil
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SOURCE, main  # noqa: E402
from heard import HeardCase, sine  # noqa: E402
from recording import Recording, Voice, rtp  # noqa: E402

REAL = {  # call-id: tones of the caller and the callee, seconds of each
    "34cbe591f0e99e6d@127.0.0.2": (440, 880, 2.0),         # IPv6
    "287b13c9e2f8ee21@127.0.0.2": (440, 880, 3.0),         # Opus
    "1-14375@127.0.0.2": (440, 880, 3.0),                  # Ethernet, both with one SSRC
    "e4df42d1e7553eda@127.0.0.2": (440, 880, 1.0),         # nobody said BYE
    "../../../tmp/evil@h": (440, 880, 0.4),
}


class RecordingsTest(HeardCase):
    def setUp(self):
        super().setUp()
        self.spool = os.path.join(self.dir, "spool")
        self.endpoint = self.receiver()

    def consume(self, calls, connections):
        """(daemon, what was received) when all that lies there has become accounts."""
        daemon = self.daemon(self.endpoint, "--tls-header=json", "--pcap-max-age=0",
            "--log-level=7")
        daemon.wait_accounts(calls)
        found = self.received(self.endpoint, connections)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(self.endpoint.connections()), connections)
        for account in daemon.accounts():
            self.assertBalanced(account)
        return daemon, found

    def lay_out(self, folder):
        for place in "metadata", "pcaps":
            os.makedirs(os.path.join(self.spool, place))
        for name in os.listdir(folder):
            place = f"metadata/rtpengine-meta-{name}" if name.endswith(".txt") else f"pcaps/{name}"
            shutil.copy(os.path.join(folder, name), os.path.join(self.spool, place))

    def test_real_ones(self):
        self.lay_out(os.path.join(SOURCE, "tests", "data", "recordings"))
        daemon, found = self.consume(len(REAL) + 1, 2 * len(REAL) + 2)
        for call_id, (caller, callee, seconds) in REAL.items():
            for role, hz in ("caller", caller), ("callee", callee):
                self.assertHeard(found, call_id, role, hz, seconds, within=0.12, share=0.85)
        moved = found["99c6acfab728c35e@127.0.0.2"]
        self.assertHeard({"moved": moved}, "moved", "callee", 880, 4.1)
        _, _, audio, rate = moved["caller"][0]
        self.assertTone(audio[:rate], rate, 440)
        self.assertTone(audio[-rate:], rate, 1000)
        account = self.account_of(daemon, "1-14375@127.0.0.2")
        self.assertTrue(account["metadata"]["raw"])

    def recording(self, name, **kw):
        return Recording(self.spool, name, **kw)

    def both(self, name, seconds=2, caller_to=200, callee_to=100):
        """A plain call so far: caller 500 Hz, callee 1300 Hz."""
        r = self.recording(name)
        r.sdp("offer", callee_to)
        r.sdp("answer", caller_to)
        caller, callee = Voice(500, 0xaaaa), Voice(1300, 0xbbbb)
        r.speak(0, seconds, (caller_to, caller), (callee_to, callee))
        return r, caller, callee

    def check_both(self, name, seconds, **kw):
        r_found = self.consume(1, 2)[1]
        self.assertHeard(r_found, name, "caller", 500, seconds, **kw)
        self.assertHeard(r_found, name, "callee", 1300, seconds, **kw)

    def test_speed(self):
        self.both("long", 8)[0].finish()
        begin = time.monotonic()
        self.check_both("long", 8)
        self.assertGreater(time.monotonic() - begin, 0.9)

    def test_transfer(self):
        """The callee re-invites: that offer goes to the caller, whose port it is."""
        r, _, callee = self.both("transfer")
        r.sdp("offer", 300)
        r.sdp("answer", 100)
        r.speak(2, 1, (300, Voice(500, 0xcccc)), (100, callee))
        r.speak(3, 1, (300, Voice(500, 0xdddd)), (100, callee))
        r.finish("from:bob|to:alice")
        self.check_both("transfer", 4)

    def test_fork_and_early_media(self):
        r = self.recording("fork")
        r.sdp("offer", 100)
        r.sdp("answer", 200)
        caller = Voice(500, 0xaaaa)
        r.speak(0, 1, (200, caller), (100, Voice(1300, 0xbbbb)))
        r.sdp("answer", 400)
        r.sdp("answer", 400)
        r.speak(1, 2, (400, caller), (100, Voice(1300, 0xcccc)))
        r.finish()
        self.check_both("fork", 3)

    def test_codec_switch_in_one_ssrc(self):
        pts = {"pts": "8 97", "lines": ("a=rtpmap:8 PCMA/8000", "a=rtpmap:97 L16/8000")}
        r = self.recording("switch")
        r.sdp("offer", 100, **pts)
        r.sdp("answer", 200, **pts)
        caller, callee = Voice(500, 0xaaaa), Voice(1300, 0xbbbb)
        r.speak(0, 1.5, (200, caller), (100, callee))
        caller.pt, caller.audio = 97, struct.pack(">8000h", *sine(500))
        r.speak(1.5, 1.5, (200, caller), (100, callee))
        r.finish()
        self.check_both("switch", 3)

    def test_srtp_that_was_decrypted(self):
        secure = {"transport": "RTP/SAVP", "lines": ("a=rtpmap:8 PCMA/8000",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40)}
        r = self.recording("srtp")
        r.sdp("offer", 100, **secure)
        r.sdp("answer", 200)
        r.speak(0, 2, (200, Voice(500, 0xaaaa)), (100, Voice(1300, 0xbbbb)))
        r.finish()
        self.check_both("srtp", 2)

    def test_loss_reordering_duplicates_and_wraps(self):
        r = self.recording("bad")
        r.sdp("offer", 100)
        r.sdp("answer", 200)
        voices = (200, Voice(500, 1, sequence=65500, timestamp=2**32 - 4000)), \
            (100, Voice(1300, 2, sequence=65490, timestamp=2**32 - 8000))
        r.speak(0, 4, *voices)
        packets = r.packets
        chance = random.Random(1)
        lost = set(chance.sample(range(20, len(packets) - 20), 20))
        for i in chance.sample(range(20, len(packets) - 20), 20):
            (t1, a), (t2, b) = packets[i], packets[i + 2]
            packets[i], packets[i + 2] = (t1, b), (t2, a)
        packets[:] = [p for i, p in enumerate(packets) if i not in lost]
        for i in sorted(chance.sample(range(len(packets)), 20), reverse=True):
            packets.insert(i, packets[i])
        r.finish()
        daemon, found = self.consume(1, 2)
        self.assertHeard(found, "bad", "caller", 500, 4, share=0.7)
        self.assertHeard(found, "bad", "callee", 1300, 4, share=0.7)
        counts = [s["packets"] for s in self.account_of(daemon, "bad")["streams"]
            if s["component"] == 1]
        self.assertEqual(sum(c["lost"] for c in counts), 20)
        self.assertEqual(sum(c["duplicate"] for c in counts), 20)
        self.assertEqual(sum(c["late"] for c in counts), 0)

    def test_strangers(self):
        """Other people's RTP, what is no RTP, and nothing at all, to a port of the call."""
        r = self.recording("stray")
        r.sdp("offer", 100)
        r.sdp("answer", 200)
        caller, callee = Voice(500, 0xaaaa), Voice(1300, 0xbbbb)
        stranger = ("10.0.0.9", 5060)
        for i in range(20):
            r.speak(i / 10, 0.1, (200, caller), (100, callee))
            r.put(i / 10 + 0.09, 200, rtp(8, i, i * 800, 0x666, b"\x2a" * 160), stranger)
            r.put(i / 10 + 0.09, 100, b"OPTIONS sip:x SIP/2.0\r\n", stranger)
            r.put(i / 10 + 0.09, 100, b"", stranger)
            r.put(i / 10 + 0.09, 999, rtp(8, i, i * 800, 0x777, b"\x2a" * 160), stranger)
        r.finish()
        self.check_both("stray", 2)

    def test_advertised_address(self):
        r = self.recording("advertise", local="10.1.1.1")
        r.sdp("offer", 100, address="203.0.113.5")
        r.sdp("answer", 200, address="203.0.113.5")
        r.speak(0, 2, (200, Voice(500, 0xaaaa)), (100, Voice(1300, 0xbbbb)))
        r.finish()
        self.check_both("advertise", 2)

    def test_second_recording_of_the_same_names(self):
        """Stopped and started again in one call, by rtpengine 12.2 to 13.5: it cuts the pcap to
        nothing and goes on in it."""
        daemon = self.daemon(self.endpoint, "--tls-header=json")
        r = self.both("again", 2)[0]
        r.finish()
        daemon.wait_accounts(1)
        for seconds in 3, 1: # longer than the one before, shorter
            accounts = len(daemon.accounts())
            r.packets, r.text = [], []
            r.sdp("offer", 100)
            r.sdp("answer", 200)
            r.speak(0, seconds, (200, Voice(500, 0xcccc)), (100, Voice(1300, 0xdddd)))
            r.finish()
            daemon.wait_accounts(accounts + 1)
        counts = [sum(s["packets"]["decoded"] for s in a["streams"]) for a in
            sorted(daemon.accounts(), key=lambda a: a["number"])]
        self.assertEqual(counts, [200, 300, 100])
        self.assertEqual(daemon.stop(), 0)
        again = self.daemon(self.endpoint, "--tls-header=json", name="again")
        self.both("other", 1)[0].finish()
        again.wait_accounts(4)
        self.assertEqual({a["call-id"] for a in again.accounts() if a["number"] == 1},
            {"again", "other"}) # the last one was not consumed once more

    def test_full_disk_and_silent_calls(self):
        """Nothing to hear in most of them, and nothing that keeps the others from being heard."""
        empty = self.recording("empty")
        empty.finish(pcap=b"", text="")
        silent = self.recording("busy")
        silent.sdp("offer", 100)
        silent.finish()
        cut, _, _ = self.both("cut", 2)
        cut.finish(pcap=cut.pcap()[:-100])
        rubbish = self.recording("rubbish")
        rubbish.finish(pcap=os.urandom(5000), text="\x01rubbish\n" * 100)
        daemon, found = self.consume(4, 2)
        self.assertHeard(found, "cut", "caller", 500, 2)
        self.assertHeard(found, "cut", "callee", 1300, 1.98)
        self.assertEqual({a["call-id"] for a in daemon.accounts()},
            {"empty", "busy", "cut", "rubbish"})


if __name__ == "__main__":
    main()

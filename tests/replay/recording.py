# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished recordings as rtpengine leaves them in its spool (daemon/recording.c, pcap method),
written in one go. Python's standard library only."""
import os
import random
import struct
import time
import urllib.parse

from heard import tone


def rtp(pt, sequence, timestamp, ssrc, payload):
    return struct.pack(">BBHII", 0x80, pt, sequence & 0xffff, timestamp & 0xffffffff,
        ssrc) + payload


class Voice:
    """Packets of one SSRC with a tone, 20 ms each."""

    def __init__(self, hz, ssrc, pt=8, sequence=1, timestamp=0, audio=None):
        self.ssrc, self.pt, self.audio = ssrc, pt, audio or tone(hz)
        self.sequence, self.timestamp, self.sent = sequence, timestamp, 0

    def packet(self):
        step = len(self.audio) // 50
        at = self.sent * step % len(self.audio)
        self.sent += 1
        return rtp(self.pt, self.sequence + self.sent, self.timestamp + self.sent * 160,
            self.ssrc, self.audio[at:at + step])


class Recording:
    """Packets are put in by time, in seconds; SDPs belong before what is put in after them."""

    def __init__(self, spool, call_id, local="127.0.0.4"):
        self.call_id, self.local = call_id, local
        self.parent = f"{urllib.parse.quote(call_id, safe='~')}-{random.getrandbits(64):016x}"
        self.spool, self.packets, self.text = spool, [], []
        self.begin = time.time() - 60
        for name in "tmp", "metadata", "pcaps":
            os.makedirs(os.path.join(spool, name), exist_ok=True)

    def sdp(self, mode, port, lines=("a=rtpmap:8 PCMA/8000",), pts="8", transport="RTP/AVP",
            address=None, direction="sendrecv"):
        address = address or self.local
        self.text.append(f"\nTimestamp started ms: {self.begin * 1000:.3f}\nSDP mode: {mode}\n"
            f"SDP before RTP packet: {len(self.packets) + 1}\n\n" + "\r\n".join(
            ["v=0", f"o=- 1 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0",
            f"m=audio {port} {transport} {pts}", *lines, f"a={direction}", f"a=rtcp:{port + 1}",
            "a=ptime:20", ""]))

    def put(self, at, to, payload, source=("127.0.0.2", 40000)):
        """One UDP packet that came in."""
        def address(text):
            return bytes(map(int, text.split(".")))
        udp = struct.pack(">HHHH", source[1], to, 8 + len(payload), 0) + payload
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
        self.packets.append((at, ip + address(source[0]) + address(self.local) + udp))

    def speak(self, begin, seconds, *voices):
        """(port, voice)s at once, 50 packets a second."""
        for i in range(round(seconds * 50)):
            for n, (port, voice) in enumerate(voices):
                self.put(begin + i * 0.02, port, voice.packet(), ("127.0.0.2", 40000 + 2 * n))

    def pcap(self):
        parts = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101)]
        for at, packet in self.packets:
            usec = int((self.begin + at) * 1e6)
            parts += struct.pack("<IIII", usec // 10**6, usec % 10**6, len(packet),
                len(packet)), packet
        return b"".join(parts)

    def finish(self, metadata="", pcap=None, text=None):
        path = os.path.join(self.spool, "pcaps", self.parent + ".pcap")
        end = (f"\nTimestamp terminated ms(first monologue): {self.begin * 1000:.3f}\n\n"
            "call start time: 2026-11-21T06:38:03\ncall end time: 2026-11-21T06:38:08\n\n\n")
        whole = path + "\n\n" + "".join(self.text) + end + metadata + "\n" * bool(metadata)
        name = f"rtpengine-meta-{self.parent}"
        running = os.path.join(self.spool, "tmp", name + ".tmp")
        with open(running, "w", newline="") as f:
            f.write(whole if text is None else text)
        with open(path, "wb") as f:
            f.write(self.pcap() if pcap is None else pcap)
        os.rename(running, os.path.join(self.spool, "metadata", name + ".txt"))

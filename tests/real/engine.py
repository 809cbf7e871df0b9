# SPDX-License-Identifier: GPL-3.0-or-later
"""A private rtpengine that records to a spool, its NG protocol, and phones that send tones through
it. Python's standard library only."""
import json
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
from harness import (Process, Receiver, Redis, Spoolwire, free_port, level, need,  # noqa: E402
    program, read, samples, wait_for)
from heard import HeardCase, tone  # noqa: E402


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in value.items()) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    data = value if isinstance(value, bytes) else value.encode()
    return b"%d:%s" % (len(data), data)


def bdecode(data, at=0):
    """(value, position behind it); texts come as text."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"d", b"l"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"d" else items), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end].decode(errors="surrogateescape"), end


class Rtpengine(Process):
    """Debian's rtpengine without its kernel module, in pcap mode."""

    def __init__(self, dir, spool, format="raw", interface="127.0.0.1", name="rtpengine",
            options=()):
        need("rtpengine")
        self.port = free_port(socket.SOCK_DGRAM)
        self.ng = f"127.0.0.1:{self.port}"
        base = 20000 + random.randrange(100) * 200
        super().__init__(["rtpengine", "--config-file=none", "--foreground", "--log-stderr",
            "--log-level=5", "--table=-1", "--num-threads=2", f"--interface={interface}",
            f"--listen-ng={self.ng}", f"--port-min={base}", f"--port-max={base + 999}",
            f"--recording-dir={spool}", "--recording-method=pcap", f"--recording-format={format}",
            "--delete-delay=0", f"--pidfile={dir}/{name}.pid", *options],
            os.path.join(dir, name + ".log"))
        wait_for("rtpengine", self.answers)

    def answers(self):
        try:
            return self.ask("ping", timeout=0.2)["result"] == "pong"
        except OSError:
            return False

    def ask(self, command, timeout=5, **more):
        """One request; names with - for _."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", self.port))
            s.settimeout(timeout)
            request = {"command": command, **{k.replace("_", "-"): v for k, v in more.items()}}
            s.send(b"%x " % random.getrandbits(60) + bencode(request))
            answer = s.recv(65536)
        return bdecode(answer, answer.index(b" ") + 1)[0]

    def order(self, command, **more):
        answer = self.ask(command, **more)
        if answer.get("result") != "ok":
            raise AssertionError(f"{command}: {answer}")
        return answer


class Phone:
    """A socket that sends a tone as PCMA, 20 ms a packet."""

    def __init__(self, hz, address="127.0.0.1", ssrc=None):
        self.hz, self.audio, self.address = hz, tone(hz), address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.port = self.socket.getsockname()[1]
        self.ssrc = random.getrandbits(32) if ssrc is None else ssrc
        self.sequence, self.sent, self.to = random.getrandbits(16), 0, None

    def sdp(self):
        family = "IP6" if ":" in self.address else "IP4"
        return (f"v=0\r\no=- {self.port} 1 IN {family} {self.address}\r\ns=-\r\n"
            f"c=IN {family} {self.address}\r\nt=0 0\r\nm=audio {self.port} RTP/AVP 8\r\n"
            "a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n")

    def aim(self, sdp):
        """At the address and port of the other side's SDP."""
        lines = sdp.splitlines()
        self.to = ([l for l in lines if l.startswith("c=")][0].split()[2],
            int([l for l in lines if l.startswith("m=audio")][0].split()[1]))

    def packet(self):
        begin = self.sent * 160 % 8000
        header = struct.pack(">BBHII", 0x80, 8, (self.sequence + self.sent) & 0xffff,
            self.sent * 160, self.ssrc)
        self.sent += 1
        return header + self.audio[begin:begin + 160]

    def send(self):
        self.socket.sendto(self.packet(), self.to)

    def close(self):
        self.socket.close()


def talk(phones, seconds):
    """All of them, at their pace."""
    begin = time.monotonic()
    for i in range(round(seconds * 50)):
        time.sleep(max(0, begin + i * 0.02 - time.monotonic()))
        for phone in phones:
            phone.send()


class EngineCase(HeardCase):
    """Each test has a spool, an endpoint and, when asked for, an rtpengine and a Redis."""

    def setUp(self):
        super().setUp()
        self.spool = os.path.join(self.dir, "spool")
        self.phones = []

    def tearDown(self):
        for phone in self.phones:
            phone.close()
        super().tearDown()

    def rtpengine(self, **kw):
        return self.keep(Rtpengine(self.dir, kw.pop("spool", self.spool), **kw))

    def phone(self, hz, **kw):
        self.phones.append(Phone(hz, **kw))
        return self.phones[-1]

    def call(self, engine, call_id, caller, callee, metadata="", **flags):
        """Offer and answer with recording on."""
        common = {"call_id": call_id, "from_tag": "f", "record_call": "yes", **flags}
        if metadata:
            common["metadata"] = metadata
        callee.aim(engine.order("offer", sdp=caller.sdp(), **common)["sdp"])
        caller.aim(engine.order("answer", to_tag="t", sdp=callee.sdp(), **common)["sdp"])

    def feed_calls(self, engine, *options, script=None, name="feed", wait=True):
        """spoolwire-feed ng; its JSON of every call."""
        if script:
            path = os.path.join(self.dir, name + ".script")
            with open(path, "w", encoding="utf-8") as f:
                f.write("\n".join(script) + "\n")
            options += ("--script", path)
        feed = self.keep(Process([program("spoolwire-feed"), "ng", "--ng", engine.ng, "--json",
            *options], os.path.join(self.dir, name + ".log")))
        return self.fed(feed) if wait else feed

    def fed(self, feed):
        self.assertEqual(feed.wait(60), 0, feed.text())
        return [json.loads(l) for l in feed.text().splitlines() if l.startswith("{")][:-1]


__all__ = ["EngineCase", "Phone", "Process", "Receiver", "Redis", "Rtpengine", "Spoolwire",
    "free_port", "level", "need", "read", "samples", "talk", "wait_for"]

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls as they come: two SIP phones, a real Kamailio that asks a real rtpengine to record and puts
call data into a real Redis. Skipped where one of them is missing."""
import glob
import os
import re
import shutil
import socket
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from engine import EngineCase, Process, free_port, read, talk, wait_for  # noqa: E402

MODULES = (glob.glob("/usr/lib/*/kamailio/modules") or [""])[0]


class Message:
    """A SIP request or response (RFC 3261), as far as a phone that calls itself needs it."""

    def __init__(self, data):
        head, _, self.body = data.decode().partition("\r\n\r\n")
        self.start, *lines = head.split("\r\n")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name]

    def first(self, name):
        return self.all(name)[0]

    def status(self):
        found = re.match(r"SIP/2.0 (\d+)", self.start)
        return int(found.group(1)) if found else 0


class SipPhone:
    """One call of one phone; audio is the engine's Phone."""

    def __init__(self, user, audio, proxy, port=0):
        self.user, self.audio, self.proxy = user, audio, proxy
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.settimeout(10)
        self.port = self.socket.getsockname()[1]
        self.contact = f"<sip:{user}@127.0.0.1:{self.port}>"

    def receive(self, wanted):
        """The next message that begins so; others are passed over."""
        while True:
            message = Message(self.socket.recv(65536))
            if message.start.startswith(wanted):
                return message
            if message.status() >= 300:
                raise AssertionError(message.start)

    def send(self, start, headers, sdp=""):
        headers = headers + [("Contact", self.contact), ("Content-Length", str(len(sdp)))]
        if sdp:
            headers.append(("Content-Type", "application/sdp"))
        text = "\r\n".join([start] + [f"{n}: {v}" for n, v in headers]) + "\r\n\r\n" + sdp
        self.socket.sendto(text.encode(), ("127.0.0.1", self.proxy))

    def request(self, method, uri, to, number, extra=(), sdp=""):
        self.send(f"{method} {uri} SIP/2.0", [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{method}{self.port}"),
            ("Max-Forwards", "70"), ("From", f"<sip:{self.user}@127.0.0.1>;tag=f{self.port}"),
            ("To", to), ("Call-ID", self.call_id), ("CSeq", f"{number} {method}"), *extra], sdp)

    def invite(self, user, call_id):
        self.call_id, self.peer = call_id, f"<sip:{user}@127.0.0.1>"
        self.request("INVITE", f"sip:{user}@127.0.0.1:{self.proxy}", self.peer, 1,
            sdp=self.audio.sdp())

    def answer(self):
        invite = self.receive("INVITE")
        self.audio.aim(invite.body)
        self.respond(invite, "200 OK", self.audio.sdp())

    def respond(self, request, what, sdp=""):
        to = request.first("to")
        same = [(n, v) for n, v in request.headers
            if n.lower() in ("via", "record-route", "from", "call-id", "cseq")]
        self.send(f"SIP/2.0 {what}",
            same + [("To", to if "tag=" in to else f"{to};tag=t{self.port}")], sdp)

    def connected(self):
        ok = self.receive("SIP/2.0 200")
        self.audio.aim(ok.body)
        self.peer = ok.first("to")
        self.uri = re.search(r"<(.*)>", ok.first("contact")).group(1)
        self.route = [("Route", v) for v in reversed(ok.all("record-route"))]
        self.request("ACK", self.uri, self.peer, 1, self.route)

    def hang_up(self):
        self.request("BYE", self.uri, self.peer, 2, self.route)

    def close(self):
        self.socket.close()


class KamailioTest(EngineCase):
    def setUp(self):
        super().setUp()
        self.sip, self.answering = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)

    def kamailio(self, engine, redis):
        path = os.path.join(self.dir, "kamailio.cfg")
        template = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kamailio.cfg")
        text = read(template).decode()
        for name, value in (("SIP", self.sip), ("NG", engine.port), ("REDIS", redis.port),
                ("CALLEE", self.answering)):
            text = text.replace(f"@{name}@", str(value))
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        run = os.path.join(self.dir, "run")
        os.mkdir(run)
        proxy = self.keep(Process(["kamailio", "-DD", "-E", "-f", path, "-L", MODULES, "-Y", run,
            "-w", run, "-P", os.path.join(run, "pid"), "-m", "32", "-M", "8"],
            os.path.join(self.dir, "kamailio.log")))
        wait_for("kamailio", lambda: not proxy.alive() or self.listens())
        self.assertTrue(proxy.alive(), proxy.text())
        return proxy

    def listens(self):
        wanted = f"0100007F:{self.sip:04X}".encode()
        return wanted in read("/proc/net/udp")

    def test_one_call_end_to_end(self):
        redis = self.redis()
        receiver = self.receiver()
        daemon = self.daemon(receiver, f"--redis-url=redis://127.0.0.1:{redis.port}/0",
            "--redis-consume=delete")
        engine = self.rtpengine()
        proxy = self.kamailio(engine, redis)
        alice = SipPhone("alice", self.phone(500), self.sip)
        bob = SipPhone("bob", self.phone(1300), self.sip, self.answering)
        self.phones += [alice, bob]
        call_id = "end to/end%20@kamailio"
        alice.invite("bob", call_id)
        bob.answer()
        alice.connected()
        bob.receive("ACK")
        talk([alice.audio, bob.audio], 3)
        alice.hang_up()
        bob.respond(bob.receive("BYE"), "200 OK")
        alice.receive("SIP/2.0 200")
        account = daemon.wait_accounts(1)[0]
        self.assertEqual(account["call-id"], call_id)
        self.check_data(account)
        found = self.received(receiver, 2)
        for role, phone in ("caller", alice), ("callee", bob):
            header, _ = self.assertHeard(found, call_id, role, phone.audio.hz, 3.0)
            self.assertEqual(header["data"]["merged"]["from_user"], "alice")
        wait_for("the list to be deleted", lambda:
            redis.command("EXISTS", "call-mq:" + call_id) == 0)
        self.assertEqual(proxy.stop(), 0)

    def check_data(self, account):
        self.assertIsNotNone(account["joined-after-ms"])
        self.assertLess(account["joined-after-ms"], 500)
        self.assertEqual(account["data-elements"], 3)
        merged = account["data"]["merged"]
        self.assertEqual((merged["event"], merged["from_user"], merged["to_user"]),
            ("end", "alice", "bob"))
        self.assertEqual(account["metadata"]["parsed"], {"from": "alice", "to": "bob"})
        self.assertBalanced(account)


if __name__ == "__main__":
    missing = [p for p in ("kamailio", "rtpengine", "redis-server") if not shutil.which(p)]
    if missing or not os.path.exists(os.path.join(MODULES, "ndb_redis.so")):
        print(f"not installed: {' '.join(missing) or 'kamailio-redis-modules'}: skipped")
        sys.exit(77)
    unittest.main(verbosity=2)

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""spoolwire-receive: what it writes about what it got, and the faults it was asked for.

The program is found in $SPOOLWIRE_RECEIVE, or in the current directory."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest
import warnings
import wave

PROGRAM = os.environ.get("SPOOLWIRE_RECEIVE", "./spoolwire-receive")
HEADER = {"call-id": "../a b@h", "tag": "t/1", "label": "caller", "rate": 16000, "channels": 2,
          "metadata": "k:v"}
DEADLINE = 20


def samples(n):
    return struct.pack("<%dh" % n, *[(i % 2000) + 1 for i in range(n)])


class Receive(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="spoolwire-receive-")
        self.out = os.path.join(self.dir, "out")
        self.ca = os.path.join(self.dir, "ca.pem")
        self.program = None
        warnings.simplefilter("ignore", ResourceWarning)  # sockets left open are the tests' point

    def tearDown(self):
        if self.program:
            self.program.kill()
            self.program.wait()
            self.program.stdout.close()
        shutil.rmtree(self.dir)

    def start(self, *options, tls=False, host="127.0.0.1"):
        security = ["--self-signed", "--write-ca", self.ca] if tls else ["--tcp"]
        self.program = subprocess.Popen(
            [PROGRAM, "--listen", host + ":0", "-o", self.out, "--stats", "--quiet", *security,
             *options], stdout=subprocess.PIPE, text=True)
        line = self.program.stdout.readline()
        self.assertTrue(line.startswith("listening on "), line)
        self.port = int(line.rsplit(":", 1)[1])

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def connect(self, context=None, host="127.0.0.1", **more):
        s = socket.create_connection((host, self.port), DEADLINE)
        return context.wrap_socket(s, server_hostname=host, **more) if context else s

    def stop(self):
        self.program.send_signal(signal.SIGTERM)
        return self.finished()

    def finished(self):
        """The totals."""
        text, _ = self.program.communicate(timeout=DEADLINE)
        self.assertEqual(self.program.returncode, 0)
        return json.loads(text.splitlines()[-1])

    def file(self, suffix, number=1):
        names = [n for n in os.listdir(self.out)
                 if n.startswith("%06d" % number) and n.endswith(suffix)]
        self.assertEqual(len(names), 1, os.listdir(self.out))
        return os.path.join(self.out, names[0])

    def take(self, number=1):
        with open(self.file(".json", number)) as f:
            return json.load(f)

    def wait_for(self, what):
        until = time.monotonic() + DEADLINE
        while not what():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def test_json_header_in_pieces(self):
        self.start("--expect", "1")
        audio = samples(3200)
        s = self.connect()
        for byte in json.dumps(HEADER).encode() + b"\0" + audio[:5]:
            s.sendall(bytes([byte]))
        s.sendall(audio[5:] + bytes(640))
        s.close()
        totals = self.finished()
        t = self.take()
        self.assertEqual(os.path.basename(self.file(".wav")), "000001-.._a_b_h-t_1-caller.wav")
        self.assertEqual(t["header"]["json"], HEADER)
        self.assertEqual((t["rate"], t["channels"], t["samples"]), (16000, 2, 1760))
        self.assertEqual((t["end"], t["silence_ms"]), ("eof", 10))
        self.assertEqual((totals["ended"], totals["ends"]["eof"]), (1, 1))
        with wave.open(self.file(".wav")) as w:
            self.assertEqual((w.getframerate(), w.getnchannels()), (16000, 2))
            self.assertEqual(w.readframes(9999), audio + bytes(640))

    def test_metadata_header(self):
        self.start("--rate-hz", "48000", "--expect", "2")
        for header in (b"a:1|b:x:y|\xff:z|junk", b""):
            s = self.connect()
            s.sendall(header + b"\0" + samples(480))
            s.close()
        self.finished()
        takes = sorted((self.take(1), self.take(2)), key=lambda t: len(t["header"]["raw"]))
        self.assertEqual(takes[0]["header"]["raw"], "")
        self.assertTrue(takes[0]["header"]["complete"])
        self.assertEqual(takes[1]["header"]["pairs"], {"a": "1", "b": "x:y", "\ufffd": "z"})
        self.assertAlmostEqual(takes[1]["duration_s"], 0.01)

    def test_wav_is_valid_while_it_grows(self):
        self.start()
        s = self.connect()
        s.sendall(b"\0" + samples(100))

        def frames():
            try:
                with wave.open(self.file(".wav")) as w:
                    return w.getnframes()
            except (AssertionError, EOFError): # not made, or nothing written yet
                return 0
        self.wait_for(lambda: frames() == 100)
        s.sendall(samples(100))
        self.wait_for(lambda: frames() == 200)
        self.assertEqual(self.stop()["ends"]["shutdown"], 1)
        self.assertEqual(self.take()["end"], "shutdown")

    def test_raw_is_exact(self):
        self.start("--raw", "--expect", "1")
        data = b"k:v\0" + random.Random(1).randbytes(100001)
        s = self.connect()
        s.sendall(data)
        s.close()
        self.finished()
        with open(self.file(".raw"), "rb") as f:
            self.assertEqual(f.read(), data)

    def test_tls_close_notify_and_resumption(self):
        self.start("--expect", "2", tls=True)
        context = self.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # the ticket is there after the handshake
        session = None
        for _ in range(2):
            s = self.connect(context, session=session)
            session = s.session
            s.sendall(b"\0" + samples(8000))
            s.unwrap()
            s.close()
        totals = self.finished()
        self.assertEqual((totals["ends"]["close_notify"], totals["resumed"]), (2, 1))
        first, second = self.take(1), self.take(2)
        self.assertEqual((first["tls_version"], first["tls_resumed"]), ("TLSv1.2", False))
        self.assertTrue(second["tls_resumed"])
        self.assertEqual(first["samples"], 8000)

    def test_tls_without_close_notify(self):
        self.start("--expect", "1", tls=True)
        s = self.connect(self.context())
        s.sendall(b"\0" + samples(10))
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(self.finished()["ends"]["eof"], 1)
        s.close()
        self.assertEqual(self.take()["tls_version"], "TLSv1.3")

    def test_openssl_s_client_over_ipv6(self):
        self.start("--expect", "1", tls=True, host="[::1]")
        subprocess.run(["openssl", "s_client", "-quiet", "-connect", "[::1]:%d" % self.port,
                        "-CAfile", self.ca, "-verify_return_error", "-verify_ip", "::1",
                        "-no_ign_eof"],
                       input=b"x:y\0" + samples(800), check=True, timeout=DEADLINE,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.finished()
        self.assertEqual(self.take()["samples"], 800)
        self.assertEqual(self.take()["header"]["pairs"], {"x": "y"})

    def test_client_certificate_is_demanded(self):
        self.start(tls=True)
        self.stop()
        self.program.stdout.close()
        own = os.path.join(self.dir, "own.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", own, "-out",
                        own + ".crt", "-subj", "/CN=client", "-days", "1"],
                       check=True, stderr=subprocess.DEVNULL)
        self.start("--client-ca", own + ".crt", "--expect", "2", tls=True)
        with self.assertRaises(OSError):
            s = self.connect(self.context())
            s.sendall(b"\0")
            s.recv(1)
        context = self.context()
        context.load_cert_chain(own + ".crt", own)
        s = self.connect(context)
        s.sendall(b"\0ab")
        s.unwrap()
        self.assertEqual(self.finished()["ends"]["handshake-failed"], 1)

    def test_rubbish_instead_of_tls_and_reset(self):
        self.start("--expect", "3", tls=True)
        s = self.connect()
        s.sendall(b"GET / HTTP/1.0\r\n\r\n" * 10)
        s.close()
        self.connect().close()
        s = self.connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        self.assertEqual(self.finished()["ends"]["handshake-failed"], 3)

    def test_reset_is_told_from_eof(self):
        self.start("--expect", "1")
        s = self.connect()
        s.sendall(b"\0ab")
        self.wait_for(lambda: os.path.exists(os.path.join(self.out, "000001.wav")))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        self.assertEqual(self.finished()["ends"]["reset"], 1)

    def test_no_read_and_stall(self):
        for options in (["--no-read"], ["--stall-after", "0"]):
            self.start("--small-buffers", *options)
            s = self.connect()
            s.settimeout(0.5)
            with self.assertRaises(socket.timeout):
                while True:
                    s.sendall(bytes(65536))
            s.close()
            self.stop()
            self.program.stdout.close()

    def test_stalls_for_a_while_and_reads_on(self):
        self.start("--stall-after", "0", "--stall-for", "300", "--expect", "1", tls=True)
        s = self.connect(self.context())
        s.sendall(b"\0" + samples(400000))
        s.unwrap()
        self.finished()
        self.assertEqual(self.take()["samples"], 400000)
        self.assertGreater(self.take()["longest_pause_ms"], 200)

    def test_rate(self):
        self.start("--rate", "40000", "--expect", "1")
        begin = time.monotonic()
        s = self.connect()
        s.sendall(b"\0" + bytes(60000))
        s.close()
        self.finished()
        self.assertGreater(time.monotonic() - begin, 0.4)
        self.assertEqual(self.take()["audio_bytes"], 60000)

    def test_closes_and_resets(self):
        self.start("--close-after", "100", "--expect", "1", tls=True)
        s = self.connect(self.context())
        s.sendall(b"\0")
        self.assertEqual(s.recv(1), b"")
        s.close()
        self.assertEqual(self.finished()["ends"]["closed-by-us"], 1)
        self.program.stdout.close()
        self.start("--reset-after", "100", "--expect", "1")
        s = self.connect()
        s.sendall(b"\0")
        self.assertRaises(ConnectionResetError, s.recv, 1)
        self.assertEqual(self.finished()["ends"]["reset-by-us"], 1)

    def test_slow_handshake(self):
        self.start("--slow-handshake", "300", "--expect", "1", tls=True)
        begin = time.monotonic()
        s = self.connect(self.context())
        self.assertGreater(time.monotonic() - begin, 0.25)
        s.unwrap()
        self.finished()
        self.program.stdout.close()
        self.start("--slow-handshake", "never", tls=True)
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(0.3)
        with self.assertRaises((socket.timeout, TimeoutError)):
            self.context().wrap_socket(s, server_hostname="127.0.0.1")
        self.stop()

    def test_sends_rubbish(self):
        self.start("--send-rubbish", "--expect", "1", tls=True)
        s = self.connect(self.context())
        self.assertGreater(len(s.recv(1000)), 0)
        s.sendall(b"\0ab")
        s.close()
        self.finished()

    def test_hostile_headers(self):
        self.start("--expect", "4")
        for header in (b'{"rate": -1, "channels": 99999999999999999999, "call-id": 7}',
                       b"[" * 100000, b"\xff" * 300, b'{"call-id":"' + b"/" * 5000 + b'","rate":1e9}'):
            s = self.connect()
            s.sendall(header + b"\0" + bytes(161))
            s.close()
        self.assertEqual(self.finished()["headers"], 4)
        for number in range(1, 5):
            self.assertEqual((self.take(number)["rate"], self.take(number)["channels"]), (8000, 1))

    def test_header_without_end(self):
        self.start("--expect", "1")
        s = self.connect()
        with self.assertRaises(OSError):
            for _ in range(2000):
                s.sendall(b"a" * 65536)
        self.assertEqual(self.finished()["ends"]["header-too-long"], 1)

    def test_many_at_once(self):
        self.start("--expect", "400")
        peers = [self.connect() for _ in range(400)]
        for s in peers:
            s.sendall(b"\0" + samples(160))
        for s in peers:
            s.close()
        totals = self.finished()
        self.assertEqual((totals["audio_bytes"], totals["headers"]), (400 * 320, 400))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: GPL-3.0-or-later
"""Tones as A-law, and whether an endpoint heard them. Python's standard library only."""
import math

from harness import Case, Spoolwire, level, samples, wait_for


def alaw(sample):
    """One sample of 16 bits (G.711 A-law)."""
    sign, x = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    exponent = max(x.bit_length() - 8, 0)
    code = exponent << 4 | (x >> (max(exponent, 1) + 3)) & 15
    return (code | sign) ^ 0x55


def sine(hz, at=0.25):
    """One second at 8 kHz; whole Hz, so that it can go round."""
    return [int(32767 * at * math.sin(2 * math.pi * hz * i / 8000)) for i in range(8000)]


def tone(hz):
    return bytes(map(alaw, sine(hz)))


class HeardCase(Case):
    """Looks at what spoolwire-receive got with tls-header=json; daemons have to end well."""

    def tearDown(self):
        try:
            for p in self.processes:
                if isinstance(p, Spoolwire) and p.alive():
                    self.assertEqual(p.stop(), 0, p.text()[-3000:])
        finally:
            super().tearDown()

    def received(self, receiver, n):
        """{call-id: {role: [(header, connection, samples, rate)]}} of n connections."""
        wait_for(f"{n} connections", lambda: len(receiver.connections()) >= n)
        found = {}
        for c in receiver.connections():
            header = (c.get("header") or {}).get("json") or {}
            rate, _, channels = samples(c["path"].replace(".json", ".wav"))
            found.setdefault(header.get("call-id"), {}).setdefault(header.get("role"), []).append(
                (header, c, channels[0], rate))
        return found

    def assertTone(self, audio, rate, hz, share=0.9):
        """Most of its begin and of its end is that tone."""
        n = rate * 4 // 5
        for part in audio[:n], audio[-n:]:
            self.assertGreater(level(part, rate, hz), share, f"{hz} Hz")

    def assertHeard(self, found, call_id, role, hz, seconds, within=0.1, share=0.9):
        """One connection with all of a participant."""
        self.assertEqual(len(found[call_id][role]), 1, call_id)
        header, connection, audio, rate = found[call_id][role][0]
        self.assertTone(audio, rate, hz, share)
        self.assertAlmostEqual(len(audio) / rate, seconds, delta=within, msg=(call_id, role))
        return header, connection

    def account_of(self, daemon, call_id):
        return [a for a in daemon.accounts() if a["call-id"] == call_id][-1]

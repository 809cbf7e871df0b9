# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings and kill -9: what the tests of it share."""
import concurrent.futures
import contextlib
import hashlib
import urllib.parse

from faults import *
from heard import tone
from schema import Schema

PROMISE = 5.0  # [s] the most that a crash may take of a call


def note_of(path):
    """What is needed to go on with a recording."""
    note = json.loads(read(path))
    text = {key: urllib.parse.unquote(note[key]) for key in ("path", "parent", "label")}
    part = text["path"] + ".part"
    try:
        frames = max(os.path.getsize(part) - 80, 0) // (2 * note["channels"])
    except FileNotFoundError:
        return None
    return {**text, "path": part,
        "begin": note["started"] / 1e6, "end": note["started"] / 1e6 + frames / note["rate_hz"]}


def notes_of(daemon):
    return [n for n in map(note_of, glob.glob(daemon.state + "/recordings/*.json")) if n]


class Speaker:
    """A call by hand, both sides with a tone, on time: packet n is of n * 20 ms after the first."""
    HZ = 440, 1000, 1700

    def __init__(self, daemon, parent="by-hand-0123456789abcdef", streams=2):
        self.hand = Hand(daemon, parent)
        self.hand.section("METADATA", "a:b|c:d")
        self.fds = [self.hand.stream(n, f"tag-{n}-media-{n}-component-1-RTP-id-{n}", f"tag{n}")
            for n in range(streams)]
        for n in range(streams):
            self.hand.section(f"MEDIA {n} PAYLOAD TYPE 8", "PCMA/8000")
        self.hand.section("RECORDING 1")
        self.audio = [tone(hz) for hz in self.HZ]
        self.begin, self.sent = None, 0

    def packet(self, stream, ssrc):
        at = self.sent % 50 * 160
        return rtp(self.sent, 8, self.audio[stream][at:at + 160], ssrc=ssrc)

    def speak(self, packets, ssrc=0x1234):
        self.begin = self.begin or time.time()
        for _ in range(packets):
            time.sleep(max(0, self.begin + self.sent * 0.02 - time.time()))
            for n, fd in enumerate(self.fds):
                packet = self.packet(n, ssrc + n)
                try:
                    os.write(fd, packet)
                except BlockingIOError: # as in the kernel, the oldest goes
                    with contextlib.suppress(BlockingIOError):
                        os.read(fd, 65536)
                    os.write(fd, packet)
            self.sent += 1

    def end(self):
        self.hand.end()


class CrashCase(FaultCase):
    SCHEMA = os.path.join(SOURCE, "docs", "recording.schema.json")

    def sidecars(self, out=None):
        """{path of the recording: sidecar}; each has to be right."""
        found = {}
        for name in glob.glob((out or self.out) + "/**/*.json", recursive=True):
            sidecar = json.loads(read(name))
            self.assertEqual(Schema(self.SCHEMA).errors(sidecar), [], name)
            for f in sidecar["files"]:
                self.assertEqual(f["sha256"], hashlib.sha256(read(f["path"])).hexdigest())
                self.assertEqual(f["bytes"], os.path.getsize(f["path"]))
                found[f["path"]] = sidecar
        return found

    def speaks_again(self, *options, **kw):
        self.starts = getattr(self, "starts", 0) + 1
        again = self.recorder(None, *options, name=f"again{self.starts}", **kw)
        wait_for("the streams", lambda: again.status().get("sources_opened"))
        return again

    def restarted(self, speaker, ssrc, *options):
        """It was not there for 0.6 s, and the caller went on talking for 4 s."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            speech = pool.submit(speaker.speak, 200, ssrc)
            time.sleep(0.6)
            again = self.speaks_again(*options)
            speech.result()
        return again

    def ends(self, daemon, speaker, files):
        speaker.end()
        daemon.wait_accounts(1)
        found = self.wait_published(files)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(len(self.sidecars()), files)
        return found

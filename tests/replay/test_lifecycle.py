#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's own life: started before its spool or after its calls, told to end once or twice,
killed, out of files, with a disk that hangs, and fed with metadata that nobody sane writes."""
import resource
import types

from harness import *

# fsync() of regular files waits while the file $HOLD is there.
SLOW_DISK = r"""
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int fsync(int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	while (access(getenv("HOLD"), F_OK) == 0)
		usleep(10000);
	return real(fd);
}
"""


# Names are not resolved within a minute; $ASKED gets a byte for each that is looked up.
SLOW_DNS = r"""
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
	struct addrinfo **found)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(__typeof__(real))dlsym(RTLD_NEXT, "getaddrinfo");
	int fd;
	if (hints && hints->ai_flags & AI_NUMERICHOST)
		return real(node, service, hints, found);
	fd = open(getenv("ASKED"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	(void)!write(fd, "?", 1);
	close(fd);
	sleep(60);
	return EAI_AGAIN;
}
"""


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


class Lifecycle(Case):
    def running(self, daemon, packets=100):
        """Until calls run and audio flows in."""
        wait_for("packets", lambda: daemon.status().get("packets_in", 0) >= packets)

    def stop_in(self, seconds, daemon, signals=1):
        begin = time.monotonic()
        daemon.send(signal.SIGTERM)
        for _ in range(signals - 1):
            daemon.wait_text("ending")
            daemon.send(signal.SIGTERM)
        self.assertEqual(daemon.wait(DEADLINE), 0)
        if TIMES:
            self.assertLess(time.monotonic() - begin, seconds)

    # ---- ends

    def test_sigterm_drains(self):
        endpoint = self.receiver()
        daemon = self.daemon(endpoint)
        self.feed(daemon, "--calls", "10", "--rate", "100", "--seconds", "60")
        self.running(daemon, 1000)
        self.stop_in(5, daemon)
        accounts = daemon.accounts()
        self.assertEqual(len(accounts), 10)
        for account in accounts:
            self.assertBalanced(account)
            self.assertEqual(account["end"], "shutdown")
            self.assertEqual(sum(s["dropped-ms"] + s["waiting-ms"] for s in account["sinks"]), 0)
        wait_for("all connections", lambda: len(endpoint.connections()) == 20)
        self.assertEqual({c["end"] for c in endpoint.connections()}, {"close_notify"})

    def test_shutdown_timeout_cuts(self):
        daemon = self.daemon(self.receiver(options=["--no-read", "--small-buffers"]),
            "--shutdown-timeout=1", "--tls-resample=192000")
        self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "60")
        self.running(daemon, 800)
        self.stop_in(4, daemon)
        accounts = daemon.accounts()
        self.assertEqual(len(accounts), 4)
        for account in accounts:
            self.assertBalanced(account)
            self.assertGreater(sum(s["dropped-ms"] for s in account["sinks"]), 0)

    def test_second_sigterm_ends_at_once(self):
        daemon = self.daemon(self.receiver(options=["--no-read", "--small-buffers"]),
            "--shutdown-timeout=60", "--tls-linger=60", "--tls-resample=192000")
        self.feed(daemon, "--calls", "2", "--rate", "100", "--seconds", "60")
        self.running(daemon, 400)
        self.stop_in(3, daemon, signals=2)

    # ---- starts

    def test_killed_and_restarted(self):
        endpoint = self.receiver()
        daemon = self.daemon(endpoint)
        feed = self.feed(daemon, "--calls", "50", "--rate", "1000", "--seconds", "5")
        wait_for("all streams", lambda: daemon.status().get("sources_opened") == 200)
        daemon.kill()
        begin = time.monotonic()
        daemon = self.daemon(endpoint, name="again")
        wait_for("all streams again", lambda: daemon.status().get("sources_opened") == 200)
        if TIMES:
            self.assertLess(time.monotonic() - begin, 2) # one for the daemon, one for the machine
        feed.wait(DEADLINE)
        for account in daemon.wait_accounts(50):
            self.assertBalanced(account)
            self.assertEqual(account["end"], "ended")
            self.assertGreater(sum(s["forwarded-ms"] for s in account["sinks"]), 2000)

    def test_metafiles_that_lie_there(self):
        where = types.SimpleNamespace(dir=self.dir, spool=os.path.join(self.dir, "spool"),
            proc=os.path.join(self.dir, "proc"))
        os.makedirs(where.spool)
        os.makedirs(where.proc)
        feed = self.feed(where, "--calls", "20", "--rate", "1000", "--seconds", "3")
        wait_for("metafiles", lambda: len(os.listdir(where.spool)) == 20)
        daemon = self.daemon(self.receiver())
        result = feed.result()
        self.assertEqual(result["streams_unopened"], 0)
        self.assertEqual(len(daemon.wait_accounts(20)), 20)

    def test_spool_comes_goes_and_comes_again(self):
        daemon = self.daemon(self.receiver(), start=False)
        os.rmdir(daemon.spool)
        daemon.wait_text("spool")
        for n in 1, 2:
            os.makedirs(daemon.spool, exist_ok=True)
            result = self.feed(daemon, "--calls", "3", "--rate", "100", "--seconds", "1",
                name=f"feed{n}").result()
            self.assertEqual(result["streams_unopened"], 0)
            daemon.wait_accounts(3 * n)
            shutil.rmtree(daemon.spool)
        self.assertEqual(daemon.status()["calls"], 6)
        self.assertEqual(daemon.stop(), 0)

    def test_spool_that_is_a_file(self):
        path = os.path.join(self.dir, "file")
        with open(path, "w"):
            pass
        daemon = self.daemon(None, f"--spool-dir={path}", start=False)
        daemon.wait_text("file")
        os.unlink(path)
        os.mkdir(path)
        daemon.spool = path
        self.assertEqual(self.feed(daemon, "--seconds", "1").result()["streams_unopened"], 0)

    def test_wrong_options_end_with_a_sentence(self):
        for option in ("--tls-send-to=nowhere", "--no-such-option", "--num-threads=many",
                "--tls-ca-file=/does/not/exist", "--output-storage=db", "--mysql-host=x",
                "--config-file=/does/not/exist", "--redis-url=http://x", "--tls-when-full=never",
                "--account-dir=/proc/nowhere", "--redis-list=all", "--log-level=9"):
            with self.subTest(option):
                more = [] if option.startswith("--tls-send-to") else ["--tls-send-to=127.0.0.1:9"]
                done = subprocess.run([program("spoolwire"), "--config-file=none", "--foreground",
                    "--log-stderr", "--output-storage=none", f"--spool-dir={self.dir}",
                    f"--state-dir={self.dir}/state", *more, option], capture_output=True,
                    timeout=DEADLINE)
                said = [l for l in done.stderr.decode().splitlines() if "open files" not in l]
                self.assertEqual(done.returncode, 1, said)
                self.assertEqual(len(said), 1, said)
                name = option[2:].split("=")[0]
                self.assertTrue(name in said[0] or option.split("=")[-1] in said[0], said)

    def test_in_the_background(self):
        pidfile = os.path.join(self.dir, "pid")
        args = [program("spoolwire"), "--config-file=none", "--output-storage=none",
            f"--spool-dir={self.dir}", f"--state-dir={self.dir}/state", f"--pidfile={pidfile}",
            f"--account-dir={self.dir}/accounts"]
        self.assertEqual(subprocess.run(args, timeout=DEADLINE).returncode, 0)
        pid = int(read(pidfile))
        try:
            self.assertIn(b"spoolwire", read(f"/proc/{pid}/cmdline"))
            second = subprocess.run([*args, "--foreground", "--log-stderr"], capture_output=True,
                timeout=DEADLINE)
            self.assertEqual(second.returncode, 1)
            self.assertIn(b"is held by a process that runs", second.stderr)
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_for("the pidfile to go", lambda: not os.path.exists(pidfile))
        wait_for("the process to go", lambda: not read(f"/proc/{pid}/cmdline"))

    def test_sighup_reads_certificates_again(self):
        endpoint = self.receiver()
        daemon = self.daemon(endpoint)
        endpoint.stop()
        # Another certificate at the same place; its CA is where the old one's was.
        other = self.keep(Receiver(self.dir, port=endpoint.port))
        feed = self.feed(daemon, "--seconds", "5")
        daemon.wait_text("certificate refused")
        daemon.send(signal.SIGHUP)
        daemon.wait_text("log levels read again")
        daemon.wait_text("certificates read again")
        feed.result()
        account, = daemon.wait_accounts(1)
        self.assertEqual([s["forwarded-ms"] for s in account["sinks"]], [5000, 5000])
        wait_for("connections", lambda: len(other.connections()) >= 2)

    def test_sighup_reads_one_after_the_other(self):
        """The second one comes while the first one still reads: what it finds is read last."""
        endpoint = self.receiver()
        daemon = self.daemon(endpoint)
        certificate = read(endpoint.ca)
        os.unlink(endpoint.ca)
        os.mkfifo(endpoint.ca) # the disk is as slow as we are

        def give_certificate():
            try:
                fd = os.open(endpoint.ca, os.O_WRONLY | os.O_NONBLOCK)
            except OSError: # nobody reads
                return False
            os.write(fd, certificate)
            os.close(fd)
            return True

        def begun():
            return daemon.text().count("log levels read again")
        daemon.send(signal.SIGHUP)
        wait_for("the first one", begun)
        daemon.send(signal.SIGHUP)
        daemon.status() # it knows of both
        self.assertEqual(begun(), 1)
        wait_for("somebody who reads", give_certificate)
        wait_for("the second one", lambda: begun() == 2)
        wait_for("somebody who reads again", give_certificate)
        wait_for("both", lambda: daemon.text().count("certificates read again") == 2)
        self.assertNotIn("stay as they were", daemon.text())
        self.assertEqual(daemon.stop(), 0)

    # ---- limits

    def preload(self, name, text):
        if not TIMES:
            self.skipTest("sanitizers have to be loaded before anything else")
        source, library = (os.path.join(self.dir, name + end) for end in (".c", ".so"))
        with open(source, "w") as f:
            f.write(text)
        subprocess.run([*os.environ.get("CC", "cc").split(), "-D_GNU_SOURCE", "-shared", "-fPIC",
            "-o", library, source], check=True)
        return library

    def test_dns_that_hangs(self):
        library, asked = self.preload("dns", SLOW_DNS), os.path.join(self.dir, "asked")
        daemon = self.daemon(None, "--tls-send-to=endpoint.test:9", "--num-threads=2",
            "--redis-url=redis://redis.test:6379/0", "--shutdown-timeout=1",
            env={"LD_PRELOAD": library, "ASKED": asked})
        self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "60")
        # Redis and the endpoint of one worker; libuv looks up no more at a time.
        wait_for("names to be looked up", lambda: len(read(asked)) == 2)
        self.stop_in(4, daemon)
        self.assertIn("is not waited for", daemon.text())
        self.assertEqual([a["end"] for a in daemon.accounts()], ["shutdown"] * 4)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "spoolwire.pid")))

    def test_disk_that_hangs(self):
        library = self.preload("disk", SLOW_DISK)
        hold = os.path.join(self.dir, "hold")
        daemon = self.daemon(self.receiver(), "--shutdown-timeout=1",
            env={"LD_PRELOAD": library, "HOLD": hold})
        with open(hold, "w"):
            pass
        for n in range(2): # the second feed begins when all writers hang
            self.assertCloses(self.feed(daemon, "--calls", "20", "--rate", "100", "--seconds", "1",
                name=f"feed{n}").result(), daemon.status())
        self.assertEqual(daemon.accounts(), [])
        wait_for("all audio", lambda: daemon.status()["ms_forwarded"] == 40 * 2 * 1000)
        os.unlink(hold)
        self.assertEqual(len(daemon.wait_accounts(40)), 40)
        with open(hold, "w"):
            pass
        self.feed(daemon, "--calls", "4", "--rate", "100", "--seconds", "1", name="last").result()
        self.stop_in(5, daemon) # shutdown-timeout, a second for what is cut, one for the disk

    def test_max_calls(self):
        daemon = self.daemon(None, "--max-calls=2")
        feed = self.feed(daemon, "--calls", "5", "--rate", "1000", "--seconds", "1",
            "--removal-timeout", "2")
        feed.wait(DEADLINE)
        self.assertEqual(len(daemon.wait_accounts(2)), 2)
        status = daemon.status()
        self.assertEqual((status["calls"], status["calls_refused"]), (2, 3))
        self.assertIn("max-calls (2) are running", daemon.text())

    def test_metafile_of_a_dead_rtpengine(self):
        """Nobody removes it, and it takes nobody's place for ever."""
        daemon = self.daemon(None, "--max-calls=1")
        Hand(daemon).section("STREAM 0 interface", "not-there")
        account, = daemon.wait_accounts(1)
        self.assertEqual(account["end"], "stale")
        wait_for("its place", lambda: daemon.status()["calls_running"] == 0)
        self.assertEqual(self.feed(daemon, "--seconds", "1").result()["streams_unopened"], 0)
        self.assertNotIn("calls_refused", daemon.status())

    def test_no_descriptors_left(self):
        daemon = self.daemon(self.receiver())
        usual = descriptors(daemon)
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (usual + 20, limits[1]))
        self.feed(daemon, "--calls", "20", "--rate", "100", "--seconds", "1",
            "--removal-timeout", "2").wait(DEADLINE)
        wait_for("the calls to end", lambda: daemon.status()["calls_running"] == 0)
        self.assertIn("Too many open files", daemon.text())
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        result = self.feed(daemon, "--calls", "20", "--rate", "100", "--seconds", "1",
            name="again").result()
        self.assertEqual((result["streams_unopened"], result["streams_stuck"]), (0, 0))
        wait_for("all closed", lambda: descriptors(daemon) <= usual + 1)
        for account in daemon.accounts():
            self.assertBalanced(account)

    def test_descriptors_come_back(self):
        """Streams that could not be opened for want of descriptors are, as soon as there are some."""
        daemon = self.daemon(self.receiver())
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (descriptors(daemon) + 3, limits[1]))
        feed = self.feed(daemon, "--streams", "8", "--seconds", "6")
        wait_for("the lack", lambda: "Too many open files" in daemon.text())
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        result = feed.result()
        self.assertEqual((result["streams_unopened"], result["streams_stuck"]), (0, 0))

    def test_no_descriptor_is_lost(self):
        daemon = self.daemon(self.receiver())
        self.feed(daemon, "--seconds", "0.2", name="first").result()
        daemon.wait_accounts(1)
        usual = descriptors(daemon)
        self.feed(daemon, "--calls", "200", "--rate", "100", "--seconds", "0.3").result()
        daemon.wait_accounts(201)
        wait_for("as many as before", lambda: descriptors(daemon) <= usual)
        self.assertEqual(daemon.status()["calls_running"], 0)

    # ---- metadata

    def test_recording_method_all(self):
        """A metafile and a pcap of one call: it is one call, after a restart, too."""
        parent = "both-0123456789abcdef"
        daemon = self.daemon(self.receiver())
        text, pcap, whole = (os.path.join(daemon.spool, name) for name in (
            f"tmp/rtpengine-meta-{parent}.tmp", f"pcaps/{parent}.pcap",
            f"metadata/rtpengine-meta-{parent}.txt"))
        for path in text, pcap, whole:
            os.makedirs(os.path.dirname(path))
        with open(text, "w") as t, open(pcap, "wb") as p:
            print(pcap, end="\n\n", file=t, flush=True)
            call = Hand(daemon, parent)
            call.section("MEDIA 0 PAYLOAD TYPE 8", "PCMA/8000")
            call.section("FORWARDING 1")
            stream = call.stream(0, "tag-0-media-0-component-1-RTP-id-0")
            print("\nTimestamp started ms: 1.0\nSDP mode: offer\nSDP before RTP packet: 1\n\nv=0\r\n"
                "m=audio 3000 RTP/AVP 8\r", file=t, flush=True)
            p.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
            for seq in range(50):
                packet = rtp(seq)
                p.write(struct.pack("<IIII", int(time.time()), seq * 20000, len(packet),
                    len(packet)) + packet)
                p.flush()
                call.speak(stream, 1, first=seq)
        os.rename(text, whole)
        call.end()
        account, = daemon.wait_accounts(1)
        self.assertEqual(account["layout"], "proc")
        self.assertEqual([s["packets"]["decoded"] for s in account["streams"]], [50])
        self.assertEqual(daemon.text().count("is in the spool twice"), 1)
        self.assertEqual(daemon.stop(), 0)
        daemon = self.daemon(self.receiver(name="again"), name="again")
        self.feed(daemon, "--seconds", "0.5").result()
        daemon.wait_accounts(2)
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual({a["layout"] for a in daemon.accounts()}, {"proc"})

    def test_hostile_metadata(self):
        """Names that climb, numbers without end, streams without number: and a good call beside."""
        daemon = self.daemon(self.receiver())
        beside = self.feed(daemon, "--calls", "5", "--seconds", "3")
        secret = os.path.join(daemon.proc, "secret")
        os.mkfifo(secret)
        climber = Hand(daemon, "climber-0123456789abcdef")
        for n, name in enumerate(("../../../secret", secret, "..", ".", "", "a/../../../../secret",
                "\0", "x" * 5000, "../climber-0123456789abcdef/../../../secret")):
            climber.section(f"STREAM {n} details", "TAG 0 MEDIA 0 COMPONENT 1 FLAGS 0")
            climber.section(f"STREAM {n} interface", name)
        many = Hand(daemon, "many-0123456789abcdef")
        with open(many.meta, "ab") as f:
            for n in range(5000):
                name = b"tag-%d" % n
                f.write(b"STREAM %d interface\n%d:\n%s\n\n" % (n, len(name), name))
        huge = Hand(daemon, "huge-0123456789abcdef")
        for n in "4294967296", "99999999999999999999", "-1", "0x10", "4294967295", "":
            huge.section(f"STREAM {n} interface", "none")
            huge.section(f"TAG {n}", "t")
            huge.section(f"MEDIA {n} PAYLOAD TYPE {n}", f"PCMA/{n}/{n}")
            huge.section(f"MEDIA {n} PTIME {n}")
            huge.section(f"STREAM {n} FORWARDING {n}")
        with open(huge.meta, "ab") as f:
            f.write(b"METADATA\n99999999999999999999:\nx\n\n")
        rubbish = os.path.join(daemon.spool, "rubbish-0123456789abcdef.meta")
        with open(rubbish, "wb") as f:
            f.write(os.urandom(100000))
        for name in "%00%2e%2e%2f-0.meta", "-.meta", ".meta", "..meta", "%.meta", "a" * 240 + ".meta":
            with open(os.path.join(daemon.spool, name), "wb") as f:
                f.write(b"CALL-ID\n1:\nx\n\nRECORDING 1\n0:\n\n\n")
        self.assertCloses(beside.result(), daemon.status())
        with self.assertRaises(OSError): # nobody reads it
            os.open(secret, os.O_WRONLY | os.O_NONBLOCK)
        for name in os.listdir(daemon.spool):
            os.unlink(os.path.join(daemon.spool, name))
        wait_for("all to end", lambda: daemon.status()["calls_running"] == 0)
        good = [a for a in daemon.accounts() if a["call-id"].startswith("feed")]
        self.assertEqual([sum(s["forwarded-ms"] for s in a["sinks"]) for a in good], [6000] * 5)
        self.assertTrue(all(os.path.dirname(os.path.relpath(os.path.join(daemon.accounts_dir, n),
            daemon.accounts_dir)) == "" for n in os.listdir(daemon.accounts_dir)))
        self.assertLess(daemon.memory_kib(), 200 * 1024) if TIMES else None
        self.assertEqual(daemon.stop(), 0)

    def test_unknown_codec_costs_its_stream_only(self):
        endpoint = self.receiver()
        daemon = self.daemon(endpoint, "--tls-header=json")
        call = Hand(daemon)
        for media, codec in (0, "XYZ/8000"), (1, "PCMA/8000"):
            call.section(f"MEDIA {media} PAYLOAD TYPE 96", codec)
        call.section("FORWARDING 1")
        streams = [call.stream(n, f"tag-{n}-media-{n}-component-1-RTP-id-{n}") for n in (0, 1)]
        for fd in streams:
            call.speak(fd, 50, payload_type=96)
        call.end()
        account, = daemon.wait_accounts(1)
        self.assertBalanced(account)
        unknown, known = (next(s["packets"] for s in account["streams"] if s["number"] == n)
            for n in (0, 1))
        self.assertEqual((unknown["undecodable"], unknown["decoded"]), (50, 0))
        self.assertEqual((known["undecodable"], known["decoded"]), (0, 50))
        self.assertEqual(daemon.text().count("cannot be decoded"), 1)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Cuts the power under a running council, again and again, and looks at what the disk has kept.

The run lives on an ext4 file system in an image of its own. A cut is ext4's shutdown ioctl without a
flush of the journal: from that moment on nothing reaches the image, as if the machine had lost its
power. What was acknowledged while the ioctl ran is not counted: ext4 may let an fsync succeed that it
interrupts there, which no loss of power does. The image is mounted again, the journal replayed, and the run opened.

Checked after every cut, with code that shares nothing with Conclave:
- every line that a reader of /api/v1/events had seen before the cut is in the log, byte for byte;
- the last change of the trading state that was answered before the cut, or a later one, is in force;
- the log opens, goes on, and `audit verify` finds its chain whole;
and at the end: a log without its store is refused with exit code 8.

Needs root, loop devices and mkfs.ext4; says why and exits with 77 where it cannot run.
"""

import argparse
import fcntl
import json
import math
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
GOING_NOLOGFLUSH = 2
SKIPPED = 77
PATIENCE_S = 60.0


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def fail(why):
    print(f"FAILED: {why}")
    sys.exit(1)


def bars(path, count, phase, period):
    """Daily bars that swing around a slow rise."""
    with open(path, "w", encoding="ascii") as file:
        file.write("timestamp,open,high,low,close,volume\n")
        former, day, at = 100.0, 0, 0
        while at < count:
            moment = time.gmtime(1_000_000_000 + day * 86_400)
            day += 1
            if moment.tm_wday >= 5:
                continue
            swing = 0.06 * math.sin(2 * math.pi * at / period + phase)
            close = 100.0 * (1 + 0.0001 * at) * (1 + swing)
            high, low = max(former, close) * 1.004, min(former, close) * 0.996
            date = time.strftime("%Y-%m-%d", moment)
            file.write(f"{date},{former:.4f},{high:.4f},{low:.4f},{close:.4f},1000000\n")
            former, at = close, at + 1


class Image:
    """An ext4 file system in a file."""

    def __init__(self, room, size_mb):
        self.file = os.path.join(room, "disk.img")
        self.root = os.path.join(room, "mnt")
        os.mkdir(self.root)
        with open(self.file, "wb") as image:
            image.truncate(size_mb << 20)
        made = subprocess.run(["mkfs.ext4", "-q", "-F", self.file], capture_output=True, text=True)
        if made.returncode != 0:
            skip(f"mkfs.ext4: {made.stderr.strip()}")
        self.is_mounted = False

    def mount(self):
        done = subprocess.run(
            ["mount", "-o", "loop", self.file, self.root], capture_output=True, text=True
        )
        if done.returncode != 0:
            skip(f"mount: {done.stderr.strip()}")
        self.is_mounted = True

    def cut(self):
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", GOING_NOLOGFLUSH))
        except OSError as error:
            skip(f"the shutdown ioctl: {error}")
        finally:
            os.close(descriptor)

    def unmount(self):
        if not self.is_mounted:
            return
        for _ in range(50):
            if subprocess.run(["umount", self.root], capture_output=True).returncode == 0:
                self.is_mounted = False
                return
            time.sleep(0.1)
        fail("the image cannot be unmounted")


class Process:
    """A running council, and what it has acknowledged."""

    running = []
    engine = "sled"

    def __init__(self, binary, room, store, seen, is_quiet=False):
        self.store, self.seen = store, seen
        self.asked = []  # the states that were asked for, in order
        self.answered = 0  # how many of them were answered
        station = os.path.join(store, "station.json")
        if os.path.exists(station):
            os.remove(station)
        self.log = open(os.path.join(room, "stderr.log"), "ab")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CONCLAVE")}
        environment["CONCLAVE__SUPERVISION__UNCLEAN_STARTS_MAX"] = "1000"
        environment["CONCLAVE__AUDIT__SEGMENT_MB"] = "1"
        environment["CONCLAVE__STORE__ENGINE"] = self.engine
        self.child = subprocess.Popen(
            [binary, "run", "--continue", store, "--data", "AAA.csv", "BBB.csv", "CCC.csv",
             "--port", "0", "--mode", "autonomous", "--strategy", "momentum", "--pace", "1ms"],
            cwd=room, env=environment, stdout=subprocess.DEVNULL, stderr=self.log)
        self.running.append(self.child)
        self.url = self.find(station)
        with open(os.path.join(store, "token"), encoding="ascii") as file:
            self.token = file.read().strip()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.is_over = is_quiet
        self.commander = threading.Thread(target=self.command, daemon=True)
        self.commander.start()

    def find(self, station):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.child.poll() is not None:
                fail(f"the run ended with {self.child.returncode} at its start")
            try:
                with open(station, encoding="utf-8") as file:
                    return json.load(file)["url"]
            except (OSError, ValueError, KeyError):
                time.sleep(0.01)
        return fail("the run does not serve")

    def read(self):
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/events", timeout=PATIENCE_S) as stream:
                for raw in stream:
                    if raw.startswith(b"data: "):
                        line = raw[6:].rstrip(b"\n")
                        record = json.loads(line)
                        # A gap says what this reader has missed; that it has not seen.
                        if "seq" in record:
                            self.seen[record["seq"]] = line
        except (OSError, ValueError):
            pass  # it was killed

    def get(self, view):
        with urllib.request.urlopen(f"{self.url}/api/v1/{view}", timeout=10) as answer:
            return json.load(answer)

    def command(self):
        """Changes the trading state for as long as it is answered."""
        while not self.is_over:
            for verb, state in (("reduce", "reducing"), ("resume", "active")):
                time.sleep(random.uniform(0.02, 0.2))
                if self.is_over:
                    return
                self.asked.append(state)
                reason = json.dumps({"reason": f"order {len(self.asked)}."}).encode()
                request = urllib.request.Request(
                    f"{self.url}/api/v1/{verb}", data=reason, method="POST",
                    headers={"authorization": f"Bearer {self.token}",
                             "content-type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        if json.load(answer)["recorded"]:
                            self.answered = len(self.asked)
                except (OSError, ValueError, urllib.error.HTTPError):
                    return

    def quiet(self):
        """No more commands; the one in flight is answered."""
        self.is_over = True
        self.commander.join(15)

    def kill(self):
        self.is_over = True
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self.reader.join(15)
        self.commander.join(15)
        self.log.close()

    def stop(self):
        self.quiet()
        self.child.send_signal(signal.SIGTERM)
        code = self.child.wait(30)
        self.log.close()
        return code


def lines_of(store):
    """The log's whole lines by their number."""
    found = {}
    names = sorted(n for n in os.listdir(store) if n.startswith("audit-") and n.endswith(".jsonl"))
    for name in names:
        with open(os.path.join(store, name), "rb") as file:
            for raw in file.read().split(b"\n")[:-1]:
                try:
                    found[json.loads(raw)["seq"]] = raw
                except (ValueError, KeyError, UnicodeDecodeError):
                    pass  # behind what was synced anything may stand
    return found


def compare(seen, store, when):
    found = lines_of(store)
    for seq, line in sorted(seen.items()):
        if found.get(seq) != line:
            fail(f"{when}: record {seq} was seen and is {'other' if seq in found else 'gone'}")
    return len(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary")
    parser.add_argument("--cuts", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size-mb", type=int, default=256)
    parser.add_argument("--engine", choices=["sled", "redb"], default="sled")
    parser.add_argument("--how", choices=["power", "kill"], default="power",
                        help="kill only ends the process: what it handed to the system stays")
    args = parser.parse_args()
    random.seed(args.seed)
    if sys.platform != "linux" or os.geteuid() != 0:
        skip("only root on Linux can cut the power of a file system")
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            skip(f"there is no {tool}")
    if not os.path.exists("/dev/loop-control"):
        skip("there are no loop devices")
    binary = os.path.abspath(args.binary)
    room = tempfile.mkdtemp(prefix="conclave-power-")
    for name, phase, period in (("AAA", 0.0, 9.0), ("BBB", 1.3, 11.0), ("CCC", 2.6, 13.0)):
        bars(os.path.join(room, f"{name}.csv"), 6_000, phase, period)
    image = Image(room, args.size_mb)
    image.mount()
    try:
        Process.engine = args.engine
        cut_often(args, binary, room, image)
        refuse_emptied(binary, room, image)
    finally:
        for child in Process.running:
            if child.poll() is None:
                child.kill()
                child.wait()
        image.unmount()
        shutil.rmtree(room, ignore_errors=True)


def cut_often(args, binary, room, image):
    store = os.path.join(image.root, "run-0")
    seen, total, states, unsynced, runs = {}, 0, 0, 0, 0
    for nth in range(1, args.cuts + 1):
        process = Process(binary, room, store, seen)
        time.sleep(random.uniform(0.1, 2.5))
        before, answered = dict(seen), process.answered
        if args.how == "power":
            image.cut()
        process.kill()
        if args.how == "power":
            image.unmount()
            image.mount()
        kept = compare(before, store, f"cut {nth}, before it is opened")
        unsynced += max(0, kept - max(before, default=0))
        seen = before
        # Opened again it shows the state that was acknowledged last, or a later one.
        again = Process(binary, room, store, seen, is_quiet=True)
        status = again.get("status")["trading_state"]
        told = re.search(r"order (\d+)\.", status["reason"])
        number = int(told.group(1)) if told else None
        if answered and number is not None and number < answered:
            fail(f"cut {nth}: order {answered} was answered, but order {number} is in force")
        if answered and status["state"] not in process.asked[answered - 1:]:
            asked = f"order {answered}, {process.asked[answered - 1]},"
            fail(f"cut {nth}: {asked} came back as {status}")
        states += answered > 0
        code = again.stop()
        if code != 0:
            fail(f"cut {nth}: the run that was opened again ended with {code}")
        compare(seen, store, f"cut {nth}, after it went on")
        verified = subprocess.run([binary, "audit", "verify", store], capture_output=True, text=True)
        if verified.returncode != 0:
            fail(f"cut {nth}: audit verify: {verified.stderr.strip()}")
        total = max(total, len(seen))
        print(f"cut {nth}: {len(seen)} records seen, {kept} kept at the cut, chain whole", flush=True)
        if nth % 10 == 0:
            # A fresh run now and then: the first moments of one are cut as well.
            runs += 1
            shutil.rmtree(store)
            store, seen = os.path.join(image.root, f"run-{runs}"), {}
    print(f"{args.cuts} cuts, {runs + 1} runs: nothing was lost that had been seen; "
          f"{states} acknowledged states held; {unsynced} records beyond them had survived too")


def refuse_emptied(binary, room, image):
    store = os.path.join(image.root, "emptied")
    process = Process(binary, room, store, {})
    time.sleep(1.0)
    process.stop()
    for name in ("context", "context.redb"):
        path = os.path.join(store, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.remove(path)
    environment = dict(os.environ, CONCLAVE__STORE__ENGINE=Process.engine)
    refused = subprocess.run(
        [binary, "run", "--resume", store, "--no-http", "--data", "AAA.csv", "BBB.csv", "CCC.csv",
         "--strategy", "momentum"],
        cwd=room, env=environment, capture_output=True, text=True)
    if refused.returncode != 8:
        fail(f"a log without its store was opened: {refused.returncode} {refused.stderr.strip()}")
    print("a log without its store is refused: " + refused.stderr.strip().splitlines()[-1])


if __name__ == "__main__":
    main()

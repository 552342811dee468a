"""The control room's figures: first paint of a full board, its weight, and what ten idle pages cost the process.

    python3 benches/control_room.py target/release/conclave [--loads 21] [--idle 30]

Method: the given binary plays a season and a run over the embedded bars to its end and stays (`run --stay`),
so every panel is full. A headless Chromium (Debian's chromium and chromium-driver) on the same machine opens
the page again and again; of each load the browser's own `first-paint` and `first-contentful-paint` are taken,
and medians told, beside those of a page of one word from the same process, opened in turns with it: what is
beyond that is the page's own, the rest is the browser's and the machine's. For the second figure ten readers do what ten visible pages do while nothing happens: each
holds the stream of events with its beats, and asks for one panel every five seconds; the processor time of
the process (utime and stime of /proc) over half a minute is told as a share of one core, and beside it the
same without any reader.
"""

import argparse
import http.client
import json
import os
import pathlib
import platform
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

READERS = 10
LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str) -> bytes:
    with LOOPBACK.open(url, timeout=60) as answer:
        return answer.read()


def until(what: str, found, patience_s: float = 300.0):
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            value = found()
        except OSError:
            value = None
        if value:
            return value
        time.sleep(0.2)
    raise SystemExit(f"{what} did not come")


def started(binary: str, home: pathlib.Path) -> tuple[subprocess.Popen, str]:
    """A run that has come to its end and stays, and its address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONCLAVE")}
    environment["XDG_STATE_HOME"] = str(home / "state")
    subprocess.run([binary, "arena", "run"], cwd=home, env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        [binary, "run", "--out", "r", "--stay", "--port", "0"],
        cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    station = home / "r" / "station.json"
    url = until("the run", lambda: station.exists() and json.loads(station.read_text())["url"])
    until("its end", lambda: (home / "r" / "report.html").exists())
    time.sleep(5)
    return process, url


class Browser:
    """A headless Chromium over the WebDriver protocol, as far as this needs one."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={self.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until("chromedriver", lambda: get(f"http://127.0.0.1:{self.port}/status"))
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--window-size=1280,720"]
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}}
        self.session = self.ask("POST", "/session", wanted)["sessionId"]

    def ask(self, method: str, path: str, body: dict):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, json.dumps(body), {"content-type": "application/json"})
        return json.loads(connection.getresponse().read())["value"]

    def run(self, script: str):
        return self.ask("POST", f"/session/{self.session}/execute/sync", {"script": script, "args": []})

    def open(self, url: str):
        self.ask("POST", f"/session/{self.session}/url", {"url": url})

    def end(self):
        self.ask("DELETE", f"/session/{self.session}", {})
        self.driver.terminate()


PAINTS = """
const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? null;
const all = performance.getEntries().filter((it) => ['navigation', 'resource'].includes(it.entryType)
    && !it.name.includes('/api/') && !it.name.includes('/panels'));
return {paint: at('first-paint'), content: at('first-contentful-paint'),
        answered: performance.getEntriesByType('navigation')[0].responseStart,
        bytes: all.reduce((sum, it) => sum + it.transferSize, 0)};
"""


def paints(urls: list[str], loads: int) -> list[list[dict]]:
    """Of each address what the browser says of its loads."""
    browser = Browser()
    found = [[] for _ in urls]
    try:
        for _ in range(loads + 1):
            for url, kept in zip(urls, found):
                browser.open(url)
                kept.append(until("a paint", lambda: (lambda it: it if it["content"] else None)(browser.run(PAINTS)), 30))
    finally:
        browser.end()
    return [kept[1:] for kept in found]  # the first one starts the browser's own machinery


def spent_s(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drain(stream: http.client.HTTPResponse):
    """Reads a stream until the process ends it."""
    try:
        while stream.read1(65536):
            pass
    except (OSError, http.client.HTTPException):
        pass


def reader(address: str, over: threading.Event):
    """What one visible page does while nothing happens."""
    stream = http.client.HTTPConnection(address, timeout=10)
    stream.request("GET", "/api/v1/events?beat=1")
    answer = stream.getresponse()
    threading.Thread(target=drain, args=(answer,), daemon=True).start()
    asks = http.client.HTTPConnection(address, timeout=10)
    while not over.wait(5):
        asks.request("GET", "/panels?names=now")
        asks.getresponse().read()


def idle_share(pid: int, seconds: float, address: str, readers: int) -> float:
    over = threading.Event()
    all_of = [threading.Thread(target=reader, args=(address, over), daemon=True) for _ in range(readers)]
    for one in all_of:
        one.start()
    time.sleep(6)  # what is kept of the stream has been read by then
    before, began = spent_s(pid), time.monotonic()
    time.sleep(seconds)
    share = (spent_s(pid) - before) / (time.monotonic() - began)
    over.set()
    for one in all_of:
        one.join()
    return share


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--loads", type=int, default=21)
    parser.add_argument("--idle", type=float, default=30.0)
    args = parser.parse_args()
    binary = str(pathlib.Path(args.binary).resolve())
    version = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    print(f"{version}; {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as home:
        process, url = started(binary, pathlib.Path(home))
        try:
            word, found = paints([f"{url}/health/live", url], args.loads)
            middle = lambda name, of=found: statistics.median(it[name] for it in of)
            worst = max(it["content"] for it in found)
            bare = middle("content", word)
            print(f"a page of one word     {bare:7.1f} ms   median of {len(word)} loads")
            print(f"first paint            {middle('paint'):7.1f} ms   median of {len(found)} loads")
            print(f"first contentful paint {middle('content'):7.1f} ms   (slowest {worst:.1f}; {middle('content') / bare:.2f} of one word's)")
            print(f"the page's first byte  {middle('answered'):7.1f} ms")
            print(f"weight                 {middle('bytes') / 1000:7.1f} kB")
            address = url.removeprefix("http://")
            for readers in (0, READERS):
                share = idle_share(process.pid, args.idle, address, readers)
                print(f"idle, {readers:2} pages         {100 * share:7.2f} %  of a core over {args.idle:.0f} s")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()

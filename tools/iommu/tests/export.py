#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Scrapes iommu-dirty export on the fake kernel of fake-vfio, over HTTP and from a file, and
parses what it gets with promtool and with Prometheus's parser for OpenMetrics. The clients
behave badly, too. The dashboard and the alerts must name metrics that there are.

Usage: export.py FAKE-VFIO FOLDER TOOL-SOURCE
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

PROGRAM, FOLDER, SOURCE = sys.argv[1:]
LIMIT = 60
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
UNTRACKED = ("START: HWPT 4 cannot be tracked: the IOMMU sets no dirty bits in page tables of "
             "this format")
CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
bad = []
for number in (signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_DFL)


def expect(what, got, want):
    if got != want:
        bad.append(f"{what}: {got!r}, not {want!r}")


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class Export:
    """A running export that observes itself. It has the files of the fake kernel"""

    def __init__(self, *options, files="20<fake-iommu", kernel="", who="--pid $$", **env):
        command = f'exec {files}; exec "$0" export {who} "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", command, PROGRAM, *options], cwd=FOLDER, stderr=subprocess.PIPE,
            env=dict(os.environ, FAKE_KERNEL=kernel, **env), text=True)
        self.pid = str(self.process.pid)

    def end(self, what, number=signal.SIGTERM, want=-signal.SIGTERM):
        """Its exit status must be as wanted. Returns what it has said"""
        if number:
            self.process.send_signal(number)
        try:
            said = self.process.communicate(timeout=LIMIT)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            said = self.process.communicate()[1]
        expect(f"{what}: exit status", self.process.returncode, want)
        return said.replace(self.pid, "N").replace("iommu-dirty: ", "").splitlines()


class Client:
    """Asks an export over HTTP"""

    def __init__(self, export, port, host="127.0.0.1"):
        self.host, self.port = host, port
        end = time.monotonic() + LIMIT
        while time.monotonic() < end and export.process.poll() is None:
            try:
                self.connect().close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        bad.append(f"export does not listen: {export.end('no port', signal.SIGKILL)}")

    def connect(self):
        return socket.create_connection((self.host, self.port), LIMIT)

    def get(self, accept=None, path="/metrics"):
        """Returns the status, the content type and the text"""
        host = f"[{self.host}]" if ":" in self.host else self.host
        request = urllib.request.Request(f"http://{host}:{self.port}{path}")
        if accept:
            request.add_header("Accept", accept)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as r:
                return r.status, r.headers["Content-Type"], r.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.headers["Content-Type"], e.read().decode()

    def talk(self, data):
        """Sends bytes and returns the first line of the answer"""
        with self.connect() as s:
            try:
                s.sendall(data)
                return s.recv(4096).split(b"\r\n")[0].decode()
            except ConnectionError:
                return ""


def samples(text):
    """{(name, label, label...): value} of an OpenMetrics text, without the pid"""
    return {(s.name, *(v for k, v in sorted(s.labels.items()) if k != "pid")): s.value
            for family in text_string_to_metric_families(text) for s in family.samples}


def lint(what, text):
    """Checks a text in Prometheus's own format"""
    r = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, timeout=LIMIT,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    expect(f"promtool: {what}", (r.returncode, r.stdout), (0, ""))


def until(what, condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            bad.append(f"never: {what}")
            return
        time.sleep(0.02)


def trickle(client):
    """As many clients as there may be, which never finish their requests"""
    slow = [client.connect() for _ in range(16)]

    def send():
        try:
            for byte in b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 300:
                for s in slow:
                    s.sendall(bytes([byte]))
                time.sleep(0.1)
        except ConnectionError:
            pass
        for s in slow:
            s.close()
    threading.Thread(target=send).start()
    return 20


def in_time(client, seconds):
    """The status, or what has prevented one"""
    try:
        return urllib.request.urlopen(f"http://{client.host}:{client.port}/metrics",
                                      timeout=seconds).status
    except OSError as e:
        return str(e)


def http():
    """Counters, both formats, and requests that are wrong"""
    port = free_port()
    export = Export("--listen", str(port), files="20<fake-iommu 21<fake-container 22<fake-type1")
    client = Client(export, port)
    status, kind, text = client.get()
    expect("status and type", (status, kind), (200, OPENMETRICS))
    expect("the end", text[-7:], "\n# EOF\n")
    first = samples(text)
    time.sleep(0.15)
    second = samples(client.get()[2])
    # each scan finds 1, 2 and 3 MiB; IOAS 6 cannot be tracked
    for labels, mib in (("5", "20"), 1), (("7", "20"), 2), (("5", "21"), 3):
        key = ("iommu_dirty_bytes_total", *labels)
        expect(f"{key}", second[key] - first[key], float(mib << 20))
        key = ("iommu_dirty_scans_total", *labels)
        expect(f"{key}", second[key] - first[key], 1.0)
        expect(f"{labels} tracked", second["iommu_dirty_tracked", *labels], 1.0)
    expect("6 tracked", second["iommu_dirty_tracked", "6", "20"], 0.0)
    expect("6", second["iommu_dirty_bytes_total", "6", "20"], 0.0)
    expect("why", [k[3] for k in second if k[0] == "iommu_dirty_untracked_info"],
           [UNTRACKED])
    expect("devices", [k[1:] for k in second if k[0] == "iommu_dirty_device_info"],
           [("0000:00:04.0", "5", "21")])
    expect("a container", second["iommu_dirty_process_unobservable_container",], 1.0)
    status, kind, text = client.get("text/plain")
    expect("the older format", (status, kind), (200, CLASSIC))
    lint("over HTTP", text)
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    # as Prometheus asks
    kind = client.get("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5")[1]
    expect("both formats accepted", kind, OPENMETRICS)
    # twice within a short time: one scan
    quick = [samples(client.get()[2])["iommu_dirty_scans_total", "5", "20"] for _ in range(20)]
    if quick[-1] - quick[0] > 15:
        bad.append(f"scans as often as it is asked: {quick}")
    expect("another path", client.get(path="/")[0], 404)
    expect("POST", client.talk(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"),
           "HTTP/1.1 405 Method Not Allowed")
    for host, want in (("localhost:9", "200 OK"), ("127.0.0.2", "200 OK"), ("[::1]:9", "200 OK"),
                       ("evil.example", "403 Forbidden"), ("127.0.0.1.evil", "403 Forbidden"),
                       ("[", "403 Forbidden"), (f"localhost{'x' * 99}", "403 Forbidden")):
        expect(f"the host {host}", client.talk(
            f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()), f"HTTP/1.1 {want}")
    expect("no host", client.talk(b"GET /metrics HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK")
    expect("a long header", client.talk(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 99999)[:12],
           "HTTP/1.1 431")
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00", b"\r\n" * 10000, b"GET\0/metrics\r\n\r\n"):
        client.talk(garbage + b"\r\n\r\n")
    slow = [client.connect() for _ in range(10)]
    for s in slow:
        s.sendall(b"GET /metrics HTTP/1.1\r\n")
    expect("while others are slow", client.get()[0], 200)
    begin = time.monotonic()
    expect("a slow client is dropped", slow[0].recv(100)[:12] in (b"", b"HTTP/1.1 408"), True)
    if time.monotonic() - begin > 30:
        bad.append("a slow client is not dropped soon")
    for s in slow:
        s.close()
    expect("while others send byte after byte", in_time(client, trickle(client)), 200)
    expect("said", export.end("http"), [
        "process N has a VFIO container that is no iommufd, and not observed",
        f"IOAS 20:6: {UNTRACKED}"])
    return names


def ipv6():
    port = free_port()
    export = Export("--listen", f"[::1]:{port}", files="20<fake-container")
    expect("IPv6", Client(export, port, "::1").get()[0], 200)
    again = subprocess.run([PROGRAM, "export", "--all", "--listen", f"[::1]:{port}"],
                           timeout=LIMIT, check=False, stderr=subprocess.PIPE, text=True)
    expect("the port is in use", (again.returncode, again.stderr),
           (1, f"iommu-dirty: cannot listen on [::1]:{port}: Address already in use\n"))
    expect("IPv6: said", export.end("IPv6"), [])


def changes():
    """An address space comes, and one cannot be tracked any more"""
    port = free_port()
    export = Export("--listen", str(port), files="20<fake-container", kernel="plugs")
    client = Client(export, port)
    until("a new IOAS", lambda: ("iommu_dirty_bytes_total", "7", "20") in samples(client.get()[2]))
    if samples(client.get()[2])["iommu_dirty_bytes_total", "5", "20"] < 3 << 20:
        bad.append("a new IOAS resets the counters of another")
    export.end("plugs")
    export = Export("--listen", str(port), files="20<fake-container", kernel="joins")
    client = Client(export, port)
    until("untracked", lambda: samples(client.get()[2])["iommu_dirty_tracked", "5", "20"] == 0)
    expect("errors", samples(client.get()[2])["iommu_dirty_scan_errors_total", "5", "20"], 1.0)
    expect("what may be clean is not counted",
           samples(client.get()[2])["iommu_dirty_bytes_total", "5", "20"], 0.0)
    expect("joins: said", export.end("joins"), [
        f"IOAS 5: {UNTRACKED}"])


def textfile():
    """Files in both formats, replaced as a whole and removed at the end"""
    for name in ("dirty.prom", "dirty.txt"):
        path = os.path.join(FOLDER, name)
        export = Export("--output", name, "--interval", "100ms", files="20<fake-container")
        until("a file", lambda p=path: os.path.exists(p))
        texts, end = set(), time.monotonic() + 1
        while time.monotonic() < end:
            with open(path, encoding="utf-8") as file:
                texts.add(file.read())
        if len(texts) < 3:
            bad.append(f"{name} is not written again")
        for text in texts:
            if name.endswith(".prom"):
                lint(name, text)
            else:
                expect("the end of a file", text[-6:], "# EOF\n")
                samples(text)
        expect("others may read it", os.stat(path).st_mode & 0o777, 0o644)
        expect(f"{name}: said", export.end(name), [])
        expect("files left", [f for f in os.listdir(FOLDER) if f.startswith("dirty.")], [])
    export = Export("--output", "/nonexistent/dirty.prom", files="20<fake-container")
    expect("no folder", export.end("no folder", None, 1),
           ["/nonexistent/dirty.prom: No such file or directory"])
    export = Export("--output", "/dev/full", files="20<fake-container", who="--pid 999999999")
    expect("no process", export.end("no process", None, 4), ["there is no process 999999999"])
    expect("a file that was not written stays", os.path.exists("/dev/full"), True)


def is_observed(client, process):
    """What the next update tells of a process, if anything"""
    time.sleep(0.15)
    found = re.search(rf'process_observed{{pid="{process.pid}"}} (\d)', client.get()[2])
    return float(found[1]) if found else None


def processes():
    """All that have an iommufd; one that ends"""
    port = free_port()
    export = Export("--listen", str(port), files="20<fake-container", who="--all")
    client = Client(export, port)
    # there may be more that have the files of the fake kernel
    expect("--all", is_observed(client, export.process), 1.0)
    expect("command", ("iommu_dirty_process_info", "fake-vfio") in samples(client.get()[2]), True)
    with open(os.path.join(FOLDER, "fake-container"), encoding="utf-8") as file:
        other = subprocess.Popen(["sleep", "1000"], stdin=file)
    expect("another process", is_observed(client, other), 1.0)
    other.kill()
    other.wait()
    expect("it has ended", is_observed(client, other), None)
    expect("--all: said", export.end("--all"), [])
    export = Export("--listen", str(port), files="20<fake-container", who="--all",
                    kernel="guarded")
    expect("not observed", is_observed(Client(export, port), export.process), 0.0)
    expect("guarded: said", [s for s in export.end("guarded") if "process N" in s],
           ["cannot borrow the iommufd of process N: Operation not permitted"])
    vmm = subprocess.Popen(["sleep", "1000"])
    export = Export("--listen", str(port), files="20<fake-container", who=f"--pid {vmm.pid}")
    expect("no iommufd", export.end("no iommufd", None, 4),
           [f"process {vmm.pid} has no iommufd"])
    vmm.kill()
    vmm.wait()


def ends_with_process():
    port = free_port()
    with open(os.path.join(FOLDER, "fake-container"), encoding="utf-8") as file:
        vmm = subprocess.Popen(["sleep", "1000"], stdin=file)
        export = Export("--listen", str(port), files="0<fake-container", who=f"--pid {vmm.pid}")
    expect("the process", Client(export, port).get()[0], 200)
    vmm.kill()
    vmm.wait()
    expect("it ends: said", export.end("the process ends", None, 4),
           ["the observed process has ended"])


def users(names):
    """What the dashboard and the alerts ask for"""
    with open(os.path.join(SOURCE, "monitoring/iommu-dirty-dashboard.json"),
              encoding="utf-8") as file:
        dashboard = json.load(file)
    queries = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
    rules = {"groups": [{"name": "panels", "rules": [
        {"record": f"panel:{n}", "expr": q.replace("$__rate_interval", "5m")}
        for n, q in enumerate(queries)]}]}
    path = os.path.join(FOLDER, "panels.yml")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(rules, file)
    alerts = os.path.join(SOURCE, "monitoring/iommu-dirty-alerts.yml")
    for command in (["check", "rules", path], ["check", "rules", alerts],
                    ["test", "rules", os.path.join(SOURCE, "tests/alerts.yml")]):
        r = subprocess.run(["promtool", *command], stdout=subprocess.PIPE, text=True,
                           stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
        expect(" ".join(command), (r.returncode, r.stdout if r.returncode else ""), (0, ""))
    with open(alerts, encoding="utf-8") as file:
        queries.append(file.read())
    queries.append(json.dumps(dashboard["templating"]))
    asked = set(re.findall(r"iommu_dirty_\w+", " ".join(queries)))
    expect("metrics that there are not", asked - names, set())
    ids = [p["id"] for p in dashboard["panels"]]
    expect("ids of panels", len(set(ids)), len(ids))


known = http()
ipv6()
changes()
textfile()
processes()
ends_with_process()
users(known)
print("\n".join(bad))
sys.exit(bool(bad))

"""Starts real clusters for tests, talks to them, and ends them on every path.

`Cluster` runs `conclave up` (etcd and one process per role), `Serve` runs `conclave serve` (every role in
one process). Both bind to loopback on free ports and die with the test process, however that ends."""

import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(os.environ.get("CONCLAVE_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("CONCLAVE_BINARY_DIR", ROOT / "build"))
BINARY = BUILD / "services/cli/conclave"
MODEL = ROOT / "deploy/model"
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def run_cli(*args, stdin="", timeout=60, env=None):
    """A conclave command to its end."""
    return subprocess.run(
        [str(BINARY), *map(str, args)], input=stdin, capture_output=True, text=True, timeout=timeout,
        preexec_fn=die_with_parent, env=env,
    )


def alive(pid):
    """Whether the process runs (a zombie does not)."""
    try:
        return "State:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_until(condition, timeout_s, what):
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)


class Answer:
    """One HTTP answer: status, headers, body (bytes) and, for JSON, the value."""

    def __init__(self, response):
        self.status = response.status
        self.headers = dict(response.getheaders())
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Api:
    """HTTP calls to one router."""

    def __init__(self, address, timeout_s=60):
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.timeout_s = timeout_s

    def connect(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)

    def request(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def chat(self, prompt, headers=None, **fields):
        body = {"messages": [{"role": "user", "content": prompt}], "return_token_ids": True, **fields}
        return self.request("POST", "/v1/chat/completions", body, headers)

    def stream(self, prompt, headers=None, **fields):
        """Yields the decoded SSE events of a streamed chat until [DONE] or the end of the connection."""
        connection = self.connect()
        try:
            body = {"messages": [{"role": "user", "content": prompt}], "stream": True, "return_token_ids": True, **fields}
            connection.request("POST", "/v1/chat/completions", json.dumps(body),
                               {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            if response.status != 200:
                raise AssertionError(f"status {response.status}: {response.read()!r}")
            for line in response:
                line = line.strip()
                if not line.startswith(b"data: "):
                    continue
                if line == b"data: [DONE]":
                    return
                yield json.loads(line[len(b"data: "):])
        finally:
            connection.close()

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry `labels`."""
        total, found = 0.0, False
        for line in self.get("/metrics").body.decode().splitlines():
            match = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
            if not match or match.group(1) != name:
                continue
            if all(f'{k}="{v}"' in (match.group(2) or "") for k, v in labels.items()):
                total, found = total + float(match.group(3)), True
        if not found:
            raise AssertionError(f"no metric {name} {labels}")
        return total


def token_ids(answer):
    """Generated ids of a non-streamed chat answer."""
    if answer.status != 200:
        raise AssertionError(f"status {answer.status}: {answer.body!r}")
    return answer.json["choices"][0]["token_ids"]


def stream_ids(events):
    ids = []
    for event in events:
        if "error" in event:
            raise AssertionError(f"stream ended with an error: {event}")
        for choice in event.get("choices", []):
            ids += choice.get("token_ids") or []
    return ids


class Running:
    """A conclave process that serves HTTP, from start to end. Use as a context manager."""

    command = None

    def __init__(self, *flags, model=MODEL, ready_timeout_s=60):
        self.flags = [str(f) for f in flags]
        self.model = model
        self.ready_timeout_s = ready_timeout_s

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="conclave-test-"))
        ready = self.dir / "ready.json"
        self.output = open(self.dir / "output.txt", "w+")
        extra = ["--log-dir", str(self.dir / "logs"), "--no-chat"] if self.command == "up" else []
        started = time.monotonic()
        self.process = subprocess.Popen(
            [str(BINARY), self.command, "--model", str(self.model), "--http-port", "0", "--ready-file", str(ready), *extra,
             *self.flags],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, preexec_fn=die_with_parent,
        )
        try:
            wait_until(lambda: ready.exists() or self.process.poll() is not None, self.ready_timeout_s, "ready file")
            if not ready.exists():
                raise AssertionError(f"{self.command} ended with {self.process.returncode}:\n{self.text()}")
        except BaseException:
            self.stop()
            raise
        self.start_seconds = time.monotonic() - started
        self.info = json.loads(ready.read_text())
        self.api = Api(self.info["http"])
        return self

    def __exit__(self, *_):
        self.stop()

    def text(self):
        return (self.dir / "output.txt").read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self.output.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Serve(Running):
    command = "serve"


class Cluster(Running):
    command = "up"

    def pid(self, name):
        return self.info["processes"][name]["pid"]

    def pids(self):
        return {name: process["pid"] for name, process in self.info["processes"].items()}

    def kill(self, name, sig=signal.SIGKILL):
        os.kill(self.pid(name), sig)

    def role_api(self, name):
        """The metrics endpoint of a role."""
        return Api(self.info["processes"][name]["http"])


def in_parallel(count, function, items):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, items))

"""The first command of the README: it answers, it leaves nothing running, it idles quietly."""

import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from harness import BINARY, MODEL, ROOT, Cluster, alive, die_with_parent, run_cli, wait_until

SERVICE = {"router": "conclave.v1.Inference", "prefill": "conclave.v1.Prefill", "decode": "conclave.v1.Decode",
           "expert-host": "conclave.v1.Expert"}


def conclave_processes():
    """Pids whose executable is ours, or an etcd started by a cluster of ours."""
    found = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(entry.joinpath("exe").resolve()) == str(BINARY.resolve()):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def cpu_seconds(pid):
    """Of all threads, in the scheduler's nanoseconds: clock ticks are too coarse for processes that sleep."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Up(unittest.TestCase):
    def test_prompt_answers_and_leaves_nothing_running(self):
        before = conclave_processes()
        env = {**os.environ, "CONCLAVE_BUILD_DIR": str(BINARY.parents[2])}
        result = subprocess.run([str(ROOT / "deploy/up"), "--http-port", "0", "--prompt", "What is 48 + 77?"],
                                capture_output=True, text=True, timeout=120, env=env, preexec_fn=die_with_parent)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.strip(), "an answer on stdout")
        self.assertEqual(conclave_processes() - before, set())

    def test_ctrl_c_leaves_nothing_running(self):
        with Cluster() as cluster:
            pids = cluster.pids()
            self.assertTrue(all(alive(pid) for pid in pids.values()))
            cluster.process.send_signal(signal.SIGINT)
            self.assertEqual(cluster.process.wait(20), 0)
            self.assertFalse([name for name, pid in pids.items() if alive(pid)])

    def test_ctrl_c_while_starting(self):
        before = conclave_processes()
        process = subprocess.Popen([str(BINARY), "up", "--model", str(MODEL), "--http-port", "0", "--no-chat"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_until(lambda: len(conclave_processes() - before) >= 2, 20, "roles are starting")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 128 + signal.SIGINT)
        self.assertEqual(conclave_processes() - before, set())

    def test_an_error_leaves_nothing_running(self):
        before = conclave_processes()
        result = run_cli("up", "--model", "/nonexistent", "--http-port", 0)
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent", result.stderr)
        self.assertEqual(conclave_processes() - before, set())


class Running(unittest.TestCase):
    def test_endpoints_status_and_idling(self):
        with Cluster() as cluster:
            self.assertEqual(cluster.api.get("/health").status, 200)
            self.assertEqual(cluster.api.get("/ready").status, 200)
            models = cluster.api.get("/v1/models").json
            self.assertEqual(models["object"], "list")
            self.assertEqual(len(models["data"]), 1)
            self.assertIn(b"<html", cluster.api.get("/").body)

            status = run_cli("status", "--etcd", cluster.info["etcd"], "--json")
            self.assertEqual(status.returncode, 0, status.stdout + status.stderr)
            members = {m["id"]: m for m in json.loads(status.stdout)["members"]}
            self.assertEqual(set(members), {"router-0", "prefill-0", "decode-0", "expert-host-0", "expert-host-1"})
            for name, member in members.items():
                self.assertEqual(member["health"], "SERVING", name)
                self.assertEqual(member["pid"], cluster.pid(name))
                self.assertIn("grpc.reflection.v1alpha.ServerReflection", member["services"])
                self.assertIn(SERVICE[member["role"]], member["services"])
            for name in ("prefill-0", "decode-0", "expert-host-0", "expert-host-1"):
                self.assertIn(b"conclave_", cluster.role_api(name).get("/metrics").body)

            # A request wakes everything up; then all must go back to sleep.
            self.assertEqual(cluster.api.chat("What is 48 + 77?", temperature=0).status, 200)
            roles = [pid for name, pid in cluster.pids().items() if name != "etcd"]
            time.sleep(1)
            before = sum(cpu_seconds(pid) for pid in roles)
            seconds = 5
            time.sleep(seconds)
            used = (sum(cpu_seconds(pid) for pid in roles) - before) / seconds
            self.assertEqual(len(roles), 5)
            print(f"five idle processes use {used:.2%} of a core")
            self.assertLess(used, 0.02, f"five idle processes use {used:.2%} of a core")


if __name__ == "__main__":
    unittest.main(verbosity=2)

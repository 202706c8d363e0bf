"""Law 4 as far as this release keeps it: losing an expert host changes nothing; losing another role gives a
clean error within the deadline and is noticed."""

import os
import signal
import time
import unittest

from harness import Cluster, alive, stream_ids, token_ids, wait_until

LONG = {"temperature": 0, "max_tokens": 400, "ignore_eos": True}
PROMPT = "What is 48 + 77?"


def ids_of(event):
    return [i for choice in event.get("choices", []) for i in (choice.get("token_ids") or [])]


class KillExpertHost(unittest.TestCase):
    def interrupted(self, cluster, action, after_tokens=40):
        """Streams, calls `action` once in the middle, returns all ids."""
        ids, done = [], False
        for event in cluster.api.stream(PROMPT, **LONG):
            self.assertNotIn("error", event)
            ids += ids_of(event)
            if not done and len(ids) >= after_tokens:
                action()
                done = True
        self.assertTrue(done, "the stream was long enough to be interrupted")
        return ids

    def test_stream_goes_on_with_the_same_tokens(self):
        with Cluster("--expert-hosts", 2, "--expert-replicas", 2) as cluster:
            expected = stream_ids(cluster.api.stream(PROMPT, **LONG))
            self.assertEqual(len(expected), 400)
            self.assertEqual(expected, self.interrupted(cluster, lambda: cluster.kill("expert-host-0")))
            wait_until(lambda: "expert-host-0" in cluster.text() and "signal 9" in cluster.text(), 5, "up says so")
            # And afterwards, on the survivor alone.
            self.assertEqual(expected[:48], token_ids(cluster.api.chat(PROMPT, temperature=0, max_tokens=48, ignore_eos=True)))

    def test_a_frozen_host_is_hedged(self):
        with Cluster("--expert-hosts", 2, "--expert-replicas", 2) as cluster:
            expected = stream_ids(cluster.api.stream(PROMPT, **LONG))
            self.assertEqual(expected, self.interrupted(cluster, lambda: cluster.kill("expert-host-1", signal.SIGSTOP)))

    def test_without_a_replica_the_request_ends_with_an_error(self):
        with Cluster("--expert-hosts", 1) as cluster:
            cluster.kill("expert-host-0")
            started = time.monotonic()
            answer = cluster.api.chat(PROMPT, headers={"X-Request-Timeout-Ms": "8000"}, temperature=0)
            self.assertIn(answer.status, (503, 504))
            self.assertIn("error", answer.json)
            self.assertLess(time.monotonic() - started, 12, "within the deadline")


class KillOtherRoles(unittest.TestCase):
    def expect_error_and_notice(self, name):
        with Cluster() as cluster:
            self.assertEqual(cluster.api.chat(PROMPT, temperature=0).status, 200)
            events = cluster.api.stream(PROMPT, headers={"X-Request-Timeout-Ms": "10000"}, **LONG)
            first = next(events)
            self.assertNotIn("error", first)
            cluster.kill(name)
            started = time.monotonic()
            rest = list(events)  # ends: with the answer, or with an error event
            self.assertLess(time.monotonic() - started, 14, "nothing hangs")
            answer = cluster.api.chat(PROMPT, headers={"X-Request-Timeout-Ms": "5000"}, temperature=0)
            self.assertLess(time.monotonic() - started, 22, "nothing hangs")
            wait_until(lambda: f"{name} (pid" in cluster.text(), 5, "up notices")
            self.assertIsNone(cluster.process.poll(), "the rest goes on")
            return rest, answer

    def test_prefill(self):
        rest, answer = self.expect_error_and_notice("prefill-0")
        self.assertFalse(any("error" in event for event in rest), "the running stream had its prompt already")
        self.assertIn(answer.status, (503, 504))
        self.assertTrue(answer.json["error"]["message"])

    def test_decode(self):
        rest, answer = self.expect_error_and_notice("decode-0")
        self.assertTrue(any("error" in event for event in rest), "the running stream ends with an error event")
        self.assertIn(answer.status, (503, 504))

    def test_etcd(self):
        rest, answer = self.expect_error_and_notice("etcd")
        self.assertFalse(any("error" in event for event in rest))
        self.assertEqual(answer.status, 200, "the last known members and map keep serving")

    def test_router(self):
        with Cluster() as cluster:
            cluster.kill("router-0")
            wait_until(lambda: "router-0 (pid" in cluster.text(), 5, "up notices")
            with self.assertRaises(OSError):
                cluster.api.get("/health")


class KillSupervisor(unittest.TestCase):
    def test_children_die_with_up(self):
        with Cluster() as cluster:
            pids = cluster.pids()
            os.kill(cluster.process.pid, signal.SIGKILL)
            cluster.process.wait(5)
            wait_until(lambda: not any(alive(pid) for pid in pids.values()), 5, f"all of {pids} ended")


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""Law 1: token ids do not depend on the number of expert hosts, on disaggregation or on batching."""

import unittest

from harness import Cluster, Serve, in_parallel, stream_ids, token_ids
from prompts import CASES


def ask(api, case):
    prompt, settings = case
    return token_ids(api.chat(prompt, **settings))


class SameBits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Serve() as serve:
            cls.alone = [ask(serve.api, case) for case in CASES]
            cls.together = in_parallel(16, lambda case: ask(serve.api, case), CASES)

    def assert_equal_to_serve(self, api):
        for how, got in (
            ("alone", [ask(api, case) for case in CASES]),
            ("16 at a time", in_parallel(16, lambda case: ask(api, case), CASES)),
        ):
            for case, expected, ids in zip(CASES, self.alone, got):
                self.assertEqual(expected, ids, f"{how}: {case}")

    def test_serve_batching(self):
        self.assertEqual(self.alone, self.together)
        self.assertTrue(all(self.alone), "every prompt has an answer")
        self.assertGreater(len({tuple(ids) for ids in self.alone}), len(CASES) // 4, "the answers differ among themselves")

    def test_serve_with_local_experts(self):
        with Serve("--expert-hosts", 0) as serve:
            self.assert_equal_to_serve(serve.api)

    def test_one_host(self):
        with Cluster("--expert-hosts", 1) as cluster:
            self.assert_equal_to_serve(cluster.api)

    def test_two_hosts(self):
        with Cluster("--expert-hosts", 2) as cluster:
            self.assert_equal_to_serve(cluster.api)
            streamed = stream_ids(cluster.api.stream(CASES[0][0], **CASES[0][1]))
            self.assertEqual(self.alone[0], streamed)

    def test_three_hosts_each_with_a_share(self):
        with Cluster("--expert-hosts", 3, "--expert-replicas", 1) as cluster:
            self.assert_equal_to_serve(cluster.api)
            hosts = [cluster.role_api(f"expert-host-{i}") for i in range(3)]
            for host in hosts:
                self.assertGreater(host.metric("conclave_expert_host_layer_picks_total"), 0, "every host computed something")


if __name__ == "__main__":
    unittest.main(verbosity=2)

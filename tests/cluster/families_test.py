"""Every model family is served: golden prompts, given as token ids, are continued as the golden implementation
continued them. Models without routed experts need no expert hosts."""

import json
import tempfile
import unittest

from golden_models import golden, serving_folder
from harness import Cluster, Serve, in_parallel, run_cli

EOS = 1
DENSE = ("llama-gqa", "qwen2-tied")
MOE = ("deepseek_v2-lite", "deepseek_v2")


class Families(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="conclave-families-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.models = {case: serving_folder(case, cls.folder.name) for case in DENSE + MOE}

    def complete(self, api, prompt, count):
        answer = api.request("POST", "/v1/completions",
                             {"prompt": prompt, "max_tokens": count, "temperature": 0, "return_token_ids": True})
        self.assertEqual(answer.status, 200, answer.body)
        ids = answer.json["choices"][0]["token_ids"]
        return ids[:-1] if ids[-1:] == [EOS] else ids

    def assert_golden(self, api, case):
        prompt, tokens = golden(case)
        expected = tokens[: tokens.index(EOS)] if EOS in tokens else tokens
        self.assertGreaterEqual(len(expected), 4)
        self.assertEqual(expected, self.complete(api, prompt, len(tokens)), case)
        # Together with other sequences of other lengths: the same.
        prompts = [prompt[: len(prompt) - i] for i in range(6)]
        together = in_parallel(6, lambda p: self.complete(api, p, len(tokens)), prompts)
        self.assertEqual(expected, together[0], f"{case}, six at a time")

    def test_serve(self):
        for case in DENSE + MOE:
            with self.subTest(case=case), Serve("--mode", "f32", model=self.models[case]) as serve:
                self.assert_golden(serve.api, case)

    def test_a_cluster_without_experts(self):
        with Cluster("--mode", "f32", model=self.models["llama-gqa"]) as cluster:
            self.assertFalse([name for name in cluster.pids() if name.startswith("expert-host")])
            self.assert_golden(cluster.api, "llama-gqa")
            status = run_cli("status", "--etcd", cluster.info["etcd"], "--json")
            self.assertEqual(status.returncode, 0, status.stdout + status.stderr)
            self.assertTrue(json.loads(status.stdout)["can_serve"])
            self.assertIn("without routed experts", run_cli("status", "--etcd", cluster.info["etcd"]).stdout)
            host = run_cli("expert-host", "--model", self.models["llama-gqa"], "--etcd", cluster.info["etcd"])
            self.assertNotEqual(host.returncode, 0)
            self.assertIn("needs no expert hosts", host.stderr)

    def test_a_cluster_of_v2(self):
        with Cluster("--mode", "f32", "--expert-hosts", 2, model=self.models["deepseek_v2"]) as cluster:
            self.assert_golden(cluster.api, "deepseek_v2")
            for host in ("expert-host-0", "expert-host-1"):
                self.assertGreater(cluster.role_api(host).metric("conclave_expert_host_layer_picks_total"), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""Law 1 in the modes that multiply quantised operands: the rows that travel to expert hosts are bf16, what a host
quantises them to is what a process that computes its own experts quantises them to. Random models, whose every
token hangs on the last bit."""

import tempfile
import unittest

from golden_models import golden, serving_folder
from harness import Cluster, Serve, in_parallel

MODES = {"int8": "deepseek_v3-bf16", "w8a8": "deepseek_v3-fp8-yarn"}
TOKENS = 32
GREEDY = {"temperature": 0}
SEEDED = {"temperature": 1.0, "seed": 5}


class ComputeModes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="conclave-modes-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.models = {mode: serving_folder(case, cls.folder.name) for mode, case in MODES.items()}

    def complete(self, api, prompt, settings):
        answer = api.request("POST", "/v1/completions",
                             {"prompt": prompt, "max_tokens": TOKENS, "return_token_ids": True, **settings})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["choices"][0]["token_ids"]

    def answers(self, api, prompt, parallel):
        """Prompts of six lengths, greedily and with a seed."""
        cases = [(prompt[: len(prompt) - 5 * i], s) for i in range(6) for s in (GREEDY, SEEDED)]
        return in_parallel(parallel, lambda case: self.complete(api, *case), cases)

    def test_same_tokens_wherever_experts_are_computed(self):
        for mode, case in MODES.items():
            with self.subTest(mode=mode):
                prompt, _ = golden(case)
                with Serve("--mode", mode, "--expert-hosts", 0, model=self.models[mode]) as serve:
                    alone = self.answers(serve.api, prompt, 1)
                    self.assertEqual(alone, self.answers(serve.api, prompt, 12), "12 at a time")
                with Serve("--mode", mode, model=self.models[mode]) as serve:
                    self.assertEqual(alone, self.answers(serve.api, prompt, 12), "serve with an expert host")
                with Cluster("--mode", mode, "--expert-hosts", 2, "--expert-replicas", 1,
                             model=self.models[mode]) as cluster:
                    self.assertEqual(alone, self.answers(cluster.api, prompt, 1), "a cluster, alone")
                    self.assertEqual(alone, self.answers(cluster.api, prompt, 12), "a cluster, 12 at a time")
                    for host in ("expert-host-0", "expert-host-1"):
                        picks = cluster.role_api(host).metric("conclave_expert_host_layer_picks_total")
                        self.assertGreater(picks, 0, f"{host} computed something")
                with Serve("--mode", "bf16", model=self.models[mode]) as serve:
                    bf16 = self.answers(serve.api, prompt, 12)
                self.assertNotEqual(bf16, alone, "the mode has an effect")
                same = sum(a[0] == b[0] for a, b in zip(alone, bf16))
                self.assertGreaterEqual(same, len(alone) // 2, "and a small one: first tokens are mostly bf16's")


if __name__ == "__main__":
    unittest.main(verbosity=2)

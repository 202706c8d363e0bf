"""The bundled model answers held-out problems right through the running cluster: the model card's claim, on a
smaller sample."""

import subprocess
import sys
import unittest

from harness import MODEL, Cluster, die_with_parent


class BundledModel(unittest.TestCase):
    def test_held_out_problems_through_the_cluster(self):
        with Cluster() as cluster:
            result = subprocess.run(
                [sys.executable, str(MODEL / "evaluate.py"), "--url", f"http://{cluster.info['http']}", "--per-task", "25",
                 "--min", "90"],
                capture_output=True, text=True, timeout=300, preexec_fn=die_with_parent)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertRegex(result.stdout, r"(?m)^all +\d+ +200 ", "eight tasks of 25 problems were graded")

    def test_the_grader_can_fail(self):
        with Cluster() as cluster:
            result = subprocess.run(
                [sys.executable, str(MODEL / "evaluate.py"), "--url", f"http://{cluster.info['http']}", "--per-task", "2",
                 "--max-tokens", "3", "--min", "50"],
                capture_output=True, text=True, timeout=300, preexec_fn=die_with_parent)
            self.assertEqual(result.returncode, 1, "answers cut off after three tokens are wrong")


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""The architecture checker finds what it is for: each rule is broken once."""

import pathlib
import sys
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/architecture"))
import check  # noqa: E402

RULES = tomllib.loads((ROOT / "tests/architecture/rules.toml").read_text())


def errors(path, line):
    return check.include_errors(path, line + "\n", RULES)


class Includes(unittest.TestCase):
    def test_allowed(self):
        for path, line in (
            ("common/engine/forward.cc", '#include "kernels/gemm/gemm.h"'),
            ("common/cluster/etcd/etcd_store.cc", "#include <grpcpp/grpcpp.h>"),
            ("services/router/state.cc", '#include "proto/conclave/v1/decode.pb.h"'),
            ("services/cli/serve/run.cc", '#include "services/decode/server.h"'),
            ("tests/unit/x_test.cc", '#include "services/decode/server.h"'),
        ):
            self.assertEqual(errors(path, line), [], path)

    def test_refused(self):
        for path, line in (
            ("kernels/gemm/gemm.cc", '#include "common/base/status.h"'),
            ("common/base/log.cc", '#include "common/engine/model.h"'),
            ("common/model/config.cc", '#include "kernels/gemm/gemm.h"'),
            ("services/router/state.cc", '#include "services/decode/server.h"'),
            ("common/engine/model.cc", "#include <grpcpp/grpcpp.h>"),
            ("common/remote_experts/x.cc", '#include <ucp/api/ucp.h>'),
            ("services/decode/x.cc", "#include <prometheus/registry.h>"),
            ("common/cluster/members.cc", '#include "proto/conclave/v1/cluster.pb.h"'),
            ("common/placement/plan.cc", "#include <mutex>"),
            ("services/router/x.cc", '#include "../decode/server.h"'),
            ("common/unknown/x.cc", '#include "common/base/status.h"'),
        ):
            self.assertNotEqual(errors(path, line), [], f"{path} {line}")


class Shape(unittest.TestCase):
    def test_lengths(self):
        self.assertTrue(check.length_errors("a/b.cc", "\n" * 501, RULES))
        self.assertFalse(check.length_errors("a/b.cc", "\n" * 500, RULES))
        self.assertTrue(check.length_errors("a/b.h", "\n" * 151, RULES))
        self.assertTrue(check.length_errors("common/x/README.md", "\n" * 61, RULES))

    def test_modules(self):
        found = check.shape_errors(["common/stray.txt", "common/base/utils/x.md", "services/decode/main.txt"])
        self.assertTrue(any("directly in common" in e for e in found))
        self.assertTrue(any("drawer" in e for e in found))
        self.assertTrue(any(e.startswith("services/decode:") for e in found))

    def test_types_of_one_name(self):
        twice = {"common/a/x.h": "struct Prompt {\n};\n", "services/b/y.h": "class Prompt : public Z {\n};\n"}
        self.assertEqual(len(check.duplicate_type_errors(twice)), 1)
        once = {"common/a/x.h": "struct Prompt {\n};\n", "services/b/y.h": "class Prompt;\n"}
        self.assertEqual(check.duplicate_type_errors(once), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)

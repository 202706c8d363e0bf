"""Wrong input gets a clear error and harms nobody else: the front door, checkpoints, ports, etcd."""

import json
import pathlib
import shutil
import socket
import tempfile
import time
import unittest

from harness import MODEL, Cluster, run_cli, token_ids, wait_until

PROMPT = "What is 48 + 77?"


class WrongRequests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.stop)
        cls.api = cls.cluster.api
        cls.expected = token_ids(cls.api.chat(PROMPT, temperature=0))

    def tearDown(self):
        """Whatever was sent, the next good request is answered as before."""
        self.assertEqual(self.expected, token_ids(self.api.chat(PROMPT, temperature=0)))

    def assert_error(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer.body)
        error = answer.json["error"]
        self.assertEqual({"message", "type", "param", "code"}, set(error))
        for word in words:
            self.assertIn(word, error["message"])

    def test_malformed_json(self):
        self.assert_error(self.api.request("POST", "/v1/chat/completions", '{"messages": ['), 400, "JSON")
        self.assert_error(self.api.request("POST", "/v1/chat/completions", b"\xff\xfe\x00"), 400)

    def test_unknown_model_and_path(self):
        self.assert_error(self.api.chat(PROMPT, model="gpt-17"), 404, "gpt-17")
        self.assert_error(self.api.get("/v1/nowhere"), 404)
        self.assert_error(self.api.request("DELETE", "/v1/chat/completions"), 405)

    def test_parameters_out_of_range(self):
        for name, value in (
            ("temperature", -1), ("temperature", 1e9), ("temperature", "hot"), ("top_p", 0), ("top_p", 1.5),
            ("max_tokens", 0), ("max_tokens", -5), ("max_tokens", 1e30), ("seed", "x"), ("stop", [""]),
            ("stop", ["a"] * 17), ("n", 3), ("stream", "yes"),
        ):
            with self.subTest(name=name, value=value):
                self.assert_error(self.api.chat(PROMPT, **{name: value}), 400, name)

    def test_messages_of_wrong_shape(self):
        for messages in ([], "hello", [{"role": "wizard", "content": "x"}], [{"content": "x"}], [{"role": "user", "content": 5}]):
            with self.subTest(messages=messages):
                self.assert_error(self.api.request("POST", "/v1/chat/completions", {"messages": messages}), 400)

    def test_prompt_longer_than_the_context(self):
        answer = self.api.chat("12 + 34 " * 2000)
        self.assert_error(answer, 400, "2048")
        self.assertEqual(answer.json["error"]["code"], "context_length_exceeded")

    def test_body_too_large(self):
        self.assertEqual(self.api.chat("x" * (5 << 20)).status, 413)

    def test_a_deadline_that_cannot_be_met(self):
        answer = self.api.chat(PROMPT, headers={"X-Request-Timeout-Ms": "1"}, temperature=0)
        self.assert_error(answer, 504)

    def test_disconnect_in_the_middle_stops_the_work(self):
        decode = self.cluster.role_api("decode-0")
        total = decode.metric("conclave_kv_pages_total")
        wait_until(lambda: decode.metric("conclave_kv_pages_free") == total, 10, "all pages free before")
        cancelled = decode.metric("conclave_decode_cancelled_total")
        events = self.api.stream(PROMPT, temperature=0, max_tokens=1500, ignore_eos=True)
        for _, _ in zip(range(5), events):
            pass
        self.assertLess(decode.metric("conclave_kv_pages_free"), total, "the stream holds pages")
        events.close()  # drops the connection
        wait_until(lambda: decode.metric("conclave_decode_cancelled_total") > cancelled, 10, "the work stops")
        wait_until(lambda: decode.metric("conclave_kv_pages_free") == total, 10, "the pages come back")

    def test_half_a_request_harms_nobody(self):
        with socket.create_connection((self.api.host, self.api.port)) as half:
            half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            self.assertEqual(self.api.get("/health").status, 200)

    def test_garbage_instead_of_http(self):
        with socket.create_connection((self.api.host, self.api.port), timeout=30) as garbage:
            garbage.sendall(b"\x16\x03\x01\x02\x00" + bytes(range(256)) + b"\r\n\r\n")
            self.assertTrue(garbage.recv(65536).startswith(b"HTTP/1.1 400 "))


class WrongSurroundings(unittest.TestCase):
    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for command in ("up", "serve"):
                result = run_cli(command, "--model", MODEL, "--http-port", port)
                self.assertEqual(result.returncode, 1)
                self.assertIn(str(port), result.stderr)
                self.assertIn("in use", result.stderr)

    def test_unreachable_etcd(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        for role in ("router", "prefill", "decode", "expert-host"):
            with self.subTest(role=role):
                started = time.monotonic()
                extra = ["--http-port", 0] if role == "router" else []
                result = run_cli(role, "--model", MODEL, "--etcd", f"127.0.0.1:{port}", *extra)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(f"127.0.0.1:{port}", result.stderr)
                self.assertLess(time.monotonic() - started, 30, "gives up")

    def test_unknown_flags_and_commands(self):
        for args in (["up", "--no-such-flag"], ["serve", "--expert-hosts", "-3"], ["serve", "--mode", "f7"], ["frobnicate"]):
            result = run_cli(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(args[-1].lstrip("-").split("=")[0], result.stderr)

    def test_no_etcd_program(self):
        result = run_cli("up", "--model", MODEL, "--http-port", 0, "--etcd", "/nonexistent/etcd")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nonexistent/etcd", result.stderr)


class WrongCheckpoints(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="conclave-test-model-"))
        self.addCleanup(shutil.rmtree, self.dir)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
            shutil.copyfile(MODEL / name, self.dir / name)

    def assert_refused(self, *words):
        result = run_cli("serve", "--model", self.dir, "--http-port", 0)
        self.assertEqual(result.returncode, 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_truncated_safetensors(self):
        path = self.dir / "model.safetensors"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        self.assert_refused("model.safetensors")

    def test_lying_safetensors(self):
        path = self.dir / "model.safetensors"
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        header["model.norm.weight"]["data_offsets"] = [0, 2**60]
        lied = json.dumps(header).encode()
        path.write_bytes(len(lied).to_bytes(8, "little") + lied + data[8 + length :])
        self.assert_refused("model.safetensors", "model.norm.weight")

    def test_missing_shard(self):
        (self.dir / "model.safetensors").rename(self.dir / "model-00001-of-00002.safetensors")
        index = {"metadata": {}, "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors"}}
        (self.dir / "model.safetensors.index.json").write_text(json.dumps(index))
        self.assert_refused("model-00002-of-00002.safetensors")

    def test_bad_tokenizer(self):
        (self.dir / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
        self.assert_refused("tokenizer.json")

    def test_no_folder(self):
        result = run_cli("serve", "--model", self.dir / "nowhere", "--http-port", 0)
        self.assertEqual(result.returncode, 1)
        self.assertIn("nowhere", result.stderr)

    def test_up_quotes_the_log_of_what_failed(self):
        # Only the router reads this file, so that it is the one that ends.
        (self.dir / "tokenizer_config.json").write_text("{")
        result = run_cli("up", "--model", self.dir, "--http-port", 0)
        self.assertEqual(result.returncode, 1)
        self.assertIn("router-0 exited with status 1 while starting", result.stderr)
        self.assertIn("tokenizer_config.json", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

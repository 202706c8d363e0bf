"""evaluate.py against a stand-in server that knows, or does not know, the answers."""
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

MODEL = pathlib.Path(__file__).resolve().parents[3] / "deploy" / "model"
sys.path.insert(0, str(MODEL))
import score


class Handler(http.server.BaseHTTPRequestHandler):
    problems, knows = {}, True

    def _send(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self._send({"data": [{"id": "mini"}]})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert request["model"] == "mini" and request["temperature"] == 0
        p = self.problems[request["messages"][-1]["content"]]
        answer = p.answer if self.knows else "no idea"
        self._send({"choices": [{"message": {"content": answer, "reasoning_content": p.think}}], "usage": {"completion_tokens": 9}})

    def log_message(self, *_):
        pass


class Evaluate(unittest.TestCase):
    def run_script(self, knows):
        Handler.problems, Handler.knows = {p.prompt: p for p in score.held_out_problems(3, 4)}, knows
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, str(MODEL / "evaluate.py"), "--url", f"http://127.0.0.1:{server.server_port}", "--per-task", "3", "--seed", "4",
                                   "--json", folder + "/report.json"], capture_output=True, text=True)
            report = json.loads(pathlib.Path(folder, "report.json").read_text())
        server.shutdown()
        server.server_close()
        return done, report

    def test_right_answers_pass(self):
        done, report = self.run_script(True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(report["tasks"]["all"]["percent"], 100)
        self.assertIn("subtract", done.stdout)

    def test_wrong_answers_fail(self):
        done, report = self.run_script(False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(report["tasks"]["all"]["right"], 0)


if __name__ == "__main__":
    unittest.main()

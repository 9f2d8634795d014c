"""A reader behind a server that others wrote: llama-cpp-python's. Run by `make test-remote`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

from support import MODEL, PROGRAM, ProgramTest, environment, run, run_json
from test_index_search import PARAGRAPHS, QUESTION

KEY = "sk-of-this-test"
WINDOW = 512


class RealServer(ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        cls.url = f"http://127.0.0.1:{port}/v1"
        cls.server = subprocess.Popen(
            [sys.executable, "-m", "llama_cpp.server", "--model", MODEL, "--n_ctx", str(WINDOW),
             "--host", "127.0.0.1", "--port", str(port), "--model_alias", "smol", "--api_key", KEY],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        request = urllib.request.Request(cls.url + "/models",
                                         headers={"Authorization": "Bearer " + KEY})
        for _ in range(600):
            try:
                urllib.request.urlopen(request, timeout=10).close()
                return
            except (urllib.error.URLError, OSError):
                if cls.server.poll() is not None:
                    break
                time.sleep(0.2)
        cls.server.kill()
        raise AssertionError("llama-cpp-python's server did not start")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()

    def setUp(self):
        super().setUp()
        # More text than the server's window holds.
        text = PARAGRAPHS + [f"The mill of Varn ground {i} sacks of rye in the year {1800 + i}, and "
                             f"the miller wrote it down in book {i} of the mill." for i in range(40)]
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(text)))

    def ask(self, *arguments, key=KEY, url=None, **keywords):
        return run("ask", self.store, QUESTION, "--reader", url or self.url, "--withhold", 0,
                   *arguments, env={"S3ATTN_READER_KEY": key}, **keywords)

    def answer(self, *arguments, **keywords):
        done = self.ask("--json", *arguments, **keywords)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_it_answers_under_every_spelling_of_its_address(self):
        for url in (self.url, self.url + "/#smol", self.url.removesuffix("/v1")):
            answer = self.answer("--budget", 150, "--max-answer", 24, url=url)
            self.assertEqual(answer["reader"], "smol")
            self.assertGreater(answer["answer_tokens"], 0)
            self.assertNotEqual(answer["answer"], "")

    def test_it_sees_what_our_own_reader_sees(self):
        ours = run_json("ask", self.store, QUESTION, "--reader", MODEL, "--withhold", 0, "--budget",
                        150, "--max-answer", 12)
        theirs = self.answer("--budget", 150, "--max-answer", 12)
        self.assertEqual(ours["spans"], theirs["spans"])
        self.assertNotEqual(theirs["answer"], "")

    def test_too_long_is_understood(self):
        answer = self.answer("--budget", 1400, "--max-answer", 24)
        self.assertIn("window holds less", " ".join(answer["notes"]))
        self.assertNotEqual(answer["answer"], "")

    def test_keys(self):
        for key, words in (("sk-wrong", "refuses the key"), ("", "asks for a key")):
            done = self.ask(key=key)
            self.assert_fails(done, words)
            self.assertNotIn("sk-wrong", done.stdout + done.stderr)
        self.assert_fails(self.ask(url=self.url + "#nobody"), "no model 'nobody'", "smol")

    def test_an_interrupt_frees_the_server(self):
        child = subprocess.Popen([PROGRAM, "ask", str(self.store), QUESTION, "--reader", self.url,
                                  "--withhold", "0", "--budget", "200", "--max-answer", "200"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 env=environment({"S3ATTN_READER_KEY": KEY}))
        self.assertNotEqual(os.read(child.stdout.fileno(), 1), b"")
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
        self.assertNotEqual(self.answer("--budget", 150, "--max-answer", 8)["answer"], "")

    def test_serve_offers_it(self):
        server = subprocess.Popen([PROGRAM, "serve", str(self.store), "--port", "0", "--reader",
                                   self.url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  text=True, env=environment({"S3ATTN_READER_KEY": KEY}))
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        url = server.stdout.readline().split()[2].rstrip("/")
        with urllib.request.urlopen(url + "/v1/models", timeout=60) as response:
            names = [model["id"] for model in json.load(response)["data"]]
        self.assertEqual(names[0], "smol")
        body = {"model": "smol", "stream": True, "withhold_below": 0, "budget_tokens": 150,
                "max_tokens": 16, "messages": [{"role": "user", "content": QUESTION}]}
        request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as response:
            events = response.read().decode()
        self.assertTrue(events.rstrip().endswith("data: [DONE]"))
        self.assertGreater(events.count('"content"'), 3)


if __name__ == "__main__":
    unittest.main()

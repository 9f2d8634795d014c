"""Readers behind a server: a good one, ours, and one that misbehaves in every way."""

import json
import os
import shutil
import signal
import subprocess
import unittest
import urllib.request

from misbehaving import GOOD, Misbehaving
from support import PROGRAM, ProgramTest, environment, run, run_json
from test_index_search import PARAGRAPHS, QUESTION

KEY = "sk-secret-0123456789"


class Remote(ProgramTest):
    def setUp(self):
        super().setUp()
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        self.bad = Misbehaving()
        self.bad.__enter__()
        self.addCleanup(self.bad.__exit__)

    def ask(self, model, *arguments, base="v1", **keywords):
        return run("ask", self.store, QUESTION, "--reader", self.bad.url(model, base), *arguments,
                   timeout=120, **keywords)

    def ask_json(self, model, *arguments, **keywords):
        done = self.ask(model, "--json", *arguments, **keywords)
        self.assertEqual(done.returncode, 0, msg=done.stderr)
        return json.loads(done.stdout), done.stderr

    def test_an_answer_comes_with_its_evidence_and_the_passages_are_said_to_leave(self):
        answer, said = self.ask_json("good")
        self.assertEqual(answer["answer"], GOOD)
        self.assertEqual((answer["reader"], answer["prompt_tokens"], answer["answer_tokens"]),
                         ("good", 7, 5))
        self.assertGreater(len(answer["citations"]), 0)
        self.assertIn("are sent to http://127.0.0.1", said)
        path, headers, body = self.bad.server.seen[-1]
        self.assertEqual(path, "/v1/chat/completions")
        self.assertNotIn("Authorization", headers)
        self.assertTrue(body["stream"])
        self.assertIn("Solberg", body["messages"][-1]["content"])

    def test_servers_that_do_not_stream_or_know_other_fields(self):
        for model in ("whole", "picky", "busy"):
            self.assertEqual(self.ask_json(model)[0]["answer"], GOOD, model)

    def test_the_only_model_is_taken_and_several_are_named(self):
        self.assertEqual(self.ask_json("", base="one")[0]["answer"], GOOD)
        self.assert_fails(self.ask(""), "several models", "short-window")
        self.assert_fails(self.ask("nobody"), "no model 'nobody'", "good")

    def test_offline_refuses_before_anything_is_sent(self):
        self.assert_fails(self.ask("good", "--offline"), "--offline", "127.0.0.1")
        self.assertEqual(self.bad.server.seen, [])

    def test_the_key_is_sent_and_never_shown(self):
        file = self.write("key.txt", KEY + "\n")
        for how in ({"env": {"S3ATTN_READER_KEY": KEY}}, {}):
            arguments = () if how else ("--reader-key-file", file)
            done = self.ask("key-echo", *arguments, **how)
            self.assert_fails(done, "refuses the key")
            self.assertNotIn(KEY, done.stdout + done.stderr)
            self.assertEqual(self.bad.server.seen[-1][1]["Authorization"], "Bearer " + KEY)

    def test_errors_say_what_happened(self):
        for model, words in (("bad-json", ["no json object"]), ("page", ["web page", "/v1"]),
                             ("moved", ["elsewhere.invalid", "name that address"]),
                             ("busy-long", ["too busy", "4000 s"]),
                             ("error-event", ["the card is on fire"]),
                             ("huge", ["longer than 8 mib"]), ("ok-page", ["web page", "/v1"]),
                             ("other-json", ["not one of chat completions"]),
                             ("lost", ["308", "does not say where"])):
            self.assert_fails(self.ask(model), *words)
        self.assert_fails(self.ask("good", base="page"), "web page", "/v1")
        self.assert_fails(self.ask("silent", "--reader-timeout", 1), "silent for too long")
        self.assert_fails(run("ask", self.store, QUESTION, "--reader", "http://127.0.0.1:9/v1#x"),
                          "is the server running")
        self.assert_fails(run("ask", self.store, QUESTION, "--reader", "http://me:pw@host/v1#x"),
                          "name or a password")

    def test_a_cut_stream_keeps_what_came_and_says_so(self):
        answer, _ = self.ask_json("cut")
        self.assertEqual(answer["answer"], "Ada Solberg")
        self.assertIn("not whole", answer["notes"][0])

    def test_an_endless_answer_is_ended(self):
        answer, _ = self.ask_json("endless", "--max-answer", 50)
        self.assertLess(len(answer["answer"]), 3_000_000)
        self.assertTrue(self.bad.server.closed.wait(20))

    def test_too_long_is_understood_and_fewer_passages_are_sent(self):
        answer, _ = self.ask_json("short-window", "--budget", 400)
        self.assertEqual(answer["answer"], GOOD)
        self.assertIn("window holds less", answer["notes"][0])
        self.assertEqual(len(answer["spans"]), 1)

        for model in ("no-words", "code-only"):
            answer, _ = self.ask_json(model, "--budget", 400)
            self.assertEqual((answer["answer"], len(answer["spans"])), (GOOD, 1), model)

    def test_addresses_as_people_write_them(self):
        self.assertEqual(self.ask_json("org/model:8b", base="")[0]["reader"], "org/model:8b")
        self.assertEqual(self.ask_json("good", base="v1/chat/completions/")[0]["answer"], GOOD)
        try:
            with Misbehaving(host="::1") as six:
                answer = run_json("ask", self.store, QUESTION, "--reader", six.url("good"))
                self.assertEqual(answer["answer"], GOOD)
        except OSError:
            self.skipTest("no IPv6 on this machine")

    def test_a_date_to_wait_for_and_thoughts_without_an_answer(self):
        answer, _ = self.ask_json("busy-until")
        self.assertEqual(answer["answer"], GOOD)
        self.assertIn("was busy", answer["notes"][0])
        answer, _ = self.ask_json("thinking")
        self.assertIn("wrote no answer", answer["notes"][0])

    def test_a_certificate_must_be_trusted(self):
        if shutil.which("openssl") is None:
            self.skipTest("no openssl to make a certificate with")
        pem = self.directory / "server.pem"
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out",
             self.directory / "certificate.pem"], capture_output=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        certificate = self.directory / "certificate.pem"
        pem.write_bytes(pem.read_bytes() + certificate.read_bytes())
        with Misbehaving(pem) as tls:
            asked = ("ask", self.store, QUESTION, "--reader", tls.url("good"))
            self.assert_fails(run(*asked), "certificate is not trusted", "SSL_CERT_FILE")
            self.assertEqual(tls.server.seen, [])
            answer = run_json(*asked, env={"SSL_CERT_FILE": str(certificate)})
            self.assertEqual(answer["answer"], GOOD)

    def test_a_proxy_of_the_usual_variables_is_used(self):
        answer, _ = self.ask_json("good", env={"http_proxy": "http://127.0.0.1:9",
                                               "no_proxy": "127.0.0.1"})
        self.assertEqual(answer["answer"], GOOD)
        self.assert_fails(self.ask("good", env={"http_proxy": "http://127.0.0.1:9"}),
                          "is the server running")

    def test_serve_offers_every_model_of_the_server(self):
        server = subprocess.Popen([PROGRAM, "serve", str(self.store), "--port", "0", "--reader",
                                   self.bad.url()], stdout=subprocess.PIPE, text=True,
                                  env=environment(), stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        url = server.stdout.readline().split()[2].rstrip("/")
        with urllib.request.urlopen(url + "/v1/models", timeout=60) as response:
            names = [model["id"] for model in json.load(response)["data"]]
        self.assertEqual(names[:2], ["good", "whole"])
        body = {"model": "whole", "messages": [{"role": "user", "content": QUESTION}]}
        request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as response:
            answer = json.load(response)
        self.assertEqual(answer["choices"][0]["message"]["content"], GOOD)
        self.assertIn("Solberg", answer["quote"]["text"])
        self.assertFalse(answer["sentences"][0]["supported"])
        self.assertEqual([word["text"] for word in answer["unfounded"]], ["Ada"])

    def test_eval_answers_takes_one_without_likelihoods(self):
        record = {"document": "\n\n".join(PARAGRAPHS), "question": QUESTION,
                  "answers": ["Ada Solberg"], "evidence": [[0, 20]]}
        data = self.write("plain.jsonl", json.dumps(record) + "\n")
        asked = ("eval", "answers", "--data", data, "--methods", "none,bm25", "--budgets", 200,
                 "--reader", self.bad.url("good"), "--out", self.directory / "run")
        self.assert_fails(run(*asked), "--no-likelihood")
        report = run_json(*asked, "--no-likelihood")
        self.assertEqual(report["reader"]["name"], "good")
        rows = json.loads((self.directory / "run/run.json").read_text(encoding="utf-8"))["rows"]
        self.assertEqual([row["answer"] for row in rows], [GOOD, GOOD])

    def test_an_interrupt_closes_the_connection(self):
        child = subprocess.Popen([PROGRAM, "ask", str(self.store), QUESTION, "--reader",
                                  self.bad.url("drip")], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, env=environment())
        shown = b""
        while b"n1" not in shown:
            shown += os.read(child.stdout.fileno(), 4096)
            self.assertIsNone(child.poll())
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
        self.assertTrue(self.bad.server.closed.wait(20))


class OurOwn(ProgramTest):
    """Our server as a reader for another store's questions: a whole round through both ends."""

    def test_serve_answers_ask(self):
        run_json("index", self.store, self.write("facts.txt", "\n\n".join(PARAGRAPHS)))
        server = subprocess.Popen([PROGRAM, "serve", str(self.store), "--port", "0"],
                                  stdout=subprocess.PIPE, text=True, env=environment(),
                                  stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        line = server.stdout.readline()
        url = line.split()[2].rstrip("/") + "/v1"
        answer = run_json("ask", self.store, QUESTION, "--reader", url, "--max-answer", 24)
        self.assertNotEqual(answer["answer"], "")
        self.assertGreater(answer["answer_tokens"], 0)


if __name__ == "__main__":
    unittest.main()

"""What goes wrong around the server: clients that hang up, floods, kills, stores that vanish."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import threading
import time
import unittest

from serving import FACTS, QUESTION, ServerTest, book_path, run_json, wait_until


def question_bytes(stream=False, tokens=2000):
    body = json.dumps({"messages": [{"role": "user", "content": QUESTION}], "stream": stream,
                       "max_tokens": tokens, "temperature": 2, "seed": 7}).encode()
    return (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
            + str(len(body)).encode() + b"\r\n\r\n" + body)


class Clients(ServerTest):
    def setUp(self):
        super().setUp()
        run_json("index", self.store, self.write("facts.txt", FACTS))

    def test_hanging_up_stops_the_answer(self):
        server = self.serve(self.store)
        for stream in (True, False):
            with self.subTest(stream=stream):
                before = server.metric("s3attn_answers_cancelled_total")
                connection = socket.create_connection(("127.0.0.1", server.port))
                connection.sendall(question_bytes(stream))
                if stream:
                    connection.recv(100)
                else:
                    wait_until(lambda: self.metric_of(server, "running"), what="the answer")
                connection.close()
                wait_until(lambda: not self.metric_of(server, "running"), 20, "the end")
                self.assertEqual(server.metric("s3attn_answers_cancelled_total"), before + 1)

    def test_evidence_does_not_wait_for_the_answer_before_it(self):
        server = self.serve(self.store)
        first = socket.create_connection(("127.0.0.1", server.port))
        self.addCleanup(first.close)
        first.sendall(question_bytes(True))
        wait_until(lambda: self.metric_of(server, "running"), what="the first answer")
        connection, response = server.open("POST", "/v1/chat/completions", {
            "messages": [{"role": "user", "content": QUESTION}], "stream": True, "evidence": True,
            "max_tokens": 4, "budget_tokens": 160})
        self.addCleanup(connection.close)
        line = next(line for line in response if line.startswith(b"data: "))
        self.assertIn("Solberg", json.loads(line[6:])["evidence"]["spans"][0]["text"])
        # The first answer, of 2,000 tokens, is still being written, and this one waits for it.
        self.assertEqual([self.metric_of(server, state) for state in ("running", "waiting")],
                         [1, 1])
        first.close()
        self.assertIn(b"data: [DONE]", response.read())

    def test_a_question_that_fails_leaves_its_place_in_the_queue(self):
        server = self.serve(self.store, "--queue", 1)
        first = socket.create_connection(("127.0.0.1", server.port))
        self.addCleanup(first.close)
        first.sendall(question_bytes(True))
        wait_until(lambda: self.metric_of(server, "running"), what="the first answer")
        for _ in range(3):
            status, _, content = server.post("/v1/chat/completions", {
                "messages": [{"role": "user", "content": QUESTION}], "budget_tokens": 1})
            self.assertEqual((status, content["error"]["code"]), (409, "budget_too_small"))
        wait_until(lambda: not self.metric_of(server, "waiting"), 20, "an empty queue")
        self.assertEqual(self.metric_of(server, "running"), 1)

    def test_hanging_up_gives_back_what_a_request_took(self):
        server = self.serve(self.store)

        def resident():
            status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
            return int(status.split("VmRSS:")[1].split()[0]) // 1024

        def hang_up(path, body):
            connection, data = http.client.HTTPConnection("127.0.0.1", server.port), body
            connection.request("POST", path, json.dumps(data))
            time.sleep(0.3)  # it has begun
            connection.close()
            wait_until(lambda: not self.metric_of(server, "running"), 30, "the end")
        ask = ("/v1/chat/completions", {"messages": [{"role": "user", "content": QUESTION}],
                                        "max_tokens": 2000, "temperature": 2, "seed": 7})
        search = ("/v1/search", {"question": QUESTION + " tern" * 600})
        # Models are loaded and have worked before anything is measured.
        self.assertEqual(self.chat(server, QUESTION, max_tokens=4)[0], 200)
        self.assertEqual(server.post(*search)[0], 200)
        for path, body in (ask, search):
            hang_up(path, body)
        before = resident()
        for path, body in (ask, search) * 5:
            hang_up(path, body)
        self.assertLess(resident(), before + 100)
        # Nothing is left of them that the next would wait for.
        self.assertEqual(server.post("/v1/search", {"question": QUESTION})[0], 200)
        wait_until(lambda: 'queue="search",state="running"} 0' in
                   server.get("/metrics")[2].decode(), what="the end of the searches")

    def metric_of(self, server, state):
        text = server.get("/metrics")[2].decode()
        line = next((line for line in text.splitlines() if line.startswith("s3attn_jobs")
                     and 'queue="answer"' in line and f'state="{state}"' in line), "x 0")
        return float(line.rsplit(" ", 1)[1])

    def test_full_queue_answers_503_and_when_to_come_back(self):
        server = self.serve(self.store, "--queue", 1)
        sockets = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        for connection, state in zip(sockets, ("running", "waiting")):
            connection.sendall(question_bytes(True))
            wait_until(lambda state=state: self.metric_of(server, state), what=state)
        status, headers, content = self.chat(server, QUESTION)
        self.assertEqual(status, 503)
        self.assertGreater(int(headers["Retry-After"]), 0)
        self.assertEqual(content["error"]["type"], "overloaded_error")
        self.assertEqual(server.post("/v1/search", {"question": QUESTION})[0], 200)  # own queue
        for connection in sockets:  # one that waits, hangs up and makes room
            connection.close()
        wait_until(lambda: not self.metric_of(server, "waiting"), what="room")
        self.assertEqual(self.chat(server, QUESTION, max_tokens=4)[0], 200)

    def test_eight_clients_are_served_in_order(self):
        server = self.serve(self.store)
        order, lock = [], threading.Lock()
        blocker = socket.create_connection(("127.0.0.1", server.port))
        blocker.sendall(question_bytes(True))
        wait_until(lambda: self.metric_of(server, "running"), what="the answer")

        def ask(number):
            status, _, _ = self.chat(server, QUESTION, max_tokens=2, budget_tokens=80)
            with lock:
                order.append(number)
            return status

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = []
            for number in range(8):
                asked.append(pool.submit(ask, number))
                wait_until(lambda n=number: self.metric_of(server, "waiting") == n + 1, what="turn")
            blocker.close()
            self.assertEqual([future.result() for future in asked], [200] * 8)
        self.assertEqual(order, sorted(order))

    def test_too_many_connections_are_told_so(self):
        server = self.serve(self.store, "--connections", 4)
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        time.sleep(0.3)
        answer = server.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 503 ", answer)
        self.assertIn(b"Retry-After", answer)
        for connection in idle:
            connection.close()
        wait_until(lambda: server.get("/healthz")[0] == 200, 10, "room")

    def test_slow_clients_do_not_keep_others_waiting(self):
        server = self.serve(self.store)
        slow = []
        for _ in range(30):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Le")
            slow.append(connection)
        started = time.monotonic()
        self.assertEqual(server.get("/healthz")[0], 200)
        self.assertLess(time.monotonic() - started, 2)
        slow[0].settimeout(30)
        self.assertIn(b" 408 ", slow[0].recv(1000))  # after ten seconds
        for connection in slow:
            connection.close()

    def test_store_that_is_removed_under_the_server(self):
        server = self.serve(self.store)
        self.assertEqual(server.post("/v1/search", {"question": QUESTION})[0], 200)
        shutil.rmtree(self.store)
        status, _, content = server.post("/v1/search", {"question": QUESTION})
        self.assertEqual(status, 409, content)
        self.assertNotIn("Solberg", json.dumps(content))
        self.assertEqual(server.get("/v1/documents/1/text")[0], 404)
        # Another store in its place is that store, and nothing of the old one is left.
        run_json("index", self.store, self.write("tea.txt", "Tea is grown in Assam."))
        _, _, found = server.post("/v1/search", {"question": QUESTION})
        self.assertEqual([span["text"] for span in found["spans"]], ["Tea is grown in Assam."])
        self.assertTrue(server.alive())

    def test_sigterm_ends_cleanly_while_it_answers(self):
        server = self.serve(self.store)
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(question_bytes(True))
        connection.recv(100)
        self.assertEqual(server.stop(timeout=30), 0)
        connection.close()
        run_json("verify", self.store)


class Uploads(ServerTest):
    def catalogue(self, sql):
        with sqlite3.connect(f"file:{self.store}/catalog.db?mode=ro", uri=True) as db:
            return db.execute(sql).fetchall()

    def committed_units(self):
        if not os.path.exists(self.store / "catalog.db"):
            return 0
        return self.catalogue("SELECT count(*) FROM units WHERE doc_id = 2")[0][0]

    def begin(self, number):
        """A server that is killed while it reads a book, after the first commit of it."""
        run_json("index", self.store, self.write("facts.txt", FACTS))
        server = self.serve(self.store, "--commit-tokens", 512)
        book = book_path().read_bytes()[:60_000]
        self.assertEqual(server.post("/v1/documents?name=book.md", book)[0], 202)
        wait_until(self.committed_units, what="a commit")
        return server, server.stop(number), book

    def finish(self, book):
        """It goes on by itself when the server starts again."""
        server = self.serve(self.store, "--commit-tokens", 512)
        wait_until(lambda: not any(job["state"] in ("queued", "scanning") for job in
                                   server.get("/v1/documents/jobs")[2]["data"]), 120, "the scan")
        documents = {d["name"]: d for d in server.get("/v1/documents")[2]["data"]}
        self.assertTrue(documents["book.md"]["complete"])
        self.assertEqual(documents["book.md"]["source_bytes"], len(book))
        outcome = [job["outcome"] for job in server.get("/v1/documents/jobs")[2]["data"]]
        self.assertEqual(outcome, ["resumed"])
        self.assertEqual(server.stop(), 0)
        self.assertEqual(run_json("verify", self.store)["documents"], 2)

    def test_kill_loses_nothing_committed_and_the_scan_goes_on(self):
        _, _, book = self.begin(signal.SIGKILL)
        names = {row[0].rsplit("/", 1)[-1] for row in self.catalogue("SELECT path FROM documents")}
        self.assertEqual(names, {"facts.txt", "book.md"})
        self.finish(book)

    def test_sigterm_keeps_what_is_committed(self):
        _, code, book = self.begin(signal.SIGTERM)
        self.assertEqual(code, 0)
        self.finish(book)

    def test_kill_while_the_bytes_arrive_loses_that_upload_alone(self):
        run_json("index", self.store, self.write("facts.txt", FACTS))
        server = self.serve(self.store)
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"POST /v1/documents?name=half.txt HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Length: 1000000\r\n\r\n" + b"half a document\n" * 1000)
        uploads = self.store / "uploads"
        wait_until(lambda: uploads.is_dir() and os.listdir(uploads), what="the file")
        server.stop(signal.SIGKILL)
        connection.close()
        server = self.serve(self.store)
        names = [d["name"].rsplit("/", 1)[-1] for d in server.get("/v1/documents")[2]["data"]]
        self.assertEqual(names, ["facts.txt"])
        self.assertEqual(os.listdir(uploads), [])

    def test_removing_and_cancelling_while_a_scan_runs(self):
        run_json("index", self.store, self.write("facts.txt", FACTS),
                 self.write("tea.txt", "Tea is grown in Assam, and drunk with milk."))
        server = self.serve(self.store, "--commit-tokens", 512)
        book = book_path().read_bytes()[:60_000]
        job = server.post("/v1/documents?name=book.md", book)[2]
        path = f"/v1/documents/jobs/{job['id']}"
        wait_until(lambda: server.get(path)[2]["state"] == "scanning", what="the scan")
        self.assertEqual(server.request("DELETE", "/v1/documents/2")[0], 200)
        self.assertIn(server.get(path)[2]["state"], ("queued", "scanning"))  # goes on
        self.assertEqual(server.post(path + "/cancel")[0], 200)
        wait_until(lambda: server.get(path)[2]["state"] == "cancelled", what="the end")
        names = [d["name"].rsplit("/", 1)[-1] for d in server.get("/v1/documents")[2]["data"]]
        self.assertEqual(names, ["facts.txt"])
        self.assertEqual(os.listdir(self.store / "uploads"), [])

    def test_new_version_replaces_the_old_one(self):
        server = self.serve(self.store)
        server.upload("facts.txt", "Old text about a windmill in the fields of Brabant.")
        job = server.upload("facts.txt", FACTS)
        self.assertEqual(job["outcome"], "replaced")
        self.assertEqual(server.upload("facts.txt", FACTS)["outcome"], "unchanged")
        _, _, found = server.post("/v1/search", {"question": "Where is the windmill?"})
        self.assertNotIn("Brabant", json.dumps(found))


if __name__ == "__main__":
    unittest.main()

"""MCP over standard input and output, message by message."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import tempfile
import threading
import unittest

from serving import (FACTS, MODEL, PROGRAM, QUESTION, ServerTest, book_path, run_json,
                     wait_until)


def pdf_without_text():
    """A page with a line drawn on it, as a scan has no text either."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
               b"<< /Length 21 >>\nstream\n0 0 m 100 100 l S    \nendstream"]
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(data)
    data += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % p for p in places)
    return data + b"trailer << /Root 1 0 R /Size 5 >>\nstartxref\n%d\n%%%%EOF\n" % table


class Client:
    """A client that starts the server itself, and reads its messages as they come."""

    def __init__(self, store, *arguments):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("S3ATTN_")}
        environment.update({"S3ATTN_MODEL": MODEL, "S3ATTN_THREADS": "1",
                            "XDG_CONFIG_HOME": "/nonexistent"})
        self.process = subprocess.Popen(
            [PROGRAM, "serve", str(store), "--mcp", *map(str, arguments)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=environment)
        self.next_id = 1
        self.messages = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.messages.put(json.loads(line))

    def write(self, message, end=b"\n"):
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + end)
        self.process.stdin.flush()

    def begin(self, method, **params):
        """Sends a request; its id."""
        number, self.next_id = self.next_id, self.next_id + 1
        self.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def notify(self, method, **params):
        self.write({"jsonrpc": "2.0", "method": method, "params": params})

    def reply(self, number, seconds=120):
        """The reply to a request; messages that came before it are in `seen`."""
        while True:
            message = self.messages.get(timeout=seconds)
            self.seen.append(message)
            if message.get("id") == number:
                return message

    def call(self, tool, **arguments):
        return self.reply(self.begin("tools/call", name=tool, arguments=arguments))["result"]

    def end(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()
            self.reader.join(10)
            self.process.stdout.close()


class McpTest(ServerTest):
    def client(self, *arguments):
        client = Client(self.store, *arguments)
        self.addCleanup(client.end)
        return client


class Files(McpTest):
    def test_files_of_the_user_stay_as_they_are(self):
        """Every outcome: indexed, unchanged, replaced, not readable, removed, killed meanwhile."""
        originals = {"scan.pdf": pdf_without_text(), "blank.txt": b" \n\n ",
                     "notes.md": FACTS.encode(), "picture.txt": b"\x89PNG\r\n\x1a\n" + bytes(100),
                     "book.txt": book_path().read_bytes()[:60_000]}
        paths = {}
        for name, content in originals.items():
            paths[name] = self.directory / name
            paths[name].write_bytes(content)

        def check():
            for name, content in originals.items():
                self.assertTrue(paths[name].exists(), name)
                self.assertEqual(paths[name].read_bytes(), content, name)

        client = self.client("--commit-tokens", 256)
        for name in ("scan.pdf", "blank.txt", "picture.txt"):
            self.assertTrue(client.call("add_document", path=str(paths[name]))["isError"], name)
            check()
        for outcome in ("indexed", "unchanged"):
            added = client.call("add_document", path=str(paths["notes.md"]))
            self.assertEqual(added["structuredContent"]["outcome"], outcome)
            check()
        originals["notes.md"] += b"\nA new line about the ferry.\n"
        paths["notes.md"].write_bytes(originals["notes.md"])
        added = client.call("add_document", path=str(paths["notes.md"]))
        self.assertEqual(added["structuredContent"]["outcome"], "replaced")
        check()
        client.call("add_document", path=str(paths["book.txt"]), wait_seconds=0)
        client.process.send_signal(signal.SIGKILL)
        client.end()
        check()
        run_json("verify", self.store)


class Calls(McpTest):
    """One client for all; a long answer stands for whatever takes its time."""

    LONG = {"question": QUESTION, "max_tokens": 2000, "temperature": 2, "seed": 7}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.store_path = pathlib.Path(cls.folder.name) / "notes.s3"
        facts = pathlib.Path(cls.folder.name) / "facts.txt"
        facts.write_text(FACTS)
        run_json("index", cls.store_path, facts)
        cls.client = Client(cls.store_path, "--commit-tokens", 256)
        cls.addClassCleanup(cls.client.end)

    def call_with_progress(self, tool, token, **arguments):
        return self.client.begin("tools/call", name=tool, arguments=arguments,
                                 _meta={"progressToken": token})

    def wait_for_progress(self, token):
        while True:
            message = self.client.messages.get(timeout=120)
            self.client.seen.append(message)
            if message.get("params", {}).get("progressToken") == token:
                return message["params"]

    def test_ping_is_answered_while_a_tool_runs_and_a_tool_can_be_taken_back(self):
        long = self.call_with_progress("ask", "long", **self.LONG)
        self.wait_for_progress("long")
        self.assertEqual(self.client.reply(self.client.begin("ping"))["result"], {})
        self.assertEqual(len(self.client.call("list_documents")["structuredContent"]["documents"]), 1)
        self.client.notify("notifications/cancelled", requestId=long, reason="enough")
        # Answers are written one at a time: this one comes when that one has stopped.
        short = self.client.call("ask", question=QUESTION, max_tokens=8, budget_tokens=160)
        self.assertFalse(short["isError"], short)
        self.assertNotIn(long, [message.get("id") for message in self.client.seen])

    def test_progress_is_told_and_grows(self):
        self.client.seen.clear()
        reply = self.client.reply(self.call_with_progress(
            "ask", 5, question=QUESTION, max_tokens=8, budget_tokens=160))
        self.assertFalse(reply["result"]["isError"], reply)
        told = [message["params"] for message in self.client.seen
                if message.get("method") == "notifications/progress"]
        self.assertEqual({note["progressToken"] for note in told}, {5})
        steps = [note["progress"] for note in told]
        self.assertEqual(steps, sorted(set(steps)))
        self.assertTrue(all(note["message"] for note in told))
        # Nobody asked here.
        self.client.seen.clear()
        self.client.call("search", question=QUESTION)
        self.assertEqual(len(self.client.seen), 1)

    def test_document_that_is_taken_back_leaves_nothing(self):
        book = self.directory / "book.txt"
        book.write_bytes(book_path().read_bytes()[:60_000])
        before = book.read_bytes()
        added = self.call_with_progress("add_document", "book", path=str(book))
        self.wait_for_progress("book")
        self.client.notify("notifications/cancelled", requestId=added)
        wait_until(lambda: len(self.client.call("list_documents")["structuredContent"]
                               ["documents"]) == 1, what="the end")
        self.assertEqual(book.read_bytes(), before)

    def test_wrong_messages_do_not_end_it(self):
        for line in (b"{", b"[]", b"7", b'{"jsonrpc": "2.0", "method": "notifications/cancelled"}',
                     b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": 7}'):
            self.client.write(line)
        self.assertEqual(self.client.reply(self.client.begin("ping"))["result"], {})


class OverHttp(ServerTest):
    """A request runs in one POST, what concerns it comes in others."""

    def setUp(self):
        super().setUp()
        run_json("index", self.store, self.write("facts.txt", FACTS))
        self.server = self.serve(self.store)

    def begin_session(self):
        status, headers, reply = self.server.post("/mcp", {
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {"protocolVersion": "2025-06-18", "capabilities": {}}})
        self.assertEqual(status, 200, reply)
        return headers["Mcp-Session-Id"]

    def ask(self, session, number, stream):
        """Sends a question that takes long; gives its connection and response."""
        params = {"name": "ask", "arguments": Calls.LONG}
        accept = "application/json"
        if stream:
            params["_meta"] = {"progressToken": f"t{number}"}
            accept = "application/json, text/event-stream"
        return self.server.open("POST", "/mcp", {
            "jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params},
            {"Accept": accept, "Content-Type": "application/json", "Mcp-Session-Id": session})

    def cancel(self, session, number):
        headers = {"Mcp-Session-Id": session} if session else {}
        status, _, content = self.server.request("POST", "/mcp", {
            "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": number}}, headers)
        self.assertEqual((status, content), (202, b""))

    def cancelled(self):
        return self.server.metric("s3attn_answers_cancelled_total")

    def test_a_request_is_taken_back_by_another(self):
        session, other = self.begin_session(), self.begin_session()
        self.assertNotEqual(session, other)
        connection, response = self.ask(session, 7, stream=True)
        self.assertIn(b"progress", response.readline() + response.readline())
        # Of another client, of nobody, of another request: none of them is this one.
        for stranger, number in ((other, 7), ("", 7), (session, 8), (session, "7")):
            self.cancel(stranger, number)
        self.assertIn(b"data", response.readline() + response.readline() + response.readline())
        self.assertEqual(self.cancelled(), 0)
        self.cancel(session, 7)
        rest = response.read().decode()
        self.assertNotIn('"result"', rest)
        self.assertNotIn('"error"', rest)
        connection.close()
        wait_until(lambda: self.cancelled() == 1, what="the end")

    def test_without_a_stream_the_reply_says_so(self):
        session = self.begin_session()
        got = []

        def ask():
            connection, response = self.ask(session, "a", stream=False)
            got.append(json.loads(response.read()))
            connection.close()
        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: 'state="running"} 1' in "\n".join(
            line for line in self.server.get("/metrics")[2].decode().splitlines()
            if 'queue="answer"' in line), what="the answer")
        self.cancel(session, "a")
        thread.join(timeout=60)
        self.assertTrue(got[0]["result"]["isError"], got)
        wait_until(lambda: self.cancelled() == 1, what="the end")


class Lines(McpTest):
    def test_last_line_needs_no_line_end(self):
        client = self.client()
        first = client.begin("ping")
        client.write({"jsonrpc": "2.0", "id": "last", "method": "tools/call",
                      "params": {"name": "list_documents"}}, end=b"")
        client.process.stdin.close()
        self.assertEqual(client.reply(first)["result"], {})
        self.assertEqual(client.reply("last")["result"]["structuredContent"], {"documents": []})
        self.assertEqual(client.end(), 0)

    def test_signals_end_it(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            client = self.client()
            client.reply(client.begin("ping"))
            client.process.send_signal(number)
            self.assertEqual(client.process.wait(60), 0, number)


if __name__ == "__main__":
    unittest.main()

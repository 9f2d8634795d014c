"""MCP over standard input and output, message by message."""

import json
import os
import queue
import signal
import subprocess
import threading
import unittest

from serving import FACTS, MODEL, PROGRAM, ServerTest, book_path, run_json


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


if __name__ == "__main__":
    unittest.main()

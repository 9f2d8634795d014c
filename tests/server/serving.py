"""What the server's tests share: a server on a free port, requests, documents."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))

from support import MODEL, PROGRAM, ProgramTest, book_path, run, run_json  # noqa: E402,F401

FACTS = """\
The lighthouse at Varden was built in 1881 by the engineer Ingrid Solberg. It stands on a rock of \
granite and its lamp was lit with paraffin until the year 1930, when electricity came to the \
island. The keepers lived in a small house beside the tower, and grew potatoes in the thin soil.

Arctic terns fly from pole to pole. The ornithologist Daniel Okafor studied them for eleven \
summers, and he counted the nests on the cliffs every June. His notebooks are kept in the library \
of the university, where anybody may read them on request.

The bakery in the harbour sells rye bread, which the fishermen take along to sea. Its oven is from \
1902 and burns birch wood only, and the baker's family has kept the sourdough alive for four \
generations without a break.
"""
QUESTION = "Who built the lighthouse at Varden?"


def pdf_of(*pages):
    """A page per text, small; each line of a text is a line of the page."""
    count = len(pages)
    font = 3 + 2 * count
    kids = " ".join(f"{3 + 2 * i} 0 R" for i in range(count))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               f"<< /Type /Pages /Kids [{kids}] /Count {count} >>"]
    for i, text in enumerate(pages):
        lines = " T* ".join(f"({line}) Tj" for line in text.split("\n"))
        stream = f"BT /F1 12 Tf 14 TL 20 170 Td {lines} ET"
        objects += [f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] "
                    f"/Contents {4 + 2 * i} 0 R "
                    f"/Resources << /Font << /F1 {font} 0 R >> >> >>",
                    f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream"]
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + (f"trailer << /Root 1 0 R /Size {len(objects) + 1} >>\n"
                   f"startxref\n{table}\n%%EOF\n").encode()


class Server:
    """A running `s3attn serve`."""

    def __init__(self, *arguments, env=None):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("S3ATTN_")}
        environment.update({"S3ATTN_MODEL": MODEL, "S3ATTN_THREADS": "1", "S3ATTN_OCR": "off",
                            "XDG_CONFIG_HOME": "/nonexistent"})
        environment.update(env or {})
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *map(str, arguments), "--port", "0"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment)
        line = self.process.stdout.readline()
        found = re.search(r"http://[^ ]*:(\d+)/", line)
        if not found:
            self.process.wait(timeout=30)
            raise AssertionError(f"no server: {line}{self.process.stderr.read()}")
        self.port = int(found.group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self, number=signal.SIGTERM, timeout=60):
        """Ends it; returns its exit code."""
        if self.process.stdout.closed:
            return self.process.returncode
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(timeout=timeout)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.stderr = self.process.stderr.read()
            self.process.stderr.close()
        return code

    def alive(self):
        return self.process.poll() is None

    def open(self, method, path, body=None, headers=None, timeout=120):
        """Sends a request; returns connection and response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode("utf-8")
        if body is None and method == "POST":
            body = b""
        connection.request(method, path, body=body, headers=headers or {})
        return connection, connection.getresponse()

    def request(self, method, path, body=None, headers=None, timeout=120):
        """Status, headers and content (JSON where it is)."""
        connection, response = self.open(method, path, body, headers, timeout)
        content = response.read()
        connection.close()
        if response.headers.get("Content-Type", "").startswith("application/json"):
            content = json.loads(content)
        return response.status, response.headers, content

    def get(self, path, **keywords):
        return self.request("GET", path, **keywords)

    def post(self, path, body=None, **keywords):
        return self.request("POST", path, body, **keywords)

    def raw(self, data, timeout=30):
        """Sends bytes as they are; everything that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            received = b""
            while True:
                got = connection.recv(65536)
                if not got:
                    return received
                received += got

    def events(self, path, body=None, method="GET", headers=None):
        """Server-sent events of a response: (name, data)."""
        connection, response = self.open(method, path, body, headers)
        if response.status != 200:
            raise AssertionError(f"{response.status}: {response.read()}")
        text = response.read().decode("utf-8")
        connection.close()
        events = []
        for block in text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n")
                          if ": " in line and not line.startswith(":"))
            if "data" in fields:
                events.append((fields.get("event"), fields["data"]))
        return events

    def upload(self, name, content, store=""):
        """Uploads and waits until it is read; the job."""
        if isinstance(content, str):
            content = content.encode("utf-8")
        path = f"/v1/documents?name={name}" + (f"&store={store}" if store else "")
        events = self.events(path, content, "POST", {"Accept": "text/event-stream"})
        return json.loads(events[-1][1])

    def metric(self, name):
        text = self.get("/metrics")[2].decode("utf-8")
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith(name) and line[len(name):len(name) + 1] in ("{", " "))


def wait_until(condition, seconds=60, what="it"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come about in {seconds} s")


def need_packages(*names):
    """Third-party packages of a test; it is skipped, with a message, where they are not there."""
    import importlib
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise unittest.SkipTest(f"{error}: run scripts/setup.sh --test-packages")


class ServerTest(ProgramTest):
    """A temporary folder, and servers that end with the test."""

    def serve(self, *arguments, **keywords):
        server = Server(*arguments, **keywords)
        self.addCleanup(server.stop, signal.SIGKILL)
        return server

    def chat(self, server, question, **fields):
        messages = fields.pop("messages", [{"role": "user", "content": question}])
        return server.post("/v1/chat/completions", {"messages": messages, "max_tokens": 24,
                                                    "budget_tokens": 160, **fields})

"""A server that speaks OpenAI's chat completions, well or badly: the model's name says how."""

import email.utils
import http.server
import json
import socket
import ssl
import threading
import time

GOOD = "Ada Solberg built it [1]."


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def send(self, status, body, kind="application/json", **headers):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers), None))
        if self.path == "/page/models":
            return self.send(200, "<html>hello</html>", "text/html")
        if self.path == "/one/models":
            return self.send(200, json.dumps({"data": [{"id": "good"}]}))
        names = ["good", "whole", "cut", "bad-json", "page", "drip", "moved", "endless", "busy",
                 "busy-long", "short-window", "key-echo", "picky", "silent", "error-event",
                 "no-words", "huge", "ok-page", "other-json", "lost", "thinking", "busy-until",
                 "org/model:8b", "code-only"]
        return self.send(200, json.dumps({"data": [{"id": name} for name in names]}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        getattr(self, body["model"].split("/")[0].replace("-", "_"))(body)

    def begin(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, text, finish=None):
        chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def good(self, body):
        self.begin()
        self.wfile.write(b": a comment\r\n\r\n")
        for piece in GOOD.split(" "):
            self.event(piece if piece == "Ada" else " " + piece)
        self.event("", "stop")
        self.wfile.write(b'data: {"choices": [], "usage": {"prompt_tokens": 7, '
                         b'"completion_tokens": 5}}\n\ndata: [DONE]\n\n')

    def whole(self, body):  # does not stream
        self.send(200, json.dumps({"choices": [{"message": {"content": GOOD},
                                                "finish_reason": "stop"}]}))

    def cut(self, body):
        self.begin()
        self.event("Ada Solberg")

    def bad_json(self, body):
        self.begin()
        self.wfile.write(b"data: {not json\n\n")

    def page(self, body):
        self.send(502, "<html><h1>Bad gateway</h1></html>", "text/html")

    def drip(self, body):
        self.begin()
        try:
            for count in range(1000):
                self.event(f"n{count} ")
                time.sleep(0.2)
        except OSError:
            self.server.closed.set()

    def silent(self, body):
        self.server.closed.wait(20)

    def moved(self, body):
        self.send(307, "", Location="http://elsewhere.invalid/v1/chat/completions")

    def endless(self, body):
        self.begin()
        try:
            for _ in range(100):
                self.event("word " * 200_000)
        except OSError:
            self.server.closed.set()

    def busy(self, body):
        if sum(1 for _, _, b in self.server.seen if b and b["model"] == "busy") > 1:
            return self.good(body)
        return self.send(429, '{"error": {"message": "slow down"}}', Retry_After="1")

    def busy_long(self, body):
        self.send(503, '{"error": "later"}', Retry_After="4000")

    def short_window(self, body):
        if "[2]" in body["messages"][-1]["content"]:
            return self.send(400, json.dumps({"error": {
                "code": "context_length_exceeded",
                "message": "This model's maximum context length is 99 tokens."}}))
        return self.good(body)

    def key_echo(self, body):
        self.send(401, json.dumps({"error": {
            "message": "Incorrect key: " + self.headers.get("Authorization", "none")}}))

    def picky(self, body):
        if "max_tokens" in body:
            return self.send(400, '{"error": {"message": "Unsupported parameter: max_tokens. Use '
                                  'max_completion_tokens instead."}}')
        if "stream_options" in body:
            return self.send(400, '{"error": "stream_options is not known"}')
        return self.good(body)

    def error_event(self, body):
        self.begin()
        self.wfile.write(b'data: {"error": {"message": "the card is on fire"}}\n\n')


    def no_words(self, body):  # a stream of nothing for what is wrong; said only without one
        if body.get("stream"):
            return self.begin()
        if "[2]" in body["messages"][-1]["content"]:
            return self.send(400, '{"error": {"message": "Requested tokens exceed context window"}}')
        return self.whole(body)

    def huge(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(100 << 20))
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b" " * (1 << 20))
        except OSError:
            self.server.closed.set()
        self.close_connection = True

    def ok_page(self, body):
        self.send(200, "<!doctype html><p>Log in first", "text/html")

    def other_json(self, body):
        self.send(200, '{"status": "fine"}')

    def lost(self, body):
        self.send(308, "")

    def thinking(self, body):
        self.begin()
        chunk = {"choices": [{"delta": {"reasoning_content": "Hm."}, "finish_reason": "length"}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    def busy_until(self, body):  # with a date instead of seconds
        if sum(1 for _, _, b in self.server.seen if b and b["model"] == "busy-until") > 1:
            return self.good(body)
        return self.send(429, "{}", Retry_After=email.utils.formatdate(time.time() + 2, usegmt=True))

    def org(self, body):
        self.good(body)

    def code_only(self, body):  # "too long" in no word that a person reads
        if "[2]" in body["messages"][-1]["content"]:
            return self.send(400, '{"error": {"message": "No.", "code": "context_length_exceeded"}}')
        return self.good(body)


class Misbehaving:
    def __init__(self, certificate=None, host="127.0.0.1"):
        self.host = host
        self.certificate = certificate  # a PEM file with its key: the server speaks TLS

    def __enter__(self):
        kind = http.server.ThreadingHTTPServer
        if ":" in self.host:
            kind = type("V6", (kind,), {"address_family": socket.AF_INET6})
        self.server = kind((self.host, 0), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self.server.seen, self.server.closed = [], threading.Event()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.closed.set()
        self.server.shutdown()
        self.server.server_close()

    def url(self, model="", base="v1"):
        scheme = "https" if self.certificate else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        at = f"{scheme}://{host}:{self.server.server_address[1]}" + (f"/{base}" if base else "")
        return f"{at}#{model}" if model else at

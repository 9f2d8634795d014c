"""Behind a real nginx, at / and at /docs/, with the Host header that nginx sends by itself."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

from browsing import open_browser
from serving import FACTS, QUESTION, Server, ServerTest, need_packages, wait_until

CONFIGURATION = """\
%(user)s
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 100m;
    server {
        listen 127.0.0.1:%(own)d;
        location / { proxy_pass http://127.0.0.1:%(server)d; }
        location /docs/ { proxy_pass http://127.0.0.1:%(server)d/; }
    }
}
"""
NAME = "docs.example"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Proxy(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            raise unittest.SkipTest("no nginx: run scripts/setup.sh --test-packages")
        folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.server = Server(cls.folder + "/notes.s3", "--allow-host", NAME, "--allow-host",
                            "127.0.0.1")
        cls.addClassCleanup(cls.server.stop)
        cls.server.upload("facts.txt", FACTS)
        cls.port = free_port()
        with open(cls.folder + "/nginx.conf", "w", encoding="utf-8") as file:
            file.write(CONFIGURATION % {"user": "user root;" if os.geteuid() == 0 else "",
                                        "own": cls.port, "server": cls.server.port})
        process = subprocess.Popen([program, "-p", cls.folder, "-c", cls.folder + "/nginx.conf"])
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.terminate)
        wait_until(cls.is_up, what="nginx")

    @classmethod
    def is_up(cls):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", cls.port)) == 0

    def fetch(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body,
                           {"Host": f"{NAME}:{self.port}", **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content

    def test_page_and_all_it_names_are_there_under_any_path(self):
        for base in ("/", "/docs/"):
            status, page = self.fetch("GET", base)
            self.assertEqual(status, 200)
            names = re.findall(rb'(?:href|src)="([^"#]+)"', page)
            self.assertGreaterEqual(len(names), 3)
            for name in names:
                path = urllib.parse.urljoin(base, name.decode())
                status, content = self.fetch("GET", path)
                self.assertEqual(status, 200, path)
                self.assertTrue(path.startswith(base))
                self.assertIsNone(re.search(rb"[\"`']/(v1|mcp)", content), path)

    def test_requests_of_the_page_are_served(self):
        for base in ("/", "/docs/"):
            for origin, wanted in ((f"http://{NAME}:{self.port}", 202), (f"https://{NAME}", 202),
                                   ("http://evil.example", 403)):
                status, content = self.fetch("POST", base + "v1/documents?name=facts.txt",
                                             FACTS.encode(), {"Origin": origin})
                self.assertEqual(status, wanted, content)

    def test_page_in_a_browser(self):
        need_packages("playwright")
        browser = open_browser(self)
        for base in ("/", "/docs/"):
            with self.subTest(base=base):
                page = browser.new_page()
                problems = []
                page.set_default_timeout(120_000)
                page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
                page.on("pageerror", lambda error: problems.append(str(error)))
                page.goto(f"http://127.0.0.1:{self.port}{base}")
                page.wait_for_selector("html[data-ready]")
                page.set_input_files("#files", {"name": "tea.txt", "mimeType": "text/plain",
                                                "buffer": f"Tea is grown in Assam. {base}".encode()})
                page.get_by_role("button", name="tea.txt", exact=True).wait_for()
                page.fill("#question", QUESTION)
                page.press("#question", "Enter")
                page.locator(".meta:not([hidden])").wait_for()
                self.assertIn("Solberg", page.inner_text(".answer"))
                page.locator(".answer .cite").first.click()
                page.wait_for_selector("#text mark")
                self.assertEqual(problems, [])
                page.close()


if __name__ == "__main__":
    unittest.main()

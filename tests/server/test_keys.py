"""Keys with rights and limits: what one key may, and that no way leads across. Original files,
answers as Markdown, the log of questions."""

import json
import os
import tempfile

from serving import FACTS, QUESTION, Server, ServerTest

SECRET = "The vault at Kolmar was built by the locksmith Irma Brandt."
KEYS = {"keys": [
    {"name": "ann", "key": "ann-000001", "read": ["open"], "write": ["open"]},
    {"name": "bob", "key": "bob-000001", "read": ["closed"], "write": [], "max_upload_mib": 1},
    {"name": "pen", "key": "pen-000001", "write": ["closed"]},
    {"name": "few", "key": "few-000001", "read": "*", "requests_per_minute": 2}]}


def key(name):
    return {"Authorization": f"Bearer {name}-000001"}


class Keys(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        folder = cls.folder.name
        cls.keys = folder + "/keys.json"
        with open(cls.keys, "w", encoding="utf-8") as file:
            json.dump(KEYS, file)
        os.chmod(cls.keys, 0o600)
        cls.server = Server(folder + "/open.s3", folder + "/closed.s3", "--keys", cls.keys,
                            "--log-questions", folder + "/questions.jsonl",
                            env={"S3ATTN_API_KEY": "master-key"})
        cls.addClassCleanup(cls.server.stop)
        cls.master = {"X-Api-Key": "master-key"}
        for store, name, text in (("open", "facts.txt", FACTS), ("closed", "secret.txt", SECRET)):
            cls.server.events(f"/v1/documents?name={name}&store={store}", text, "POST",
                              {"Accept": "text/event-stream", **cls.master})

    def get(self, path, who):
        return self.server.get(path, headers=who)

    def post(self, path, body, who):
        return self.server.post(path, body, headers=who)

    def mcp(self, who, method, **params):
        return self.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params},
                         who)[2]

    def test_each_sees_its_own(self):
        for who, stores, names in ((key("ann"), ["open"], ["facts.txt"]),
                                   (key("bob"), ["closed"], ["secret.txt"]),
                                   (self.master, ["open", "closed"], ["facts.txt", "secret.txt"])):
            self.assertEqual([s["name"] for s in self.get("/v1/stores", who)[2]["data"]], stores)
            self.assertEqual([d["name"] for d in self.get("/v1/documents", who)[2]["data"]], names)
            listed = self.mcp(who, "tools/call", name="list_documents", arguments={})
            self.assertEqual([d["name"] for d in
                              listed["result"]["structuredContent"]["documents"]], names)
            resources = self.mcp(who, "resources/list")["result"]["resources"]
            self.assertEqual([one["name"] for one in resources], names)
        status, _, found = self.post("/v1/search", {"question": "Who built it?"}, key("ann"))
        self.assertEqual((status, {s["store"] for s in found["spans"]}), (200, {"open"}))
        self.assertEqual(self.get("/v1/documents", {"Authorization": "Bearer nobody-0001"})[0], 401)
        self.assertEqual(self.get("/v1/documents", {})[0], 401)

    def test_no_way_leads_across(self):
        """What is another's looks like what is not there, word for word."""
        def ways(store):
            chat = {"messages": [{"role": "user", "content": "Who built the vault?"}],
                    "store": store, "max_tokens": 4}
            yield "POST", "/v1/search", {"question": "Who built the vault?", "store": store}
            yield "POST", "/v1/search", {"question": "Who?", "store": ["open", store]}
            yield "POST", "/v1/chat/completions", chat
            yield "POST", "/v1/messages", chat
            yield "POST", "/v1/responses", {"input": "Who built the vault?", "store": [store]}
            yield "POST", "/retrieval", {"knowledge_id": store, "query": "Who?"}
            yield "GET", f"/v1/documents?store={store}", None
            for number in (1, 99):
                yield "GET", f"/v1/documents/{number}?store={store}", None
                yield "GET", f"/v1/documents/{number}/text?store={store}", None
                yield "GET", f"/v1/documents/{number}/file?store={store}", None
                yield "DELETE", f"/v1/documents/{number}?store={store}", None
            yield "POST", f"/v1/documents?name=x.txt&store={store}", "text"
        for there, absent in zip(ways("closed"), ways("nothing")):
            answers = [self.server.request(*way, headers=key("ann"))[::2]
                       for way in (there, absent)]
            self.assertEqual(answers[0], answers[1], there)
            self.assertEqual(answers[0][0], 403, there)
        for tool, arguments in (("search", {"question": "Who?"}), ("ask", {"question": "Who?"}),
                                ("list_documents", {}), ("add_document", {"name": "x.txt",
                                                                          "text": "x"})):
            texts = [self.mcp(key("ann"), "tools/call", name=tool,
                              arguments={**arguments, "store": store})["result"]
                     for store in ("closed", "nothing")]
            self.assertEqual(texts[0], texts[1])
            self.assertTrue(texts[0]["isError"])
        replies = [self.mcp(key("ann"), "resources/read", uri=f"s3attn://{store}/1")["error"]
                   for store in ("closed", "nothing")]
        self.assertEqual([r["message"].replace("closed", "nothing") for r in replies],
                         [replies[1]["message"]] * 2)
        still = self.get("/v1/documents", self.master)[2]["data"]
        self.assertEqual(len(still), 2)

    def test_jobs_and_what_concerns_the_server(self):
        jobs = self.get("/v1/documents/jobs", self.master)[2]["data"]
        self.assertEqual({job["store"] for job in jobs}, {"open", "closed"})
        closed = next(job["id"] for job in jobs if job["store"] == "closed")
        self.assertEqual({job["store"] for job in
                          self.get("/v1/documents/jobs", key("ann"))[2]["data"]}, {"open"})
        for path in ("", "/events"):
            one = self.get(f"/v1/documents/jobs/{closed}{path}", key("ann"))[::2]
            none = self.get(f"/v1/documents/jobs/77777{path}", key("ann"))[::2]
            self.assertEqual(one, none)
            self.assertEqual(one[0], 403)
        self.assertEqual(self.post(f"/v1/documents/jobs/{closed}/cancel", None, key("bob"))[0], 403)
        self.assertEqual(self.get("/metrics", key("ann"))[0], 403)
        self.assertEqual(set(self.server.get("/healthz")[2]), {"status", "uptime_s"})
        text = self.get("/metrics", self.master)[2].decode()
        self.assertIn('s3attn_key_requests_total{key="ann"', text)
        for secret in ("ann-000001", "master-key"):
            self.assertNotIn(secret, text)

    def test_reading_is_not_writing(self):
        self.assertEqual(self.server.request("DELETE", "/v1/documents/1?store=closed",
                                             headers=key("bob"))[0], 403)
        self.assertEqual(self.post("/v1/documents?name=x.txt", "x", key("bob"))[0], 403)
        self.assertEqual(self.get("/v1/documents", key("pen"))[0], 403)
        self.assertEqual(self.post("/v1/search", {"question": "Who?"}, key("pen"))[0], 403)
        status, _, job = self.post("/v1/documents?name=more.txt", "More on vaults.", key("pen"))
        self.assertEqual((status, job["store"]), (202, "closed"))
        self.server.events(f"/v1/documents/jobs/{job['id']}/events", headers=key("pen"))
        self.assertEqual(self.server.request(
            "DELETE", "/v1/documents/2?store=closed", headers=key("pen"))[0], 200)

    def test_limits(self):
        statuses = [self.get("/v1/models", key("few")) for _ in range(3)]
        self.assertEqual([status for status, _, _ in statuses], [200, 200, 429])
        self.assertGreater(int(statuses[2][1]["Retry-After"]), 0)
        self.assertEqual(statuses[2][2]["error"]["code"], "rate_limit_exceeded")
        status, _, _ = self.post("/v1/rerank", {"query": "x", "documents": ["y" * (1 << 20)]},
                                 key("bob"))
        self.assertEqual(status, 413)

    def test_files_of_keys_that_are_wrong(self):
        for keys, word in (([], "no key"), ([{"name": "a", "key": "short"}], "8 characters"),
                           ([{"name": "a", "key": "12345678", "read": ["other"]}], "other"),
                           ([{"name": "a", "key": "12345678", "limit": 1}], "limit"),
                           ([{"key": "12345678"}], "name"),
                           ([{"name": "a", "key": "12345678"}, {"name": "a", "key": "87654321"}],
                            "twice")):
            path = self.write("keys.json", json.dumps({"keys": keys}))
            with self.assertRaises(AssertionError) as caught:
                Server(self.store, "--keys", path)
            self.assertIn(word, str(caught.exception))
            self.assertNotIn("12345678", str(caught.exception))

    def test_log_of_questions(self):
        body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 8}
        self.post("/v1/chat/completions", body, key("ann"))
        self.post("/v1/search", {"question": "Who built the vault?"}, key("bob"))
        def lines(who, query=""):
            text = self.get("/v1/questions" + query, who)[2].decode()
            return [json.loads(line) for line in text.splitlines()]
        mine = lines(key("ann"))
        self.assertEqual({line["key"] for line in mine}, {"ann"})
        asked = next(line for line in mine if line["via"] == "/v1/chat/completions")
        self.assertEqual(asked["question"], QUESTION)
        self.assertTrue(asked["answer"])
        self.assertEqual(asked["citations"][0]["name"], "facts.txt")
        self.assertNotIn("text", asked["citations"][0])
        everybody = lines(self.master)
        self.assertLessEqual({"ann", "bob"}, {line["key"] for line in everybody})
        self.assertEqual(lines(self.master, "?after=1&limit=1"), everybody[1:2])
        self.assertEqual(os.stat(self.folder.name + "/questions.jsonl").st_mode & 0o77, 0)


class Originals(ServerTest):
    def test_file_markdown_and_no_log_by_default(self):
        server = self.serve(self.store)
        server.upload("facts%20%C3%A4.txt", FACTS)
        status, headers, content = server.get("/v1/documents/1/file")
        self.assertEqual((status, content), (200, FACTS.encode()))
        self.assertIn("attachment; filename*=UTF-8''facts%20%C3%A4.txt",
                      headers["Content-Disposition"])
        self.assertIn("sandbox", headers["Content-Security-Policy"])
        status, _, content = server.get("/v1/documents/1/file", headers={"Range": "bytes=4-13"})
        self.assertEqual((status, content), (206, FACTS.encode()[4:14]))
        path = server.get("/v1/documents/1")[2]["path"]
        with open(path, "a", encoding="utf-8") as file:
            file.write("changed")
        status, _, answer = server.get("/v1/documents/1/file")
        self.assertEqual((status, answer["error"]["code"]), (404, "file_not_kept"))
        os.unlink(path)
        self.assertEqual(server.get("/v1/documents/1/file")[0], 404)
        body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24}
        status, headers, text = server.post("/v1/chat/completions", body,
                                            headers={"Accept": "text/markdown"})
        self.assertTrue(headers["Content-Type"].startswith("text/markdown"))
        text = text.decode()
        self.assertTrue(text.startswith("# " + QUESTION))
        self.assertIn("Solberg", text)
        self.assertIn("> The lighthouse at Varden", text)
        self.assertIn("bytes 0 to", text)
        self.assertEqual(server.get("/v1/questions")[0], 404)


if __name__ == "__main__":
    import unittest
    unittest.main()

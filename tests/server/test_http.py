"""The HTTP interface: questions, documents, guards, what is wrong said clearly."""

import json
import socket
import unittest
import urllib.parse

from serving import FACTS, QUESTION, Server, ServerTest, book_path, run, run_json


class Interface(ServerTest):
    """One server with one document for all tests; they leave it as it was."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import tempfile
        cls.folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = Server(cls.folder.name + "/notes.s3", "--max-upload", 1)
        cls.addClassCleanup(cls.server.stop)
        cls.job = cls.server.upload("facts.txt", FACTS)

    def test_search_finds_the_passage_with_its_place(self):
        status, _, found = self.server.post("/v1/search", {"question": QUESTION})
        self.assertEqual(status, 200)
        span = found["spans"][0]
        self.assertEqual(span["name"], "facts.txt")
        cited = FACTS.encode()[span["byte_begin"]:span["byte_end"]].decode()
        self.assertEqual(cited, span["text"])
        self.assertIn("Solberg", cited)
        with open(span["path"], "rb") as file:  # citations name a file that is there
            self.assertEqual(file.read(), FACTS.encode())

    def test_attention_covers_the_document_and_adds_up(self):
        _, _, found = self.server.post("/v1/search", {"question": QUESTION, "attention": True})
        attention = found["attention"]
        (heat,) = attention["documents"]
        self.assertEqual((heat["units"], len(heat["s3"])), (3, 3))
        self.assertAlmostEqual(sum(heat["s3"]), 1.0, places=3)
        self.assertEqual(max(heat["s3"]), heat["s3"][0])
        self.assertEqual("".join(attention["question_tokens"]), QUESTION)
        for span, why in zip(found["spans"], attention["spans"]):
            mass = sum(link["mass"] for link in why["links"])
            self.assertLess(mass, span["score_s3"] * 1.02)
            self.assertGreater(mass, span["score_s3"] * 0.8)  # the 64 largest of all links
            for link in why["links"]:
                text = span["text"].encode()[link["begin"]:link["end"]]
                self.assertTrue(text or link["begin"] == len(span["text"].encode()))
        best = attention["spans"][0]
        self.assertIn("lighthous", best["shared_words"])
        self.assertTrue(0 < best["lexical_share"] < 1)
        _, _, words = self.server.post("/v1/search", {"question": QUESTION, "attention": True,
                                                      "method": "bm25"})
        self.assertEqual(words["attention"]["spans"][0]["lexical_share"], 1)
        self.assertEqual(words["attention"]["heads"], [])

    def test_the_second_stage_says_what_it_did(self):
        for rerank, why in (("auto", "context heads"), ("off", "off"), (None, "context heads")):
            _, _, found = self.server.post("/v1/search", {"question": QUESTION, "rerank": rerank})
            self.assertFalse(found["rerank"]["done"])
            self.assertIn(why, found["rerank"]["why"])

    def test_answer_has_usage_and_citations(self):
        status, _, answer = self.chat(self.server, QUESTION)
        self.assertEqual(status, 200, answer)
        self.assertIn("Solberg", answer["choices"][0]["message"]["content"])
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        citation = answer["citations"][0]
        self.assertEqual(FACTS.encode()[citation["byte_begin"]:citation["byte_end"]].decode(),
                         citation["text"])
        self.assertEqual((citation["line_begin"], citation["line_end"]), (1, 1))

    def test_follow_up_is_searched_for_with_what_it_points_back_to(self):
        _, _, answer = self.chat(self.server, "", messages=[
            {"role": "user", "content": "Who studied arctic terns?"},
            {"role": "assistant", "content": "Daniel Okafor."},
            {"role": "user", "content": "Where are his notebooks kept?"}])
        self.assertEqual(answer["retrieval_question"],
                         "Who studied arctic terns?\nWhere are his notebooks kept?")
        self.assertIn("Okafor", answer["citations"][0]["text"])
        _, _, answer = self.chat(self.server, "", messages=[
            {"role": "user", "content": "Who studied arctic terns?"},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]}])
        self.assertEqual(answer["retrieval_question"], QUESTION)

    def test_stop_text_ends_the_answer(self):
        _, _, answer = self.chat(self.server, QUESTION, stop=[" built", "nothing"])
        self.assertEqual(answer["choices"][0]["finish_reason"], "stop")
        self.assertNotIn("built", answer["choices"][0]["message"]["content"])

    def test_streaming_gives_the_same_text(self):
        _, _, whole = self.chat(self.server, QUESTION)
        events = self.server.events("/v1/chat/completions", json.dumps(
            {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24, "budget_tokens": 160,
             "stream": True, "evidence": True, "stream_options": {"include_usage": True}}), "POST")
        self.assertEqual(events[-1][1], "[DONE]")
        chunks = [json.loads(data) for _, data in events[:-1]]
        text = "".join(chunk["choices"][0]["delta"].get("content", "")
                       for chunk in chunks if chunk["choices"])
        self.assertEqual(text, whole["choices"][0]["message"]["content"])
        self.assertEqual(len(chunks[0]["evidence"]["spans"]), 2)
        self.assertEqual(chunks[-2]["citations"], whole["citations"])
        self.assertEqual(chunks[-1]["usage"], whole["usage"])

    def test_filters(self):
        for part in ({"in": ["*.txt"]}, {"in": "facts.*"}, {"type": "text"}, {"after": "2020"},
                     {"in": "*.txt", "type": ["txt", "pdf"]}, {}, None):
            with self.subTest(part=part):
                status, _, found = self.server.post("/v1/search",
                                                    {"question": QUESTION, "filter": part})
                self.assertEqual(status, 200, found)
                self.assertEqual(found["spans"][0]["name"], "facts.txt")
                self.assertEqual(found["spans"][0]["heading"], "")
        _, _, listed = self.server.get("/v1/documents")
        (document,) = [each for each in listed["data"] if each["name"] == "facts.txt"]
        self.assertEqual((document["date_of"], document["properties"]), ("file", {}))

    def test_text_range_is_exact(self):
        doc = self.job["doc_id"]
        _, _, part = self.server.get(f"/v1/documents/{doc}/text?begin=4&end=300")
        data = FACTS.encode()
        self.assertEqual(part["text"].encode(), data[part["begin"]:part["end"]])
        self.assertEqual((part["begin"], part["end"]), (4, 300))
        self.assertEqual(len(part["pieces"]), 2)
        _, _, none = self.server.get(f"/v1/documents/{doc}/text?begin=90000&end=90001")
        self.assertEqual((none["text"], none["pieces"]), ("", []))

    def test_what_is_wrong_is_said(self):
        cases = [
            ("/v1/search", "{", 400, "json"), ("/v1/search", "[]", 400, "object"),
            ("/v1/search", {}, 400, "question"), ("/v1/search", {"question": 3}, 400, "string"),
            ("/v1/search", {"question": "  "}, 400, "empty"),
            ("/v1/search", {"question": "x", "budget_tokens": 0}, 400, "budget_tokens"),
            ("/v1/search", {"question": "x", "budget_tokens": 1}, 409, "budget_tokens"),
            ("/v1/search", {"question": "x", "method": "magic"}, 400, "bm25"),
            ("/v1/search", {"question": "x", "store": "other"}, 404, "other"),
            ("/v1/search", {"question": "x", "rerank": 1}, 400, "rerank"),
            ("/v1/search", {"question": "x", "rerank": "yes"}, 400, "rerank"),
            ("/v1/search", {"question": "x", "rerank": 20}, 409, "context heads"),
            ("/v1/search", {"question": "word " * 5000}, 400, "shorten"),
            ("/v1/search", {"question": "x", "filter": "*.md"}, 400, "object"),
            ("/v1/search", {"question": "x", "filter": {"folder": "a"}}, 400, "'folder'"),
            ("/v1/search", {"question": "x", "filter": {"in": ["[a"]}}, 400, "'['"),
            ("/v1/search", {"question": "x", "filter": {"after": "soon"}}, 400, "soon"),
            ("/v1/search", {"question": "x", "filter": {"where": {"a": []}}}, 400, "where"),
            ("/v1/search", {"question": "x", "filter": {"type": "pdf"}}, 404, "none of the 1"),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}],
                                      "filter": {"in": "*.pdf"}}, 404, "no path"),
            ("/v1/search", b'{"question": "\xff\xfe"}', 400, "utf-8"),
            ("/v1/chat/completions", {}, 400, "messages"),
            ("/v1/chat/completions", {"messages": "hello"}, 400, "messages"),
            ("/v1/chat/completions", {"messages": [{"role": "bishop", "content": "x"}]}, 400,
             "role"),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}],
                                      "model": "gpt-4"}, 404, "gpt-4"),
            ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "n": 2}, 400,
             "n"),
        ]
        for path, body, status, word in cases:
            with self.subTest(path=path, body=str(body)[:60]):
                got, _, content = self.server.post(path, body)
                self.assertEqual(got, status, content)
                error = content["error"]
                self.assertIn(word, error["message"].lower())
                self.assertEqual(set(error), {"message", "type", "param", "code"})

    def test_names_cannot_leave_the_uploads(self):
        for name in ("../evil.txt", "a/b.txt", "..", ".hidden", "a\\b", "a\nb", "", "x" * 256):
            with self.subTest(name=name):
                quoted = urllib.parse.quote(name, safe="")
                status, _, content = self.server.post(f"/v1/documents?name={quoted}", "text")
                self.assertEqual(status, 400, content)
        status, _, content = self.server.post("/v1/documents?name=%ff.txt", "text")
        self.assertEqual(status, 400, content)

    def test_documents_that_cannot_be_read_say_why(self):
        for name, content, word in (("p.txt", b"\x89PNG\r\n\x1a\n" + bytes(100), "png"),
                                    ("blank.txt", b" \n\n ", "no text")):
            job = self.server.upload(name, content)
            self.assertEqual(job["state"], "failed")
            self.assertIn(word, job["error"].lower())
        self.assertEqual(len(self.server.get("/v1/documents")[2]["data"]), 1)
        self.assertEqual(self.server.post("/v1/documents?name=e.txt", b"")[0], 400)

    def test_json_and_form_uploads(self):
        status, _, job = self.server.post(
            "/v1/documents", {"name": "json.txt", "text": "A small note about tea."},
            headers={"Content-Type": "application/json"})
        self.assertEqual(status, 202, job)
        form = (b'--XX\r\nContent-Disposition: form-data; name="file"; filename="form.txt"\r\n'
                b"\r\nA small note about coffee.\r\n--XX--\r\n")
        status, _, job = self.server.post(
            "/v1/documents", form, headers={"Content-Type": "multipart/form-data; boundary=XX"})
        self.assertEqual(status, 202, job)
        self.server.events(f"/v1/documents/jobs/{job['id']}/events")
        documents = {d["name"]: d["doc_id"] for d in self.server.get("/v1/documents")[2]["data"]}
        self.assertEqual(set(documents), {"facts.txt", "json.txt", "form.txt"})
        for name in ("json.txt", "form.txt"):
            path = f"/v1/documents/{documents[name]}"
            self.assertEqual(self.server.request("DELETE", path)[0], 200)
            self.assertEqual(self.server.get(path)[0], 404)

    def test_bodies_are_bounded_and_measured(self):
        server = self.server
        head = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
        self.assertIn(b" 400 ", server.raw(
            head + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"))
        self.assertIn(b" 400 ", server.raw(
            head + b"Transfer-Encoding: chunked\r\n\r\nno size\r\n"))
        self.assertIn(b" 501 ", server.raw(head + b"Transfer-Encoding: gzip\r\n\r\n"))
        self.assertIn(b" 414 ", server.raw(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n"))
        self.assertIn(b" 413 ", server.raw(head + b"Content-Length: 99999999999\r\n\r\n"))
        self.assertIn(b" 400 ", server.raw(head + b"Content-Length: -1\r\n\r\n"))
        self.assertIn(b" 400 ", server.raw(
            head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"))
        self.assertIn(b" 431 ", server.raw(head + b"X: " + b"y" * 100_000 + b"\r\n\r\n"))
        self.assertIn(b" 400 ", server.raw(b"\x16\x03\x01\x02\x00\r\n\r\n"))
        gzip = {"Content-Encoding": "gzip"}
        self.assertEqual(server.post("/v1/search", b"\x1f\x8b", headers=gzip)[0], 415)
        deep = b'{"question":' + b"[" * 1_000_000
        self.assertEqual(server.post("/v1/search", deep)[0], 400)
        self.assertTrue(server.alive())

    TYPES = (None, "application/json", "application/x-www-form-urlencoded", "text/plain",
             "application/octet-stream")

    def test_limits_are_what_is_written_for_each_type(self):
        """At the limit a body is read, one byte over it is refused; whole or in chunks."""
        for kind in self.TYPES:
            headers = {"Content-Type": kind} if kind else {}
            for chunks in (False, True):
                for path, most in (("/v1/search", 4 << 20), ("/v1/documents?name=", 1 << 20)):
                    for over in (0, 1):
                        with self.subTest(kind=kind, chunks=chunks, path=path, over=over):
                            body = b" " * (most + over - 2) + b"{}"
                            status, _, content = self.server.post(
                                path, iter([body[:70_000], body[70_000:]]) if chunks else body,
                                headers=headers)
                            self.assertEqual(status, 413 if over else 400, content)

    def test_what_curl_sends_by_itself(self):
        """JSON above 8 KiB under curl's own content type; a body in chunks; no body at all."""
        question = {"question": QUESTION, "x": "y" * 20_000}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        whole = self.server.post("/v1/search", question, headers=form)
        self.assertEqual(whole[0], 200, whole)
        status, _, found = self.server.post(
            "/v1/search", iter([json.dumps(question)[:100].encode(),
                                json.dumps(question)[100:].encode()]), headers=form)
        self.assertEqual((status, found["spans"]), (200, whole[2]["spans"]))
        head = b"POST /v1/documents/jobs/1/cancel HTTP/1.1\r\nHost: LOCALHOST\r\n"
        self.assertIn(b" 200 ", self.server.raw(head + b"Connection: close\r\n\r\n"))
        self.assertEqual(self.server.post("/v1/search/", question,
                                          headers={"Content-Encoding": "identity"})[0], 200)
        self.assertEqual(self.server.get("/v1/models/")[0], 200)

    def test_requests_in_chunks_follow_each_other_on_one_connection(self):
        body = json.dumps({"question": QUESTION}).encode()
        request = (b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                   b"\r\n5\r\n" + body[:5] + b"\r\n%x\r\n" % (len(body) - 5) + body[5:]
                   + b"\r\n0\r\n\r\n")
        answer = self.server.raw(request * 2 + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                 b"Connection: close\r\n\r\n")
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 3, answer[-500:])

    def test_one_model(self):
        (model,) = self.server.get("/v1/models")[2]["data"]
        self.assertEqual(self.server.get("/v1/models/" + model["id"])[2], model)
        self.assertEqual(self.server.get("/v1/models/gpt-4")[0], 404)

    def test_history_of_agents_is_read_and_bounded(self):
        _, _, answer = self.chat(self.server, "", messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "word " * 12_000},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "The weather is fine."},
            {"role": "user", "content": QUESTION}], tools=[{"type": "function"}])
        self.assertIn("Solberg", answer["choices"][0]["message"]["content"])
        self.assertEqual(answer["adjusted"], {"ignored": ["tools"], "history_left_out": 1})

    def test_what_would_change_the_answers_form_is_refused_by_name(self):
        for fields in ({"tool_choice": "required"},
                       {"tool_choice": {"type": "function", "function": {"name": "f"}}},
                       {"function_call": {"name": "f"}}, {"response_format": {"type": "json_object"}},
                       {"response_format": {"type": "json_schema", "json_schema": {}}},
                       {"logprobs": True}, {"modalities": ["text", "audio"]}):
            status, _, content = self.chat(self.server, QUESTION, **fields)
            self.assertEqual((status, content["error"]["param"]), (400, next(iter(fields))))

    def test_what_is_harmless_is_clamped_and_said(self):
        for asked in (-1, 0, 128_000):
            _, _, answer = self.chat(self.server, QUESTION, max_tokens=asked, stop=[" built"],
                                     tool_choice="auto", store=False,
                                     response_format={"type": "text"})
            self.assertEqual(answer["adjusted"]["max_tokens"]["asked"], asked)
            self.assertGreater(answer["adjusted"]["max_tokens"]["used"], 0)
        self.assertNotIn("adjusted", self.chat(self.server, QUESTION, stop=[" built"])[2])

    def test_other_sites_and_hosts_are_refused(self):
        for headers, status in (({"Host": "evil.example"}, 403), ({"Host": "127.evil.example"}, 403),
                                ({"Host": "127.0.0.1:99"}, 200), ({"Origin": "http://evil"}, 403),
                                ({"Origin": "null"}, 403), ({"Host": "localhost"}, 200),
                                ({"Origin": self.server.url}, 200)):
            self.assertEqual(self.server.get("/v1/models", headers=headers)[0], status, headers)

    def test_methods_and_paths(self):
        status, headers, _ = self.server.request("PUT", "/v1/search", b"{}")
        self.assertEqual((status, headers["Allow"]), (405, "POST"))
        self.assertEqual(self.server.request("HEAD", "/")[0], 200)
        for path in ("/nothing", "/v1/documents/abc", "/v1/documents/99", "/v1/documents/jobs/99",
                     "/../etc/passwd", "/%2e%2e/etc/passwd"):
            self.assertEqual(self.server.get(path)[0], 404, path)

    def test_page_is_small_and_strict(self):
        total = 0
        for path in ("/", "/app.js", "/uploads.js", "/view.js", "/style.css", "/favicon.svg"):
            status, headers, content = self.server.get(path)
            self.assertEqual(status, 200)
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertNotIn(b"innerHTML", content)
            for line in content.split(b"\n"):
                if b"http://" in line or b"https://" in line:
                    self.assertIn(b"www.w3.org/2000/svg", line)  # no other host
            total += len(content)
        self.assertLess(total, 200_000)

    def test_progress_of_mcp_over_http(self):
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "search", "arguments": {"question": QUESTION}, "_meta": {"progressToken": "p"}}}
        events = self.server.events("/mcp", call, "POST",
                                    {"Accept": "application/json, text/event-stream"})
        messages = [json.loads(data) for _, data in events]
        self.assertEqual(messages[0]["method"], "notifications/progress")
        self.assertEqual(messages[0]["params"]["progressToken"], "p")
        self.assertIn("Solberg", messages[-1]["result"]["structuredContent"]["spans"][0]["text"])

    def test_metrics_count(self):
        before = self.server.metric("s3attn_retrieval_seconds_count")
        self.server.post("/v1/search", {"question": QUESTION})
        self.assertEqual(self.server.metric("s3attn_retrieval_seconds_count"), before + 1)
        self.assertGreater(self.server.metric("s3attn_tokens_scanned_total"), 100)
        self.assertGreater(self.server.metric("s3attn_resident_memory_bytes"), 1 << 20)


class Stores(ServerTest):
    def test_empty_server_says_what_to_do(self):
        server = self.serve(self.store)
        status, _, content = server.post("/v1/search", {"question": "Who?"})
        self.assertEqual((status, content["error"]["code"]), (409, "no_documents"))
        self.assertIn("upload", content["error"]["message"])
        self.assertEqual(self.chat(server, "Who?")[0], 409)
        self.assertEqual(server.get("/v1/documents")[2]["data"], [])

    def test_what_cannot_start_says_why(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        port = taken.getsockname()[1]
        self.assert_fails(run("serve", self.store, "--port", port), str(port), "--port")
        server = self.serve(self.directory / "other.s3")  # one of ours too
        self.assert_fails(run("serve", self.store, "--port", server.port), str(server.port))
        self.assertTrue(server.alive())
        self.assert_fails(run("serve", self.write("file.txt", "x")), "file.txt")
        self.assert_fails(run("serve", self.store, "--reader", "none.gguf"), "none.gguf")
        self.assert_fails(run("serve", self.store, "--port", 99999), "port", code=2)
        self.assert_fails(run("serve"), "store", code=2)

    def test_several_stores_are_searched_together_or_by_name(self):
        first, second = self.directory / "a" / "x.s3", self.directory / "b.s3"
        run_json("index", first, self.write("facts.txt", FACTS))
        run_json("index", second, self.write("other.txt", "The mill at Aston was burnt in 1744 by "
                                             "the miller Tom Reed, who wanted the insurance."))
        server = self.serve(first, second)
        names = [store["name"] for store in server.get("/v1/stores")[2]["data"]]
        self.assertEqual(names, ["x", "b"])
        question = "Who burnt the mill at Aston?"
        _, _, found = server.post("/v1/search", {"question": question, "attention": True})
        self.assertEqual(found["spans"][0]["store"], "b")
        self.assertEqual({heat["store"] for heat in found["attention"]["documents"]}, {"x", "b"})
        self.assertEqual(len(found["spans"]), len(found["attention"]["spans"]))
        _, _, found = server.post("/v1/search", {"question": question, "store": "x"})
        self.assertEqual({span["store"] for span in found["spans"]}, {"x"})
        _, _, answer = self.chat(server, question)
        self.assertEqual(answer["citations"][0]["store"], "b")
        self.assertEqual(server.get("/v1/documents/1")[0], 400)  # which store?
        self.assertEqual(server.get("/v1/documents/1?store=b")[2]["store"], "b")

    def test_api_key_is_asked_for(self):
        server = self.serve(self.store, env={"S3ATTN_API_KEY": "open sesame"})
        self.assertEqual(server.get("/healthz")[0], 200)
        self.assertEqual(server.get("/")[0], 200)
        for path in ("/v1/models", "/metrics"):
            self.assertEqual(server.get(path)[0], 401)
            wrong = {"Authorization": "Bearer open sesamE"}
            self.assertEqual(server.get(path, headers=wrong)[0], 401)
            right = {"Authorization": "Bearer open sesame"}
            self.assertEqual(server.get(path, headers=right)[0], 200)

    def test_named_hosts_and_origins(self):
        server = self.serve(self.store, "--allow-host", "docs.example", "--allow-origin",
                            "https://app.example")
        proxied = {"Host": f"127.0.0.1:{server.port}"}  # what nginx sends unless told otherwise
        for origin, status in (("https://docs.example", 200), ("http://Docs.example:8443", 200),
                               ("https://app.example", 200), ("http://app.example", 403),
                               ("https://docs.example.evil", 403), ("null", 403)):
            got = server.get("/v1/models", headers={**proxied, "Origin": origin})[0]
            self.assertEqual(got, status, origin)
        ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST",
               "Access-Control-Request-Headers": "authorization, content-type"}
        status, headers, _ = server.request("OPTIONS", "/v1/chat/completions", headers=ask)
        self.assertEqual(status, 204)
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://app.example")
        self.assertIn("authorization", headers["Access-Control-Allow-Headers"])
        self.assertIn("POST", headers["Access-Control-Allow-Methods"])
        ask["Origin"] = "https://evil.example"
        status, headers, _ = server.request("OPTIONS", "/v1/chat/completions", headers=ask)
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (403, None))
        _, headers, _ = server.get("/v1/models", headers={"Origin": "https://app.example"})
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://app.example")
        self.assertEqual(headers["Vary"], "Origin")

    def test_pages_and_other_encodings(self):
        latin = "Der Müller verkaufte süßes Brot und grüne Äpfel auf dem Markt.\n" * 3
        server = self.serve(self.store)
        self.assertEqual(server.upload("latin.txt", latin.encode("latin-1"))["state"], "done")
        _, _, found = server.post("/v1/search", {"question": "Wer verkaufte Brot?"})
        span = found["spans"][0]
        self.assertEqual(latin.encode("latin-1")[span["byte_begin"]:span["byte_end"]],
                         span["text"].encode("latin-1"))
        _, _, part = server.get(f"/v1/documents/{span['doc_id']}/text?begin=0&end=10")
        self.assertIn(part["pieces"][0]["text"], latin)

    def test_a_book_is_read_in_the_background(self):
        run_json("index", self.store, self.write("facts.txt", FACTS))
        server = self.serve(self.store, "--commit-tokens", 512)
        book = book_path().read_bytes()[:40_000]
        status, headers, job = server.post("/v1/documents?name=book.md", book)
        # Relative: under a proxy's path, such as /docs/v1/documents, it leads to the job too.
        self.assertEqual((status, headers["Location"]), (202, f"documents/jobs/{job['id']}"))
        self.assertEqual(server.post("/v1/documents/?name=other.md", b"More facts.")[1]["Location"],
                         f"jobs/{job['id'] + 1}")
        seen = set()
        while True:
            _, _, answer = self.chat(server, QUESTION, max_tokens=8)  # older ones stay answerable
            self.assertIn("Solberg", answer["quote"]["text"])  # whatever the reader makes of it
            for document in server.get("/v1/documents")[2]["data"]:
                seen.add((document["name"], document["complete"]))
            now = server.get(f"/v1/documents/jobs/{job['id']}")[2]
            if now["state"] not in ("queued", "scanning"):
                break
        self.assertEqual(now["state"], "done", now)
        self.assertIn(("book.md", False), seen)  # it could be asked about half-way
        events = server.events(f"/v1/documents/jobs/{job['id']}/events")
        self.assertEqual(events[-1][0], "done")


if __name__ == "__main__":
    unittest.main()

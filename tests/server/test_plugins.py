"""What programs of others ask: OpenAI's responses, Anthropic's messages, reranking, Dify."""

import base64
import json
import tempfile
import unittest

from serving import FACTS, QUESTION, Server, ServerTest, need_packages, pdf_of

PARAGRAPHS = FACTS.split("\n\n")


class OneServer(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.temporary = tempfile.TemporaryDirectory(prefix="s3attn-test-tmp-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.server = Server(cls.folder.name + "/notes.s3",
                            env={"S3ATTN_API_KEY": "secret", "TMPDIR": cls.temporary.name})
        cls.addClassCleanup(cls.server.stop)
        cls.key = {"Authorization": "Bearer secret"}
        cls.server.events("/v1/documents?name=facts.txt", FACTS, "POST",
                          {"Accept": "text/event-stream", **cls.key})

    def ask(self, path, body, **keywords):
        status, _, answer = self.server.post(path, {"max_tokens": 24, "budget_tokens": 160, **body},
                                             headers=self.key, **keywords)
        return status, answer

    def refused(self, path, body, param, status=400):
        got, answer = self.ask(path, body)
        self.assertEqual(got, status, answer)
        self.assertEqual(answer["error"]["param"], param, answer)
        self.assertIn(param.split(".")[-1].split("[")[0], answer["error"]["message"])


class Responses(OneServer):
    @classmethod
    def setUpClass(cls):
        need_packages("openai")
        super().setUpClass()
        import openai
        cls.openai = openai
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="secret", max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def create(self, **fields):
        return self.client.responses.create(model="", extra_body={"budget_tokens": 160}, **fields)

    def test_text_and_items(self):
        answer = self.create(input=QUESTION, instructions="Be brief.", max_output_tokens=64)
        self.assertEqual(answer.status, "completed")
        self.assertIn("Solberg", answer.output_text)
        note = answer.output[0].content[0].annotations[0]
        self.assertEqual((note.type, note.filename, note.file_id),
                         ("file_citation", "facts.txt", "notes/1"))
        self.assertEqual(FACTS.encode()[note.byte_begin:note.byte_end].decode(), note.text)
        self.assertLessEqual(note.index, len(answer.output_text))
        self.assertEqual(answer.usage.total_tokens,
                         answer.usage.input_tokens + answer.usage.output_tokens)
        cut = self.create(max_output_tokens=4, input=[
            {"role": "user", "content": "Who studied arctic terns?"},
            {"type": "message", "role": "assistant",
             "content": [{"type": "output_text", "text": "Daniel Okafor."}]},
            {"role": "user", "content": [{"type": "input_text",
                                          "text": "Where are his notebooks kept?"}]}])
        self.assertEqual((cut.status, cut.incomplete_details.reason),
                         ("incomplete", "max_output_tokens"))
        self.assertEqual(cut.retrieval_question,
                         "Who studied arctic terns?\nWhere are his notebooks kept?")

    def test_stream_is_understood_and_numbered(self):
        text, kinds, last = "", [], -1
        with self.client.responses.stream(model="notes", input=QUESTION, max_output_tokens=64,
                                          extra_body={"model": None}) as stream:
            for event in stream:
                self.assertEqual(event.sequence_number, last + 1)
                last = event.sequence_number
                kinds.append(event.type)
                if event.type == "response.output_text.delta":
                    text += event.delta
            final = stream.get_final_response()
        self.assertEqual(kinds[:4], ["response.created", "response.in_progress",
                                     "response.output_item.added", "response.content_part.added"])
        self.assertEqual(kinds[-4:], ["response.output_text.done", "response.content_part.done",
                                      "response.output_item.done", "response.completed"])
        self.assertIn("response.output_text.annotation.added", kinds)
        self.assertEqual(final.output_text, text)
        self.assertIn("Solberg", text)

    def test_files_that_come_along_are_searched_instead(self):
        data = base64.b64encode(b"The mill at Orsk was built by the miller Anna Petrova.").decode()
        answer = self.create(max_output_tokens=24, input=[{"role": "user", "content": [
            {"type": "input_file", "filename": "mill.txt",
             "file_data": "data:text/plain;base64," + data},
            {"type": "input_text", "text": "Who built the mill at Orsk?"}]}])
        self.assertIn("Petrova", answer.output_text)
        note = answer.output[0].content[0].annotations[0]
        self.assertEqual((note.filename, note.document_index), ("mill.txt", 0))

    def test_what_is_not_done_is_refused_by_name(self):
        for field, value in (("previous_response_id", "resp_1"), ("conversation", "conv_1"),
                             ("background", True), ("tool_choice", "required"),
                             ("prompt", {"id": "p"}), ("top_logprobs", 3)):
            self.refused("/v1/responses", {"input": QUESTION, field: value}, field)
        self.refused("/v1/responses", {"input": QUESTION, "text": {"format": {"type": "json"}}},
                     "text.format")
        self.refused("/v1/responses", {}, "input")
        self.refused("/v1/responses", {"input": [{"type": "item_reference", "id": "x"}]},
                     "input[0]")
        for part in ({"type": "input_image", "image_url": "x"}, {"type": "input_file",
                                                                 "file_id": "f"}, 1):
            self.refused("/v1/responses",
                         {"input": [{"role": "user", "content": [part]}]}, "input[0].content[0]")
        _, answer = self.ask("/v1/responses", {"input": QUESTION, "max_output_tokens": 4,
                                               "tools": [{"type": "web_search"}]})
        self.assertEqual(answer["adjusted"]["ignored"], ["tools"])


class Messages(OneServer):
    DOCUMENT = {"type": "document", "title": "Facts", "citations": {"enabled": True},
                "source": {"type": "text", "media_type": "text/plain",
                           "data": "Ärger über Öl.\n\n" + FACTS}}

    @classmethod
    def setUpClass(cls):
        need_packages("anthropic")
        super().setUpClass()
        import anthropic
        cls.anthropic = anthropic
        cls.client = anthropic.Anthropic(base_url=cls.server.url, api_key="secret", max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def create(self, *content, stream=False, **fields):
        call = self.client.messages.stream if stream else self.client.messages.create
        return call(model="", max_tokens=24, extra_body={"budget_tokens": 160},
                    messages=[{"role": "user", "content": [*content,
                                                           {"type": "text", "text": QUESTION}]}],
                    **fields)

    def check_characters(self, citation):
        text = self.DOCUMENT["source"]["data"]
        self.assertEqual((citation.type, citation.document_index, citation.document_title),
                         ("char_location", 0, "Facts"))
        self.assertEqual(text[citation.start_char_index:citation.end_char_index],
                         citation.cited_text)
        self.assertIn("Solberg", citation.cited_text)

    def test_inline_text_is_cited_in_characters(self):
        answer = self.create(self.DOCUMENT, system="Be brief.")
        self.assertIn("Solberg", "".join(block.text for block in answer.content))
        citations = [one for block in answer.content for one in block.citations or ()]
        self.check_characters(citations[0])
        self.assertIn(answer.stop_reason, ("end_turn", "max_tokens"))
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_stream(self):
        with self.create(self.DOCUMENT, stream=True) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
        self.assertIn("Solberg", text)
        self.assertEqual(message.content[0].text, text)
        self.check_characters(message.content[0].citations[0])

    def test_blocks_pages_and_documents_without_citations(self):
        blocks = {"type": "document", "citations": {"enabled": True}, "source": {
            "type": "content", "content": [{"type": "text", "text": one} for one in PARAGRAPHS]}}
        answer = self.create(blocks)
        citation = answer.content[-1].citations[0]
        self.assertEqual((citation.type, citation.start_block_index, citation.end_block_index),
                         ("content_block_location", 0, 1))
        self.assertEqual(citation.cited_text, PARAGRAPHS[0])
        quiet = {**self.DOCUMENT, "citations": {"enabled": False}}
        self.assertFalse(any(block.citations for block in self.create(quiet).content))
        data = base64.b64encode(pdf_of("The lighthouse at Varden was built by Ingrid Solberg."))
        pdf = {"type": "document", "citations": {"enabled": True}, "source": {
            "type": "base64", "media_type": "application/pdf", "data": data.decode()}}
        citation = self.create(pdf).content[-1].citations[0]
        self.assertEqual((citation.type, citation.start_page_number, citation.end_page_number),
                         ("page_location", 1, 2))

    def test_without_documents_the_stores_are_searched(self):
        answer = self.create()
        citation = answer.content[-1].citations[0]
        self.assertEqual((citation.type, citation.document_title, citation.store),
                         ("char_location", "facts.txt", "notes"))
        self.assertEqual(FACTS[citation.start_char_index:citation.end_char_index],
                         citation.cited_text)

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(self.anthropic.NotFoundError):
            self.client.messages.create(model="claude", max_tokens=4, messages=[
                {"role": "user", "content": QUESTION}])
        other = self.anthropic.Anthropic(base_url=self.server.url, api_key="x", max_retries=0)
        with other, self.assertRaises(self.anthropic.AuthenticationError):
            other.messages.create(model="", max_tokens=4,
                                  messages=[{"role": "user", "content": QUESTION}])
        for source in ({"type": "url", "url": "http://x"}, {"type": "file", "file_id": "f"}):
            self.refused("/v1/messages", {"messages": [{"role": "user", "content": [
                {"type": "document", "source": source}]}]},
                "messages[0].content[0].source.type")
        broken = {"type": "document", "source": {"type": "base64", "data": "JVBERi0xLjQK",
                                                 "media_type": "application/pdf"}}
        status, answer = self.ask("/v1/messages", {"messages": [{"role": "user", "content": [
            broken, {"type": "text", "text": QUESTION}]}]})
        self.assertEqual((status, answer["type"]), (400, "error"))
        self.assertIn("messages[0].content[0]", answer["error"]["message"])
        self.assertNotIn(self.temporary.name, answer["error"]["message"])


class Rerank(OneServer):
    def test_order_shares_and_texts(self):
        documents = [PARAGRAPHS[2], " ", {"text": PARAGRAPHS[0]}, PARAGRAPHS[1]]
        for path in ("/v1/rerank", "/v2/rerank"):
            status, answer = self.ask(path, {"model": "any", "query": QUESTION,
                                             "documents": documents, "return_documents": True})
            self.assertEqual(status, 200, answer)
            results = answer["results"]
            self.assertEqual(results[0]["index"], 2)
            self.assertEqual(results[0]["document"]["text"], PARAGRAPHS[0])
            self.assertEqual(sorted(one["index"] for one in results), [0, 1, 2, 3])
            scores = [one["relevance_score"] for one in results]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertAlmostEqual(sum(scores), 1, places=6)
            self.assertEqual((results[-1]["index"], scores[-1]), (1, 0))
        _, answer = self.ask("/v1/rerank", {"query": QUESTION, "documents": documents, "top_n": 1})
        self.assertEqual(len(answer["results"]), 1)
        self.assertNotIn("document", answer["results"][0])
        _, answer = self.ask("/v1/rerank", {"query": QUESTION, "documents": ["", " "]})
        self.assertEqual([one["relevance_score"] for one in answer["results"]], [0, 0])

    def test_the_stores_stay_out_of_it(self):
        listed = self.server.get("/v1/documents", headers=self.key)[2]["data"]
        _, answer = self.ask("/v1/rerank", {"query": QUESTION, "documents": ["Rye bread."]})
        self.assertAlmostEqual(answer["results"][0]["relevance_score"], 1, places=6)
        self.assertEqual(self.server.get("/v1/documents", headers=self.key)[2]["data"], listed)

    def test_wrong_requests(self):
        for body, param in (({"query": "x"}, "documents"), ({"documents": ["x"]}, "query"),
                            ({"query": "x", "documents": []}, "documents"),
                            ({"query": "x", "documents": ["a", 1]}, "documents[1]"),
                            ({"query": "x", "documents": ["a"], "top_n": 0}, "top_n"),
                            ({"query": "x" * 4001, "documents": ["a"]}, "query")):
            self.refused("/v1/rerank", body, param)

    def test_embeddings_are_refused_with_the_way_on(self):
        status, answer = self.ask("/v1/embeddings", {"input": "x", "model": "y"})
        self.assertEqual((status, answer["error"]["code"]), (404, "no_embeddings"))
        self.assertIn("/v1/rerank", answer["error"]["message"])


class Dify(OneServer):
    def retrieve(self, **fields):
        return self.server.post("/retrieval", {"knowledge_id": "notes", "query": QUESTION,
                                               "retrieval_setting": {"top_k": 2,
                                                                     "score_threshold": 0},
                                               **fields}, headers=self.key)

    def test_records(self):
        status, _, answer = self.retrieve()
        self.assertEqual(status, 200)
        records = answer["records"]
        self.assertEqual(len(records), 2)
        first = records[0]
        self.assertEqual((first["title"], first["score"]), ("facts.txt", 1))
        self.assertIn("Solberg", first["content"])
        place = first["metadata"]
        self.assertEqual(FACTS.encode()[place["byte_begin"]:place["byte_end"]].decode(),
                         first["content"])
        self.assertTrue(all(0 <= one["score"] <= 1 for one in records))
        _, _, answer = self.retrieve(retrieval_setting={"top_k": 9, "score_threshold": 1})
        self.assertEqual(len(answer["records"]), 1)
        self.assertEqual(self.retrieve(knowledge_id="*")[0], 200)

    def test_conditions_choose_documents(self):
        def names(operator, *conditions):
            condition = {"logical_operator": operator, "conditions": [
                {"name": [name], "comparison_operator": how, "value": value}
                for name, how, value in conditions]}
            status, _, answer = self.retrieve(metadata_condition=condition)
            self.assertEqual(status, 200, answer)
            return len(answer["records"])
        self.assertEqual(names("and", ("name", "is", "FACTS.txt"), ("format", "is", "text")), 2)
        self.assertEqual(names("and", ("name", "is", "facts.txt"), ("format", "is", "pdf")), 0)
        self.assertEqual(names("or", ("name", "is", "facts.txt"), ("format", "is", "pdf")), 2)
        self.assertEqual(names("and", ("name", "not contains", "fact")), 0)
        self.assertEqual(names("and", ("indexed_at", "after", "2020-01-01")), 2)
        status, _, answer = self.retrieve(metadata_condition={"conditions": [
            {"name": ["author"], "comparison_operator": "is", "value": "x"}]})
        self.assertEqual(status, 400)
        self.assertIn("author" if "author" in answer["error_msg"] else "name",
                      answer["error_msg"])

    def test_errors_have_dify_s_codes(self):
        status, _, answer = self.retrieve(knowledge_id="other")
        self.assertEqual((status, answer["error_code"]), (404, 2001))
        status, _, answer = self.server.post("/retrieval", {"knowledge_id": "notes", "query": "x"})
        self.assertEqual((status, answer["error_code"]), (403, 1002))
        self.assertTrue(answer["error_msg"])
        self.assertEqual(self.retrieve(query=" ")[0], 400)


class Temporary(ServerTest):
    def test_documents_of_requests_go_with_the_server(self):
        import os
        folder = str(self.directory / "tmp")
        os.mkdir(folder)
        server = self.serve(self.store, env={"TMPDIR": folder})
        for text in PARAGRAPHS:
            body = {"max_tokens": 1, "messages": [{"role": "user", "content": [
                {"type": "document", "source": {"type": "text", "data": text}},
                {"type": "text", "text": QUESTION}]}]}
            self.assertEqual(server.post("/v1/messages", json.dumps(body))[0], 200)
            self.assertEqual({os.stat(os.path.join(folder, name)).st_mode & 0o77
                              for name in os.listdir(folder)}, {0})
        self.assertEqual(len(os.listdir(folder)), 3)
        server.post("/v1/rerank", {"query": QUESTION, "documents": PARAGRAPHS})
        self.assertEqual(len(os.listdir(folder)), 3)  # what was put in order is gone already
        self.assertEqual(server.stop(), 0)
        self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()

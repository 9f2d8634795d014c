"""Clients that others wrote: OpenAI's, the reference MCP client, schemathesis."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import unittest

from serving import FACTS, MODEL, PROGRAM, QUESTION, Server, ServerTest, need_packages, run_json

# Of the test of the specification: more by hand, S3ATTN_SCHEMA_EXAMPLES=1000.
EXAMPLES = os.environ.get("S3ATTN_SCHEMA_EXAMPLES", "4")


class OneServer(ServerTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.TemporaryDirectory(prefix="s3attn-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = Server(cls.folder.name + "/notes.s3", env={"S3ATTN_API_KEY": "secret"})
        cls.addClassCleanup(cls.server.stop)
        cls.server.events("/v1/documents?name=facts.txt", FACTS, "POST",
                          {"Accept": "text/event-stream", "Authorization": "Bearer secret"})


class OpenAi(OneServer):
    @classmethod
    def setUpClass(cls):
        need_packages("openai")
        super().setUpClass()
        import openai
        cls.openai = openai
        cls.client = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="secret", max_retries=0)
        cls.addClassCleanup(cls.client.close)

    def ask(self, **fields):
        return self.client.chat.completions.create(
            model=fields.pop("model", self.client.models.list().data[0].id),
            messages=[{"role": "user", "content": QUESTION}], max_tokens=24,
            extra_body={"budget_tokens": 160}, **fields)

    def test_answer(self):
        answer = self.ask()
        self.assertIn("Solberg", answer.choices[0].message.content)
        self.assertEqual(answer.usage.total_tokens,
                         answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertEqual(answer.citations[0]["name"], "facts.txt")

    def test_stream(self):
        text, citations, usage = "", None, None
        for chunk in self.ask(stream=True, stream_options={"include_usage": True}):
            for choice in chunk.choices:
                text += choice.delta.content or ""
            citations = getattr(chunk, "citations", citations)
            usage = chunk.usage or usage
        self.assertIn("Solberg", text)
        self.assertIn("Solberg", citations[0]["text"])
        self.assertGreater(usage.completion_tokens, 0)

    def test_errors_are_the_clients_own(self):
        with self.assertRaises(self.openai.NotFoundError) as caught:
            self.ask(model="gpt-4")
        self.assertEqual((caught.exception.code, caught.exception.param),
                         ("model_not_found", "model"))
        with self.assertRaises(self.openai.BadRequestError):
            self.client.chat.completions.create(model="", messages=[])
        other = self.openai.OpenAI(base_url=self.server.url + "/v1", api_key="wrong")
        with other, self.assertRaises(self.openai.AuthenticationError):
            other.models.list()


class Mcp(ServerTest):
    @classmethod
    def setUpClass(cls):
        need_packages("mcp")
        super().setUpClass()

    async def use(self, session, local):
        """The four tools; returns the schema of add_document."""
        hello = await session.initialize()
        name = getattr(hello, "server_info", None) or getattr(hello, "serverInfo", None)
        self.assertEqual(name.name, "s3attn")
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        self.assertEqual(set(tools), {"search", "ask", "list_documents", "add_document"})
        await self.call(session, "list_documents", {})
        added = await self.call(session, "add_document",
                                {"path": str(self.write("facts.txt", FACTS))} if local else
                                {"name": "facts.txt", "text": FACTS})
        self.assertEqual(added["state"], "done")
        listed = await self.call(session, "list_documents", {})
        self.assertEqual(len(listed["documents"]), 1)
        found = await self.call(session, "search", {"question": QUESTION, "max_spans": 1})
        self.assertIn("Solberg", found["spans"][0]["text"])
        answer = await self.call(session, "ask", {"question": QUESTION, "budget_tokens": 160,
                                                  "max_tokens": 24})
        self.assertIn("Solberg", answer["answer"])
        self.assertIn("Solberg", answer["citations"][0]["text"])
        for tool, arguments, word in (("search", {"question": " "}, "empty"),
                                      ("search", {"question": "x", "store": "y"}, "store"),
                                      ("add_document", {"name": "a/../x", "text": "y"}, "slash"),
                                      ("ask", {"question": "x", "model": "gpt"}, "gpt")):
            result = await session.call_tool(tool, arguments)
            self.assertTrue(self.failed(result), tool)
            self.assertIn(word, result.content[0].text)
        return tools["add_document"]

    @staticmethod
    def failed(result):
        return getattr(result, "is_error", None) or getattr(result, "isError", None)

    async def call(self, session, tool, arguments):
        result = await session.call_tool(tool, arguments)
        self.assertFalse(self.failed(result), result)
        structure = getattr(result, "structured_content", None)
        return structure if structure is not None else result.structuredContent

    def test_over_standard_input_and_output(self):
        from mcp import ClientSession, StdioServerParameters
        from mcp.client.stdio import stdio_client

        async def run():
            parameters = StdioServerParameters(
                command=str(PROGRAM), args=["serve", str(self.store), "--mcp", "--threads", "1"],
                env={**os.environ, "S3ATTN_MODEL": MODEL, "XDG_CONFIG_HOME": "/nonexistent"})
            async with stdio_client(parameters) as streams:
                async with ClientSession(streams[0], streams[1]) as session:
                    await self.use(session, True)
        asyncio.run(asyncio.wait_for(run(), 240))
        run_json("verify", self.store)

    def test_over_http(self):
        from mcp import ClientSession
        from mcp.client import streamable_http
        connect = getattr(streamable_http, "streamable_http_client", None) or \
            streamable_http.streamablehttp_client
        server = self.serve(self.store)

        async def run():
            async with connect(server.url + "/mcp") as streams:
                async with ClientSession(streams[0], streams[1]) as session:
                    tool = await self.use(session, False)
                    schema = getattr(tool, "input_schema", None) or tool.inputSchema
                    self.assertNotIn("path", schema["properties"])
        asyncio.run(asyncio.wait_for(run(), 240))

    def test_each_revision_over_http(self):
        """Without a handshake, and with the oldest one; resources in both."""
        from mcp import Client
        server = self.serve(self.store)
        server.upload("facts.txt", FACTS)

        async def run(mode):
            async with Client(server.url + "/mcp", mode=mode) as client:
                self.assertEqual({tool.name for tool in (await client.list_tools()).tools},
                                 {"search", "ask", "list_documents", "add_document"})
                found = await client.call_tool("search", {"question": QUESTION, "max_spans": 1})
                self.assertIn("Solberg", found.structured_content["spans"][0]["text"])
                (resource,) = (await client.list_resources()).resources
                self.assertEqual((str(resource.uri), resource.name),
                                 (f"s3attn://{self.store.stem}/1", "facts.txt"))
                (template,) = (await client.list_resource_templates()).resource_templates
                self.assertIn("begin", template.uri_template)
                for uri, text in ((str(resource.uri), FACTS.rstrip()),
                                  (str(resource.uri) + "?begin=4&end=14", FACTS[4:14])):
                    (content,) = (await client.read_resource(uri)).contents
                    self.assertEqual(content.text, text)
                with self.assertRaises(Exception):
                    await client.read_resource("s3attn://other/1")
                return client.protocol_version
        versions = [asyncio.run(asyncio.wait_for(run(mode), 120)) for mode in ("auto", "legacy")]
        self.assertEqual(versions, ["2026-07-28", "2025-11-25"])

    def test_revisions_are_agreed_on(self):
        server = self.serve(self.store)
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"):
            _, _, reply = server.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize",
                                               "params": {"protocolVersion": version}})
            self.assertEqual(reply["result"]["protocolVersion"], version)
            self.assertNotIn("resultType", reply["result"])
        stamp = "io.modelcontextprotocol/protocolVersion"

        def ask(version, **headers):
            return server.post("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "server/discover",
                                        "params": {"_meta": {stamp: version}}}, headers=headers)
        status, _, reply = ask("2026-07-28", **{"MCP-Protocol-Version": "2026-07-28",
                                                "Mcp-Method": "server/discover"})
        self.assertEqual((status, reply["result"]["supportedVersions"]), (200, ["2026-07-28"]))
        self.assertEqual(reply["result"]["resultType"], "complete")
        status, _, reply = ask("2026-07-28", **{"MCP-Protocol-Version": "2026-07-28",
                                                "Mcp-Method": "tools/list"})
        self.assertEqual((status, reply["error"]["code"]), (400, -32020))
        _, _, reply = ask("2030-01-01", **{"MCP-Protocol-Version": "2030-01-01",
                                           "Mcp-Method": "server/discover"})
        self.assertEqual((reply["error"]["code"], reply["error"]["data"]),
                         (-32022, {"supported": ["2026-07-28"], "requested": "2030-01-01"}))

    def test_over_http_no_file_of_the_server_can_be_read(self):
        server = self.serve(self.store)
        _, _, reply = server.post("/mcp", {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "add_document", "arguments": {"path": "/etc/passwd"}}})
        self.assertTrue(reply["result"]["isError"])

    def test_wrong_messages_get_json_rpc_errors(self):
        server = self.serve(self.store)
        for body, code in (("{", -32700), ({"jsonrpc": "2.0", "id": 1}, -32600),
                           ({"id": 1, "method": "ping"}, -32600),
                           ({"jsonrpc": "2.0", "id": 1, "method": "fly"}, -32601),
                           ({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                             "params": {"name": "fly"}}, -32602)):
            self.assertEqual(server.post("/mcp", body)[2]["error"]["code"], code, body)
        note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self.assertEqual(server.post("/mcp", note)[0], 202)


class Specification(OneServer):
    def undeclared(self, schema, value, place):
        """Fields of the value that the schema does not name."""
        parts = self.parts(schema)
        if isinstance(value, list):
            items = [part["items"] for part in parts if "items" in part]
            return [each for item in items for one in value
                    for each in self.undeclared(item, one, place + "[]")]
        named = {}
        for part in parts:
            named.update(part.get("properties", {}))
        free = any("additionalProperties" in part for part in parts) or not named
        if not isinstance(value, dict) or free:
            return []
        return [each for name, inner in value.items() for each in (
            self.undeclared(named[name], inner, f"{place}.{name}") if name in named
            else [f"{place}.{name}"])]

    def parts(self, schema):
        if "$ref" in schema:
            *_, name = schema["$ref"].split("/")
            return self.parts(self.schemas[name])
        inner = [part for key in ("allOf", "anyOf") for one in schema.get(key, ())
                 for part in self.parts(one)]
        return [schema, *inner]

    def test_every_field_of_an_answer_is_specified(self):
        need_packages("jsonschema")
        import jsonschema
        key = {"Authorization": "Bearer secret"}
        specification = self.server.get("/openapi.json")[2]
        self.schemas = specification["components"]["schemas"]
        message = [{"role": "user", "content": QUESTION}]
        asked = {"max_tokens": 8, "budget_tokens": 160, "evidence": True, "attention": True}
        for path, body, name in (
                ("/v1/chat/completions", {"messages": message}, "ChatCompletion"),
                ("/v1/messages", {"messages": message}, "MessageObject"),
                ("/v1/responses", {"input": QUESTION}, "ResponseObject"),
                ("/v1/search", {"question": QUESTION}, "Evidence")):
            status, _, answer = self.server.post(path, {**asked, **body}, headers=key)
            self.assertEqual(status, 200, answer)
            schema = self.schemas[name]
            jsonschema.validate(answer, {**schema, "components": specification["components"]})
            self.assertEqual(self.undeclared(schema, answer, name), [])
        for path, name in (("/v1/documents/1", "Document"), ("/v1/documents/1/text", "TextRange")):
            answer = self.server.get(path, headers=key)[2]
            self.assertEqual(self.undeclared(self.schemas[name], answer, name), [])

    def test_schemathesis(self):
        need_packages("schemathesis")
        run = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", self.server.url + "/openapi.json",
             "--max-examples", EXAMPLES, "--continue-on-failure", "-n", "1", "--seed", "1",
             "--header", "Authorization: Bearer secret"],
            capture_output=True, text=True, timeout=1200, cwd=self.directory)
        self.assertEqual(run.returncode, 0, run.stdout[-6000:] + run.stderr[-2000:])
        self.assertRegex(run.stdout, r"Tested: \d\d")
        cases = int(re.search(r"(\d+) generated", run.stdout).group(1))
        self.assertGreater(cases, 100)
        self.assertTrue(self.server.alive())


if __name__ == "__main__":
    unittest.main()

"""The voice dense through the server: a store with vectors is asked over HTTP and MCP, one without
says what it lacks. Skipped where no embedder was fetched."""

import os
import pathlib
import unittest

from serving import Server, ServerTest, run_json
from test_mcp import Client

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "s3attn"
MINILM = CACHE / "all-MiniLM-L6-v2.F16.gguf"
MILL = "The mill at Ost grinds rye and barley.\n"
FERRY = "The boat across the fjord runs twice a day.\n"
VESSEL = "Is there a ship over the water?"
MIXED = "sum(s3:4,bm25:1,dense:4)"


@unittest.skipUnless(MINILM.is_file(), "no embedder: scripts/setup.sh --embedder fetches it")
class Dense(ServerTest):
    def test_a_store_with_vectors_is_asked_by_meaning(self):
        store = self.directory / "notes.s3"
        texts = self.write("mill.txt", MILL), self.write("ferry.txt", FERRY)
        run_json("index", store, *texts)
        with self.subTest("a store without"):
            server = Server(store)
            self.addCleanup(server.stop)
            status, _, told = server.post("/v1/search", {"question": VESSEL, "method": "dense"})
            self.assertEqual((status, told["error"]["code"]), (409, "no_vectors"))
            self.assertIn("--embed", told["error"]["message"])
            server.stop()
        self.assertEqual(run_json("index", store, *texts, "--embed", MINILM)["vectors"], 2)
        server = Server(store, "--embedder", MINILM)
        self.addCleanup(server.stop)
        for method in ("dense", MIXED, "rrf(bm25,dense)"):
            status, _, found = server.post("/v1/search", {"question": VESSEL, "method": method})
            self.assertEqual(status, 200, found)
            self.assertEqual(found["method"], method)
            self.assertIn("boat", found["spans"][0]["text"])
            self.assertGreater(found["spans"][0]["score_dense"], 0)
        for wrong in ("magic", "sum(s3)", "sum(s3:0,dense:1)", ""):
            status, _, told = server.post("/v1/search", {"question": VESSEL, "method": wrong})
            self.assertEqual((status, told["error"]["param"]), (400, "method"), wrong)
        server.stop()
        client = Client(store, "--embedder", MINILM)
        self.addCleanup(client.end)
        for method in ("dense", MIXED):
            found = client.call("search", question=VESSEL, method=method)
            self.assertFalse(found.get("isError", False), found)
            self.assertIn("boat", found["structuredContent"]["spans"][0]["text"])
        self.assertTrue(client.call("search", question=VESSEL, method="magic")["isError"])


if __name__ == "__main__":
    unittest.main()

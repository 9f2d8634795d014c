"""
title: s3attn
description: Passages of your documents, found by a language model's own attention.
version: 0.1.0
requirements: requests
"""

# A tool of Open WebUI: Workspace, Tools, paste this file, and say in its valves where
# `s3attn serve` runs. A model that calls tools then searches the documents by itself; each passage
# becomes a source under the answer.

import requests
from pydantic import BaseModel, Field


class Tools:
    class Valves(BaseModel):
        url: str = Field("http://127.0.0.1:8080", description="Where s3attn serve runs")
        key: str = Field("", description="API key, where it asks for one")
        store: str = Field("", description="A store's name; empty: all")
        budget_tokens: int = Field(1024, description="Most tokens of passages")

    def __init__(self):
        self.valves = self.Valves()
        self.citation = False  # sources are sent below, one for each passage

    async def search_documents(self, question: str, __event_emitter__=None) -> str:
        """
        Finds the passages of the user's documents that bear on a question.

        :param question: what you want to know, as a whole question
        """
        body = {"question": question, "budget_tokens": self.valves.budget_tokens}
        if self.valves.store:
            body["store"] = self.valves.store
        headers = {"Authorization": f"Bearer {self.valves.key}"} if self.valves.key else {}
        answer = requests.post(self.valves.url.rstrip("/") + "/v1/search", json=body,
                               headers=headers, timeout=60)
        if answer.status_code != 200:
            return "The documents cannot be searched: " + answer.json()["error"]["message"]
        found = answer.json()
        if not found["evidence_found"]:
            return "The documents hold no evidence for this question."
        for span in found["spans"]:
            if __event_emitter__:
                await __event_emitter__({"type": "citation", "data": {
                    "document": [span["text"]], "metadata": [{"source": place(span)}],
                    "source": {"name": span["name"]}}})
        return "\n\n".join(f"{place(span)}:\n{span['text']}" for span in found["spans"])


def place(span):
    where = f"page {span['page']}" if "page" in span else f"lines {span['line_begin']} to " \
        f"{span['line_end']}"
    return f"{span['name']}, {where}"

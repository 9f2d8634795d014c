"""The retrievers inside the real frameworks, each with a retrieval-QA chain and a local reader."""

import asyncio
import os
import pathlib
import unittest

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

import s3attn
import support

KEYS = {"source", "document_id", "byte_begin", "byte_end", "score", "scores", "tokens", "lines"}


def local_reader(prompt):
    """A reader of this machine that reads what the framework hands it, and nothing else: the prompt
    becomes a document, the answer is the sentence that the local model's search quotes from it."""
    top = support.folder()
    (top / "prompt.txt").write_text(prompt, encoding="utf-8")
    store = s3attn.Store(top / "prompt.s3")
    support.engine().index(store, [top / "prompt.txt"])
    answer = support.engine().ask(store, support.QUESTION, max_answer_tokens=8, budget_tokens=200)
    return f"{answer.quote.text}\n{answer.text}"


class Checks(support.ModelTest):
    def check(self, texts, metadata):
        self.assertIn("Ada Solberg", texts[0])
        self.assertLessEqual(KEYS, set(metadata[0]))
        begin, end = metadata[0]["byte_begin"], metadata[0]["byte_end"]
        document = support.store().text(metadata[0]["document_id"])
        self.assertEqual(document[begin:end].decode(), texts[0])


class LangChain(Checks):
    def setUp(self):
        from s3attn.langchain import S3AttnRetriever

        self.make = lambda **more: S3AttnRetriever(engine=support.engine(), store=support.store(),
                                                   **more)

    def test_sync_async_and_batch_agree(self):
        retriever = self.make(k=2)
        documents = retriever.invoke(support.QUESTION)
        self.check([d.page_content for d in documents], [d.metadata for d in documents])
        again = asyncio.run(retriever.ainvoke(support.QUESTION))
        self.assertEqual([d.page_content for d in again], [d.page_content for d in documents])
        self.assertEqual(len(retriever.batch([support.QUESTION, "What grinds rye?"])), 2)

    def test_k_budget_and_filters(self):
        self.assertEqual(len(self.make(k=1).invoke(support.QUESTION)), 1)
        self.assertEqual(len(self.make(k=1).invoke(support.QUESTION, k=2)), 2)
        only = self.make(filters={"types": "text"}).invoke(support.QUESTION)
        self.assertEqual({pathlib.Path(d.metadata["source"]).name for d in only}, {"ost.txt"})
        only = self.make().invoke(support.QUESTION, filters={"where": "*varn.md"})
        self.assertEqual({pathlib.Path(d.metadata["source"]).name for d in only}, {"varn.md"})
        with self.assertRaises(s3attn.InvalidArgumentError):
            self.make(filters={"colour": "red"}).invoke("Who?")

    def test_the_frameworks_own_question_answering_chains(self):
        from langchain_classic.chains import RetrievalQA, create_retrieval_chain
        from langchain_classic.chains.combine_documents import create_stuff_documents_chain
        from langchain_core.language_models.llms import LLM
        from langchain_core.prompts import ChatPromptTemplate

        seen = []

        class Local(LLM):
            @property
            def _llm_type(self):
                return "local"

            def _call(self, prompt, stop=None, run_manager=None, **more):
                seen.append(prompt)
                return local_reader(prompt)
        chain = RetrievalQA.from_chain_type(llm=Local(), retriever=self.make(k=2),
                                            return_source_documents=True)
        result = chain.invoke({"query": support.QUESTION})
        self.assertIn("Ada Solberg", result["result"])
        self.check([d.page_content for d in result["source_documents"]],
                   [d.metadata for d in result["source_documents"]])
        prompt = ChatPromptTemplate.from_template("{context}\n\nQuestion: {input}")
        newer = create_retrieval_chain(self.make(k=2),
                                       create_stuff_documents_chain(Local(), prompt))
        self.assertIn("Ada Solberg", newer.invoke({"input": support.QUESTION})["answer"])
        self.assertIn("Ada Solberg", seen[0])
        self.assertEqual(len(seen), 2)

    def test_a_retrieval_chain(self):
        from langchain_core.output_parsers import StrOutputParser
        from langchain_core.prompts import ChatPromptTemplate
        from langchain_core.runnables import RunnableLambda, RunnablePassthrough

        seen = []

        def read(prompt):
            seen.append(prompt.to_string())
            return local_reader(prompt.to_string())
        chain = ({"context": self.make(k=2) | (lambda ds: "\n".join(d.page_content for d in ds)),
                  "question": RunnablePassthrough()}
                 | ChatPromptTemplate.from_template("{context}\n\nQuestion: {question}")
                 | RunnableLambda(read) | StrOutputParser())
        self.assertIn("Ada Solberg", chain.invoke(support.QUESTION))
        self.assertIn("Ada Solberg", seen[0])
        self.assertTrue(asyncio.run(chain.ainvoke(support.QUESTION)))


class LlamaIndex(Checks):
    def setUp(self):
        from s3attn.llama_index import S3AttnRetriever

        self.make = lambda **more: S3AttnRetriever(support.engine(), support.store(), **more)

    def test_nodes_slice_the_document_by_characters(self):
        nodes = self.make(k=4).retrieve("Who owns the café beside the mill?")
        self.assertGreater(nodes[0].score, nodes[-1].score)
        for each in nodes:
            text = support.store().text(each.node.metadata["document_id"]).decode()
            self.assertEqual(text[each.node.start_char_idx:each.node.end_char_idx], each.node.text)
        found = self.make(k=1).retrieve(support.QUESTION)
        self.check([found[0].node.text], [found[0].node.metadata])
        again = asyncio.run(self.make(k=1).aretrieve(support.QUESTION))
        self.assertEqual(again[0].node.text, found[0].node.text)

    def test_filters(self):
        only = self.make(filters={"types": "text"}).retrieve(support.QUESTION)
        self.assertEqual({pathlib.Path(n.node.metadata["source"]).name for n in only}, {"ost.txt"})

    def test_a_query_engine(self):
        from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
        from llama_index.core.llms.callbacks import llm_completion_callback
        from llama_index.core.query_engine import RetrieverQueryEngine

        seen = []

        class Local(CustomLLM):
            @property
            def metadata(self):
                return LLMMetadata(context_window=2048, num_output=32, model_name="local")

            @llm_completion_callback()
            def complete(self, prompt, formatted=False, **options):
                seen.append(prompt)
                return CompletionResponse(text=local_reader(prompt))

            @llm_completion_callback()
            def stream_complete(self, prompt, formatted=False, **options):
                yield self.complete(prompt)
        engine = RetrieverQueryEngine.from_args(self.make(k=2), llm=Local())
        response = engine.query(support.QUESTION)
        self.assertIn("Ada Solberg", str(response))
        self.assertIn("Ada Solberg", seen[0])
        self.assertEqual(len(response.source_nodes), 2)


class Haystack(Checks):
    def setUp(self):
        from s3attn.haystack import S3AttnRetriever

        self.kind = S3AttnRetriever
        self.make = lambda **more: S3AttnRetriever(support.engine(), support.store(), **more)

    def test_sync_async_top_k_and_filters(self):
        documents = self.make(top_k=2).run(query=support.QUESTION)["documents"]
        self.check([d.content for d in documents], [d.meta for d in documents])
        self.assertEqual(documents[0].score, documents[0].meta["score"])
        again = asyncio.run(self.make(top_k=2).run_async(query=support.QUESTION))["documents"]
        self.assertEqual([d.content for d in again], [d.content for d in documents])
        self.assertEqual(len(self.make().run(query=support.QUESTION, top_k=1)["documents"]), 1)
        only = self.make().run(query=support.QUESTION, filters={"types": "text"})["documents"]
        self.assertEqual({pathlib.Path(d.meta["source"]).name for d in only}, {"ost.txt"})

    def test_a_pipeline_with_a_reader(self):
        from haystack import Pipeline, component
        from haystack.components.builders import PromptBuilder

        seen = []

        @component
        class Local:
            @component.output_types(replies=list[str])
            def run(self, prompt: str):
                seen.append(prompt)
                return {"replies": [local_reader(prompt)]}
        pipeline = Pipeline()
        pipeline.add_component("retriever", self.make(top_k=2))
        pipeline.add_component("prompt", PromptBuilder(
            "{% for d in documents %}{{ d.content }}\n{% endfor %}{{ question }}",
            required_variables="*"))
        pipeline.add_component("reader", Local())
        pipeline.connect("retriever.documents", "prompt.documents")
        pipeline.connect("prompt.prompt", "reader.prompt")
        answer = pipeline.run({"retriever": {"query": support.QUESTION},
                               "prompt": {"question": support.QUESTION}})
        self.assertIn("Ada Solberg", answer["reader"]["replies"][0])
        self.assertIn("Ada Solberg", seen[0])

    def test_a_pipeline_can_be_saved(self):
        from haystack import Pipeline

        pipeline = Pipeline()
        pipeline.add_component("retriever", self.kind({"threads": 1}, support.store().path))
        again = Pipeline.loads(pipeline.dumps(), allowed_modules=["s3attn.haystack"])
        found = again.run({"retriever": {"query": support.QUESTION, "top_k": 1}})
        self.assertIn("Ada Solberg", found["retriever"]["documents"][0].content)
        with self.assertRaises(ValueError):
            self.make().to_dict()


if __name__ == "__main__":
    unittest.main()

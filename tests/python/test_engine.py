"""Store, Engine, errors, progress, cancelling: on the real model."""

import asyncio
import gc
import multiprocessing
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import unittest

import numpy
import s3attn
import support

BOOK = pathlib.Path(__file__).resolve().parents[2] / "examples/the_phantom_of_the_opera.md"


def search_in_child(queue, path, engine):
    try:
        engine.search(path, support.QUESTION)
        queue.put("worked")
    except s3attn.UnsupportedError as error:
        queue.put(str(error))
    queue.put([document.path for document in s3attn.Store(path)])


class Documents(support.ModelTest):
    def test_list_read_and_find(self):
        store = support.store()
        documents = store.list()
        self.assertEqual([pathlib.Path(d.path).name for d in documents], list(support.TEXTS))
        first = documents[0]
        self.assertEqual((first.id, first.format, first.offsets, first.complete),
                         (1, "markdown", "source", True))
        self.assertGreater(first.tokens, 20)
        self.assertEqual(store.find(first.path).id, first.id)
        self.assertIsNone(store.find("nowhere"))
        self.assertEqual(store.document(2).path, documents[1].path)
        self.assertEqual(store.text(1).decode(), support.TEXTS["varn.md"].rstrip())
        part = store.read(1, 60, 70)
        self.assertIn("lighthouse", part.units[0].text)
        self.assertEqual(len(store), 2)
        self.assertIn("varn.md", repr(first))

    def test_export_import_merge_remove_verify(self):
        top = support.folder()
        store = support.store()
        store.export(top / "one.s3x")
        copy = s3attn.Store.from_export(top / "one.s3x", top / "copy.s3")
        self.assertEqual(len(copy), 2)
        removed = copy.remove(copy.list()[0].path)
        self.assertEqual([d.id for d in removed], [1])
        merged = s3attn.Store(top / "merged.s3")
        self.assertFalse(merged.exists)
        stages = []
        report = merged.merge([copy, store], progress=lambda p: stages.append(p.stage))
        self.assertEqual((report.documents, merged.exists), (2, True))
        self.assertEqual(merged.verify().documents, 2)
        with self.assertRaises(s3attn.NotFoundError):
            merged.remove("nowhere")

    def test_a_store_goes_into_other_processes(self):
        store = pickle.loads(pickle.dumps(support.store()))
        self.assertEqual(len(store), 2)

    def test_errors_have_code_reason_and_subject(self):
        store = s3attn.Store(support.folder() / "none.s3")
        self.assertFalse(store.exists)
        with self.assertRaises(s3attn.NotFoundError) as caught:
            store.list()
        error = caught.exception
        self.assertIsInstance(error, LookupError)
        self.assertEqual((error.code, error.reason), ("not_found", "store.not_found"))
        self.assertIn("none.s3", str(error))
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), again.reason, str(again)),
                         (type(error), error.reason, str(error)))
        for code in ("invalid_argument", "io", "corrupt", "mismatch", "unsupported", "cancelled",
                     "busy", "exhausted", "internal"):
            self.assertEqual(s3attn.errors.make(code, "m", "", "s").code, code)

    def test_a_store_that_is_being_written_is_busy(self):
        script = ("import s3attn, sys, time\n"
                  "def stop(p):\n"
                  "    print('on', flush=True); time.sleep(60)\n"
                  "s3attn.Engine().index(sys.argv[1], [sys.argv[2]], progress=stop)\n")
        path = support.folder() / "busy.s3"
        other = subprocess.Popen([sys.executable, "-c", script, str(path), str(BOOK)],
                                 stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(other.stdout.readline(), "on\n")
            with self.assertRaises(s3attn.BusyError):
                support.engine().index(path, BOOK)
        finally:
            other.kill()
            other.communicate()


class Searching(support.ModelTest):
    def test_spans_cite_their_documents(self):
        found = support.engine().search(support.store(), support.QUESTION, budget_tokens=200)
        self.assertGreater(len(found), 1)
        best = found[0]
        self.assertIn("Ada Solberg", best.text)
        self.assertTrue(best.lines[0] <= 3 <= best.lines[1], msg=best.lines)
        self.assertIsNone(best.page)
        begin, end = best.bytes
        self.assertEqual(support.store().text(best.document_id)[begin:end].decode(), best.text)
        self.assertEqual(set(best.scores), {"s3", "bm25"})
        self.assertEqual([span.text for span in found], [span.text for span in found.spans])
        self.assertLessEqual(found.used_tokens, 200)
        with self.assertRaises(IndexError):
            found[len(found)]

    def test_a_span_outlives_its_result(self):
        span = support.engine().search(support.store(), support.QUESTION)[0]
        gc.collect()
        self.assertIn("Ada Solberg", span.text)

    def test_options_and_filters(self):
        engine, store = support.engine(), support.store()

        def paths(**options):
            return {pathlib.Path(span.path).name
                    for span in engine.search(store, support.QUESTION, **options)}
        self.assertEqual(paths(), set(support.TEXTS))
        self.assertEqual(paths(types="text"), {"ost.txt"})
        self.assertEqual(paths(types=["markdown"]), {"varn.md"})
        self.assertEqual(paths(where="*/ost.txt"), {"ost.txt"})
        self.assertEqual(paths(where=[1]), {"varn.md"})
        self.assertEqual(paths(where=lambda d: d.id == 2, types="text"), {"ost.txt"})
        self.assertEqual(len(engine.search(store, support.QUESTION, max_spans=2)), 2)
        self.assertEqual(engine.search(store, support.QUESTION, method="bm25").method, "bm25")

    def test_wrong_arguments(self):
        engine, store = support.engine(), support.store()
        for options, reason in (({"question": " "}, "question.empty"),
                                ({"budget_tokens": 0}, "budget.zero")):
            arguments = {"question": "Who?", **options}
            with self.assertRaises(s3attn.InvalidArgumentError) as caught:
                engine.search(store, **arguments)
            self.assertEqual(caught.exception.reason, reason)
            self.assertIsInstance(caught.exception, ValueError)
        for options in ({"method": "guess"}, {"scoring": "guess"}, {"rounds": 0}):
            with self.assertRaises(s3attn.InvalidArgumentError):
                engine.search(store, "Who?", **options)
        with self.assertRaises(TypeError):
            engine.search(store, 7)
        for options in ({"device": "tpu"}, {"rerank": "sometimes"}):
            with self.assertRaises(s3attn.InvalidArgumentError):
                s3attn.Engine(**options)
        with self.assertRaises(s3attn.Error):
            s3attn.Engine(model=BOOK)

    def test_what_a_filter_raises_comes_through(self):
        with self.assertRaisesRegex(ZeroDivisionError, "division"):
            support.engine().search(support.store(), "Who?", where=lambda d: 1 // 0)
        self.assertTrue(len(support.engine().search(support.store(), "Who?")))

    def test_ask_streams_and_cites(self):
        pieces, evidence = [], []
        answer = support.engine().ask(support.store(), support.QUESTION, stream=pieces.append,
                                      on_evidence=evidence.append, max_answer_tokens=24,
                                      budget_tokens=200)
        self.assertEqual("".join(pieces).strip(), answer.text.strip())
        self.assertEqual(evidence[0].spans[0].text, answer.search.spans[0].text)
        self.assertEqual(str(answer), answer.text)
        quote = answer.quote
        self.assertIn("Ada Solberg", quote.text)
        begin, end = quote.bytes
        document = answer.search.spans[quote.span_index].document_id
        self.assertEqual(support.store().text(document)[begin:end].decode(), quote.text)
        for citation in answer.citations:
            self.assertLess(citation.span_index, len(answer.search.spans))
        self.assertEqual(len(answer.cited), len(answer.citations))

    def test_false_ends_an_answer(self):
        answer = support.engine().ask(support.store(), support.QUESTION, stream=lambda piece: False,
                                      max_answer_tokens=24)
        self.assertTrue(answer.cancelled)

    def test_what_a_stream_raises_comes_through(self):
        def fail(piece):
            raise RuntimeError("pipe closed")
        with self.assertRaisesRegex(RuntimeError, "pipe closed"):
            support.engine().ask(support.store(), support.QUESTION, stream=fail)


class Running(support.ModelTest):
    def test_progress(self):
        seen = []
        top = support.folder()
        (top / "a.txt").write_text("The mill at Ost grinds rye. " * 200)
        report = support.engine().index(top / "p.s3", top / "a.txt", progress=seen.append)
        self.assertEqual([f.kind for f in report.files], ["indexed"])
        self.assertIn("scan", {p.stage for p in seen})
        self.assertTrue(all(p.done <= p.total for p in seen if p.total))
        again = support.engine().index(str(top / "p.s3"), [str(top / "a.txt")], progress=True)
        self.assertEqual([f.kind for f in again.files], ["unchanged"])

    def test_what_cannot_be_read_is_named(self):
        top = support.folder()
        report = support.engine().index(top / "p.s3", [top / "not there.txt"])
        self.assertEqual(report.files[0].kind, "skipped")
        self.assertTrue(report.files[0].reason)

    def test_what_progress_raises_ends_the_call_and_it_goes_on_later(self):
        path = support.folder() / "book.s3"

        def stop(progress):
            if progress.done:
                raise StopIteration("enough")
        with self.assertRaisesRegex(StopIteration, "enough"):
            support.engine().index(path, BOOK, progress=stop)

    def test_ctrl_c_ends_a_call(self):
        path = support.folder() / "book.s3"
        timer = []

        def interrupt_soon(progress):
            if not timer and progress.done:
                timer.append(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)))
                timer[0].start()
        with self.assertRaises(KeyboardInterrupt):
            support.engine().index(path, BOOK, progress=interrupt_soon)
        self.assertTrue(len(support.engine().search(support.store(), support.QUESTION)))

    def test_other_handlers_run_meanwhile_and_do_not_end_it(self):
        ran = []
        before = signal.signal(signal.SIGALRM, lambda *_: ran.append(True))
        try:
            def alarm(progress):
                if not ran:
                    signal.setitimer(signal.ITIMER_REAL, 0.01)
            top = support.folder()
            (top / "a.txt").write_text("The mill at Ost grinds rye and barley. " * 400)
            report = support.engine().index(top / "p.s3", top / "a.txt", progress=alarm)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        self.assertTrue(ran)
        self.assertEqual(report.files[0].kind, "indexed")

    def test_a_token_ends_a_call_on_another_thread(self):
        token = s3attn.CancelToken()
        raised = []

        def work():
            try:
                support.engine().index(support.folder() / "b.s3", BOOK, cancel=token,
                                       progress=lambda p: started.set())
            except s3attn.CancelledError as error:
                raised.append(error)
        started = threading.Event()
        thread = threading.Thread(target=work)
        thread.start()
        started.wait(30)
        token.cancel()
        thread.join()
        self.assertEqual(len(raised), 1)

    def test_asyncio(self):
        async def both():
            store, engine = support.store(), support.engine()
            found = await asyncio.gather(*(engine.asearch(store, support.QUESTION, max_spans=1)
                                           for _ in range(3)))
            started = asyncio.Event()
            loop = asyncio.get_running_loop()
            task = asyncio.ensure_future(engine.aindex(
                support.folder() / "a.s3", BOOK,
                progress=lambda p: loop.call_soon_threadsafe(started.set)))
            await started.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            return found
        found = asyncio.run(both())
        self.assertEqual({each[0].text for each in found}, {found[0][0].text})

    def test_threads_share_an_engine_and_the_gil_is_free(self):
        spans, counted = [], [0]
        stop = threading.Event()

        def count():
            while not stop.is_set():
                counted[0] += 1

        def search():
            for _ in range(5):
                spans.append(support.engine().search(support.store(), support.QUESTION)[0].text)
        counter = threading.Thread(target=count)
        counter.start()
        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        counter.join()
        self.assertEqual(len(spans), 20)
        self.assertEqual(len(set(spans)), 1)
        self.assertGreater(counted[0], 1000)

    def test_a_forked_process_is_refused_and_ends(self):
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        path = support.store().path
        child = context.Process(target=search_in_child, args=(queue, path, support.engine()))
        child.start()
        self.assertIn("fork", queue.get(timeout=60))
        self.assertEqual(len(queue.get(timeout=60)), 2)
        child.join(60)
        self.assertEqual(child.exitcode, 0)


class Codes(support.ModelTest):
    TEXT = "Café Ærø stands beside the mill."

    def test_views_and_shapes(self):
        codes = support.engine().codes(self.TEXT)
        info = support.engine().probe().info
        n = len(codes)
        self.assertEqual((codes.tokens.shape, codes.tokens.dtype), ((n,), numpy.int32))
        self.assertEqual((codes.offsets.shape, codes.offsets.dtype), ((n + 1,), numpy.uint64))
        self.assertEqual(codes.offsets[-1], len(self.TEXT.encode()))
        self.assertEqual(codes.features.shape, (n, len(info.slots), info.k))
        self.assertEqual((codes.features.dtype, codes.activations.dtype),
                         (numpy.uint16, numpy.uint8))
        self.assertLess(codes.features.max(), info.latents)
        self.assertTrue(numpy.shares_memory(codes.features, codes.features), "no copy")
        self.assertFalse(codes.features.flags.writeable)

    def test_an_array_keeps_its_data(self):
        features = support.engine().codes(self.TEXT).features
        expected = features.copy()
        for _ in range(20):
            support.engine().codes("Something else of about this length.")
        gc.collect()
        numpy.testing.assert_array_equal(features, expected)

    def test_keys_codes_and_scores_fit_together(self):
        probe, store = support.engine().probe(), support.store()
        info = probe.info
        slot = info.slots[1]
        keys = probe.keys(self.TEXT, [(slot.layer, slot.kv_head)]).rows
        codes = probe.codes(self.TEXT)
        again = probe.encode(1, keys[0])
        same = (again.features == codes.features[:, 1, :]).mean()
        self.assertGreater(same, 0.99)
        decoded = probe.decode(1, again.features, again.activations)
        self.assertEqual(decoded.shape, keys[0].shape)
        numpy.testing.assert_allclose(numpy.linalg.norm(decoded, axis=1), 1, atol=0.05)
        queries = probe.queries(self.TEXT, [(info.n_layer - 1, 0), (0, info.n_head - 1)])
        self.assertEqual(queries.rows.shape, (2, len(codes), info.d_head))
        self.assertTrue(numpy.isfinite(queries.rows).all())

        weights = probe.query_weights(support.QUESTION)
        lanes = probe.lane_scores(store, support.QUESTION)
        numpy.testing.assert_allclose(weights.shares.sum(axis=1), 1, atol=1e-5)
        temperature = numpy.array([head.temperature for head in info.heads])[None, :, None]
        mixture = numpy.array([head.mixture for head in info.heads])[None, :, None]
        share = numpy.exp(temperature * lanes.scores - lanes.log_totals)
        mass = (mixture * weights.shares * share).sum(axis=(1, 2))
        numpy.testing.assert_allclose(mass, lanes.mass, atol=1e-5)
        best = int(mass.argmax())
        found = support.engine().search(store, support.QUESTION, method="s3")
        self.assertEqual(found[0].byte_begin, lanes.begin[best])
        self.assertAlmostEqual(found[0].scores["s3"], lanes.mass[best], places=5)

    def test_wrong_heads_and_shapes_are_named(self):
        probe = support.engine().probe()
        with self.assertRaisesRegex(s3attn.InvalidArgumentError, "layer 99"):
            probe.keys("a", [(99, 0)])
        with self.assertRaises(s3attn.InvalidArgumentError):
            probe.encode(0, numpy.zeros((2, 3)))
        with self.assertRaises(s3attn.InvalidArgumentError):
            probe.encode(77, numpy.zeros((2, probe.info.d_head)))


class Package(unittest.TestCase):
    def test_help_reads_well(self):
        import pydoc

        text = pydoc.render_doc(s3attn, renderer=pydoc.plaintext)
        for words in ("answers from documents", "class Engine", "class Store", "NotFoundError"):
            self.assertIn(words, text)
        for name in s3attn.__all__:
            self.assertTrue(getattr(s3attn, name).__doc__, msg=f"{name} has no docstring")

    def test_the_program_runs_as_a_module(self):
        done = subprocess.run([sys.executable, "-m", "s3attn", "--version"], capture_output=True,
                              text=True, check=True)
        self.assertIn(s3attn.__version__, done.stdout)

    def test_what_a_program_may_not_need_is_loaded_when_it_is_used(self):
        """import s3attn stays quick: no numpy, tqdm, subprocess or asyncio before somebody asks."""
        code = ("import sys; before = set(sys.modules); import s3attn; "
                "new = set(sys.modules) - before; "
                "slow = {'numpy', 'tqdm', 'subprocess', 'asyncio', 'csv', 'dataclasses', 's3attn.evaluation'}; "
                "print(sorted(new & slow)); s3attn.eval; "
                "print('s3attn.evaluation' in sys.modules, 'evaluate_beir' in dir(s3attn))")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              check=True)
        self.assertEqual(done.stdout.split("\n")[:2], ["[]", "True True"])
        with self.assertRaises(AttributeError):
            s3attn.evaluat

    def test_the_environment_is_put_back(self):
        script = ("import os; before = dict(os.environ); import s3attn\n"
                  "assert dict(os.environ) == before")
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("OMP_", "GOMP_"))}
        subprocess.run([sys.executable, "-c", script], check=True, env=environment)

    def test_train_options_are_checked(self):
        with self.assertRaisesRegex(s3attn.InvalidArgumentError, "no option 'steps'"):
            s3attn.train("m.gguf", "text", "out", steps=3)
        with self.assertRaisesRegex(s3attn.InvalidArgumentError, "negatives"):
            s3attn.train("m.gguf", "text", "out", negatives="some")
        with self.assertRaisesRegex(s3attn.Error, "not there"):
            s3attn.train("not there.gguf", __file__, support.folder() / "out", n_heads=2)


if __name__ == "__main__":
    unittest.main()

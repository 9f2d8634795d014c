"""The set-up scripts, without a network: what they accept, refuse and leave alone."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv[1])
MODEL_BYTES = 98362432
READER_BYTES, READER_PART_BYTES = 491400064, 89128960


class SetupTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="s3attn set-up ")  # with spaces
        self.addCleanup(self.folder.cleanup)
        self.top = pathlib.Path(self.folder.name)
        # An index that answers nobody: a test that would fetch something fails at once.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.top), "LC_ALL": "C",
                            "XDG_CACHE_HOME": str(self.top / "cache"), "S3ATTN_NO_SYSTEM": "1",
                            "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
                            "PIP_RETRIES": "0"}

    def setup_script(self, *arguments, **environment):
        return subprocess.run([str(ROOT / "scripts/setup.sh"), *arguments], capture_output=True,
                              text=True, env={**self.environment, **environment}, timeout=120)

    def llama_prefix(self, name):
        package = self.top / name / "lib/cmake/llama"
        package.mkdir(parents=True)
        (package / "llama-config.cmake").touch()
        return str(self.top / name)

    def own_parts(self):
        model = self.top / "my model.gguf"
        model.write_bytes(b"GGUF")
        return {"MODEL": str(model), "CMAKE_PREFIX_PATH": self.llama_prefix("my llama")}

    def test_own_runtime_and_model_are_used_and_nothing_is_fetched(self):
        own = self.own_parts()
        run = self.setup_script("--print-prefix", **own)
        self.assertEqual((run.returncode, run.stdout.strip(), run.stderr),
                         (0, own["CMAKE_PREFIX_PATH"], ""))
        run = self.setup_script("--print-model", **own)
        self.assertEqual((run.stdout.strip(), run.stderr), (own["MODEL"], ""))
        self.assertFalse((self.top / "cache").exists())

    def test_runtime_is_found_anywhere_in_the_prefix_path(self):
        own = self.own_parts()
        for separator in ";:":
            path = separator.join([str(self.top / "other"), own["CMAKE_PREFIX_PATH"]])
            run = self.setup_script("--print-prefix", **{**own, "CMAKE_PREFIX_PATH": path})
            self.assertEqual(run.stdout.strip(), own["CMAKE_PREFIX_PATH"], run.stderr)

    def test_environment_file_quotes_its_values_and_is_left_alone_when_unchanged(self):
        own = self.own_parts()
        file = self.top / "build dir/setup.env"
        self.assertEqual(self.setup_script("--env", str(file), **own).returncode, 0)
        shown = subprocess.run(["bash", "-c", '. "$1"; printf "%s|%s" "$S3ATTN_PREFIX" '
                                '"$S3ATTN_DEFAULT_MODEL"', "x", str(file)],
                               capture_output=True, text=True)
        self.assertEqual(shown.stdout, f"{own['CMAKE_PREFIX_PATH']}|{own['MODEL']}")
        before = file.stat().st_mtime_ns
        self.setup_script("--env", str(file), **own)
        self.assertEqual(file.stat().st_mtime_ns, before)

    def test_missing_own_model_is_an_error(self):
        run = self.setup_script(**{**self.own_parts(), "MODEL": str(self.top / "no.gguf")})
        self.assertEqual(run.returncode, 1)
        self.assertIn("no.gguf", run.stderr)

    def test_unknown_option_is_wrong_usage(self):
        self.assertEqual(self.setup_script("--wrong").returncode, 2)
        self.assertEqual(self.setup_script("--help").returncode, 0)

    def test_a_failed_build_tells_where_its_log_is_and_leaves_no_prefix(self):
        own = self.own_parts()
        run = self.setup_script(MODEL=own["MODEL"])
        self.assertEqual(run.returncode, 1)
        cache = self.top / "cache/s3attn"
        self.assertIn(str(cache / "llama-build.log"), run.stderr)
        self.assertEqual([path for path in cache.iterdir() if path.is_dir()], [])

    def test_what_a_killed_set_up_left_is_removed_and_not_used(self):
        own = self.own_parts()
        cache = self.top / "cache/s3attn"
        half = cache / "work.abc123/prefix/lib/cmake/llama"
        half.mkdir(parents=True)
        (half / "llama-config.cmake").touch()
        run = self.setup_script(MODEL=own["MODEL"])
        self.assertEqual(run.returncode, 1)  # it has to build, and cannot
        self.assertIn("interrupted", run.stderr)
        self.assertFalse((cache / "work.abc123").exists())

    def test_a_model_cut_short_is_not_taken_for_whole(self):
        own = self.own_parts()
        cache = self.top / "cache/s3attn"
        cache.mkdir(parents=True)
        model = cache / "SmolLM2-135M-Instruct.Q4_1.gguf"
        with model.open("wb") as file:
            file.truncate(MODEL_BYTES - 1)
        run = self.setup_script(CMAKE_PREFIX_PATH=own["CMAKE_PREFIX_PATH"])
        self.assertEqual(run.returncode, 1)
        self.assertIn("model.log", run.stderr)
        with model.open("wb") as file:
            file.truncate(MODEL_BYTES)
        run = self.setup_script(CMAKE_PREFIX_PATH=own["CMAKE_PREFIX_PATH"], S3ATTN_NO_READER="1")
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def models_in_cache(self, reader_bytes):
        cache = self.top / "cache/s3attn"
        cache.mkdir(parents=True)
        for name, size in (("SmolLM2-135M-Instruct.Q4_1.gguf", MODEL_BYTES),
                           ("Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf", reader_bytes)):
            with (cache / name).open("wb") as file:
                file.truncate(size)
        return cache

    def test_without_the_reader_the_set_up_goes_on_and_says_so(self):
        own = self.own_parts()
        cache = self.models_in_cache(READER_BYTES - 1)
        partial = cache / "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf.partial"
        with partial.open("wb") as file:  # two parts and a piece of the third
            file.truncate(2 * READER_PART_BYTES + 5)
        run = self.setup_script("--print-reader", CMAKE_PREFIX_PATH=own["CMAKE_PREFIX_PATH"])
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        self.assertIn("note: the reader could not be fetched", run.stderr)
        self.assertIn("part 3 could not be fetched", run.stderr)  # it goes on where it stopped
        self.assertEqual(partial.stat().st_size, 2 * READER_PART_BYTES)
        self.assertEqual([path for path in cache.iterdir() if path.is_dir()], [])

    def test_slices_that_do_not_add_up_are_thrown_away(self):
        own = self.own_parts()
        cache = self.models_in_cache(0)
        partial = cache / "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf.partial"
        with partial.open("wb") as file:
            file.truncate(6 * READER_PART_BYTES)
        run = self.setup_script(CMAKE_PREFIX_PATH=own["CMAKE_PREFIX_PATH"])
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("do not add up", run.stderr)
        self.assertFalse(partial.exists())

    def test_a_reader_that_is_there_is_printed_and_nothing_is_fetched(self):
        own = self.own_parts()
        cache = self.models_in_cache(READER_BYTES)
        run = self.setup_script("--print-reader", CMAKE_PREFIX_PATH=own["CMAKE_PREFIX_PATH"])
        self.assertEqual((run.returncode, run.stdout.strip(), run.stderr),
                         (0, str(cache / "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"), ""))


unittest.main(argv=sys.argv[:1])

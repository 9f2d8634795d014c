"""Each message names what the user wrote, and where it stood: argument, variable or config file."""

import os
import subprocess
import unittest

from support import PROGRAM, ProgramTest, run


class Messages(ProgramTest):
    def wrong(self, *arguments, code=2, **keywords):
        done = run(*arguments, **keywords)
        self.assertEqual(done.returncode, code, msg=f"{arguments}: {done.stdout}{done.stderr}")
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_the_nearest_command_is_named(self):
        for word, meant in (("serch", "search"), ("indx", "index"), ("evla", "eval"),
                            ("lsit", "list"), ("Search", "search"), ("ver", "verify")):
            self.assertIn(f"'{word}'; did you mean '{meant}'?", self.wrong(word, self.store, "q"))
        self.assertIn("'retrieval'", self.wrong("eval", "retreival", "--data", "x"))
        far = self.wrong("frobnicate")
        self.assertIn("'frobnicate'", far)
        self.assertIn("index, ask, search", far)
        self.assertIn("index, ask, search", self.wrong())

    def test_an_unquoted_question_is_shown_as_it_was_asked(self):
        for command in ("search", "ask"):
            said = self.wrong(command, self.store, "Who", "built", "the", "mill?", "--budget", "64")
            self.assertIn('in quotes: "Who built the mill?"', said)
            self.assertIn("unexpected: built the mill?", said)

    def test_the_nearest_option_is_named(self):
        said = self.wrong("search", self.store, "q", "--bugdet", "3")
        self.assertIn("no option --bugdet; did you mean --budget?", said)
        self.assertIn("--model?", self.wrong("--modle=x", "list", self.store))

    def test_a_bad_value_is_blamed_on_where_it_stands(self):
        config = self.write("c.toml", 'threads = "many"\n[search]\nbudget = "lots"\n')
        search = ("search", self.store, "q")
        self.assertIn("--budget: Value lots", self.wrong(*search, "--budget", "lots"))
        self.assertIn("--budget: Value lots", self.wrong(*search, "--budget=lots"))
        said = self.wrong(*search, env={"S3ATTN_BUDGET": "lots"})
        self.assertIn("S3ATTN_BUDGET: Value lots", said)
        self.assertNotIn("--budget", said)
        for name in ("THREADS", "DEVICE", "CHUNK", "METHOD", "SCORING", "MAX_FEATURES", "ROUNDS",
                     "READER_CONTEXT"):
            said = self.wrong(*search, env={f"S3ATTN_{name}": "many"})
            self.assertIn(f"S3ATTN_{name}", said)
            self.assertIn("many", said)
        said = self.wrong(*search, "--config", config, env={"S3ATTN_THREADS": "2"})
        self.assertIn(f"budget in {config}: Value lots", said)
        config.write_text("[search]\nbudgte = 3\n")
        said = self.wrong(*search, env={"S3ATTN_CONFIG": str(config)})
        self.assertIn(str(config), said)
        self.assertIn("did you mean 'budget'?", said)

    def test_a_config_file_that_is_not_there(self):
        self.assertIn("--config: cannot read", self.wrong("list", self.store, "--config", "/no/x"))
        self.assertIn("S3ATTN_CONFIG: cannot read",
                      self.wrong("list", self.store, env={"S3ATTN_CONFIG": "/no/x"}))

    def test_a_misspelt_variable_is_noted(self):
        done = run("list", self.store, env={"S3ATTN_BUDGTE": "3"})
        self.assertIn("S3ATTN_BUDGTE; did you mean S3ATTN_BUDGET?", done.stderr)
        self.assertNotIn("did you mean", run("list", self.store,
                                             env={"S3ATTN_TEST_MODEL": "x"}).stderr)
        for known in ("S3ATTN_READER_KEY", "S3ATTN_CACHE"):
            self.assertNotIn("did you mean", run("list", self.store, env={known: "x"}).stderr)

    def test_a_file_that_cannot_be_used_is_traced_to_who_named_it(self):
        source = self.write("a.txt", "The mill was built in 1804.")
        self.assertEqual(run("index", self.store, source).returncode, 0)
        junk = self.write("junk.gguf", b"GGUF" + os.urandom(500))
        for option in ("reader", "model"):
            said = self.wrong("ask", self.store, "When was the mill built?", f"--{option}", junk,
                              code=1)
            self.assertIn(f"{junk} is what --{option} names", said)
            self.assertNotIn("--reader" if option == "model" else "--model", said)
            variable = f"S3ATTN_{option.upper()}"
            said = self.wrong("ask", self.store, "When was the mill built?", code=1,
                              env={variable: str(junk)})
            self.assertIn(f"{junk} is what {variable} names", said)
        config = self.write("c.toml", f'adapter = "{self.directory}/none"\n')
        said = self.wrong("search", self.store, "mill?", "--config", config, code=1)
        self.assertIn(f"adapter in {config} names", said)

    def test_no_model_and_no_home(self):
        environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.directory)}
        done = subprocess.run([PROGRAM, "search", self.store, "q"], capture_output=True, text=True,
                              env=environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{self.directory}/s3attn", done.stderr)
        self.assertIn("S3ATTN_MODEL", done.stderr)
        # Without HOME the user database says where the home folder is; nothing is misread.
        done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, env={})
        self.assertEqual(done.returncode, 0, msg=done.stderr)


if __name__ == "__main__":
    unittest.main()

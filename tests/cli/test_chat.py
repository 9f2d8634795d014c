"""`s3attn chat` at a terminal: what Ctrl-C does."""

import os
import pty
import select
import signal
import subprocess
import unittest

from support import PROGRAM, ProgramTest, environment, run


class Chat(ProgramTest):
    def setUp(self):
        super().setUp()
        text = self.write("mill.md", "The mill was built in 1804.\n\nThe bridge came later.\n")
        self.assertEqual(run("index", self.store, text).returncode, 0)
        self.seen = b""
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen([PROGRAM, "chat", self.store], stdin=slave, stdout=slave,
                                        stderr=slave, env=environment())
        os.close(slave)

    def tearDown(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        super().tearDown()

    def read_until(self, wanted):
        """Up to and with `wanted`; what stands behind it is for the next call."""
        while wanted not in self.seen:
            ready, _, _ = select.select([self.master], [], [], 60)
            self.assertTrue(ready, msg=f"no {wanted!r} behind {self.seen!r}")
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(wanted)[2]

    def test_an_interrupt_at_the_prompt_is_told_and_the_prompt_comes_back(self):
        self.read_until(b"> ")
        for _ in range(2):
            self.process.send_signal(signal.SIGINT)
            self.read_until(b"interrupted")
            self.read_until(b"> ")
        os.write(self.master, b"\n")
        self.assertEqual(self.process.wait(timeout=60), 0)

    def test_an_interrupt_ends_the_answer_and_the_prompt_comes_back(self):
        self.read_until(b"> ")
        os.write(self.master, b"When was the mill built?\n")
        self.read_until(b"built?")  # the terminal's echo
        self.process.send_signal(signal.SIGINT)
        self.read_until(b"interrupted")
        self.read_until(b"> ")
        os.write(self.master, b"\n")
        self.process.wait(timeout=60)


if __name__ == "__main__":
    unittest.main()

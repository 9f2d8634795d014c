"""The installed package and the source tree, as somebody else's project uses them.

consumer_test.py SOURCE BUILD CONSUMER LLAMA_PREFIX MODEL
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD, CONSUMER, LLAMA, MODEL = map(pathlib.Path, sys.argv[1:6])
HERE = pathlib.Path(__file__).resolve().parent
TEXT = "The bridge came later than all else.\n\nThe mill was built in 1804 by Ada Solberg.\n"
QUESTION = "When was the mill built?"
# No path that the machine happens to have set.
ENVIRONMENT = {**{name: value for name, value in os.environ.items()
                  if not name.startswith(("S3ATTN_", "CMAKE_", "LD_", "PKG_CONFIG"))},
               "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "2000"}


def run(*command, **keywords):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True,
                          env=ENVIRONMENT, **keywords)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr}")
    return done.stdout


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="s3attn consumer ")
        cls.top = pathlib.Path(cls.folder.name)
        run("cmake", "--install", BUILD, "--prefix", cls.top / "first", "--strip")
        # Found where it is, not where it was put.
        (cls.top / "first").rename(cls.top / "prefix")
        cls.prefix = cls.top / "prefix"
        cls.text = cls.top / "mill.txt"
        cls.text.write_text(TEXT)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def finds_the_span(self, program, name):
        out = run(program, MODEL, self.prefix / "share/s3attn/models", self.top / f"{name}.s3",
                  self.text, QUESTION)
        self.assertIn("built in 1804", out)

    def configure(self, name, *options):
        folder = self.top / name
        run("cmake", "-S", HERE, "-B", folder, "-DCMAKE_BUILD_TYPE=Debug",
            "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *options)
        return folder

    def test_against_the_package(self):
        for variant in ("", "_static"):
            folder = self.configure("with" + variant, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                                    f"-DS3ATTN_VARIANT={variant}")
            run("cmake", "--build", folder)
            self.finds_the_span(folder / "consumer", "with" + variant)

    def test_with_pkg_config(self):
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "s3attn"], capture_output=True, text=True,
            check=True, env={**ENVIRONMENT, "PKG_CONFIG_PATH": str(
                next(self.prefix.glob("lib*/**/pkgconfig/s3attn.pc")).parent)}).stdout
        flags = re.split(r"(?<!\\)\s+", flags.strip())
        flags = [flag.replace("\\ ", " ") for flag in flags]
        library = next(flag[2:] for flag in flags if flag.startswith("-L"))
        run("c++", "-std=c++20", "-O0", HERE / "main.cpp", *flags, f"-Wl,-rpath,{library}", "-o",
            self.top / "by hand")
        self.finds_the_span(self.top / "by hand", "by hand")

    def test_against_the_source_tree(self):
        """Built with the tree's own objects; configured as a subproject."""
        self.finds_the_span(CONSUMER, "tree")
        folder = self.configure("sub", f"-DS3ATTN_SOURCE={SOURCE}", f"-DCMAKE_PREFIX_PATH={LLAMA}")
        commands = {pathlib.Path(each["file"]): each["command"] for each in
                    json.loads((folder / "compile_commands.json").read_text())}
        own = commands.pop(HERE / "main.cpp")
        self.assertIn(str(SOURCE / "include"), own)
        self.assertNotIn(str(SOURCE / "src"), own)
        for flag in ("-Wall", "-fvisibility", "-O2"):
            self.assertNotIn(flag, own)
        self.assertTrue(commands)
        for file, command in commands.items():
            top = str(file.relative_to(SOURCE)).split("/")[0] if file.is_relative_to(SOURCE) else ""
            self.assertNotIn(top, ("tests", "apps", "eval", "bench", "fuzz"), msg=file)
            self.assertNotIn("-Wall", command)
        cache = (folder / "CMakeCache.txt").read_text()
        self.assertIn("CMAKE_BUILD_TYPE:STRING=Debug", cache)
        self.assertFalse((folder / "CTestTestfile.cmake").exists(), "no tests in the parent")

    def test_the_program_of_the_package(self):
        program = self.prefix / "bin/s3attn"
        store = self.top / "program.s3"
        run(program, "index", store, self.text, "--model", MODEL)
        self.assertIn("1804", run(program, "search", store, QUESTION, "--model", MODEL))
        self.assertLess(program.stat().st_size, 15 << 20)

    def test_no_path_of_the_source_is_inside(self):
        names = [str(SOURCE).encode(), str(BUILD).encode()]
        for path in self.prefix.rglob("*"):
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                self.assertFalse([name for name in names if name + b"/" in data], msg=path)

    def test_only_the_interface_is_visible(self):
        library = next(path for path in self.prefix.glob("lib*/**/libs3attn.so*")
                       if not path.is_symlink())
        self.assertRegex(run("readelf", "-d", library), r"SONAME.*libs3attn\.so\.\d+\.\d+\]")
        symbols = run("nm", "-DC", "--defined-only", library)
        self.assertIn("s3attn::Engine::open", symbols)
        for hidden in ("s3attn::ThreadPool::", "s3attn::Searcher", "s3attn::text::", "nlohmann::",
                       "Eigen::"):
            self.assertNotIn(hidden, symbols)

    def test_everything_is_there(self):
        for name in ("include/s3attn/engine.h", "include/s3attn/version.h",
                     "share/doc/s3attn/LICENSE", "share/doc/s3attn/THIRD_PARTY.md",
                     "share/s3attn/models/smollm2-135m-instruct/adapter.json"):
            self.assertTrue((self.prefix / name).is_file(), msg=name)

    def test_headers_stand_alone_and_need_only_the_standard_library(self):
        headers = sorted((self.prefix / "include/s3attn").glob("*.h"))
        self.assertTrue(headers)
        for header in headers:
            for name in re.findall(r'#\s*include\s*(["<][^">]+)', header.read_text()):
                self.assertTrue(name.startswith('"s3attn/') or re.fullmatch(r"<[a-z_]+", name),
                                msg=f"{header.name} includes {name}")
            run("c++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++",
                "-I", self.prefix / "include", header)


if __name__ == "__main__":
    if not MODEL.is_file():
        print("no model: skipped")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])

#!/usr/bin/env python3
"""Fetches text in many languages under free licences, from Debian's packages, for `s3attn train`.

    scripts/training_text.py OUT [--work DIR] [--languages de,fr,...] [--bytes N]

Writes OUT/<language>-<source>.txt, paragraphs with blank lines between. Packages are downloaded
with apt-get into --work (default: OUT.packages) and unpacked there, never installed. Which
packages, with their licences: docs/training.md.

Most sources are translations of one original. A query side that is told to prefer a German passage
over the French one that says the same would unlearn what it needs for a question in another
language, so each passage is taken in a few languages only.
"""
import argparse
import gettext
import hashlib
import html.parser
import pathlib
import re
import subprocess
import sys

LANGUAGES = ("ar bg cs da de el es fa fi fr he hi hu id it ja ko nl pl pt ro ru sv th tr uk vi "
             "zh").split()
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]")
SCRIPTS = {"ar": "\u0600-\u06ff", "fa": "\u0600-\u06ff", "he": "\u0590-\u05ff",
           "hi": "\u0900-\u097f", "el": "\u0370-\u03ff", "ru": "\u0400-\u04ff",
           "uk": "\u0400-\u04ff", "bg": "\u0400-\u04ff", "th": "\u0e00-\u0e7f",
           "zh": "\u3400-\u9fff", "ja": "\u3040-\u30ff\u3400-\u9fff", "ko": "\uac00-\ud7af"}
# What translators call a language, where it is not the two letters.
REGIONS = {"ar": "ar-MA", "cs": "cs-CZ", "da": "da-DK", "de": "de-DE", "el": "el-GR", "es": "es-ES",
           "fa": "fa-IR", "fr": "fr-FR", "id": "id-ID", "it": "it-IT", "ja": "ja-JP", "ko": "ko-KR",
           "nl": "nl-NL", "pl": "pl-PL", "pt": "pt-BR", "ro": "ro-RO", "ru": "ru-RU", "sv": "sv-SE",
           "tr": "tr-TR", "vi": "vi-VN", "zh": "zh-CN"}
LIBREOFFICE = {"pt": "pt-br", "zh": "zh-cn"}
MIN_WORDS, FULL_WORDS = 45, 90


def words_of(text):
    """About as the trainer counts: two characters of a script without spaces are a word."""
    return len(UNSPACED.sub("", text).split()) + len(UNSPACED.findall(text)) // 2


class Blocks(html.parser.HTMLParser):
    """The text of paragraphs and list items; code, tables of contents and scripts are left out."""
    KEPT, DROPPED = {"p", "li", "dd"}, {"script", "style", "pre", "nav", "table", "title", "head"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.blocks, self.text, self.depth = [], None, 0

    def flush(self):
        text = " ".join((self.text or "").split())
        if text:
            self.blocks.append(text)
        self.text = None

    def handle_starttag(self, tag, attributes):
        if tag in self.DROPPED:
            self.depth += 1
        para = tag == "div" and ("class", "para") in attributes
        if tag in self.KEPT or para:
            self.flush()
            self.text = ""
        elif tag in ("div", "h1", "h2", "h3", "h4", "ul", "ol", "dl", "section", "steps"):
            self.flush()

    def handle_endtag(self, tag):
        if tag in self.DROPPED:
            self.depth = max(0, self.depth - 1)
        if tag in self.KEPT or tag == "div":
            self.flush()

    def handle_data(self, data):
        if self.text is not None and self.depth == 0:
            self.text += data


def blocks_of(path):
    parser = Blocks()
    parser.feed(path.read_text(encoding="utf-8", errors="replace"))
    parser.flush()
    return parser.blocks


def passages(blocks):
    """Neighbouring blocks together until they make a paragraph that the trainer takes."""
    held = []
    for block in blocks:
        held.append(block)
        if words_of(" ".join(held)) >= FULL_WORDS:
            yield " ".join(held)
            held = []
    if words_of(" ".join(held)) >= MIN_WORDS:
        yield " ".join(held)


class Source:
    """One work: its packages, and its passages in a language as (name of the original, text)."""

    def __init__(self, name, packages, pages, original=None):
        self.name, self.packages, self.pages, self.original = name, packages, pages, original

    def passages(self, root, language):
        seen = set()
        if self.original:
            for _, blocks in self.pages(root, self.original):
                seen.update(blocks)
        for page, blocks in self.pages(root, language):
            translated = [block for block in blocks if block not in seen]
            for i, text in enumerate(passages(translated)):
                yield f"{self.name}/{page}/{i}", text


def html_pages(pattern, names=None):
    def pages(root, language):
        named = (names or {}).get(language, language)
        for path in sorted(root.glob(pattern.format(named))):
            page = path.name.replace("." + named, "").replace(named, "")
            yield f"{path.parent.name}/{page}".replace(named, ""), blocks_of(path)
    return pages


def wesnoth_pages(root, language):
    """Tales of a game: long messages, each a page of its own."""
    for path in sorted(root.glob(f"usr/share/games/wesnoth/*/locale/{language}*/*/*.mo")):
        if path.parent.parent.name not in (language, language + "_BR", language + "_CN"):
            continue
        try:
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog
        except (ValueError, UnicodeDecodeError):
            continue  # a plural form that Python cannot read
        for original, text in sorted((k, v) for k, v in catalogue.items() if isinstance(k, str)):
            if original and text != original and words_of(text) >= MIN_WORDS:
                digest = hashlib.sha256(original.encode()).hexdigest()[:12]
                yield digest, [re.sub(r"<[^>]*>|\s+", " ", text).strip()]


SOURCES = [
    Source("stellarium", lambda _: ["stellarium-data"],
           html_pages("usr/share/stellarium/*/*/description.{}.utf8", {"zh": "zh_CN", "pt": "pt_BR"})),
    Source("wesnoth", lambda _: ["wesnoth-1.16-data"], wesnoth_pages),
    Source("debian-handbook", lambda _: ["debian-handbook"],
           html_pages("usr/share/doc/debian-handbook/html/{}/*.html", REGIONS | {"en": "en-US"}), "en"),
    Source("installation-guide", lambda _: ["installation-guide-amd64"],
           html_pages("usr/share/doc/installation-guide-amd64/{}/*.html", {"zh": "zh_CN"}), "en"),
    Source("gnome-user-docs", lambda _: ["gnome-user-docs"],
           html_pages("usr/share/help/{}/gnome-help/*.page", {"en": "C", "zh": "zh_CN", "pt": "pt_BR"}),
           "en"),
    Source("libreoffice-help", lambda language: [
        "libreoffice-help-" + LIBREOFFICE.get(language, language)]
        if language in "cs da de el es fi fr hi hu id it ja ko nl pl pt ru sv tr vi zh".split() else [],
        html_pages("usr/share/libreoffice/help/{}/text/s*/**/*.html", {"pt": "pt-BR", "zh": "zh-CN"})),
]


def unpack(package, work):
    """The folder of an unpacked package; fetched where it is not there."""
    folder = work / package
    if folder.is_dir():
        return folder
    partial = work / (package + ".partial")
    subprocess.run(["rm", "-rf", str(partial)], check=True)
    partial.mkdir(parents=True)
    print(f"fetching {package}", file=sys.stderr)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=partial, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    archive = next(partial.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", archive.name, "."], cwd=partial, check=True)
    archive.unlink()
    partial.rename(folder)
    return folder


def is_of(language, text):
    letters = [c for c in text if c.isalpha()]
    script = SCRIPTS.get(language)
    if not letters or (not script and language != "en" and not text.isprintable()):
        return False
    if not script:
        return True
    return len(re.findall(f"[{script}]", text)) >= 0.6 * len(letters)


def taken(key, language, languages, share):
    """The same few languages for a passage, whoever asks."""
    first = int(hashlib.sha256(key.encode()).hexdigest()[:8], 16)
    return (first + languages.index(language) * 7) % len(languages) < share * len(languages)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, help="downloaded packages")
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--bytes", type=int, default=450_000, help="of text in each language")
    parser.add_argument("--share", type=float, default=0.2,
                        help="of the languages that a passage of a translated work is taken in")
    options = parser.parse_args()
    languages = options.languages.split(",")
    unknown = sorted(set(languages) - set(LANGUAGES))
    if unknown:
        parser.error(f"no source for {', '.join(unknown)}; there is {', '.join(LANGUAGES)}")
    work = options.work or options.out.with_name(options.out.name + ".packages")
    work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    for language in languages:
        left = options.bytes
        for source in SOURCES:
            found = []
            limit = min(left, options.bytes // 2)
            for package in source.packages(language):
                for key, text in source.passages(unpack(package, work), language):
                    size = len(text.encode())
                    if size > limit or not is_of(language, text):
                        continue
                    if taken(key, language, languages, options.share):
                        found.append(text)
                        limit, left = limit - size, left - size
            if found:
                path = options.out / f"{language}-{source.name}.txt"
                path.write_text("\n\n".join(found) + "\n", encoding="utf-8")
                print(f"{path.name}: {len(found)} passages, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# Indexes a whole book and asks it a question. Run by `make demo`; --large answers with the 1.5B
# reader. Environment: BUILD, MODEL (scans and, without READER, answers), READER, BOOK, QUESTION.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

build="${BUILD:-build}"
book="${BOOK:-examples/the_phantom_of_the_opera.md}"
question="${QUESTION:-What was the name of the white horse that was stolen?}"
store="$build/demo.s3"
options=()
[ -z "${MODEL:-}" ] || options+=(--model "$MODEL")
if [ "${1:-}" = --large ]; then
    READER="${READER:-$(scripts/setup.sh --print-large)}"
fi
reader=()
[ -z "${READER:-}" ] || reader=(--reader "$READER")

say "Indexing $book ($(($(file_size "$book") / 1024)) KB) into $store"
rm -rf "$store" # fresh each time, so that the scan is seen
"$build/s3attn" index "${options[@]}" --json "$store" "$book" >"$build/demo-index.json"
say ""
say "Asking: $question"
say ""
python3 scripts/demo_ask.py "$build/demo-index.json" \
    "$build/s3attn" ask "${options[@]}" "${reader[@]}" --budget 300 "$store" "$question"

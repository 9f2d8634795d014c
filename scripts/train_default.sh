#!/usr/bin/env bash
# Makes the adapter that ships in models/smollm2-135m-instruct.
#   scripts/train_default.sh [OUT] [CORPUS...]
# OUT: a directory that is not there yet (default: $BUILD/smollm2-135m-instruct).
# CORPUS: plain text (default: the files of the card, in ../shared/data/corpus).
# Environment: BUILD, MODEL. 7 minutes with a GPU for the scan and 10 threads, 2.2 GiB of memory;
# on 2 cores over an hour: the defaults of `s3attn train` are meant for those.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

build="${BUILD:-build}"
out="${1:-$build/smollm2-135m-instruct}"
if [ $# -gt 0 ]; then shift; fi
corpus=("$@")
[ $# -gt 0 ] || corpus=("$S3ATTN_ROOT/../shared/data/corpus")
[ -x "$build/s3attn" ] || die "$build/s3attn is not there: run make first"
model=()
[ -z "${MODEL:-}" ] || model=(--model "$MODEL")

"$build/s3attn" train "${model[@]}" --corpus "${corpus[@]}" --out "$out" \
    --n-heads 8 --latents 4096 --k 8 --sae-steps 2500 --sae-patience 0 --sae-tokens 1100000 \
    --cloze-pairs 7900 --query-steps 600 --negatives bm25 --seed 1
echo "To ship it: replace models/smollm2-135m-instruct with $out and bring its README.md up to date."

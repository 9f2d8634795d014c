#!/usr/bin/env bash
# A small sample of every task of `s3attn eval`, on the CPU: that each one runs, and that what must
# be found is found. The figures of so few questions say nothing; docs/results.md has those.
#   scripts/eval_smoke.sh
# Environment: BUILD; DATA (folder of the evaluation data; by default ../shared/data beside the
# checkout, and without it the tasks that need it are skipped).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

program="${BUILD:-build}/s3attn"
[ -x "$program" ] || die "$program is not there: run make first"
data="${DATA:-$S3ATTN_ROOT/../shared/data}"
scripts/setup.sh --embedder
work="$(mktemp -d "${TMPDIR:-/tmp}/s3attn-eval-smoke.XXXXXX")"
trap 'rm -rf "$work"' EXIT
started=$(date +%s)
all="bm25,dense,rrf(bm25,dense),s3,hybrid,sum(s3:4,bm25:1),int4,random-codes,layer0,lead,tail,random"

# retrieval NAME LEAST-hybrid-ev1024 ARGUMENTS...
retrieval() {
    local name="$1" least="$2"
    shift 2
    if [ ! -f "$2" ]; then
        say "skipped: $name ($2 is not there)"
        return 0
    fi
    say "== eval retrieval, $name =="
    "$program" eval retrieval "$@" --out "$work/$name" --quiet >"$work/$name.txt" ||
        { cat "$work/$name.txt" >&2; die "eval retrieval failed on $name"; }
    sed -n '/^Share of the evidence/,/^$/p' "$work/$name.txt"
    python3 - "$work/$name/run.json" "$least" <<'CHECK' || die "$name: too little was found"
import json, sys
record = json.load(open(sys.argv[1]))
mean = {e["method"]: e["mean"] for e in record["summary"]
        if e["group"] == "all" and e["metric"] == "ev1024"}
assert set(mean) == {m["name"] for m in record["methods"]}, mean
assert mean["hybrid"] >= float(sys.argv[2]), mean
CHECK
}

cat >"$work/plain.jsonl" <<'PLAIN'
{"document": "The mill at the river was built in 1804.\n\nThe bridge was built later, in 1850.", "question": "When was the mill built?", "evidence": [[0, 40]]}
PLAIN
retrieval plain 1 --data "$work/plain.jsonl" --methods "$all"
retrieval hotpotqa 0.3 --data "$data/hotpotqa/dev_100.jsonl" --haystack own --limit 4 --methods "$all"
retrieval musique 0.2 --data "$data/musique/dev_100.jsonl" --haystack own --limit 3 \
    --methods "bm25,dense,s3,hybrid" --rounds 2
retrieval fullwiki 0.2 --data "$data/hotpotqa/fullwiki_200.jsonl" --haystack own --limit 6 \
    --methods "bm25,s3,hybrid"
retrieval xquad 0.8 --data "$data/xquad/xquad.en.json" --haystack own --limit 10 \
    --methods "bm25,dense,s3,hybrid"
retrieval ruler 0.98 --data "$data/ruler/niah_multikey_3_4k_50.jsonl" --limit 3 \
    --methods "bm25,dense,s3,hybrid"
retrieval kv 0.98 --data "$data/kv_retrieval/kv_75_100.jsonl" --limit 3 \
    --methods "bm25,dense,s3,hybrid"

# answers NAME ARGUMENTS...
answers() {
    local name="$1"
    shift
    if [ ! -e "$2" ]; then
        say "skipped: $name ($2 is not there)"
        return 0
    fi
    say "== eval answers, $name =="
    "$program" eval answers "$@" --out "$work/$name" --quiet >"$work/$name.txt" ||
        { cat "$work/$name.txt" >&2; die "eval answers failed on $name"; }
    sed -n '3,/^$/p;5,/^$/p' "$work/$name.txt" | head -n 12
}

answers passages --data "$data/hotpotqa/dev_100.jsonl" --limit 1 --max-answer 16 --budgets 256 \
    --methods full,gold,none,bm25,dense-rerank,hybrid
answers longbench --data "$data/longbench" --task all --limit 1 --budgets 256 --methods hybrid \
    --no-likelihood
if [ -d "$data/longbench/metric_fixture" ]; then
    say "== eval score: LongBench's own figures =="
    "$program" eval score "$data"/longbench/metric_fixture/*.jsonl \
        --compare "$data/longbench/metric_fixture/result.json" ||
        die "the metrics differ from LongBench's"
fi
say "== eval report =="
"$program" eval report "$work"/*/ --out "$work/report.html"

say "eval-smoke: passed in $(($(date +%s) - started)) s"

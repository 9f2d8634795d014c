# System packages of Debian 12 that the build and the tests need. Sourced by setup.sh.

# Command -> package: a command from anywhere else will do.
COMMAND_PACKAGES=(
    "c++ g++" "make make" "cmake cmake" "ninja ninja-build" "pkg-config pkg-config"
    "git git" "python3 python3" "flock util-linux" "pdftotext poppler-utils" "qpdf qpdf"
    "curl curl"
)
LIBRARY_PACKAGES=(
    libcli11-dev nlohmann-json3-dev libfmt-dev                      # command line, JSON
    libsqlite3-dev libxxhash-dev                                    # the store
    libicu-dev libstemmer-dev libcld2-dev libuchardet-dev           # Unicode, languages, encodings
    libcmark-gfm-dev libcmark-gfm-extensions-dev libgumbo-dev       # Markdown, HTML
    libzip-dev libpugixml-dev libexpat1-dev                         # DOCX, EPUB, XHTML
    libcurl4-openssl-dev                                            # readers behind a server
    libgmime-3.0-dev                                                # mail
    libhunspell-dev hunspell-en-us                                  # hyphens at line ends of PDFs
    libeigen3-dev                                                   # linear algebra
    libcpp-httplib-dev prometheus-cpp-dev                           # the server
    libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev    # tests and benchmarks
    python3-dev                                                     # the Python module
    python3-numpy                                                   # the trainer's arithmetic, again
)

# Only for the tests of the web page, which are skipped without a Chromium, and of the server behind
# a proxy, which are skipped without an nginx (--test-packages).
BROWSER_PACKAGES=(chromium-headless-shell fonts-dejavu-core)
PROXY_PACKAGES=(nginx-light)
# Only for the tests of readers that run programs, or compare with them, and are skipped without
# these (--test-packages): command -> package.
DOCUMENT_PACKAGES=(
    "tesseract tesseract-ocr" "pandoc pandoc"
    "soffice libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui"
)

# Not needed by anything but `make fuzz`, which is skipped without it; never installed by itself:
#   clang

missing_packages() {
    local entry missing=() installed
    for entry in "${COMMAND_PACKAGES[@]}"; do
        command -v "${entry%% *}" >/dev/null 2>&1 || missing+=("${entry#* }")
    done
    # pip is needed only while something is still to be fetched, but costs little.
    if command -v python3 >/dev/null 2>&1 && ! have_everything &&
        ! python3 -m pip --version >/dev/null 2>&1; then
        missing+=(python3-pip)
    elif ! command -v python3 >/dev/null 2>&1; then
        missing+=(python3-pip)
    fi
    if [ "${test_packages:-0}" = 1 ] && ! command -v chromium-headless-shell >/dev/null 2>&1 &&
        ! command -v chromium >/dev/null 2>&1; then
        missing+=("${BROWSER_PACKAGES[@]}")
    fi
    if [ "${test_packages:-0}" = 1 ] && ! PATH="$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1; then
        missing+=("${PROXY_PACKAGES[@]}")
    fi
    if [ "${test_packages:-0}" = 1 ]; then
        local packages
        for entry in "${DOCUMENT_PACKAGES[@]}"; do
            command -v "${entry%% *}" >/dev/null 2>&1 && continue
            read -ra packages <<<"${entry#* }"
            missing+=("${packages[@]}")
        done
    fi
    if command -v dpkg-query >/dev/null 2>&1; then
        installed="$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${LIBRARY_PACKAGES[@]}" \
            2>/dev/null | awk '$1 == "ii" { print $2 }' || true)"
        for entry in "${LIBRARY_PACKAGES[@]}"; do
            grep -qxF -- "$entry" <<<"$installed" || missing+=("$entry")
        done
    fi
    printf '%s\n' "${missing[@]}"
}

# Package lists that are absent or older than a day cannot be trusted to name existing files.
package_lists_stale() {
    [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 2>/dev/null |
        head -n 1)" ]
}

install_system_packages() {
    [ "${S3ATTN_NO_SYSTEM:-0}" = 1 ] && return 0
    local missing sudo=() log
    missing="$(missing_packages | sort -u)"
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086
    set -- $missing
    if ! command -v apt-get >/dev/null 2>&1; then
        die "missing: $*; these are Debian's names, install what your system calls them" \
            "(S3ATTN_NO_SYSTEM=1 skips this check)"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
            sudo=(sudo -n)
        else
            say "System packages are missing. Run this line, then the same command again:"
            say ""
            say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*"
            say ""
            exit 1
        fi
    fi
    say "Installing $# system packages: $*"
    log="$(mktemp "${TMPDIR:-/tmp}/s3attn-apt.XXXXXX.log")"
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600)
    local install=("${apt[@]}" install -y --no-install-recommends "$@")
    local updated=0
    if package_lists_stale; then
        watch "apt-get update" "$log" "${apt[@]}" update || exit 1
        updated=1
    fi
    if ! watch "apt-get install" "$log" "${install[@]}"; then
        [ "$updated" = 0 ] || exit 1
        say "  trying again with fresh package lists"
        watch "apt-get update" "$log" "${apt[@]}" update || exit 1
        watch "apt-get install" "$log" "${install[@]}" || exit 1
    fi
    rm -f "$log"
    hash -r
}

# An ordinary user's browser: its sandbox needs no root, and none of its files may be root's.
mkdir -p own/run && chown -R nobody own && chmod 700 own/run
python3 -m http.server 80 --bind 127.0.0.1 > /dev/null 2> log &
port 80
# A job of its own, so that killing the job ends the browser.
as_nobody() {
    exec setpriv --reuid=nobody --regid=nogroup --clear-groups \
        env HOME="$PWD/own" TMPDIR="$PWD/own" XDG_RUNTIME_DIR="$PWD/own/run" "$@" > browser.log 2>&1
}
outcome() { await grep -q /done log; sed -n 's/.*done?\([0-9,]*\) .*/done \1/p' log; }

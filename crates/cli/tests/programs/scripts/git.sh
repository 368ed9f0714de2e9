# The smart protocol by a CGI program, the dumb one by plain files, a push, and git's own daemon.
PATH=/usr/bin:$PATH
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
git init -q -b main repo
cp noise repo
git -C repo add noise
git -C repo commit -qm one
git clone -q --bare repo served.git
git -C served.git config http.receivepack true
git -C served.git update-server-info
mkdir cgi-bin
cat >cgi-bin/git <<END
#!/bin/sh
export GIT_PROJECT_ROOT=$PWD GIT_HTTP_EXPORT_ALL=1 REMOTE_USER=me HOME=$PWD
exec /usr/lib/git-core/git-http-backend
END
chmod -R a+rwX . # the CGI program runs as nobody
chmod 755 cgi-bin/git
/usr/bin/python3 -m http.server --cgi 8000 --bind 127.0.0.1 >http.log 2>&1 &
port 8000
git clone -q http://127.0.0.1:8000/cgi-bin/git/served.git smart
cmp noise smart/noise && echo smart
git clone -q http://127.0.0.1:8000/served.git dumb
cmp noise dumb/noise && echo dumb
echo more >smart/more
git -C smart add more
git -C smart commit -qm two
git -C smart push -q origin main
git -C served.git log --format=%s
git daemon --reuseaddr --listen=127.0.0.1 --port=9418 --export-all --base-path="$PWD" >daemon.log 2>&1 &
port 9418
git clone -q git://127.0.0.1/served.git daemon
cat daemon/more

socat TCP4-LISTEN:7001,bind=127.0.0.1,fork,reuseaddr SYSTEM:'read line; echo "you said $line"' &
port 7001
{ sleep 0.5; echo hello; sleep 1; } | inetutils-telnet 127.0.0.1 7001 2>&1 | tr -d '\r' || true
inetutils-telnet 127.0.0.1 7002 2>&1 </dev/null | grep -o 'Connection refused'

nc -N -l 127.0.0.1 7001 >arrived &
server=$!
sleep 0.5
nc -N 127.0.0.1 7001 <noise
wait $server
cmp noise arrived && echo same
nc -z -v 127.0.0.1 7001 2>&1 | grep -o refused
nc -u -l 127.0.0.1 7002 >datagram &
sleep 0.5
echo datagram | nc -u -q 1 127.0.0.1 7002
await grep -q datagram datagram
cat datagram
nc -6 -l -k ::1 7003 >six &
await nc -z ::1 7003
for n in 1 2 3; do echo $n | nc -N ::1 7003; done
await grep -q 3 six
cat six

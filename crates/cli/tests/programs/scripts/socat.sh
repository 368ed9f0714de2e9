socat -u TCP6-LISTEN:7002,bind=[::1],ipv6only=1,reuseaddr CREATE:arrived &
target=$!
socat TCP4-LISTEN:7001,bind=127.0.0.1,reuseaddr,fork TCP6:[::1]:7002 &
sleep 0.3
socat -u OPEN:noise TCP4:127.0.0.1:7001
wait $target
cmp noise arrived && echo same
socat UDP4-RECVFROM:7003,fork EXEC:'tr a-z A-Z' &
sleep 0.3
printf hello | socat -t 2 - UDP4:127.0.0.1:7003
echo
socat TCP4-LISTEN:7004,bind=127.0.0.1,reuseaddr,fork EXEC:'wc -c' &
port 7004
socat -t 5 OPEN:noise,rdonly!!STDOUT TCP4:127.0.0.1:7004
socat -u TCP4:127.0.0.1:7999 - 2>refused || grep -o 'Connection refused' refused

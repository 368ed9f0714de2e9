dig +short portolan.internal A
dig +short portolan.internal AAAA
dig +short +tcp gateway.portolan.internal A
dig nothing.portolan.internal A | grep -o 'status: [A-Z]*'
dig +short -x 127.0.0.1
dig +short @10.0.2.3 host.portolan.internal A
dnsmasq -k -p 5353 --no-resolv --no-hosts --pid-file --user=root --listen-address=127.0.0.1 --bind-interfaces \
    --address=/a.test/192.0.2.7 --address=/a.test/2001:db8::7 --txt-record=t.test,'some text' --mx-host=m.test,mail.test,5 &
ask() { dig +short @127.0.0.1 -p 5353 "$@"; }
await ask +time=1 +tries=1 a.test
ask x.a.test A
ask a.test AAAA
ask +tcp t.test TXT
ask m.test MX
dig +time=1 +tries=1 @127.0.0.1 -p 5354 a.test | grep -o -m 1 'connection refused'

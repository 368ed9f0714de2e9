certificate
openssl s_server -accept 127.0.0.1:4433 -cert cert.pem -key key.pem -WWW -quiet 2>errors &
port 4433
client() { openssl s_client -CAfile cert.pem -verify_return_error "$@"; }
printf 'GET /noise HTTP/1.0\r\n\r\n' | client -connect localhost:4433 -quiet -ign_eof 2>>errors |
    sed '1,/^\r$/d' | cmp - noise && echo same
client -connect 127.0.0.1:4433 -verify_hostname localhost -brief </dev/null 2>&1 | grep -o 'TLSv1.3'
client -connect 127.0.0.1:4433 -verify_hostname other </dev/null >>errors 2>&1 || echo 'other name'
openssl s_server -accept 127.0.0.1:4434 -cert cert.pem -key key.pem -dtls1_2 -quiet \
    < <(sleep 2; echo answer; sleep 3) >asked 2>>errors &
sleep 0.7
{ echo question; sleep 3; } | client -connect 127.0.0.1:4434 -dtls1_2 -quiet 2>>errors | head -n 1
cat asked

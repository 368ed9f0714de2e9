# Pre-forked processes that give up root, change root and pass connections to each other.
mkdir -m 777 mail run state
certificate
cat >dovecot.conf <<END
base_dir = $PWD/run
state_dir = $PWD/state
log_path = $PWD/log
protocols = imap pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <$PWD/cert.pem
ssl_key = <$PWD/key.pem
disable_plaintext_auth = no
mail_location = maildir:$PWD/mail/%u
first_valid_uid = 1
passdb {
 driver = static
 args = password=secret
}
userdb {
 driver = static
 args = uid=mail gid=mail home=$PWD/mail/%u
}
service imap-login {
 inet_listener imap {
  port = 1143
 }
 inet_listener imaps {
  port = 1993
 }
}
service pop3-login {
 inet_listener pop3 {
  port = 0
 }
 inet_listener pop3s {
  port = 1995
 }
}
END
dovecot -F -c "$PWD/dovecot.conf" &
port 1143
port 1995
say() { printf "$1\r\n"; sleep "${2-0.3}"; }
body=$'Subject: kept\r\n\r\nbody of the mail\r\n'
{
    say 'a LOGIN user secret' 1
    say "b APPEND INBOX {${#body}}"
    say "$body"
    say 'c SELECT INBOX'
    say 'd FETCH 1 BODY[TEXT]'
    say 'e LOGOUT'
} | openssl s_client -connect 127.0.0.1:1993 -quiet 2>errors | tr -d '\r' >imap
grep -oE '^[a-e] (OK|NO|BAD)' imap
grep -c 'body of the mail' imap
{ say 'USER user'; say 'PASS secret' 1; say STAT; say 'RETR 1'; say QUIT; } |
    openssl s_client -connect 127.0.0.1:1995 -quiet 2>errors | tr -d '\r' >pop3
grep -c '^+OK' pop3
grep 'body of the mail' pop3
{ say 'a LOGIN user wrong' 3; say 'b LOGOUT'; } | nc -N 127.0.0.1 1143 | grep -o '^a NO'

/usr/bin/python3 smtp.py >server.log &
port 2525
printf 'Subject: first\nFrom: a@example.test\nTo: b@example.test\n\nhello\n' |
    msmtp --host=127.0.0.1 --port=2525 --from=a@example.test --file=/dev/null b@example.test
swaks --server 127.0.0.1:2525 --from c@example.test --to d@example.test --header 'Subject: second' \
    --body "$(seq 2000)" --hide-all
swaks --server 127.0.0.1:2526 --to d@example.test --hide-all 2>refused || echo "refused $?"
cat server.log

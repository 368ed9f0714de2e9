mkdir -p tree/b
echo one >tree/one
echo two >tree/b/two
echo '<a href="one">1</a> <a href="b/two">2</a>' >tree/index.html
/usr/bin/python3 -m http.server 8000 --bind 127.0.0.1 --directory tree >http.log 2>&1 &
port 8000
wget -q -r -np http://127.0.0.1:8000/index.html -P got
diff -r tree got/127.0.0.1:8000 && echo mirrored
wget -q -O - http://localhost:8000/one
wget -q http://127.0.0.1:8001/ || echo "refused $?"
wget -q http://127.0.0.1:8000/none || echo "absent $?"
wget -q -O whole http://portolan.internal/bytes/100K
head -c 1000 whole >part
wget -q -c -O part http://portolan.internal/bytes/100K
wc -c <part

certificate
/usr/bin/python3 aio.py
/usr/bin/python3 -m http.server 8000 --bind ::1 >http.log 2>&1 &
port 8000 ::1
/usr/bin/python3 fetch.py

/usr/bin/python3 -m http.server 8000 --bind 127.0.0.1 >http.log 2>&1 &
/usr/bin/python3 -m http.server 8001 --bind ::1 >http6.log 2>&1 &
port 8000
port 8001 ::1
nmap -n -sT -Pn -p 8000-8003 127.0.0.1 | grep tcp | tr -s ' '
nmap -n -sT -Pn -p 1-1000,8000-9000 -oG - 127.0.0.1 | grep -oE 'Ports:.*' | tr '\t' ' '
nmap -n -6 -sT -Pn -p 8000,8001 ::1 | grep tcp | tr -s ' '
nmap -n -sT -Pn -sV -p 8000 127.0.0.1 | grep -o 'SimpleHTTPServer'

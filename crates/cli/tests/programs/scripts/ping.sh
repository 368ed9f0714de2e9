received() { grep -o '[0-9] received'; }
ping -c 3 -i 0.1 127.0.0.1 | received
ping -c 3 -i 0.1 ::1 | received
ping -c 3 -i 0.1 -s 3000 portolan.internal | received
ping -c 1 -W 1 198.51.100.1 2>&1 | grep -o 'Network is unreachable'

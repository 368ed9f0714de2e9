cat >server.conf <<END
local stratum 8
allow 127.0.0.1
bindaddress 127.0.0.1
cmdport 0
bindcmdaddress /
pidfile $PWD/server.pid
END
cat >client.conf <<END
server 127.0.0.1 iburst
cmdport 0
bindcmdaddress /
pidfile $PWD/client.pid
END
chronyd -x -d -f server.conf -u root 2>server.log &
await ntpdig -t 1 127.0.0.1
ntpdig -j 127.0.0.1 | /usr/bin/python3 -c '
import json, sys
answer = json.load(sys.stdin)
print(abs(answer["offset"]) < 0.5, answer["stratum"], answer["ip"])'
timeout 30 chronyd -Q -f client.conf -u root 2>&1 | grep -oE 'wrong by -?0\.[0-4]'  | cut -c1-8

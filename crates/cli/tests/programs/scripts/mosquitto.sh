certificate
cat >mosquitto.conf <<END
allow_anonymous true
user root
listener 1883 127.0.0.1
listener 1884 ::1
listener 8883 127.0.0.1
certfile cert.pem
keyfile key.pem
END
mosquitto -c mosquitto.conf 2>mosquitto.log &
port 1883
port 1884 ::1
port 8883
mosquitto_sub -h 127.0.0.1 -t 'news/+' -q 1 -C 3 -v >heard &
subscriber=$!
sleep 0.7
mosquitto_pub -h 127.0.0.1 -t news/a -m one -q 2
mosquitto_pub -h ::1 -p 1884 -t news/b -m two -q 1
mosquitto_pub -h localhost -p 8883 --cafile cert.pem -t news/c -m three
wait $subscriber
cat heard
mosquitto_pub -h 127.0.0.1 -p 1885 -t x -m x 2>&1 || true

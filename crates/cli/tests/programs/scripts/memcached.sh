memcached -u nobody -l 127.0.0.1,::1 -p 11211 -t 4 &
port 11211
head -c 900000 noise >value
memccp --servers=127.0.0.1:11211 value
memccat --servers=127.0.0.1:11211 value | head -c 900000 | cmp - value && echo same
memcaslap -s 127.0.0.1:11211 -t 1s -c 16 -T 2 2>errors | grep -E '^get_misses'

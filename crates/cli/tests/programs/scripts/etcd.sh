# A Go program, server and client: system calls by its own instructions.
export ETCDCTL_API=3
etcd --data-dir data --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster default=http://127.0.0.1:2380 2>etcd.log &
await etcdctl --endpoints 127.0.0.1:2379 put key value
etcdctl --endpoints 127.0.0.1:2379 get key

worker_processes 3
listen "127.0.0.1:9393"
pid "unicorn.pid"

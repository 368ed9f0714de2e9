mkdir data
chown nobody data
as_nobody='setpriv --reuid=nobody --regid=nogroup --clear-groups'
$as_nobody /usr/lib/postgresql/15/bin/initdb -D data -A trust -U me >initdb.log
$as_nobody /usr/lib/postgresql/15/bin/postgres -D data -c listen_addresses=127.0.0.1,::1 -p 5433 -c unix_socket_directories= 2>postgres.log &
port 5433
sql() { psql -h "$1" -p 5433 -U me postgres -Atq "${@:2}"; }
sql 127.0.0.1 -c 'create table t as select i, md5(i::text) m from generate_series(1, 50000) i'
sql 127.0.0.1 -c "select count(*), md5(string_agg(m, '' order by i)) from t"
sql ::1 -c 'select inet_client_addr(), inet_server_port()'
sql 127.0.0.1 -c 'create table u (like t)'
sql 127.0.0.1 -c 'copy t to stdout' | sql ::1 -c 'copy u from stdin'
sql 127.0.0.1 -c 'select count(*) from u'
{ sleep 0.5; sql 127.0.0.1 -c "notify news, 'hello'"; } &
sql 127.0.0.1 <<<'listen news; select pg_sleep(2); select 1;' | grep -o 'payload "hello"'
pgbench -h 127.0.0.1 -p 5433 -U me -i -q postgres 2>errors
pgbench -h 127.0.0.1 -p 5433 -U me -c 8 -j 2 -t 20 postgres 2>>errors | grep -o 'processed: .*'
psql -h 127.0.0.1 -p 5434 -U me postgres 2>&1 | grep -o 'Connection refused'
timeout -s INT 1 psql -h 127.0.0.1 -p 5433 -U me postgres -c 'select pg_sleep(60)' 2>&1 | grep -o 'canceling statement'

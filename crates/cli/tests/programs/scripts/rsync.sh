# The daemon, which changes root and user for every connection.
mkdir -p from/a
cp noise from/a/one
echo two >from/two
chmod -R a+rX from
cat >rsyncd.conf <<END
port = 8730
address = 127.0.0.1
pid file = $PWD/pid
use chroot = yes
uid = nobody
gid = nogroup
[files]
path = $PWD/from
read only = yes
END
rsync --daemon --no-detach --config=rsyncd.conf 2>log &
port 8730
rsync -a rsync://127.0.0.1:8730/files/ to/
diff -r from to && echo same
rsync -a rsync://127.0.0.1:8730/none/ x 2>errors || echo "unknown $?"
rsync -a from/two rsync://127.0.0.1:8730/files/ 2>>errors || echo "read only $?"

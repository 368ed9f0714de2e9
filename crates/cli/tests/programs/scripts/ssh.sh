# A server that re-executes itself for every connection and gives up root; its client in several roles.
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f host
ssh-keygen -q -t ed25519 -N '' -f user
cat >sshd_config <<END
Port 2222
ListenAddress 127.0.0.1
ListenAddress ::1
HostKey $PWD/host
AuthorizedKeysFile $PWD/user.pub
PidFile $PWD/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
END
cat >ssh_config <<END
Host *
User root
Port 2222
IdentityFile $PWD/user
IdentitiesOnly yes
StrictHostKeyChecking no
UserKnownHostsFile $PWD/known
LogLevel ERROR
END
/usr/sbin/sshd -D -e -f "$PWD/sshd_config" 2>sshd.log &
port 2222
remote() { ssh -F ssh_config "$@"; }
remote 127.0.0.1 'echo here; exit 7' || echo "status $?"
test "$(remote ::1 sha256sum <noise)" = "$(sha256sum <noise)" && echo same
scp -F ssh_config -q noise "127.0.0.1:$PWD/copied" && cmp noise copied && echo scp
echo put noise fetched | sftp -q -F ssh_config -b - "127.0.0.1:$PWD" >sftp.log && cmp noise fetched && echo sftp
rsync -e 'ssh -F ssh_config' noise "127.0.0.1:$PWD/synced" && cmp noise synced && echo rsync
remote -tt 127.0.0.1 tty </dev/null | grep -o /dev/pts
socat TCP4-LISTEN:7001,bind=127.0.0.1,fork,reuseaddr EXEC:'echo through the tunnel' &
port 7001
remote -N -L 7100:127.0.0.1:7001 127.0.0.1 &
port 7100
socat -u TCP4:127.0.0.1:7100 -
for n in 1 2 3 4 5; do remote 127.0.0.1 echo $n & waits="${waits-} $!"; done >many
wait $waits
sort many | tr -d '\n'; echo

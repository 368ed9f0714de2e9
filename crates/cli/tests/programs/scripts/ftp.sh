# Sessions in a changed root and a network namespace of their own; data connections both ways.
mkdir -p root/up empty
cp noise root
chmod 755 root
chmod 777 root/up
cat >vsftpd.conf <<END
listen=YES
listen_address=127.0.0.1
listen_port=2121
background=NO
anonymous_enable=YES
anon_root=$PWD/root
anon_upload_enable=YES
write_enable=YES
local_enable=NO
secure_chroot_dir=$PWD/empty
connect_from_port_20=YES
ftp_data_port=2020
seccomp_sandbox=NO
END
vsftpd "$PWD/vsftpd.conf" &
port 2121
session() {
    lftp -e "set net:max-retries 1; set net:timeout 10; set ftp:passive-mode $1; get noise -o $2; put $2 -o up/$2; bye" \
        ftp://127.0.0.1:2121
    cmp noise "$2" && cmp noise "root/up/$2" && echo "$2"
}
session on passive
session off active
lftp -e 'set net:max-retries 1; get none; bye' ftp://127.0.0.1:2121 2>&1 | grep -o 'Access failed: 550'
curl -sS --ftp-port - ftp://127.0.0.1:2121/noise | cmp - noise && echo curl

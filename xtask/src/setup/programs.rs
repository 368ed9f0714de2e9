//! The real programs that run on the stack in `crates/cli/tests/programs`, and the Debian packages that have them.

/// Small ones, for every run of the tests.
pub(super) const SMALL: &[(&str, &str)] = &[
    ("/usr/bin/openssl", "openssl"),
    ("/usr/bin/wget", "wget"),
    ("/usr/bin/git", "git"),
    ("/usr/bin/iperf3", "iperf3"),
    ("/usr/bin/pasta", "passt"),
    ("/usr/bin/redis-server", "redis-server"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/bin/wrk", "wrk"),
    ("/usr/bin/socat", "socat"),
    ("/usr/bin/nc", "netcat-openbsd"),
    ("/usr/bin/inetutils-telnet", "inetutils-telnet"),
    ("/usr/bin/dig", "bind9-dnsutils"),
    ("/usr/sbin/chronyd", "chrony"),
    ("/usr/bin/ntpdig", "ntpsec-ntpdig"),
    ("/usr/sbin/sshd", "openssh-server"),
    ("/usr/bin/ssh", "openssh-client"),
    ("/usr/bin/rsync", "rsync"),
    ("/usr/bin/vi", "vim-tiny"),
    ("/usr/bin/less", "less"),
    ("/usr/sbin/vsftpd", "vsftpd"),
    ("/usr/bin/lftp", "lftp"),
    ("/usr/lib/python3/dist-packages/aiosmtpd", "python3-aiosmtpd"),
    ("/usr/lib/python3/dist-packages/requests", "python3-requests"),
    ("/usr/bin/msmtp", "msmtp"),
    ("/usr/bin/swaks", "swaks"),
    ("/usr/lib/dovecot/imap", "dovecot-imapd"),
    ("/usr/lib/dovecot/pop3", "dovecot-pop3d"),
    ("/usr/bin/memcached", "memcached"),
    ("/usr/bin/memccat", "libmemcached-tools"),
    ("/usr/sbin/mosquitto", "mosquitto"),
    ("/usr/bin/mosquitto_pub", "mosquitto-clients"),
    ("/usr/bin/puma", "puma"),
    ("/usr/bin/unicorn", "unicorn"),
    ("/usr/share/doc/ruby-eventmachine", "ruby-eventmachine"),
    ("/usr/share/doc/ruby-async", "ruby-async"),
];

/// Large ones, for a full run.
pub(super) const LARGE: &[(&str, &str)] = &[
    ("/usr/lib/postgresql/15/bin/postgres", "postgresql-15"),
    ("/usr/bin/etcd", "etcd-server"),
    ("/usr/bin/etcdctl", "etcd-client"),
    ("/usr/bin/node", "nodejs"),
    ("/usr/bin/java", "openjdk-17-jre-headless"),
];

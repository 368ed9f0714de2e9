//! Work on another host: ssh and what goes over it, rsync's own daemon, git.

use crate::harness::Run;

#[test]
fn sshd_serves_commands_copies_terminals_and_tunnels() {
    let Some(run) = Run::of(&["/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/rsync", "/usr/bin/socat"]) else {
        return;
    };
    let ran = run.noise(3_000_000).script("ssh.sh");
    let lines =
        ["here", "status 7", "same", "scp", "sftp", "rsync", "/dev/pts", "through the tunnel", "12345"];
    ran.prints(&lines);
}

#[test]
fn rsync_daemon_serves_a_module_from_its_changed_root() {
    let Some(run) = Run::of(&["/usr/bin/rsync"]) else { return };
    run.noise(3_000_000).script("rsync.sh").prints(&["same", "unknown 5", "read only 1"]);
}

#[test]
fn git_clones_and_pushes_over_http_and_its_own_protocol() {
    let Some(run) = Run::of(&["/usr/bin/git", "/usr/bin/python3"]) else { return };
    run.noise(3_000_000).script("git.sh").prints(&["smart", "dumb", "two", "one", "more"]);
}

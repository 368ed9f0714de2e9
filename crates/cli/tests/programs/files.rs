//! FTP, whose servers and clients both listen and both connect.

use crate::harness::Run;

#[test]
fn vsftpd_serves_lftp_actively_and_passively() {
    let Some(run) = Run::of(&["/usr/sbin/vsftpd", "/usr/bin/lftp"]) else { return };
    let lines = ["passive", "active", "Access failed: 550", "curl"];
    run.noise(3_000_000).script("ftp.sh").prints(&lines);
}

//! Mail: an SMTP server with two clients, and dovecot over TLS.

use crate::harness::Run;

#[test]
fn msmtp_and_swaks_deliver_to_aiosmtpd() {
    let programs = ["/usr/bin/msmtp", "/usr/bin/swaks", "/usr/lib/python3/dist-packages/aiosmtpd"];
    let Some(run) = Run::of(&programs) else { return };
    run.with(&["smtp.py"]).script("smtp.sh").prints(&[
        "refused 2",
        "a@example.test b@example.test first 2",
        "c@example.test d@example.test second 2003",
    ]);
}

#[test]
fn dovecot_keeps_and_serves_mail_by_imap_and_pop3() {
    let programs = ["/usr/lib/dovecot/imap", "/usr/lib/dovecot/pop3", "/usr/bin/openssl", "/usr/bin/nc"];
    let Some(run) = Run::of(&programs) else { return };
    let lines = ["a OK", "b OK", "c OK", "d OK", "e OK", "1", "6", "body of the mail", "a NO"];
    run.script("dovecot.sh").prints(&lines);
}

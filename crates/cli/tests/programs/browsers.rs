//! Browsers, with the sandboxes that they put their own children into.

use crate::harness::Run;

#[test]
fn chromium_in_its_sandbox_shows_a_page() {
    let Some(run) = Run::in_full(&["/usr/bin/chromium"]) else { return };
    run.noise(300_000).with(&["page.html", "browser.sh"]).script("chromium.sh").prints(&["done 300000"]);
}

#[test]
fn firefox_in_its_sandbox_shows_a_page() {
    let Some(run) = Run::in_full(&["/usr/bin/firefox-esr"]) else { return };
    run.noise(300_000).with(&["page.html", "browser.sh"]).script("firefox.sh").prints(&["done 300000"]);
}

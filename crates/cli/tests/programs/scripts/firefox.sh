. ./browser.sh
as_nobody timeout 60 firefox-esr --headless --no-remote http://localhost/page.html &
outcome

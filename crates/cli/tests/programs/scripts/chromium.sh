. ./browser.sh
as_nobody timeout 60 chromium --headless --disable-gpu --remote-debugging-port=0 http://localhost/page.html &
outcome

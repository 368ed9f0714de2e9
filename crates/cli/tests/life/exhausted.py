"""The stack process runs out of descriptors: what wants one then fails soon, and works again when there is room."""
import errno
import socket
import subprocess
import time

held = []
try:
    while True:
        held.append(socket.create_connection(("10.0.2.4", 80), 3))
except OSError:
    pass
print("held some", len(held) > 50)

began = time.monotonic()
fetch = ["curl", "-s", "-o", "own", "-m", "3", "http://portolan.internal/bytes/5"]
curl = subprocess.run(fetch, timeout=20)
print("curl failed soon", curl.returncode != 0, time.monotonic() - began < 10)

for one in held:
    one.close()
for attempt in range(200):
    if subprocess.run(fetch, timeout=20).returncode == 0:
        break
    time.sleep(0.05)
print("curl again", open("own", "rb").read().hex())

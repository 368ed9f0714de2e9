iperf3 -s -p 5201 --forceflush >server.log 2>&1 &
port 5201
tests=1
row() {
    # After every test, and after the look at its port, the server listens anew.
    tests=$((tests + 1))
    await grep -q "test #$tests)" server.log
    iperf3 -c 127.0.0.1 -p 5201 -t 1 --json "${@:2}" >"$1.json"
    python3 -c '
import json, sys
end = json.load(open(sys.argv[1] + ".json"))["end"]
if "sum" in end:
    total = end["sum"]
    good = total["lost_percent"] < 1 and total["packets"] > 100
    print(sys.argv[1], "all arrived" if good else total)
else:
    # The receiver is stopped with megabytes of each stream on their way.
    sent, received = end["sum_sent"]["bytes"], end["sum_received"]["bytes"]
    print(sys.argv[1], "all arrived" if 0.7 * sent <= received and sent > 10e6 else (sent, received))
' "$1"
}
row up -l 16K
row down -R -l 64K
row four -P 4
row both --bidir
row datagrams-up -u -l 1400 -b 20M
row datagrams-down -u -l 1400 -b 20M -R

//! `portolan run` beside the machine's own network, in one run: what programs get from each other, what they get
//! through egress beside pasta, and how long a run takes to start.
//!
//! Everything is measured in a network namespace of its own with one address, in turn with what it is compared to;
//! the median of the rounds counts. Both sides run with real-time priority: a relay of three processes waits for the
//! processor more often than a pair, so other load on the machine would decide the ratio.

mod pingpong;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use pingpong::main as ping_pong;

use crate::namespace::Namespace;

/// Where the programs meet within one network.
const PORT: u16 = 5201;
/// The namespace's address, and its router, which pasta takes for the machine's loopback.
const ADDRESS: &str = "192.0.2.2";
const ROUTER: &str = "192.0.2.1";
/// Seconds of each transfer.
const SECONDS: u32 = 2;
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before every command that is measured.
const UNDISTURBED: [&str; 3] = ["chrt", "-f", "10"];

/// A ratio and the least that is aimed at.
struct Row {
    what: &'static str,
    ours: f64,
    theirs: f64,
    unit: &'static str,
    aim: f64,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.theirs
    }
}

/// A place in which commands run.
#[derive(Clone, Copy)]
enum Network {
    /// The namespace's own.
    Kernel,
    /// A stack of ours that leads nowhere.
    Alone,
    /// A stack of ours with egress.
    Egress,
    /// A namespace of pasta's.
    Pasta,
}

struct Bench {
    namespace: Namespace,
    portolan: PathBuf,
}

/// Prints the table. False if an aim is missed.
pub(crate) fn run(short: bool) -> Result<bool, String> {
    let portolan = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name("portolan");
    if !portolan.exists() {
        return Err(format!("{} is missing: build it first", portolan.display()));
    }
    let namespace = Namespace::new("run")?;
    let _tap = namespace.tap(ADDRESS)?;
    namespace.run(&format!("ip route add default via {ROUTER}"))?;
    let bench = Bench { namespace, portolan };
    let rounds = if short { 1 } else { 5 };
    let mut rows = Vec::new();
    for (what, size) in
        [("iperf3 between two programs, 16 KiB", "16K"), ("iperf3 between two programs, 64 KiB", "64K")]
    {
        rows.push(bench.compare(what, "Gbit/s", 0.5, rounds, |network| bench.between(network, size))?);
    }
    rows.push(
        bench.compare("64-octet ping-pong", "round trips/ms", 0.3, rounds, |network| bench.pings(network))?,
    );
    for (what, back) in [("iperf3 out, beside pasta", ""), ("iperf3 in, beside pasta", "-R")] {
        let sides = [Network::Egress, Network::Pasta];
        rows.push(
            bench
                .compare_sides(what, "Gbit/s", 1.0, rounds, sides, |network| bench.outward(network, back))?,
        );
    }
    println!("{:<38} {:>9} {:>9}  {:<15} {:>6} {:>6}", "", "portolan", "beside", "", "ratio", "aim");
    for row in &rows {
        println!(
            "{:<38} {:>9.2} {:>9.2}  {:<15} {:>6.2} {:>6.2}",
            row.what,
            row.ours,
            row.theirs,
            row.unit,
            row.ratio(),
            row.aim
        );
    }
    let start = bench.start_up(if short { 5 } else { 40 })?;
    println!("start-up and end of `portolan run -- true`: {start:.1} ms, aim below 50");
    // One round of a second says little: then only a collapse fails.
    let slack = if short { 0.3 } else { 1.0 };
    Ok(rows.iter().all(|row| row.ratio() >= row.aim * slack) && start * slack < 50.0)
}

impl Bench {
    fn compare(
        &self,
        what: &'static str,
        unit: &'static str,
        aim: f64,
        rounds: usize,
        measure: impl Fn(Network) -> Result<f64, String>,
    ) -> Result<Row, String> {
        self.compare_sides(what, unit, aim, rounds, [Network::Alone, Network::Kernel], measure)
    }

    /// Both sides in turn, round by round.
    fn compare_sides(
        &self,
        what: &'static str,
        unit: &'static str,
        aim: f64,
        rounds: usize,
        [ours, theirs]: [Network; 2],
        measure: impl Fn(Network) -> Result<f64, String>,
    ) -> Result<Row, String> {
        let (mut us, mut them) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            us.push(measure(ours)?);
            them.push(measure(theirs)?);
        }
        Ok(Row { what, ours: median(us), theirs: median(them), unit, aim })
    }

    /// A shell script in a network.
    fn script(&self, network: Network, script: &str) -> Command {
        let mut command = self.namespace.command();
        command.args(UNDISTURBED);
        match network {
            Network::Kernel => {}
            Network::Alone => {
                command.arg(&self.portolan).args(["run", "--quiet", "--link", "none", "--"]);
            }
            Network::Egress => {
                command.arg(&self.portolan).args(["run", "--quiet", "--"]);
            }
            Network::Pasta => {
                command.args(["pasta", "--runas", "0:0", "--config-net", "--netns-only", "-q", "--"]);
            }
        }
        command.args(["sh", "-c", script]).stdin(Stdio::null());
        command
    }

    /// iperf3's rate between a server and a client of one network, in Gbit/s as received.
    fn between(&self, network: Network, size: &str) -> Result<f64, String> {
        let client = format!("iperf3 -c 127.0.0.1 -p {PORT} -t {SECONDS} -l {size} -f m --json");
        let script = format!("iperf3 -s -1 -p {PORT} >/dev/null & sleep 0.4; {client}");
        received(&output(&mut self.script(network, &script))?)
    }

    /// iperf3's rate to a server on the machine's loopback.
    fn outward(&self, network: Network, words: &str) -> Result<f64, String> {
        let _server = self.server()?;
        let server = match network {
            Network::Pasta => ROUTER,
            _ => "host.portolan.internal",
        };
        let client = format!("iperf3 -4 -c {server} -p {PORT} -t {SECONDS} -l 64K {words} --json");
        received(&output(&mut self.script(network, &client))?)
    }

    /// An iperf3 in the namespace that serves one client.
    fn server(&self) -> Result<Server, String> {
        let mut command = self.namespace.command();
        command.args(UNDISTURBED).args(["iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", &PORT.to_string()]);
        let child = command.stdout(Stdio::null()).spawn().map_err(|error| format!("iperf3: {error}"))?;
        let until = Instant::now() + PATIENCE;
        let listens = || output(self.namespace.command().args(["ss", "-Hltn", &format!("sport = :{PORT}")]));
        while listens()?.is_empty() {
            if Instant::now() > until {
                return Err("iperf3 does not listen".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Server(child))
    }

    /// Round trips of 64 octets per millisecond between two processes.
    fn pings(&self, network: Network) -> Result<f64, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let said = output(&mut self.script(network, &format!("'{}' ping-pong", own.display())))?;
        said.trim().parse().map_err(|_| format!("ping-pong said '{said}'"))
    }

    /// Milliseconds of a whole `portolan run -- true`, with `ip netns exec` before it, the median of many.
    fn start_up(&self, times: usize) -> Result<f64, String> {
        let mut all = Vec::new();
        for _ in 0..times {
            let began = Instant::now();
            let mut command = self.namespace.command();
            command.args(UNDISTURBED).arg(&self.portolan).args(["run", "--quiet", "--", "true"]);
            output(&mut command)?;
            all.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(median(all))
    }
}

/// A server that ends with the value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&said).trim()))
}

/// What iperf3's JSON says the receiver got, in Gbit/s.
fn received(json: &str) -> Result<f64, String> {
    let sum = json.split("\"sum_received\"").nth(1).ok_or("iperf3 said nothing of what was received")?;
    let rate = sum.split("\"bits_per_second\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
    let rate = rate.and_then(|rate| rate.trim().parse::<f64>().ok()).ok_or("iperf3 said no rate")?;
    Ok(rate / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

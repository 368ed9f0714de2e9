//! Two processes that pass 64 octets to and fro over a connection: round trips per millisecond.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

const SIZE: usize = 64;
const WARM_UP: Duration = Duration::from_millis(200);
const TIME: Duration = Duration::from_secs(1);

/// The asking process; with a port, the answering one.
pub(crate) fn main(port: Option<&str>) -> ExitCode {
    let outcome = match port.map(str::parse) {
        Some(Ok(port)) => answer(port),
        Some(Err(_)) => Err(io::ErrorKind::InvalidInput.into()),
        None => ask().map(|rate| println!("{rate}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ping-pong: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    let mut octets = [0; SIZE];
    while stream.read_exact(&mut octets).is_ok() {
        stream.write_all(&octets)?;
    }
    Ok(())
}

fn ask() -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port().to_string();
    let mut other = Command::new(std::env::current_exe()?).args(["ping-pong", &port]).spawn()?;
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    trips(&mut stream, WARM_UP)?;
    let rate = trips(&mut stream, TIME)?;
    drop(stream);
    other.wait()?;
    Ok(rate)
}

/// Round trips per millisecond over this time.
fn trips(stream: &mut TcpStream, time: Duration) -> io::Result<f64> {
    let began = Instant::now();
    let mut octets = [7; SIZE];
    let mut count = 0u32;
    while began.elapsed() < time {
        stream.write_all(&octets)?;
        stream.read_exact(&mut octets)?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64() / 1000.0)
}

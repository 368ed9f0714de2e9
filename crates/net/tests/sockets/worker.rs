//! The worker itself: it sleeps when there is nothing to do, and can carry an application within its turn.

use std::collections::HashMap;
use std::time::Duration;

use portolan::{Error, Host, TcpStream};
use portolan_stack::{Event, SocketError};
use portolan_wire::{Address, Endpoint, EthernetAddress, Family};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{B, OFFLOADED, at, describe, on_runtime, soon};
use crate::stream::connect;

/// Processor time of this thread.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[tokio::test]
async fn an_idle_worker_sleeps() {
    let (a, b) = on_runtime(OFFLOADED);
    let (mut near, mut far) = connect(&a, &b).await;
    near.write_all(b"x").await.unwrap();
    far.read_exact(&mut [0]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = spent();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let used = spent() - before;
    assert!(used < Duration::from_millis(50), "{used:?} of processor time in half a second of silence");
}

#[test]
fn an_idle_thread_sleeps() {
    let (a, b) = describe(OFFLOADED);
    let ((a, worker), (_b, _other)) = (a.build().unwrap(), b.build().unwrap());
    let running = std::thread::spawn(move || {
        worker.run_blocking().unwrap();
        spent()
    });
    std::thread::sleep(Duration::from_millis(500));
    a.shutdown();
    let used = running.join().unwrap();
    assert!(used < Duration::from_millis(50), "{used:?} of processor time in half a second of silence");
}

#[tokio::test]
async fn an_application_lives_in_the_turn() {
    let (a, b) = describe(OFFLOADED);
    let ((a, worker_a), (b, worker_b)) = (a.build().unwrap(), b.build().unwrap());
    tokio::spawn(worker_a.run());
    let listener = b.with_stack(|stack, now| {
        let id = stack.tcp_socket(Family::V4)?;
        stack.bind(now, id, Endpoint { address: Address::V4_UNSPECIFIED, port: 7 })?;
        stack.listen(now, id, 16)?;
        Ok::<_, SocketError>(id)
    });
    let listener = listener.unwrap();
    let mut unsent = HashMap::new();
    let thread = std::thread::spawn(move || {
        worker_b.run_with(move |stack, now, event| match *event {
            Event::Acceptable(id) => {
                assert_eq!(id, listener);
                while let Ok((id, _, _)) = stack.accept(now, id) {
                    unsent.insert(id, None);
                }
            }
            Event::Readable(id) | Event::Writable(id) => {
                let Some(rest) = unsent.get_mut(&id) else { return };
                loop {
                    if let Some(chunk) = rest {
                        match stack.write_chunk(now, id, chunk) {
                            Ok(_) if chunk.is_empty() => *rest = None,
                            Ok(_) => continue,
                            Err(_) => return,
                        }
                    }
                    match stack.read_chunk(now, id, 1 << 20) {
                        Ok(Some(chunk)) => *rest = Some(chunk),
                        Ok(None) => return stack.close(now, id).unwrap(),
                        Err(_) => return,
                    }
                }
            }
            _ => {}
        })
    });
    let (mut from, mut to) = soon(TcpStream::connect(&a, at(B, 7))).await.unwrap().into_split();
    let sending = tokio::spawn(async move { to.write_all(&vec![9; 4 << 20]).await });
    let mut echo = Vec::new();
    soon(from.read_to_end(&mut echo)).await.unwrap();
    soon(sending).await.unwrap().unwrap();
    assert!(echo.len() == 4 << 20 && echo.iter().all(|octet| *octet == 9));
    b.shutdown();
    thread.join().unwrap().unwrap();
}

#[test]
fn a_wrong_setting_is_named() {
    let error = Host::builder().address("10.0.0.1/24".parse().unwrap()).build().err().unwrap();
    assert!(matches!(&error, Error::NoLink { .. }));
    assert_eq!(error.to_string(), "address 10.0.0.1/24: needs a link before it");
    let (end, _other) = portolan_drivers::wire::pair(OFFLOADED, OFFLOADED);
    let error = Host::builder()
        .link("left", EthernetAddress([2, 0, 0, 0, 0, 1]), end)
        .address("224.0.0.1/24".parse().unwrap())
        .build()
        .err()
        .unwrap();
    assert!(error.to_string().starts_with("address 224.0.0.1/24: "), "{error}");
}

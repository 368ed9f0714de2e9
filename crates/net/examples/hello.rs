//! Two hosts in one process, joined by a wire: one serves a line of text, the other fetches it.

use portolan::{Host, TcpListener, TcpStream};
use portolan_drivers::wire;
use portolan_link::{LinkCaps, Medium};
use portolan_wire::EthernetAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A wire that carries super-segments of 64 KiB and needs no checksums, because memory corrupts nothing.
    let caps = LinkCaps { medium: Medium::Ethernet, mtu: 1500, gso_max: 65_535, checksum: true };
    let (left, right) = wire::pair(caps, caps);
    let (server, server_worker) = Host::builder()
        .link("left", EthernetAddress([2, 0, 0, 0, 0, 1]), left)
        .address("10.0.0.1/24".parse()?)
        .build()?;
    let (client, client_worker) = Host::builder()
        .link("right", EthernetAddress([2, 0, 0, 0, 0, 2]), right)
        .address("10.0.0.2/24".parse()?)
        .build()?;
    // Each host lives while its worker runs; here both are tasks of one runtime.
    tokio::spawn(server_worker.run());
    tokio::spawn(client_worker.run());

    let listener = TcpListener::bind(&server, ([10, 0, 0, 1], 80))?;
    let serving = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await?;
        stream.write_all(format!("Hello, {peer}!\n").as_bytes()).await?;
        stream.shutdown().await
    });

    let mut stream = TcpStream::connect(&client, ([10, 0, 0, 1], 80)).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    serving.await??;
    assert!(text.starts_with("Hello, 10.0.0.2:"));
    print!("{text}");

    // Connections that are still open are reset, so that no peer is left waiting.
    server.shutdown();
    client.shutdown();
    Ok(())
}

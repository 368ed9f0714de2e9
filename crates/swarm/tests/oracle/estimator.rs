//! An RTT estimator of QUIC's, which its controllers want to be shown and only a connection can make.
//!
//! So there is one: a client that believes in no cryptography sends its first packet and is answered by a hand-made
//! acknowledgement, and a controller of ours takes the estimator that it is shown, which holds what was expected.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use quinn_proto::congestion::{Controller, ControllerFactory};
use quinn_proto::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, HmacKey, KeyPair, Keys, PacketKey,
    Session,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{
    ConnectError, ConnectionId, DatagramEvent, Endpoint, EndpointConfig, RttEstimator, Side, TransportConfig,
    TransportError,
};

/// An estimator whose estimate is `rtt`.
pub(crate) fn estimator(rtt: Duration) -> RttEstimator {
    let seen = Arc::new(Mutex::new(None));
    let mut transport = TransportConfig::default();
    transport.initial_rtt(rtt);
    transport.congestion_controller_factory(Arc::new(Spy(Arc::clone(&seen))));
    let mut config = quinn_proto::ClientConfig::new(Arc::new(Plain));
    config.transport_config(Arc::new(transport));
    let mut endpoint =
        Endpoint::new(Arc::new(EndpointConfig::new(Arc::new(Plain))), None, false, Some([1; 32]));
    let (now, remote): (_, SocketAddr) = (Instant::now(), "127.0.0.1:4433".parse().unwrap());
    let (handle, mut connection) = endpoint.connect(now, config, remote, "peer").unwrap();
    let mut datagram = Vec::new();
    let transmit = connection.poll_transmit(now, 1, &mut datagram).expect("the client speaks first");
    datagram.truncate(transmit.size);
    let answer = BytesMut::from(acknowledgement(&datagram).as_slice());
    let event = endpoint.handle(now + rtt, remote, None, None, answer, &mut Vec::new());
    let Some(DatagramEvent::ConnectionEvent(to, event)) = event else {
        panic!("the answer is the connection's")
    };
    assert_eq!(to, handle);
    connection.handle_event(event);
    let estimator = seen.lock().unwrap().expect("the answer acknowledges something");
    assert_eq!(estimator.get(), rtt);
    estimator
}

/// An Initial packet (RFC 9000 §17.2.2) that acknowledges packet 0 of the client that sent `datagram`.
fn acknowledgement(datagram: &[u8]) -> Vec<u8> {
    const ACK: [u8; 5] = [0x02, 0, 0, 0, 0];
    const PADDING: usize = 40;
    let destination_len = usize::from(datagram[5]);
    let source = &datagram[6 + destination_len..];
    let source = &source[1..1 + usize::from(source[0])];
    let mut out = vec![0xc0];
    out.extend_from_slice(&datagram[1..5]);
    out.push(u8::try_from(source.len()).unwrap());
    out.extend_from_slice(source);
    // Our own name of four octets, no token, and what follows with its length: a packet number, frames, padding.
    out.extend_from_slice(&[4, 1, 2, 3, 4, 0]);
    out.push(u8::try_from(1 + ACK.len() + PADDING).unwrap());
    out.push(0);
    out.extend_from_slice(&ACK);
    out.extend_from_slice(&[0; PADDING]);
    out
}

/// A controller that keeps what it is shown.
#[derive(Clone)]
struct Spy(Arc<Mutex<Option<RttEstimator>>>);

impl ControllerFactory for Spy {
    fn build(self: Arc<Self>, _: Instant, _: u16) -> Box<dyn Controller> {
        Box::new(Spy(Arc::clone(&self.0)))
    }
}

impl Controller for Spy {
    fn on_ack(&mut self, _: Instant, _: Instant, _: u64, _: bool, rtt: &RttEstimator) {
        *self.0.lock().unwrap() = Some(*rtt);
    }
    fn on_congestion_event(&mut self, _: Instant, _: Instant, _: bool, _: u64) {}
    fn on_mtu_update(&mut self, _: u16) {}
    fn window(&self) -> u64 {
        12_000
    }
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
    fn initial_window(&self) -> u64 {
        12_000
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Cryptography that changes nothing.
struct Plain;

impl Plain {
    fn keys() -> Keys {
        Keys {
            header: KeyPair { local: Box::new(Plain), remote: Box::new(Plain) },
            packet: KeyPair { local: Box::new(Plain), remote: Box::new(Plain) },
        }
    }
}

impl ClientConfig for Plain {
    fn start_session(
        self: Arc<Self>,
        _: u32,
        _: &str,
        _: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        Ok(Box::new(Hello { is_said: false }))
    }
}

/// A handshake that says one word.
struct Hello {
    is_said: bool,
}

impl Session for Hello {
    fn initial_keys(&self, _: &ConnectionId, _: Side) -> Keys {
        Plain::keys()
    }
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }
    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }
    fn early_data_accepted(&self) -> Option<bool> {
        None
    }
    fn is_handshaking(&self) -> bool {
        true
    }
    fn read_handshake(&mut self, _: &[u8]) -> Result<bool, TransportError> {
        Ok(false)
    }
    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(None)
    }
    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        if !std::mem::replace(&mut self.is_said, true) {
            out.extend_from_slice(b"hello");
        }
        None
    }
    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        None
    }
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }
    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

impl PacketKey for Plain {
    fn encrypt(&self, _: u64, _: &mut [u8], _: usize) {}
    fn decrypt(&self, _: u64, _: &[u8], _: &mut BytesMut) -> Result<(), CryptoError> {
        Ok(())
    }
    fn tag_len(&self) -> usize {
        0
    }
    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }
    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

impl HeaderKey for Plain {
    fn decrypt(&self, _: usize, _: &mut [u8]) {}
    fn encrypt(&self, _: usize, _: &mut [u8]) {}
    fn sample_size(&self) -> usize {
        0
    }
}

impl HmacKey for Plain {
    fn sign(&self, _: &[u8], out: &mut [u8]) {
        out.fill(0);
    }
    fn signature_len(&self) -> usize {
        32
    }
    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), CryptoError> {
        Ok(())
    }
}

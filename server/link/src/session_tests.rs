use super::*;
use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};
use uring::{DriverConfig, PoolConfig, block_on_within};

const LIMIT: Duration = Duration::from_secs(20);

type Secure = StreamOwned<ServerConnection, TcpStream>;

/// One connection to `serve` in a thread of its own, and a session on our side of it.
fn connected<T: Send + 'static>(
    greeting: &Greeting,
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Session, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = spawn(move || serve(listener.accept().unwrap().0));
    let socket: Rc<OwnedFd> = Rc::new(TcpStream::connect(address).unwrap().into());
    (Session::new(greeting, &socket, &Rc::from(format!("https://{address}"))).unwrap(), thread)
}

fn driver() -> Driver {
    Driver::new(DriverConfig { entries: 64, pool: PoolConfig { size_bytes_max: 1 << 20 } }).unwrap()
}

fn run<T>(driver: &Driver, future: impl Future<Output = T>) -> T {
    block_on_within(driver, LIMIT, future).unwrap()
}

/// The settings of both sides, for a server called `h`.
fn both(version: &'static SupportedProtocolVersion) -> (Greeting, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let name = ServerName::try_from("h".to_owned()).unwrap();
    (Greeting { config: Arc::new(config), name }, Arc::new(server))
}

fn secure(config: Arc<ServerConfig>, stream: TcpStream) -> Secure {
    StreamOwned::new(ServerConnection::new(config).unwrap(), stream)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 / 7) as u8).collect()
}

#[test]
fn bytes_go_to_and_fro_unchanged() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (greeting, config) = both(version);
        let driver = driver();
        for (head_len, body_len) in [(5usize, 0usize), (100, 1), (100, 16 << 10), (1000, 3_000_001)] {
            let config = Arc::clone(&config);
            let (mut session, thread) = connected(&greeting, move |stream| {
                let mut stream = secure(config, stream);
                let mut got = vec![0; head_len + body_len];
                stream.read_exact(&mut got).unwrap();
                stream.write_all(&got).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
            });
            let all = pattern(head_len + body_len);
            let (head, body) = all.split_at(head_len);
            run(&driver, session.write_pair(&driver, head, body)).unwrap();
            // Odd rooms: records are larger, and end in the middle of them.
            let mut back = Vec::new();
            let mut room = vec![0; 10_007];
            loop {
                let is_all = back.len() % 2 == 0;
                let got = run(&driver, session.read(&driver, &mut room, is_all)).unwrap();
                assert!(got == room.len() || !is_all || back.len() + got == all.len());
                back.extend_from_slice(&room[..got]);
                if got == 0 {
                    break;
                }
            }
            assert!(back == all && !session.is_cut(), "{head_len} and {body_len}");
            thread.join().unwrap();
        }
    }
}

#[test]
fn an_end_without_goodbye_is_known() {
    let (greeting, config) = both(&rustls::version::TLS13);
    let driver = driver();
    let (mut session, thread) = connected(&greeting, |stream| {
        let mut stream = secure(config, stream);
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"half").unwrap();
    });
    run(&driver, session.write(&driver, b"?")).unwrap();
    let mut room = [0; 100];
    assert_eq!(run(&driver, session.read(&driver, &mut room, true)).unwrap(), 4);
    assert_eq!(run(&driver, session.read(&driver, &mut room, true)).unwrap(), 0);
    assert!(session.is_cut());
    thread.join().unwrap();
}

#[test]
fn tickets_are_no_answer() {
    let (greeting, config) = both(&rustls::version::TLS13);
    let driver = driver();
    let (mut session, thread) = connected(&greeting, |stream| {
        let mut stream = secure(config, stream);
        // The first bytes bring the handshake to its end, and tickets follow it; the answer comes only when asked again.
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"yes").unwrap();
        stream.read_exact(&mut [0; 1]).is_err()
    });
    run(&driver, session.write(&driver, b"1")).unwrap();
    assert!(!run(&driver, session.answers_within(&driver, Duration::from_millis(300))).unwrap());
    run(&driver, session.write(&driver, b"2")).unwrap();
    assert!(run(&driver, session.answers_within(&driver, LIMIT)).unwrap());
    let mut room = [0; 9];
    assert_eq!(run(&driver, session.read(&driver, &mut room, false)).unwrap(), 3);
    assert_eq!(&room[..3], b"yes");
    drop(session);
    assert!(thread.join().unwrap());
}

#[test]
fn whom_nobody_knows_is_refused_and_told_so() {
    // Both certificates have the same name.
    let (_, config) = both(&rustls::version::TLS13);
    let (greeting, _) = both(&rustls::version::TLS13);
    let driver = driver();
    let (mut session, thread) = connected(&greeting, |stream| {
        secure(config, stream).read_exact(&mut [0; 1]).unwrap_err().to_string()
    });
    for _ in 0..2 {
        let error = run(&driver, session.write(&driver, b"?")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Tls);
        assert!(
            error.text.starts_with("https://127.0.0.1:") && error.text.contains("AIS_CLIENT_CA"),
            "{}",
            error.text
        );
    }
    assert!(run(&driver, session.read(&driver, &mut [0; 9], true)).is_err(), "it does not wait either");
    let heard = thread.join().unwrap();
    assert!(heard.to_lowercase().contains("alert") || heard.contains("UnknownCA"), "{heard}");
}

#[test]
fn servers_without_tls_are_named() {
    let (greeting, _) = both(&rustls::version::TLS13);
    let driver = driver();
    let table: [(&[u8], &str); 3] = [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "is it a plain http server?"),
        (b"", "closed before TLS was agreed upon"),
        (b"\x15\x03\x01\x00\x02\x02\x28", "alert HandshakeFailure"),
    ];
    for (answer, want) in table {
        let (mut session, thread) = connected(&greeting, |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(answer).unwrap();
        });
        let error = run(&driver, session.write(&driver, b"?")).unwrap_err();
        assert!(error.kind == ErrorKind::Tls && error.text.contains(want), "{}", error.text);
        thread.join().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of a server's side, changed at one place or made up altogether, end in an answer or in an error.
    #[test]
    fn no_bytes_off_the_socket_do_harm(
        is_made_up in any::<bool>(),
        noise in proptest::collection::vec(any::<u8>(), 1..400),
        at in any::<prop::sample::Index>(),
        step in 1usize..600,
    ) {
        let (greeting, config) = both(&rustls::version::TLS13);
        let driver = driver();
        let (mut session, thread) = connected(&greeting, move |mut stream| {
            let mut server = ServerConnection::new(config).unwrap();
            server.read_tls(&mut stream).unwrap();
            server.process_new_packets().unwrap();
            let mut bytes = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let place = at.index(bytes.len());
            if is_made_up {
                bytes.splice(place.., noise);
            } else {
                bytes[place] ^= noise[0].max(1);
            }
            for piece in bytes.chunks(step) {
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read(&mut [0; 4096]);
        });
        let mut room = [0; 64];
        let outcome = run(&driver, async {
            session.write(&driver, b"?").await?;
            session.read(&driver, &mut room, false).await
        });
        prop_assert!(outcome.is_err() || outcome.is_ok_and(|got| got == 0));
        drop(session);
        thread.join().unwrap();
    }
}

//! TLS in front of a plain server: certificates, and a thread for each connection that takes TLS off.

#![allow(dead_code, reason = "each test program uses a part of it")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// An authority, with its certificate in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, dir }
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// The files of a certificate for `name`, and of its key.
    pub(crate) fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        let (crt, key_file) = (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        std::fs::write(&crt, made.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        (crt.display().to_string(), key_file.display().to_string())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self, name: &str, clients: Option<&Authority>) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.issuer.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_single_cert(vec![made.der().clone()], key).unwrap()
    }
}

/// Speaks TLS to whoever comes, and plainly to the server behind.
pub(crate) struct Front {
    pub(crate) port: u16,
    /// Connections that spoke TLS to the end of their handshakes.
    pub(crate) greeted: Arc<AtomicU64>,
    /// The number of those that went on with an earlier session.
    pub(crate) resumed: Arc<AtomicU64>,
    is_dead: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Front {
    /// Starts with a certificate for `name`.
    pub(crate) fn start(behind: &str, authority: &Authority, name: &str) -> Self {
        Self::with(behind, authority.server(name, None))
    }

    /// The same, but only for clients whose certificates `clients` has made.
    pub(crate) fn start_mutual(behind: &str, authority: &Authority, clients: &Authority) -> Self {
        Self::with(behind, authority.server("localhost", Some(clients)))
    }

    fn with(behind: &str, config: ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let front = Self {
            port: listener.local_addr().unwrap().port(),
            greeted: Arc::default(),
            resumed: Arc::default(),
            is_dead: Arc::default(),
            open: Arc::default(),
        };
        let (config, behind) = (Arc::new(config), behind.to_owned());
        let counts = (Arc::clone(&front.greeted), Arc::clone(&front.resumed));
        let (is_dead, open) = (Arc::clone(&front.is_dead), Arc::clone(&front.open));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_dead.load(Ordering::SeqCst) {
                    return;
                }
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let server = TcpStream::connect(&behind).unwrap();
                let conn = ServerConnection::new(Arc::clone(&config)).unwrap();
                let counts = counts.clone();
                std::thread::spawn(move || {
                    carry(conn, &stream, &server, &counts);
                    // Another handle of it is kept for `die`.
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        front
    }

    /// The endpoint for a run.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Ends all connections, and takes no new ones.
    pub(crate) fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        // Wakes the listener, which then goes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Carries bytes to and fro until one side ends.
fn carry(
    mut conn: ServerConnection,
    mut client: &TcpStream,
    mut server: &TcpStream,
    counts: &(Arc<AtomicU64>, Arc<AtomicU64>),
) -> Option<()> {
    for stream in [client, server] {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    let (mut to_server, mut room, mut is_greeted, mut has_ended) =
        (Vec::new(), vec![0; 1 << 16], false, false);
    while !has_ended || conn.wants_write() {
        await_any(&conn, client, server, !to_server.is_empty());
        if ready(conn.read_tls(&mut client))? == Some(0) {
            return None;
        }
        if conn.process_new_packets().is_err() {
            // The alert that says why.
            while conn.wants_write() && conn.write_tls(&mut client).is_ok() {}
            return None;
        }
        if !is_greeted && !conn.is_handshaking() {
            is_greeted = true;
            counts.0.fetch_add(1, Ordering::SeqCst);
            let is_resumed = conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
            counts.1.fetch_add(u64::from(is_resumed), Ordering::SeqCst);
        }
        while let Some(got) = ready(conn.reader().read(&mut room))?.filter(|got| *got > 0) {
            to_server.extend_from_slice(&room[..got]);
        }
        if let Some(sent) = ready(server.write(&to_server))? {
            to_server.drain(..sent);
        }
        if !conn.wants_write()
            && !has_ended
            && let Some(got) = ready(server.read(&mut room))?
        {
            has_ended = got == 0;
            conn.writer().write_all(&room[..got]).unwrap();
            if has_ended {
                conn.send_close_notify();
            }
        }
        while conn.wants_write() && ready(conn.write_tls(&mut client))?.is_some() {}
    }
    Some(())
}

/// `Some(None)`: not now.
fn ready(result: std::io::Result<usize>) -> Option<Option<usize>> {
    match result {
        Ok(bytes) => Some(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Some(None),
        Err(_) => None,
    }
}

fn await_any(conn: &ServerConnection, client: &TcpStream, server: &TcpStream, has_more: bool) {
    let flags = |is_writing| if is_writing { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let mut fds = [PollFd::new(client, flags(conn.wants_write())), PollFd::new(server, flags(has_more))];
    let limit = Timespec { tv_sec: 1, tv_nsec: 0 };
    poll(&mut fds, Some(&limit)).unwrap();
}

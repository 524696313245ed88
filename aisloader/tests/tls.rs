//! The whole program over TLS: whom it trusts, who it is, where redirects lead, and what it says when that fails.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may fail loudly, as tests may"
)]

mod common;
#[path = "common/tls.rs"]
mod tls;

use common::{Manner, Responder};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tls::{Authority, Front};

/// The rules about the machine under the tests are waived, as it is not tested.
const WAIVED: &str = "-allow=client-saturated,steal,clock-step,not-steady,too-short,cache";

fn command(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aisloader"));
    for name in ["AIS_CLIENT_CA", "AIS_SKIP_VERIFY_CRT", "AIS_CRT", "AIS_CRT_KEY", "AIS_ENDPOINT"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied());
    command
}

fn run(url: &str, environment: &[(&str, &str)], line: &str) -> (Option<i32>, String) {
    let mut command = command(environment);
    command.args([
        "-bucket=ais://b",
        "-cleanup=false",
        "-numworkers=4",
        "-seed=5",
        "-statsinterval=0",
        WAIVED,
    ]);
    command.env("AIS_ENDPOINT", url).args(line.split_whitespace());
    said(&command.output().unwrap())
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Runs that come to a good end.
fn succeeds(url: &str, environment: &[(&str, &str)], line: &str) -> String {
    let (code, text) = run(url, environment, line);
    assert_eq!(code, Some(0), "{line}: {text}");
    text
}

/// Runs that fail and say why.
fn fails(url: &str, environment: &[(&str, &str)], line: &str, wants: &[&str]) {
    let (code, text) = run(url, environment, line);
    assert!(matches!(code, Some(1 | 2)), "{code:?} {text}");
    assert!(wants.iter().all(|want| text.contains(want)), "{wants:?}: {text}");
}

fn filled(manner: Manner) -> Responder {
    let responder = Responder::start(manner);
    responder.fill(50, 100_000);
    responder
}

#[test]
fn every_byte_comes_through() {
    let (responder, authority) = (Responder::start(Manner::Serve), Authority::new("a"));
    let front = Front::start(&responder.authority, &authority, "localhost");
    let trust = [("AIS_CLIENT_CA", authority.file())];
    let trust: Vec<(&str, &str)> = trust.iter().map(|(name, file)| (*name, file.as_str())).collect();
    // Small ones with their heads, large ones after they were asked for.
    for line in ["-minsize=0 -maxsize=100K -maxputs=40", "-minsize=5M -maxsize=21M -maxputs=3"] {
        let text = succeeds(&front.url(), &trust, &format!("-pctput=100 -verify=content {line}"));
        assert!(
            text.contains(&format!("on {}", front.url()))
                && text.contains("TLS: the system's authorities and")
        );
    }
    // The same seed gives each of the four workers the same names. The second run overwrites what its worker wrote in the
    // first, where that worker had a turn at all.
    let sizes: Vec<usize> = responder.store.objects.lock().unwrap().values().map(Vec::len).collect();
    let large = sizes.iter().filter(|size| **size >= 5 << 20).count();
    assert!((40..=43).contains(&sizes.len()) && large == 3, "{} names, {large} large", sizes.len());
    for line in [
        "-epochs=2 -verify=content",
        "-epochs=1 -verify=checksum",
        "-epochs=1",
        "-epochs=1 -drop=false",
        "-maxops=100 -readlen=1K -readoff=0",
        "-maxops=300 -pctlist=40 -pcthead=40 -pctput=10 -minsize=1 -maxsize=70K -verify=content",
        "-maxops=100 -pctlist=40 -pctdel=20 -pctput=40 -minsize=1 -maxsize=70K -verify=content",
    ] {
        succeeds(&front.url(), &trust, line);
    }
    assert!(front.greeted.load(Ordering::SeqCst) > 0);
    *responder.store.manner.lock().unwrap() = Manner::Chunked;
    succeeds(&front.url(), &trust, "-epochs=1 -verify=content");
}

#[test]
fn sessions_are_resumed() {
    let (responder, authority) = (filled(Manner::CloseAfter), Authority::new("a"));
    let front = Front::start(&responder.authority, &authority, "localhost");
    succeeds(&front.url(), &[("AIS_CLIENT_CA", &authority.file())], "-maxops=50");
    let (greeted, resumed) = (front.greeted.load(Ordering::SeqCst), front.resumed.load(Ordering::SeqCst));
    assert!(greeted >= 50 && resumed >= 30, "{resumed} of {greeted}");
}

#[test]
fn whom_to_trust_is_the_users_decision() {
    let (responder, authority) = (filled(Manner::Serve), Authority::new("a"));
    let front = Front::start(&responder.authority, &authority, "localhost");
    let stranger = Authority::new("b");
    let namesake = Authority::new("a");
    let url = front.url();
    let refused =
        ["TLS: its certificate is refused", "no authority that is trusted here", "AIS_SKIP_VERIFY_CRT=true"];
    fails(
        &url,
        &[("AIS_CLIENT_CA", &stranger.file())],
        "-maxops=5",
        &[&refused as &[&str], &[&url]].concat(),
    );
    fails(&url, &[("AIS_CLIENT_CA", &namesake.file())], "-maxops=5", &["it has not signed it"]);
    fails(&url, &[("AIS_CLIENT_CA", "/nowhere/ca.pem")], "-maxops=5", &["AIS_CLIENT_CA=\"/nowhere/ca.pem\""]);
    fails(&url, &[("AIS_SKIP_VERIFY_CRT", "perhaps")], "-maxops=5", &["AIS_SKIP_VERIFY_CRT=\"perhaps\""]);
    assert_eq!((responder.object_requests(), front.greeted.load(Ordering::SeqCst)), (0, 0));
    let text = succeeds(&url, &[("AIS_SKIP_VERIFY_CRT", "true")], "-maxops=20");
    assert!(text.contains("TLS: any certificate is taken"), "{text}");
    assert_eq!(responder.object_requests(), 20);
}

#[test]
fn a_certificate_is_for_a_name() {
    let (responder, authority) = (filled(Manner::Serve), Authority::new("a"));
    let front = Front::start(&responder.authority, &authority, "other.test");
    let trust = [("AIS_CLIENT_CA", &*authority.file())];
    fails(&front.url(), &trust, "-maxops=5", &["not valid for name \"localhost\"", "other.test"]);
    // An address does not stand for the name of its host.
    let named = Front::start(&responder.authority, &authority, "localhost");
    let by_address = format!("https://127.0.0.1:{}", named.port);
    fails(&by_address, &trust, "-maxops=5", &["its certificate is refused"]);
    let addressed = Front::start(&responder.authority, &authority, "127.0.0.1");
    succeeds(&format!("https://127.0.0.1:{}", addressed.port), &trust, "-maxops=5");
}

#[test]
fn clients_have_certificates_too() {
    let (responder, authority, clients) = (filled(Manner::Serve), Authority::new("a"), Authority::new("c"));
    let front = Front::start_mutual(&responder.authority, &authority, &clients);
    let (ca, (crt, key)) = (authority.file(), clients.certify("loader"));
    let trust = ("AIS_CLIENT_CA", ca.as_str());
    succeeds(&front.url(), &[trust, ("AIS_CRT", &crt), ("AIS_CRT_KEY", &key)], "-maxops=20");
    fails(&front.url(), &[trust], "-maxops=20", &["CertificateRequired", "AIS_CRT and AIS_CRT_KEY"]);
    fails(&front.url(), &[trust, ("AIS_CRT", &crt)], "-maxops=20", &["one is of no use without the other"]);
    let (crt, key) = authority.certify("stranger");
    fails(
        &front.url(),
        &[trust, ("AIS_CRT", &crt), ("AIS_CRT_KEY", &key)],
        "-maxops=20",
        &["it refuses TLS"],
    );
}

#[test]
fn servers_that_speak_plainly_are_named() {
    let responder = filled(Manner::Serve);
    let url = format!("https://{}", responder.authority);
    // The small server waits for the end of a head that never comes, so it is cut by the limit of time.
    fails(&url, &[("AIS_SKIP_VERIFY_CRT", "true")], "-maxops=5 -timeout=1s", &["no answer in time"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            );
        }
    });
    fails(&url, &[("AIS_SKIP_VERIFY_CRT", "true")], "-maxops=5", &["is it a plain http server?", &url]);
}

#[test]
fn redirects_lead_to_tls_and_not_out_of_it() {
    let (target, authority) = (filled(Manner::Serve), Authority::new("a"));
    let secure_target = Front::start(&target.authority, &authority, "localhost");
    let gateway = Responder::start(Manner::Redirect(secure_target.url()));
    gateway.fill(50, 1);
    let secure_gateway = Front::start(&gateway.authority, &authority, "localhost");
    let trust = [("AIS_CLIENT_CA", &*authority.file())];
    let line = "-pctput=50 -minsize=1K -maxsize=200K -maxops=60";
    for url in [secure_gateway.url(), format!("http://{}", gateway.authority)] {
        let before = target.object_requests();
        succeeds(&url, &trust, line);
        assert_eq!(target.object_requests() - before, 60, "{url}");
    }
    // Workers rest after each failure, longer and longer.
    let line = "-pctput=50 -minsize=1K -maxsize=200K -maxops=8";
    *gateway.store.manner.lock().unwrap() = Manner::Redirect(target.authority.clone());
    let before = target.object_requests();
    fails(&secure_gateway.url(), &trust, line, &["a redirect from https to plain http", "is not followed"]);
    assert_eq!(target.object_requests(), before);
    // Loaders that began plainly and are led to a server that they cannot trust learn it, too.
    *gateway.store.manner.lock().unwrap() = Manner::Redirect(secure_target.url());
    let stranger = Authority::new("b");
    let plain = format!("http://{}", gateway.authority);
    fails(&plain, &[("AIS_CLIENT_CA", &stranger.file())], line, &["no authority that is trusted here"]);
}

#[test]
fn a_server_that_never_greets_is_cut_off() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = filled(Manner::Redirect(format!("https://{}", silent.local_addr().unwrap())));
    let plain = format!("http://{}", gateway.authority);
    let trust = [("AIS_SKIP_VERIFY_CRT", "true")];
    fails(&plain, &trust, "-maxops=4 -timeout=1s", &["took longer than -timeout"]);
}

#[test]
fn a_server_that_dies_is_an_error_and_not_the_end() {
    let (responder, authority) = (filled(Manner::Slow(Duration::from_millis(1))), Authority::new("a"));
    let front = Front::start(&responder.authority, &authority, "localhost");
    let (url, ca) = (front.url(), authority.file());
    let begin = Instant::now();
    let runs = std::thread::spawn(move || {
        run(&url, &[("AIS_CLIENT_CA", &ca)], "-pctput=50 -minsize=1 -maxsize=200K -duration=4s -json")
    });
    while responder.object_requests() < 20 {
        assert!(begin.elapsed() < Duration::from_secs(20), "the run does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    front.die();
    let (code, text) = runs.join().unwrap();
    assert_eq!(code, Some(1), "{text}");
    assert!(begin.elapsed() < Duration::from_secs(40), "{text}");
}

#[test]
fn agents_trust_as_their_own_environment_says() {
    let (responder, authority, dir) = (filled(Manner::Serve), Authority::new("a"), TempDir::new().unwrap());
    let front = Front::start(&responder.authority, &authority, "localhost");
    let token = dir.path().join("token");
    std::fs::write(&token, "the-token-of-these-tests").unwrap();
    let token = format!("-token-file={}", token.display());
    let file = authority.file();
    let trust: [(&str, &str); 1] = [("AIS_CLIENT_CA", &file)];
    for (environment, wants) in
        [(&trust as &[(&str, &str)], "TLS: the system's"), (&[], "no authority that is trusted here")]
    {
        // A machine without trusted authorities of its own has another text for the same.
        let mut agent = command(environment);
        agent.args(["agent", "-port=0", &token]).stdout(Stdio::piped());
        let mut agent = agent.spawn().unwrap();
        let first = BufReader::new(agent.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let address = first.strip_prefix("agent listens at ").unwrap();
        let line = format!("-loaders={address} {token} -maxops=100");
        let (code, text) = run(&front.url(), &trust, &line);
        agent.kill().unwrap();
        agent.wait().unwrap();
        let is_known = text.contains(wants) || text.contains("this system trusts no certificate authority");
        assert!(is_known && (code != Some(0)) == environment.is_empty(), "{code:?} {text}");
    }
    assert_eq!(responder.object_requests(), 100);
}

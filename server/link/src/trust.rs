//! TLS as AIStore's clients are told about it: whom to trust, and who we are.

use crate::address;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error,
    RootCertStore, SignatureScheme, client::WantsClientCert,
};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

const SKIP: &str = "AIS_SKIP_VERIFY_CRT";
const AUTHORITIES: &str = "AIS_CLIENT_CA";
const CERTIFICATE: &str = "AIS_CRT";
const KEY: &str = "AIS_CRT_KEY";

/// The environment's settings of TLS. Files that they name are read once, when TLS is first spoken, for all that share this.
#[derive(Clone, Default)]
pub struct Tls(Arc<Shared>);

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.describe())
    }
}

#[derive(Default)]
struct Shared {
    wanted: Wanted,
    made: OnceLock<Result<Arc<ClientConfig>, String>>,
}

/// The variables; empty: not set.
#[derive(Default)]
struct Wanted {
    skip: String,
    authorities: String,
    certificate: String,
    key: String,
}

impl Tls {
    /// From the environment that `variable` looks into. Nothing is read or judged yet: with plain http none of it matters.
    #[must_use]
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let text = |name| variable(name).map(|text| text.trim().to_owned()).unwrap_or_default();
        let wanted = Wanted {
            skip: text(SKIP),
            authorities: text(AUTHORITIES),
            certificate: text(CERTIFICATE),
            key: text(KEY),
        };
        Self(Arc::new(Shared { wanted, made: OnceLock::new() }))
    }

    /// The settings that all connections share, with sessions to resume.
    ///
    /// # Errors
    /// A text about a variable, or about the file that it names.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        self.0.made.get_or_init(|| self.0.wanted.read().map(Arc::new)).clone()
    }

    /// Whom it trusts and who it is, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let wanted = &self.0.wanted;
        let trust = match (wanted.is_skipping(), wanted.authorities.as_str()) {
            (Ok(true), _) => format!("any certificate is taken ({SKIP})"),
            (_, "") => "the system's authorities are trusted".to_owned(),
            (_, file) => format!("the system's authorities and those of {file} are trusted"),
        };
        if wanted.certificate.is_empty() {
            return trust;
        }
        format!("{trust}; own certificate {}", wanted.certificate)
    }
}

impl Wanted {
    fn read(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?;
        let builder = if self.is_skipping()? {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(TakesAny(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        self.with_identity(builder)
    }

    fn is_skipping(&self) -> Result<bool, String> {
        match self.skip.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" | "y" | "yes" | "on" => Ok(true),
            "" | "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
            _ => Err(format!("{SKIP}={:?} is not true or false", self.skip)),
        }
    }

    /// The system's authorities, and those of the file beside them, as AIStore has it.
    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        // A store of a system may hold some that nobody can read; what they signed is not trusted.
        roots.add_parsable_certificates(found.certs);
        if !self.authorities.is_empty() {
            for authority in certificates(AUTHORITIES, &self.authorities)? {
                let wrong = |e| format!("{AUTHORITIES}={:?}: {e}", self.authorities);
                roots.add(authority).map_err(wrong)?;
            }
        }
        if roots.is_empty() {
            let why = found.errors.first().map(|e| format!(" ({e})")).unwrap_or_default();
            return Err(format!(
                "this system trusts no certificate authority{why}: {AUTHORITIES} names a file with some, {SKIP}=true takes any certificate"
            ));
        }
        Ok(roots)
    }

    fn with_identity(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> Result<ClientConfig, String> {
        match (self.certificate.as_str(), self.key.as_str()) {
            ("", "") => Ok(builder.with_no_client_auth()),
            (certificate, key) if certificate.is_empty() || key.is_empty() => Err(format!(
                "{CERTIFICATE}={certificate:?} and {KEY}={key:?}: one is of no use without the other"
            )),
            (certificate, path) => {
                let chain = certificates(CERTIFICATE, certificate)?;
                let key = PrivateKeyDer::from_pem_file(path).map_err(|e| {
                    format!("{KEY}={path:?}: {}", unreadable(&e, "private key that is not encrypted"))
                })?;
                let pair = builder.with_client_auth_cert(chain, key);
                pair.map_err(|e| format!("{CERTIFICATE}={certificate:?} with {KEY}={path:?}: {e}"))
            }
        }
    }
}

fn certificates(variable: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |e| format!("{variable}={path:?}: {}", unreadable(&e, "certificate"));
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect();
    match all.map_err(wrong)? {
        none if none.is_empty() => Err(wrong(rustls::pki_types::pem::Error::NoItemsFound)),
        some => Ok(some),
    }
}

fn unreadable(error: &rustls::pki_types::pem::Error, what: &str) -> String {
    match error {
        rustls::pki_types::pem::Error::NoItemsFound => format!("there is no {what} in it (PEM)"),
        rustls::pki_types::pem::Error::Io(e) => e.to_string(),
        // Its own text would show bytes of the file, which may be a key.
        _ => format!("there is no readable {what} in it (PEM)"),
    }
}

/// Whom a certificate must be for.
///
/// # Errors
/// When the host is no name that a certificate could have.
pub fn server_name(address: &str) -> Result<ServerName<'static>, String> {
    let host = address::host(address);
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(ServerName::from(ip)),
        Err(_) => ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host:?} is no name that a certificate could have")),
    }
}

/// Why TLS failed, for people; `is_greeting`: when the peer had not yet shown that it speaks TLS.
#[must_use]
pub fn told(error: &Error, is_greeting: bool) -> String {
    match error {
        Error::InvalidCertificate(why) => format!("its certificate is refused: {}", refusal(why)),
        Error::InvalidMessage(_) if is_greeting => {
            "it does not speak TLS; is it a plain http server?".to_owned()
        }
        Error::AlertReceived(alert) => format!("it refuses TLS with alert {alert:?}{}", hint(*alert)),
        other => other.to_string(),
    }
}

fn refusal(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => format!(
            "no authority that is trusted here has signed it ({AUTHORITIES} names more of them, {SKIP}=true takes any certificate)"
        ),
        // Authorities that were made anew keep their names, if not their kind of key.
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
            "an authority of the right name is trusted here, but it is another one: it has not signed it ({AUTHORITIES})"
        ),
        // Many make their first certificate so, and other libraries let it pass.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is that of an authority, not one that an authority made for a server".to_owned()
        }
        other => other.to_string(),
    }
}

fn hint(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::HandshakeFailure
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            format!(" (if it wants a certificate of ours: {CERTIFICATE} and {KEY})")
        }
        _ => String::new(),
    }
}

/// Takes whatever certificate there is. Whether the peer has its key does not matter either: who could be in between could
/// show one of his own.
#[derive(Debug)]
struct TakesAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(set: &[(&str, &str)]) -> Tls {
        let found =
            |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        Tls::of(&found)
    }

    #[test]
    fn what_the_environment_says_is_judged_when_tls_is_spoken() {
        let table: [(&[(&str, &str)], &str); 6] = [
            (&[(SKIP, "maybe")], "AIS_SKIP_VERIFY_CRT=\"maybe\" is not true or false"),
            (&[(SKIP, "true"), (CERTIFICATE, "/x")], "one is of no use without the other"),
            (&[(SKIP, "true"), (KEY, "/x")], "one is of no use without the other"),
            (&[(AUTHORITIES, "/nowhere/ca.pem")], "AIS_CLIENT_CA=\"/nowhere/ca.pem\": No such file"),
            (&[(AUTHORITIES, "/dev/null")], "there is no certificate in it"),
            (&[(SKIP, "true"), (CERTIFICATE, "/nowhere/c"), (KEY, "/x")], "AIS_CRT=\"/nowhere/c\""),
        ];
        for (set, want) in table {
            let error = tls(set).client_config().unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        for yes in ["true", "True", "1", "yes"] {
            assert!(tls(&[(SKIP, yes)]).client_config().is_ok());
        }
    }

    #[test]
    fn the_configuration_is_made_once() {
        let one = tls(&[(SKIP, "true")]);
        let other = one.clone();
        assert!(Arc::ptr_eq(&one.client_config().unwrap(), &other.client_config().unwrap()));
    }

    #[test]
    fn broken_files_are_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem").display().to_string();
        let pair = rcgen::generate_simple_self_signed(["h".to_owned()]).unwrap();
        let certificate = directory.path().join("crt.pem").display().to_string();
        std::fs::write(&certificate, pair.cert.pem()).unwrap();
        let error = |key: &str| {
            std::fs::write(&path, key).unwrap();
            let one = tls(&[(SKIP, "true"), (CERTIFICATE, &certificate), (KEY, &path)]);
            one.client_config().map(|_| ()).unwrap_err()
        };
        assert!(error("").contains("there is no private key"));
        let secret = "-----BEGIN PRIVATE KEY-----\nSECRET!!\n-----END PRIVATE KEY-----\n";
        assert!(error(secret).contains("AIS_CRT_KEY") && !error(secret).contains("SECRET"));
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(error(&other).contains("AIS_CRT_KEY"), "a key of another certificate");
        std::fs::write(&path, pair.signing_key.serialize_pem()).unwrap();
        let good = tls(&[(SKIP, "true"), (CERTIFICATE, &certificate), (KEY, &path)]);
        assert!(good.client_config().is_ok());
        assert!(good.describe().contains("any certificate") && good.describe().contains("crt.pem"));
    }

    #[test]
    fn names_of_servers() {
        for good in ["https://h.example:1", "https://127.0.0.1:1", "https://[::1]:1", "https://localhost:1"] {
            assert!(server_name(good).is_ok(), "{good}");
        }
        assert!(server_name("https://a b:1").unwrap_err().contains("no name"));
    }
}

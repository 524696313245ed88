//! Addresses of servers, from URLs and from names.
//!
//! An address is `host:port` where plain http is spoken, and `https://host:port` where TLS is: so it says everywhere how
//! its server is talked to, and two servers are never taken for one.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

const PLAIN: &str = "http://";
const SECURE: &str = "https://";
const PLAIN_PORT: u16 = 80;
const SECURE_PORT: u16 = 443;

/// The address in a URL of either scheme; `None` for any other text.
#[must_use]
pub fn address_of(url: &str) -> Option<String> {
    let (scheme, port) = match url.strip_prefix(PLAIN) {
        Some(_) => (PLAIN, PLAIN_PORT),
        None => (SECURE, SECURE_PORT),
    };
    let rest = url.strip_prefix(scheme)?;
    let authority = rest.split(['/', '?']).next().filter(|text| !text.is_empty())?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    Some(with_scheme(scheme == SECURE, &authority))
}

/// The address of `host:port`.
#[must_use]
pub fn with_scheme(is_secure: bool, authority: &str) -> String {
    if is_secure { format!("{SECURE}{authority}") } else { authority.to_owned() }
}

/// True if TLS is spoken there.
#[must_use]
pub fn is_secure(address: &str) -> bool {
    address.starts_with(SECURE)
}

/// `host:port`, as a Host header has it.
#[must_use]
pub fn authority(address: &str) -> &str {
    address.strip_prefix(SECURE).unwrap_or(address)
}

/// The host alone; an IPv6 address without its brackets.
#[must_use]
pub fn host(address: &str) -> &str {
    let authority = authority(address);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The address as a URL.
#[must_use]
pub fn url(address: &str) -> String {
    if is_secure(address) { address.to_owned() } else { format!("{PLAIN}{address}") }
}

/// Where a redirect leads: the address, `None` for the server itself, and the target.
///
/// # Errors
/// When it leads nowhere, or out of TLS: whoever asks for https does not want its requests, and the token in them, to be
/// read on the way. From http into TLS is fine.
pub fn follow(is_from_secure: bool, location: &str) -> Result<(Option<String>, &str), String> {
    if location.starts_with('/') {
        return Ok((None, location));
    }
    let bad = || format!("a redirect to {location:?}");
    let address = address_of(location).ok_or_else(bad)?;
    if is_from_secure && !is_secure(&address) {
        return Err(format!("a redirect from https to plain http, to {location:?}, is not followed"));
    }
    let scheme = if is_secure(&address) { SECURE } else { PLAIN };
    let rest = location.strip_prefix(scheme).ok_or_else(bad)?;
    let target = rest.find('/').and_then(|at| rest.get(at..)).ok_or_else(bad)?;
    Ok((Some(address), target))
}

/// The socket address behind an address. It asks the system's resolver, which may hold up the thread.
///
/// # Errors
/// When the name has none.
pub fn resolve(address: &str) -> io::Result<SocketAddr> {
    let mut all: Vec<SocketAddr> = authority(address).to_socket_addrs()?.collect();
    // `localhost` has both kinds; servers that listen on one listen on IPv4.
    all.sort_by_key(SocketAddr::is_ipv6);
    all.first().copied().ok_or_else(|| io::Error::other("the name has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_an_address() {
        let table = [
            ("http://h:80/x?y", Some("h:80")),
            ("http://h", Some("h:80")),
            ("https://h:80", Some("https://h:80")),
            ("https://h?x", Some("https://h:443")),
            ("https://[::1]/", Some("https://[::1]:443")),
            ("ftp://h", None),
            ("https://", None),
            ("h:80", None),
        ];
        for (url, want) in table {
            assert_eq!(address_of(url).as_deref(), want, "{url}");
        }
    }

    #[test]
    fn parts_of_an_address() {
        let table = [
            ("h:1", false, "h:1", "h", "http://h:1"),
            ("https://h:1", true, "h:1", "h", "https://h:1"),
            ("https://[::1]:443", true, "[::1]:443", "::1", "https://[::1]:443"),
        ];
        for (address, is_tls, with_port, alone, as_url) in table {
            assert_eq!(is_secure(address), is_tls);
            assert_eq!((authority(address), host(address)), (with_port, alone));
            assert_eq!(url(address), as_url);
            assert_eq!(with_scheme(is_tls, with_port), address);
        }
        assert_eq!(resolve("https://127.0.0.1:9").unwrap(), resolve("127.0.0.1:9").unwrap());
    }

    #[test]
    fn redirects_lead_into_tls_and_never_out_of_it() {
        let to = |address: &str| Some(address.to_owned());
        for is_secure in [false, true] {
            assert_eq!(follow(is_secure, "/v1/x?y").unwrap(), (None, "/v1/x?y"));
            assert_eq!(follow(is_secure, "https://h/x?y").unwrap(), (to("https://h:443"), "/x?y"));
            for bad in ["", "x", "h:1/x", "http://", "https://h", "https://h?x"] {
                assert!(follow(is_secure, bad).is_err(), "{bad}");
            }
        }
        assert_eq!(follow(false, "http://h:1/x").unwrap(), (to("h:1"), "/x"));
        assert!(follow(true, "http://h:1/x").unwrap_err().contains("from https to plain http"));
    }
}

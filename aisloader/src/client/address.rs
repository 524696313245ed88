//! Addresses of servers, from URLs and from names.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// `host:port` of an `http://` address.
pub(crate) fn authority_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?']).next().filter(|text| !text.is_empty())?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Some(if has_port { authority.to_owned() } else { format!("{authority}:80") })
}

/// The address behind `host:port`.
///
/// # Errors
/// When the name has none.
pub(crate) fn resolve(authority: &str) -> io::Result<SocketAddr> {
    let mut all: Vec<SocketAddr> = authority.to_socket_addrs()?.collect();
    // `localhost` has both kinds; servers that listen on one listen on IPv4.
    all.sort_by_key(SocketAddr::is_ipv6);
    all.first().copied().ok_or_else(|| io::Error::other("the name has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_urls_have_an_authority() {
        assert_eq!(authority_of("http://h:80/x?y"), Some("h:80".into()));
        assert_eq!(authority_of("http://h"), Some("h:80".into()));
        assert_eq!(authority_of("https://h:80"), None);
    }
}

//! Where the gateway is: `-ip` and `-port`, or `AIS_ENDPOINT`.

use crate::flags::{FlagError, Parsed};
use link::address::{address_of, with_scheme};

/// The gateway's address.
///
/// # Errors
/// When it is said twice, or is no address.
pub(crate) fn gateway(flags: &Parsed, env_endpoint: Option<&str>) -> Result<String, FlagError> {
    let endpoint = env_endpoint.map(str::trim).filter(|text| !text.is_empty());
    match endpoint {
        Some(url) if flags.is_given("ip") || flags.is_given("port") => {
            Err(FlagError(format!("AIS_ENDPOINT={url:?} and -ip or -port exclude each other")))
        }
        Some(url) => {
            let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
            let found = address_of(whole.trim_end_matches('/'));
            found
                .ok_or_else(|| FlagError(format!("AIS_ENDPOINT={url:?} is not http:// or https://host:port")))
        }
        None => {
            let port = flags.text("port");
            let Ok(port) = port.parse::<u16>() else {
                return Err(FlagError(format!("-port: {port:?} is not a port")));
            };
            let host = flags.text("ip").trim_end_matches('/');
            let secure = host.strip_prefix("https://");
            let host = secure.unwrap_or_else(|| host.trim_start_matches("http://"));
            let is_bare_v6 = host.contains(':') && !host.starts_with('[');
            let authority = if is_bare_v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            Ok(with_scheme(secure.is_some(), &authority))
        }
    }
}

//! Paths of the native API.

use crate::error::{Error, Result};
use std::borrow::Cow;
use wire::http1::percent_decode;

/// The thing that a path names. Names are decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Object {
        bucket: Cow<'p, str>,
        name: Cow<'p, str>,
    },
    /// All buckets (empty name), one, or one with a prefix behind it.
    Buckets {
        bucket: Cow<'p, str>,
        prefix: Cow<'p, str>,
    },
    Daemon {
        item: Cow<'p, str>,
    },
    Reverse {
        item: Cow<'p, str>,
    },
    Cluster {
        item: Cow<'p, str>,
    },
    Health,
    Metrics,
    /// Lists that are always empty here, because what they list is not built yet.
    Empty {
        what: &'static str,
    },
    /// Part of the API, not built yet.
    Missing {
        what: &'static str,
    },
}

/// Reads a raw path.
pub(super) fn route(path: &str) -> Result<Route<'_>> {
    let unknown = || Error::bad(format!("invalid path {path:?}"));
    let (first, rest) = segment(path);
    match first {
        "v1" => native(rest).ok_or_else(unknown)?,
        "ais" => easy(rest),
        "metrics" => Ok(Route::Metrics),
        _ => Err(unknown()),
    }
}

fn native(path: &str) -> Option<Result<Route<'_>>> {
    let (family, rest) = segment(path);
    let item = || decode(rest);
    let route = match family {
        "objects" => return Some(object_or_bucket(rest)),
        "buckets" => return Some(bucket(rest)),
        "daemon" => item().map(|item| Route::Daemon { item }),
        "reverse" => {
            let (_, rest) = segment(rest).0.eq("daemon").then(|| segment(rest))?;
            decode(rest).map(|item| Route::Reverse { item })
        }
        "cluster" => item().map(|item| Route::Cluster { item }),
        "health" => Ok(Route::Health),
        "etl" => Ok(unbuilt("ETL", rest)),
        "download" => Ok(unbuilt("the downloader", rest)),
        "sort" => Ok(unbuilt("dSort", rest)),
        "ml" => Ok(Route::Missing { what: "get-batch" }),
        "tokens" => Ok(Route::Missing { what: "authentication" }),
        _ => return None,
    };
    Some(route)
}

/// A family of jobs that does not exist here: its list is there and empty.
fn unbuilt(what: &'static str, rest: &str) -> Route<'static> {
    if rest.is_empty() { Route::Empty { what } } else { Route::Missing { what } }
}

fn object_or_bucket(path: &str) -> Result<Route<'_>> {
    let (bucket, name) = segment(path);
    if bucket.is_empty() {
        return Err(Error::bad("missing bucket name"));
    }
    if name.is_empty() {
        // Promote and blob-download are posted to the bucket.
        return Ok(Route::Missing { what: "promote and blob download" });
    }
    Ok(Route::Object { bucket: decode(bucket)?, name: decode(name)? })
}

fn bucket(path: &str) -> Result<Route<'_>> {
    let (bucket, prefix) = segment(path);
    Ok(Route::Buckets { bucket: decode(bucket)?, prefix: decode(prefix)? })
}

/// `/ais/bucket/object`.
fn easy(path: &str) -> Result<Route<'_>> {
    let (_, name) = segment(path);
    if name.is_empty() { bucket(path) } else { object_or_bucket(path) }
}

/// The first segment and what follows its slash; empty segments before it are skipped.
fn segment(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}

fn decode(text: &str) -> Result<Cow<'_, str>> {
    percent_decode(text).ok_or_else(|| Error::bad(format!("{text:?} does not decode to UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_their_slashes_and_decode_once() {
        let object = |b: &'static str, n: &'static str| Route::Object { bucket: b.into(), name: n.into() };
        assert_eq!(route("/v1/objects/b/a/b//c").unwrap(), object("b", "a/b//c"));
        assert_eq!(route("//v1//objects/b/100%2525%20x").unwrap(), object("b", "100%25 x"));
        assert_eq!(route("/ais/b/dir/o").unwrap(), object("b", "dir/o"));
    }

    #[test]
    fn families() {
        let buckets =
            |b: &'static str, p: &'static str| Route::Buckets { bucket: b.into(), prefix: p.into() };
        assert_eq!(route("/v1/buckets").unwrap(), buckets("", ""));
        assert_eq!(route("/v1/buckets/b/pre/fix").unwrap(), buckets("b", "pre/fix"));
        assert_eq!(route("/ais").unwrap(), buckets("", ""));
        assert_eq!(
            route("/v1/reverse/daemon/mountpaths").unwrap(),
            Route::Reverse { item: "mountpaths".into() }
        );
        assert_eq!(route("/v1/health").unwrap(), Route::Health);
        assert_eq!(route("/v1/etl").unwrap(), Route::Empty { what: "ETL" });
        assert!(matches!(route("/v1/etl/name").unwrap(), Route::Missing { .. }));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "/",
            "/v2/objects/b/o",
            "/v1/nothing",
            "/v1/objects",
            "/v1/objects/b/%zz",
            "/v1/objects/b/%ff",
            "/v1/reverse/x",
        ] {
            assert!(route(bad).is_err(), "{bad}");
        }
    }
}

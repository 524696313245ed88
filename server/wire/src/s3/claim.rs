//! The claims of a request about its signature, and their proof: the server's side.

use super::canonical::{self, SIGNATURE_PARAMETER};
use super::key::{ALGORITHM, SCOPE_END, SERVICE, SigningKey, from_hex};
use super::payload::{Payload, UNSIGNED_PAYLOAD};
use super::refusal::Refusal;
use super::time::AmzTime;
use crate::hex;
use crate::http1::{RequestHead, percent_decode};
use std::borrow::Cow;

/// A client's clock may be off by so much.
const SKEW_MAX_S: u64 = 15 * 60;
/// A presigned request is valid no longer than a week.
const EXPIRES_MAX_S: i64 = 7 * 24 * 3600;

/// Where the signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In the Authorization header.
    Header,
    /// In the query: whoever has the URL may make the request.
    Presigned {
        /// For so long from its time on.
        expires_s: i64,
    },
}

/// The claims of a request about its signature. Nothing of it is true before [`Claim::verify`].
#[derive(Clone, Debug)]
pub struct Claim<'r> {
    /// Whose secret it is made with.
    pub access_key_id: Cow<'r, str>,
    /// The day of the key: `YYYYMMDD`.
    pub day: Cow<'r, str>,
    /// The region of the key.
    pub region: Cow<'r, str>,
    /// When it was made.
    pub at: AmzTime,
    /// Where it stands.
    pub form: Form,
    /// The token that goes along with keys that were lent.
    pub session_token: Option<Cow<'r, str>>,
    /// The way in which the body is vouched for.
    pub payload: Payload,
    payload_text: Cow<'r, str>,
    signed_headers: Cow<'r, str>,
    signature: [u8; 32],
}

impl<'r> Claim<'r> {
    /// Takes the claim out of a request; `None` when it is anonymous.
    ///
    /// # Errors
    /// A refusal: 400 for most faults, 403 for a request that is not signed in time. Signatures of version 2 are
    /// refused by name.
    pub fn of(head: &RequestHead<'r>) -> Result<Option<Self>, Refusal> {
        let header = head.headers.get_str("Authorization");
        let is_presigned = parameter(head.query(), SIGNATURE_PARAMETER).is_some();
        match header {
            Some(_) if is_presigned => Err(Refusal::new(
                400,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified.",
            )),
            Some(header) => Self::of_header(head, header).map(Some),
            None if is_presigned => Self::of_query(head).map(Some),
            None if parameter(head.query(), "AWSAccessKeyId").is_some() => Err(version_2()),
            None => Ok(None),
        }
    }

    fn of_header(head: &RequestHead<'r>, header: &'r str) -> Result<Self, Refusal> {
        let Some(fields) = header.strip_prefix(ALGORITHM) else { return Err(version_2()) };
        let field = |name: &str| {
            let found =
                fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| Refusal::malformed(format!("The authorization header lacks {name}.")))
        };
        let scope = Scope::parse(Cow::Borrowed(field("Credential")?)).map_err(Refusal::malformed)?;
        let signature = from_hex(field("Signature")?).ok_or_else(Refusal::mismatch)?;
        let at = time_of(head)?;
        let payload_text = head.headers.get_str("x-amz-content-sha256").ok_or_else(|| {
            Refusal::new(
                400,
                "InvalidRequest",
                "Missing required header for this request: x-amz-content-sha256",
            )
        })?;
        let claim = Self {
            access_key_id: scope.access_key_id,
            day: scope.day,
            region: scope.region,
            at,
            form: Form::Header,
            session_token: head.headers.get_str("x-amz-security-token").map(Cow::Borrowed),
            payload: Payload::parse(payload_text)?,
            payload_text: Cow::Borrowed(payload_text),
            signed_headers: Cow::Borrowed(field("SignedHeaders")?),
            signature,
        };
        claim.dated(Refusal::malformed)
    }

    fn of_query(head: &RequestHead<'r>) -> Result<Self, Refusal> {
        let given = |name: &str| parameter(head.query(), name);
        let needed = |name: &str| {
            given(name)
                .ok_or_else(|| Refusal::bad_query(format!("Query-string authentication requires {name}.")))
        };
        if needed("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Refusal::bad_query(format!("X-Amz-Algorithm only supports {ALGORITHM}.")));
        }
        let scope = Scope::parse(needed("X-Amz-Credential")?).map_err(Refusal::bad_query)?;
        let at = AmzTime::parse(&needed("X-Amz-Date")?).ok_or_else(|| {
            Refusal::bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        })?;
        let expires_s = needed("X-Amz-Expires")?.parse().ok().filter(|s| (1..=EXPIRES_MAX_S).contains(s));
        let expires_s = expires_s.ok_or_else(|| {
            Refusal::bad_query("X-Amz-Expires must be a number of seconds, one week at most.")
        })?;
        let payload_text = given("X-Amz-Content-Sha256")
            .or_else(|| head.headers.get_str("x-amz-content-sha256").map(Cow::Borrowed))
            .unwrap_or(Cow::Borrowed(UNSIGNED_PAYLOAD));
        let claim = Self {
            access_key_id: scope.access_key_id,
            day: scope.day,
            region: scope.region,
            at,
            form: Form::Presigned { expires_s },
            session_token: given("X-Amz-Security-Token"),
            payload: Payload::parse(&payload_text)?,
            payload_text,
            signed_headers: needed("X-Amz-SignedHeaders")?,
            signature: from_hex(&needed(SIGNATURE_PARAMETER)?).ok_or_else(Refusal::mismatch)?,
        };
        claim.dated(Refusal::bad_query)
    }

    /// The claim, if its key is that of its day.
    fn dated(self, refusal: impl Fn(&'static str) -> Refusal) -> Result<Self, Refusal> {
        if self.at.day() == self.day {
            Ok(self)
        } else {
            Err(refusal("The day of the credential is not that of the request."))
        }
    }

    /// Finds out if the request was signed by whoever has the secret of `key`, made for [`Claim::day`] and [`Claim::region`] with
    /// the secret of [`Claim::access_key_id`], and in time. What is signed by chunks goes on with the seal.
    ///
    /// # Errors
    /// `RequestTimeTooSkewed`, `AccessDenied`, `SignatureDoesNotMatch`.
    pub fn verify(&self, head: &RequestHead<'_>, key: &SigningKey, now_unix_s: i64) -> Result<Seal, Refusal> {
        self.check_time(now_unix_s)?;
        let hash = canonical::hash(head, &self.signed_headers, &self.payload_text)?;
        let scope = key.scope();
        let mut to_sign = format!("{ALGORITHM}\n{}\n{scope}\n", self.at.as_str());
        hex::push(&mut to_sign, &hash);
        let is_of_scope = key.day() == self.day && key.region() == self.region;
        if !is_of_scope || !key.is_signature(&to_sign, &self.signature) {
            return Err(Refusal::mismatch());
        }
        Ok(Seal { key: key.clone(), at: self.at.clone(), scope, last: self.signature })
    }

    fn check_time(&self, now_unix_s: i64) -> Result<(), Refusal> {
        let age_s = now_unix_s.saturating_sub(self.at.unix_s());
        match self.form {
            Form::Header if age_s.unsigned_abs() > SKEW_MAX_S => Err(Refusal::new(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )),
            Form::Presigned { .. } if age_s < 0 && age_s.unsigned_abs() > SKEW_MAX_S => {
                Err(Refusal::denied("Request is not valid yet"))
            }
            Form::Presigned { expires_s } if age_s > expires_s => Err(Refusal::denied("Request has expired")),
            Form::Header | Form::Presigned { .. } => Ok(()),
        }
    }
}

/// A signature that was found to be true, with which others go on: each chunk's is about the one before.
#[derive(Clone, Debug)]
pub struct Seal {
    pub(super) key: SigningKey,
    pub(super) at: AmzTime,
    pub(super) scope: String,
    pub(super) last: [u8; 32],
}

/// `id/day/region/s3/aws4_request`.
struct Scope<'r> {
    access_key_id: Cow<'r, str>,
    day: Cow<'r, str>,
    region: Cow<'r, str>,
}

impl<'r> Scope<'r> {
    /// Ids may hold slashes, so it is read from its end.
    fn parse(text: Cow<'r, str>) -> Result<Self, &'static str> {
        match text {
            Cow::Borrowed(text) => Self::split(text),
            Cow::Owned(text) => Self::split(&text).map(|scope| {
                let owned = |part: Cow<'_, str>| Cow::Owned(part.into_owned());
                Self {
                    access_key_id: owned(scope.access_key_id),
                    day: owned(scope.day),
                    region: owned(scope.region),
                }
            }),
        }
    }

    fn split<'t>(text: &'t str) -> Result<Scope<'t>, &'static str> {
        let mut parts = text.rsplitn(5, '/');
        let mut next = || {
            parts.next().ok_or("The credential is malformed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
        };
        let (end, service, region, day, id) = (next()?, next()?, next()?, next()?, next()?);
        if end != SCOPE_END || service != SERVICE || id.is_empty() {
            return Err("The credential must be of an id, and for the service s3.");
        }
        Ok(Scope { access_key_id: Cow::Borrowed(id), day: Cow::Borrowed(day), region: Cow::Borrowed(region) })
    }
}

/// The time of a request that is signed in its header.
fn time_of(head: &RequestHead<'_>) -> Result<AmzTime, Refusal> {
    if let Some(text) = head.headers.get_str("x-amz-date") {
        return AmzTime::parse(text)
            .ok_or_else(|| Refusal::denied("x-amz-date is not of the form 20130524T000000Z."));
    }
    let date = head.headers.get_str("Date").and_then(crate::http1::parse_http_date);
    date.map(AmzTime::from_unix_s)
        .ok_or_else(|| Refusal::denied("AWS authentication requires a valid Date or x-amz-date header"))
}

/// A part of the query, decoded; `None` when it is not there or cannot be decoded.
fn parameter<'r>(query: &'r str, name: &str) -> Option<Cow<'r, str>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(known, _)| *known == name)?;
    percent_decode(value)
}

fn version_2() -> Refusal {
    Refusal::new(
        400,
        "InvalidRequest",
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;

//! The keys that requests are signed with, and where they are found.

use super::profile::{FileKind, Settings, read_profile};
use serde::{Serialize, Serializer};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::s3::Keys;

/// Keys of an identity. They are never shown: wherever this is printed, it says where it comes from.
#[derive(Clone)]
pub struct Credentials {
    keys: Keys,
    source: String,
}

impl Credentials {
    /// From the texts themselves.
    #[must_use]
    pub fn new(access_key_id: &str, secret_access_key: &str, session_token: Option<&str>) -> Self {
        Self {
            keys: Keys {
                access_key_id: access_key_id.to_owned(),
                secret_access_key: secret_access_key.to_owned(),
                session_token: session_token.filter(|token| !token.is_empty()).map(str::to_owned),
            },
            source: "given".to_owned(),
        }
    }

    /// The keys that requests are signed with.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    fn from(self, source: String) -> Self {
        Self { source, ..self }
    }

    /// Keys are copied into heads: a byte that no key has would only produce a refusal that is hard to understand.
    fn checked(self) -> Result<Self, String> {
        let token = self.keys.session_token.as_deref().unwrap_or("x");
        for (what, text) in [
            ("the access key id", self.keys.access_key_id.as_str()),
            ("the secret access key", &self.keys.secret_access_key),
            ("the session token", token),
        ] {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!(
                    "credentials from {}: {what} is empty or has odd characters",
                    self.source
                ));
            }
        }
        Ok(self)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "(redacted; from {})", self.source)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Credentials {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The outcome of a look-up.
#[derive(Clone, Debug)]
pub struct Found {
    /// The keys.
    pub credentials: Arc<Credentials>,
    /// The region of the environment, or of the profile.
    pub region: Option<String>,
}

/// A look-up: the environment and the files are the caller's, so that it can be tested.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    /// `-s3profile`.
    pub profile: Option<&'a str>,
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Lookup<'static> {
    /// In this process's environment and on its disk.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            profile: None,
            variable: &|name| std::env::var(name).ok(),
            read: &|path| std::fs::read_to_string(path),
        }
    }
}

impl Lookup<'_> {
    /// Finds keys and a region. A profile that is asked for by flag comes before the keys of the environment, and
    /// those come before the profile that the environment names, as in Amazon's own tools.
    ///
    /// # Errors
    /// Where keys were looked for in vain, or what is wrong with those found.
    pub fn find(&self) -> Result<Found, String> {
        let region = self.set("AWS_REGION").or_else(|| self.set("AWS_DEFAULT_REGION"));
        if self.profile.is_none()
            && let (Some(id), Some(secret)) =
                (self.set("AWS_ACCESS_KEY_ID"), self.set("AWS_SECRET_ACCESS_KEY"))
        {
            let token = self.set("AWS_SESSION_TOKEN");
            let credentials = Credentials::new(&id, &secret, token.as_deref());
            let credentials = credentials.from("the environment".to_owned()).checked()?;
            return Ok(Found { credentials: Arc::new(credentials), region });
        }
        let named = self.profile.map(str::to_owned).or_else(|| self.set("AWS_PROFILE"));
        let profile = named.unwrap_or_else(|| "default".to_owned());
        let (keys_path, keys) =
            self.settings("AWS_SHARED_CREDENTIALS_FILE", FileKind::Credentials, &profile)?;
        let (config_path, config) = self.settings("AWS_CONFIG_FILE", FileKind::Config, &profile)?;
        if keys.is_none() && config.is_none() {
            return Err(format!(
                "no S3 credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set, and profile {profile:?} is neither in {} nor in {}",
                keys_path.display(),
                config_path.display()
            ));
        }
        let (keys, config) = (keys.unwrap_or_default(), config.unwrap_or_default());
        let region = region.or_else(|| setting(&config, "region")).or_else(|| setting(&keys, "region"));
        let credentials = pick(&keys, &profile, &keys_path)
            .or_else(|| pick(&config, &profile, &config_path))
            .ok_or_else(|| without_keys(&profile, &keys, &config))?;
        Ok(Found { credentials: Arc::new(credentials.checked()?), region })
    }

    /// A variable that is not empty.
    fn set(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn settings(
        &self,
        variable: &str,
        kind: FileKind,
        profile: &str,
    ) -> Result<(PathBuf, Option<Settings>), String> {
        let path = self.set(variable).map_or_else(|| self.usual_path(kind), PathBuf::from);
        match (self.read)(&path) {
            Ok(text) => Ok((path, read_profile(&text, kind, profile))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok((path, None)),
            Err(e) => Err(format!("{}: {e}", path.display())),
        }
    }

    fn usual_path(&self, kind: FileKind) -> PathBuf {
        let home = self.set("HOME").unwrap_or_else(|| "/".to_owned());
        let name = if kind == FileKind::Credentials { "credentials" } else { "config" };
        Path::new(&home).join(".aws").join(name)
    }
}

fn setting(settings: &Settings, name: &str) -> Option<String> {
    settings.get(name).filter(|text| !text.is_empty()).cloned()
}

fn pick(settings: &Settings, profile: &str, path: &Path) -> Option<Credentials> {
    let id = setting(settings, "aws_access_key_id")?;
    let secret = setting(settings, "aws_secret_access_key")?;
    let token = setting(settings, "aws_session_token");
    let source = format!("profile {profile:?} of {}", path.display());
    Some(Credentials::new(&id, &secret, token.as_deref()).from(source))
}

fn without_keys(profile: &str, keys: &Settings, config: &Settings) -> String {
    let other = ["role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file"]
        .into_iter()
        .find(|name| keys.contains_key(*name) || config.contains_key(*name));
    match other {
        Some(name) => format!(
            "profile {profile:?} gets its keys by {name}, which this loader cannot do: put the keys into AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
        ),
        None => format!("profile {profile:?} has no aws_access_key_id with its aws_secret_access_key"),
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;

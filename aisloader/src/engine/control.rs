//! Buckets and names, whichever protocol they are asked for with.

use crate::client::s3::S3Client;
use crate::client::{Client, ClientError, Detail};
use crate::settings::Config;
use crate::workload::names::NameList;
use std::time::Duration;

/// A client of the protocol that the run speaks.
pub enum Control {
    /// AIStore's own.
    Native(Client),
    /// S3.
    S3(Box<S3Client>),
}

impl Control {
    /// A client; nothing is connected yet.
    #[must_use]
    pub fn new(config: &Config, timeout: Option<Duration>) -> Self {
        match &config.s3 {
            Some(s3) => Self::S3(Box::new(S3Client::new(s3, timeout).with_tls(config.tls.clone()))),
            None => {
                let client = Client::new(&config.gateway, timeout).with_tls(config.tls.clone());
                Self::Native(client.with_token(config.token.clone()))
            }
        }
    }

    /// Asks for the run's bucket: true when it exists.
    ///
    /// # Errors
    /// When the server cannot be asked, or answers neither yes nor no.
    pub fn bucket_exists(&mut self, config: &Config) -> Result<bool, ClientError> {
        match self {
            Self::Native(client) => client.bucket_exists(&config.bucket),
            Self::S3(client) => client.bucket_exists(),
        }
    }

    /// Makes the run's bucket.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_bucket(&mut self, config: &Config) -> Result<(), ClientError> {
        match self {
            Self::Native(client) => client.create_bucket_with(&config.bucket, config.bucket_props.as_ref()),
            Self::S3(client) => client.create_bucket(),
        }
    }

    /// The names that the run reads. Over S3, every page tells the sizes too, and no page tells what is in shards.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn list(&mut self, config: &Config, detail: Detail) -> Result<NameList, ClientError> {
        match self {
            Self::Native(client) => client.list(&config.bucket, &config.subdir_prefix(), detail),
            Self::S3(client) => client.list(&config.subdir_prefix()),
        }
    }

    /// The mean size in bytes of the objects that the run reads; 0 when there are none.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn mean_size(&mut self, config: &Config) -> Result<f64, ClientError> {
        match self {
            Self::Native(client) => client.mean_size(&config.bucket, &config.subdir_prefix()),
            Self::S3(client) => {
                let names = client.list(&config.subdir_prefix())?;
                let bytes: u64 = (0..names.len()).filter_map(|at| names.size_bytes(at)).sum();
                Ok(bytes as f64 / names.len().max(1) as f64)
            }
        }
    }

    /// The cluster map, as JSON.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn cluster_map(&mut self) -> Result<Vec<u8>, ClientError> {
        match self {
            Self::Native(client) => client.cluster_map(),
            Self::S3(_) => Err(ClientError::new("an S3 server has no cluster map".to_owned())),
        }
    }

    /// Removes what `-cleanup` is about: the bucket with everything in it. On S3, where a bucket is often another's as
    /// well, that is the objects in the run's directory, and the bucket only if the run has made it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn clean_up(&mut self, config: &Config, is_bucket_ours: bool) -> Result<(), ClientError> {
        match self {
            Self::Native(client) => client.destroy_bucket(&config.bucket),
            Self::S3(client) => {
                client.delete_all(&config.subdir_prefix())?;
                if is_bucket_ours { client.delete_bucket() } else { Ok(()) }
            }
        }
    }
}

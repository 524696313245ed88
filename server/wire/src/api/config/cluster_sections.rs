//! Configuration sections about nodes among themselves: liveness, timeouts, rebalance, transport.

use serde::{Deserialize, Serialize};

use crate::api::sections::XactConf;
use crate::api::units::{GoDuration, SizeIec};

/// `rebalance`: moving objects after a change of membership.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RebalanceConf {
    /// Compression and queue.
    #[serde(flatten)]
    pub xact: XactConf,
    /// The longest wait for an acknowledgement.
    pub dest_retry_time: GoDuration,
    /// Start by itself; otherwise only when asked.
    pub enabled: bool,
}

impl Default for RebalanceConf {
    fn default() -> Self {
        RebalanceConf { xact: Default::default(), dest_retry_time: GoDuration::from_secs(120), enabled: true }
    }
}

/// `resilver`: the same between the mountpaths of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResilverConf {
    /// Start by itself; otherwise only when asked.
    pub enabled: bool,
}

impl Default for ResilverConf {
    fn default() -> Self {
        ResilverConf { enabled: true }
    }
}

/// `timeout`: the longest waits inside the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeoutConf {
    /// A control message.
    pub cplane_operation: GoDuration,
    /// A keep-alive.
    pub max_keepalive: GoDuration,
    /// A step of a two-phase change.
    pub max_host_busy: GoDuration,
    /// The primary waits for nodes to join at start.
    pub startup_time: GoDuration,
    /// A node tries to join at start.
    pub join_startup_time: GoDuration,
    /// A large transfer.
    pub send_file_time: GoDuration,
    /// Idle erasure-coding streams.
    pub ec_streams_time: GoDuration,
    /// Metadata kept in memory.
    pub object_md: GoDuration,
    /// Two readers fetching one remote object, before 409.
    pub cold_get_conflict: GoDuration,
}

impl Default for TimeoutConf {
    fn default() -> Self {
        TimeoutConf {
            cplane_operation: GoDuration::from_secs(2),
            max_keepalive: GoDuration::from_secs(4),
            max_host_busy: GoDuration::from_secs(20),
            startup_time: GoDuration::from_secs(60),
            join_startup_time: GoDuration::from_secs(180),
            send_file_time: GoDuration::from_secs(300),
            ec_streams_time: GoDuration::from_secs(600),
            object_md: GoDuration::from_secs(7200),
            cold_get_conflict: GoDuration::from_secs(5),
        }
    }
}

/// `client`: waits of requests on behalf of clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientConf {
    /// A usual request.
    pub client_timeout: GoDuration,
    /// A long one.
    pub client_long_timeout: GoDuration,
    /// A page of a listing.
    pub list_timeout: GoDuration,
}

impl Default for ClientConf {
    fn default() -> Self {
        ClientConf {
            client_timeout: GoDuration::from_secs(10),
            client_long_timeout: GoDuration::from_secs(600),
            list_timeout: GoDuration::from_secs(60),
        }
    }
}

/// `periodic`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeriodicConf {
    /// Statistics are computed so often.
    pub stats_time: GoDuration,
    /// Metadata is offered again after this time.
    pub retry_sync_time: GoDuration,
    /// Progress of jobs is reported so often.
    pub notif_time: GoDuration,
}

impl Default for PeriodicConf {
    fn default() -> Self {
        PeriodicConf {
            stats_time: GoDuration::from_secs(10),
            retry_sync_time: GoDuration::from_secs(2),
            notif_time: GoDuration::from_secs(30),
        }
    }
}

/// The watch over one kind of node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepaliveTracker {
    /// The method.
    pub name: String,
    /// Time between keep-alives.
    pub interval: GoDuration,
    /// Missed intervals before suspicion.
    pub factor: i64,
}

impl Default for KeepaliveTracker {
    fn default() -> Self {
        KeepaliveTracker { name: "heartbeat".to_owned(), interval: GoDuration::from_secs(10), factor: 3 }
    }
}

/// `keepalivetracker`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeepaliveConf {
    /// Proxies.
    pub proxy: KeepaliveTracker,
    /// Targets.
    pub target: KeepaliveTracker,
    /// Tries before a node counts as lost.
    pub num_retries: i64,
    /// The wait grows so much per try.
    pub retry_factor: i64,
}

impl Default for KeepaliveConf {
    fn default() -> Self {
        KeepaliveConf {
            proxy: Default::default(),
            target: Default::default(),
            num_retries: 3,
            retry_factor: 4,
        }
    }
}

/// `transport`: streams between nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransportConf {
    /// Bytes of a header.
    pub max_header: i64,
    /// Sends without back-pressure.
    pub burst_buffer: i64,
    /// Idle streams are closed after this time.
    pub idle_teardown: GoDuration,
    /// Silence that ends a stage.
    pub quiescent: GoDuration,
    /// Block size of compression.
    pub lz4_block: SizeIec,
    /// Checksums in compressed frames.
    pub lz4_frame_checksum: bool,
}

impl Default for TransportConf {
    fn default() -> Self {
        TransportConf {
            max_header: 4096,
            burst_buffer: 512,
            idle_teardown: GoDuration::from_secs(4),
            quiescent: GoDuration::from_secs(10),
            lz4_block: SizeIec(256 << 10),
            lz4_frame_checksum: false,
        }
    }
}

/// `net.l4`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct L4Conf {
    /// Always `tcp`.
    pub proto: String,
    /// Socket buffers in bytes; 0 leaves them to the kernel.
    pub sndrcv_buf_size: i64,
}

impl Default for L4Conf {
    fn default() -> Self {
        L4Conf { proto: "tcp".to_owned(), sndrcv_buf_size: 131_072 }
    }
}

/// `net.http`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpConf {
    /// Serve TLS.
    pub use_https: bool,
    /// Certificate file.
    pub server_crt: String,
    /// Key file.
    pub server_key: String,
    /// Server name to expect.
    pub domain_tls: String,
    /// Authority of client certificates.
    pub client_ca_tls: String,
    /// Go's `ClientAuthType`: 0 none to 4 require and verify.
    pub client_auth_tls: i64,
    /// Idle connections between nodes.
    pub idle_conn_time: GoDuration,
    /// Idle connections to backends.
    pub backend_idle_conn_time: GoDuration,
    /// Idle connections kept per host.
    pub idle_conns_per_host: i64,
    /// Idle connections kept in all.
    pub idle_conns: i64,
    /// Bytes; 0 is the default.
    pub write_buffer_size: i64,
    /// Bytes; 0 is the default.
    pub read_buffer_size: i64,
    /// Unused, kept for clients.
    pub chunked_transfer: bool,
    /// Do not verify certificates of other nodes.
    pub skip_verify: bool,
}

impl Default for HttpConf {
    fn default() -> Self {
        HttpConf {
            use_https: false,
            server_crt: "server.crt".to_owned(),
            server_key: "server.key".to_owned(),
            domain_tls: String::new(),
            client_ca_tls: String::new(),
            client_auth_tls: 0,
            idle_conn_time: GoDuration::from_secs(6),
            backend_idle_conn_time: GoDuration::from_secs(30),
            idle_conns_per_host: 32,
            idle_conns: 256,
            write_buffer_size: 0,
            read_buffer_size: 0,
            chunked_transfer: true,
            skip_verify: false,
        }
    }
}

/// `net`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetConf {
    /// TCP.
    pub l4: L4Conf,
    /// HTTP.
    pub http: HttpConf,
    /// Listen on IPv6.
    pub use_ipv6: bool,
}

/// `auth`; secrets are never part of the configuration that is served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConf {
    /// True if requests need a token.
    pub client_auth_required: bool,
}

/// `proxy`: how nodes find the primary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxyConf {
    /// The primary.
    pub primary_url: String,
    /// The primary at deployment.
    pub original_url: String,
    /// Another place to ask.
    pub discovery_url: String,
    /// Unused, kept for clients.
    pub non_electable: bool,
}

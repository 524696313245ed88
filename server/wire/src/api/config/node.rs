//! Configuration sections about one node: space, disks, memory, logs, health of disks.

use serde::{Deserialize, Serialize};

use crate::api::sections::XactConf;
use crate::api::units::{GoDuration, SizeIec};

/// `space`: percent of the disks' capacity; cleanup <= low <= high <= out of space <= 100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpaceConf {
    /// Above it, deleted objects and extra copies are removed.
    pub cleanupwm: i64,
    /// Eviction stops here.
    pub lowwm: i64,
    /// Eviction starts here.
    pub highwm: i64,
    /// Above it, writes fail with 507.
    pub out_of_space: i64,
    /// Objects per cleanup step.
    pub batch_size: i64,
    /// Content touched more recently stays.
    pub dont_cleanup_time: GoDuration,
}

impl Default for SpaceConf {
    fn default() -> Self {
        SpaceConf {
            cleanupwm: 65,
            lowwm: 75,
            highwm: 90,
            out_of_space: 95,
            batch_size: 32_768,
            dont_cleanup_time: GoDuration::from_secs(7200),
        }
    }
}

/// `disk`: utilisation watermarks (percent) and sampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskConf {
    /// No throttling of background work below it.
    pub disk_util_low_wm: i64,
    /// More throttling above it.
    pub disk_util_high_wm: i64,
    /// The most throttling.
    pub disk_util_max_wm: i64,
    /// Sampling when idle.
    pub iostat_time_long: GoDuration,
    /// Sampling when busy.
    pub iostat_time_short: GoDuration,
    /// Window of smoothing.
    pub iostat_time_smooth: GoDuration,
}

impl Default for DiskConf {
    fn default() -> Self {
        DiskConf {
            disk_util_low_wm: 20,
            disk_util_high_wm: 80,
            disk_util_max_wm: 95,
            iostat_time_long: GoDuration::from_secs(2),
            iostat_time_short: GoDuration::from_millis(100),
            iostat_time_smooth: GoDuration::from_secs(8),
        }
    }
}

/// `fshc`: when a mountpath with I/O errors is tested and disabled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FshcConf {
    /// Files written and read by a test.
    pub test_files: i64,
    /// Errors in a test that disable the mountpath.
    pub error_limit: i64,
    /// Errors in normal work that start a test.
    pub io_err_limit: i64,
    /// The interval of `io_err_limit`.
    pub io_err_time: GoDuration,
    /// True while tests run.
    pub enabled: bool,
}

impl Default for FshcConf {
    fn default() -> Self {
        FshcConf {
            test_files: 4,
            error_limit: 2,
            io_err_limit: 10,
            io_err_time: GoDuration::from_secs(10),
            enabled: true,
        }
    }
}

/// `log`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConf {
    /// Verbosity 0 to 5, as text.
    pub level: String,
    /// A log file is rotated at this size.
    pub max_size: SizeIec,
    /// Old files are removed above this total.
    pub max_total: SizeIec,
    /// The time between flushes of the log.
    pub flush_time: GoDuration,
    /// The time between statistics in the log.
    pub stats_time: GoDuration,
    /// Write to standard error only.
    pub to_stderr: bool,
}

impl Default for LogConf {
    fn default() -> Self {
        LogConf {
            level: "3".to_owned(),
            max_size: SizeIec(10 << 20),
            max_total: SizeIec(256 << 20),
            flush_time: GoDuration::from_secs(60),
            stats_time: GoDuration::from_secs(60),
            to_stderr: false,
        }
    }
}

/// `memsys`: AIStore's buffer allocator. Accepted and shown; Straightline's memory is budgeted at start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemsysConf {
    /// Memory to leave free.
    pub min_free: SizeIec,
    /// Default buffer size.
    pub default_buf: SizeIec,
    /// Garbage collection threshold.
    pub to_gc: SizeIec,
    /// Housekeeping interval.
    pub hk_time: GoDuration,
    /// Percent of total memory to leave free.
    pub min_pct_total: i64,
    /// Percent of free memory to leave free.
    pub min_pct_free: i64,
}

impl Default for MemsysConf {
    fn default() -> Self {
        MemsysConf {
            min_free: SizeIec(2 << 30),
            default_buf: SizeIec(32 << 10),
            to_gc: SizeIec(4 << 30),
            hk_time: GoDuration::from_secs(180),
            min_pct_total: 0,
            min_pct_free: 0,
        }
    }
}

/// `lso`: listing of objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LsoConf {
    /// Compression and queue.
    #[serde(flatten)]
    pub xact: XactConf,
    /// Names prepared ahead of the client.
    pub walk_buffer: i64,
    /// A listing without a next page for this long ends.
    pub idle_time: GoDuration,
    /// Wait before a listing is torn down.
    pub quiescent: GoDuration,
}

impl Default for LsoConf {
    fn default() -> Self {
        LsoConf {
            xact: Default::default(),
            walk_buffer: 1024,
            idle_time: GoDuration::from_secs(60),
            quiescent: GoDuration::from_secs(10),
        }
    }
}

/// `get_batch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GetBatchConf {
    /// Compression and queue.
    #[serde(flatten)]
    pub xact: XactConf,
    /// The longest wait for another target.
    pub max_wait: GoDuration,
    /// Read-ahead tasks; -1 for none.
    pub warmup_workers: i64,
    /// Recoverable errors per request before it fails.
    pub max_soft_errs: i64,
    /// Reads from neighbours per request.
    pub max_gfn: i64,
}

impl Default for GetBatchConf {
    fn default() -> Self {
        GetBatchConf {
            xact: Default::default(),
            max_wait: GoDuration::from_secs(30),
            warmup_workers: 2,
            max_soft_errs: 6,
            max_gfn: 2,
        }
    }
}

/// `downloader`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DownloaderConf {
    /// The longest time for one file.
    pub timeout: GoDuration,
}

impl Default for DownloaderConf {
    fn default() -> Self {
        DownloaderConf { timeout: GoDuration::from_secs(3600) }
    }
}

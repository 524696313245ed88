//! Ranges and combinations. Every message names the setting and what would be right.

use super::cluster::ClusterConfig;
use crate::api::section_rules;
use crate::api::units::GoDuration;

impl ClusterConfig {
    /// Checks a whole configuration.
    pub(super) fn validate(&self) -> Result<(), String> {
        section_rules::checksum(&self.checksum)?;
        section_rules::versioning(&self.versioning)?;
        section_rules::mirror(&self.mirror)?;
        section_rules::ec(&self.ec)?;
        section_rules::chunks(&self.chunks)?;
        section_rules::write_policy(&self.write_policy)?;
        section_rules::rate_limit(&self.rate_limit)?;
        watermarks(self)?;
        durations(self)?;
        if self.net.l4.proto != "tcp" {
            return Err(format!("net.l4.proto: {:?} is not supported, expected \"tcp\"", self.net.l4.proto));
        }
        if !matches!(self.log.level.parse(), Ok(0..=5)) {
            return Err(format!("log.level: {:?} is not one of 0 to 5", self.log.level));
        }
        Ok(())
    }
}

fn watermarks(config: &ClusterConfig) -> Result<(), String> {
    let space = &config.space;
    let rising = [0, space.cleanupwm, space.lowwm, space.highwm, space.out_of_space, 100];
    if space.cleanupwm == 0 || !rising.is_sorted() {
        return Err(format!(
            "space: expected 0 < cleanupwm <= lowwm <= highwm <= out_of_space <= 100, got {}, {}, {}, {}",
            space.cleanupwm, space.lowwm, space.highwm, space.out_of_space
        ));
    }
    let disk = &config.disk;
    let (low, high, max) = (disk.disk_util_low_wm, disk.disk_util_high_wm, disk.disk_util_max_wm);
    if !(0 < low && low < high && high < max && max <= 100) {
        return Err(format!("disk: expected 0 < low < high < max <= 100, got {low}, {high}, {max}"));
    }
    Ok(())
}

fn durations(config: &ClusterConfig) -> Result<(), String> {
    let (timeout, periodic) = (&config.timeout, &config.periodic);
    let positive = [
        ("timeout.cplane_operation", timeout.cplane_operation),
        ("timeout.max_keepalive", timeout.max_keepalive),
        ("timeout.max_host_busy", timeout.max_host_busy),
        ("timeout.startup_time", timeout.startup_time),
        ("timeout.send_file_time", timeout.send_file_time),
        ("periodic.stats_time", periodic.stats_time),
        ("periodic.retry_sync_time", periodic.retry_sync_time),
        ("periodic.notif_time", periodic.notif_time),
        ("keepalivetracker.proxy.interval", config.keepalivetracker.proxy.interval),
        ("keepalivetracker.target.interval", config.keepalivetracker.target.interval),
    ];
    match positive.iter().find(|(_, value)| *value <= GoDuration(0)) {
        Some((name, value)) => Err(format!("{name}: expected more than zero, got {value}")),
        None => Ok(()),
    }
}

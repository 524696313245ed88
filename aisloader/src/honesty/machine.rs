//! The kernel's counters at the block layer and at network ports.

use std::collections::BTreeMap;

const SECTOR_BYTES: u64 = 512;

/// Counters of one block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Bytes read since the start of the machine.
    pub read_bytes: u64,
    /// Milliseconds in which at least one request was under way.
    pub busy_ms: u64,
}

/// All block devices, partitions too, by major and minor number.
#[must_use]
pub fn disks() -> BTreeMap<(u32, u32), Disk> {
    std::fs::read_to_string("/proc/diskstats").map(|text| parse_disks(&text)).unwrap_or_default()
}

/// Lines: major, minor, name, reads, merged, sectors read, ms, writes, merged, sectors, ms, in flight, ms busy, ...
fn parse_disks(text: &str) -> BTreeMap<(u32, u32), Disk> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let id = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let counters: Vec<u64> = fields.skip(1).map_while(|field| field.parse().ok()).collect();
        let read_bytes = counters.get(2)?.saturating_mul(SECTOR_BYTES);
        Some((id, Disk { read_bytes, busy_ms: *counters.get(9)? }))
    };
    text.lines().filter_map(line).collect()
}

/// Bytes received and sent by each network port that is not the loopback.
#[must_use]
pub fn ports() -> BTreeMap<String, (u64, u64)> {
    std::fs::read_to_string("/proc/net/dev").map(|text| parse_ports(&text)).unwrap_or_default()
}

/// Lines: `name: received bytes, 7 more, sent bytes, ...`, after two lines of heads.
fn parse_ports(text: &str) -> BTreeMap<String, (u64, u64)> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let counters: Vec<u64> = rest.split_whitespace().map_while(|field| field.parse().ok()).collect();
        Some((name.trim().to_owned(), (*counters.first()?, *counters.get(8)?)))
    };
    text.lines().filter_map(line).filter(|(name, _)| name != "lo").collect()
}

/// The share of its speed that the busiest port reached in either direction; `None` when none tells its speed.
#[must_use]
pub fn port_busy(
    before: &BTreeMap<String, (u64, u64)>,
    after: &BTreeMap<String, (u64, u64)>,
    span_s: f64,
    speed_bytes_per_s: impl Fn(&str) -> Option<f64>,
) -> Option<f64> {
    let shares = after.iter().filter_map(|(name, (received, sent))| {
        let (received_before, sent_before) = before.get(name)?;
        let moved = received.saturating_sub(*received_before).max(sent.saturating_sub(*sent_before));
        Some(moved as f64 / span_s.max(f64::MIN_POSITIVE) / speed_bytes_per_s(name)?)
    });
    shares.max_by(f64::total_cmp)
}

/// The speed of a port; `None` when it does not tell, as those of virtual machines.
#[must_use]
pub fn port_speed(name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/speed")).ok()?;
    let megabits: f64 = text.trim().parse().ok()?;
    (megabits > 0.0).then_some(megabits * 1e6 / 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_disks_are_those_of_the_kernel() {
        let text =
            " 254       0 vda 100 5 4096 77 200 6 8192 88 0 1500 165 0 0 0 0 3 1\n 254 1 vda1 1 2\nrubbish\n";
        let disks = parse_disks(text);
        assert_eq!(disks.len(), 1);
        assert_eq!(disks[&(254, 0)], Disk { read_bytes: 2 << 20, busy_ms: 1500 });
    }

    #[test]
    fn the_busiest_direction_of_the_busiest_port_counts() {
        let text = |sent: u64| {
            format!(
                "Inter-|   Receive\n face |bytes packets\n    lo: 999999 1 0 0 0 0 0 0 999999 1\n  eth0: 1000 1 0 0 0 0 0 0 {sent} 1 0\n"
            )
        };
        let (before, after) = (parse_ports(&text(0)), parse_ports(&text(50_000)));
        assert_eq!(before.len(), 1);
        assert_eq!(port_busy(&before, &after, 5.0, |_| Some(20_000.0)), Some(0.5));
        assert_eq!(port_busy(&before, &after, 5.0, |_| None), None);
    }
}

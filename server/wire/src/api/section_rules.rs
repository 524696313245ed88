//! The rules of the sections that buckets and the cluster share. Every message names the setting.

use std::ops::RangeInclusive;

use super::sections::{
    ChunksConf, CksumConf, EcConf, MirrorConf, RateLimitConf, VersionConf, WritePolicyConf,
};
use super::units::SizeIec;
use crate::cksum::CksumType;

type Checked = Result<(), String>;

pub(crate) fn in_range(name: &str, value: i64, range: RangeInclusive<i64>) -> Checked {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{name}: {value} is not in the range {} to {}", range.start(), range.end()))
}

pub(crate) fn checksum(conf: &CksumConf) -> Checked {
    match CksumType::parse(&conf.kind) {
        Some(_) => Ok(()),
        None => Err(format!("checksum.type: {:?} is not a known checksum", conf.kind)),
    }
}

pub(crate) fn versioning(conf: &VersionConf) -> Checked {
    if conf.validate_warm_get && !conf.enabled {
        return Err("versioning.validate_warm_get requires versioning.enabled".to_owned());
    }
    Ok(())
}

pub(crate) fn mirror(conf: &MirrorConf) -> Checked {
    in_range("mirror.copies", conf.copies, if conf.enabled { 2..=32 } else { 1..=32 })?;
    in_range("mirror.burst_buffer", conf.burst_buffer, 0..=1 << 20)
}

pub(crate) fn ec(conf: &EcConf) -> Checked {
    in_range("ec.data_slices", conf.data_slices, 1..=32)?;
    in_range("ec.parity_slices", conf.parity_slices, 1..=32)?;
    in_range("ec.objsize_limit", conf.objsize_limit, -1..=i64::MAX)?;
    if !matches!(conf.xact.compression.as_str(), "" | "never" | "always") {
        return Err(format!("ec.compression: {:?} is neither never nor always", conf.xact.compression));
    }
    Ok(())
}

pub(crate) fn chunks(conf: &ChunksConf) -> Checked {
    let SizeIec(most) = conf.max_monolithic_size;
    if most != 0 {
        in_range("chunks.max_monolithic_size", most, 1 << 30..=1 << 40)?;
    }
    in_range("chunks.objsize_limit", conf.objsize_limit.0, 0..=if most == 0 { 1 << 40 } else { most })?;
    in_range("chunks.chunk_size", conf.chunk_size.0, 0..=5 << 30)?;
    in_range("chunks.checkpoint_every", conf.checkpoint_every, 0..=10_000)
}

pub(crate) fn write_policy(conf: &WritePolicyConf) -> Checked {
    if !matches!(conf.data.as_str(), "" | "immediate") {
        return Err(format!("write_policy.data: {:?} is not supported, expected immediate", conf.data));
    }
    if !matches!(conf.md.as_str(), "" | "immediate" | "delayed" | "never") {
        return Err(format!("write_policy.md: {:?} is not one of immediate, delayed, never", conf.md));
    }
    Ok(())
}

pub(crate) fn rate_limit(conf: &RateLimitConf) -> Checked {
    in_range("rate_limit.backend.max_tokens", conf.backend.max_tokens, 1..=1 << 40)?;
    in_range("rate_limit.frontend.max_tokens", conf.frontend.max_tokens, 1..=1 << 40)?;
    let intervals = [("backend", conf.backend.interval), ("frontend", conf.frontend.interval)];
    match intervals.iter().find(|(_, interval)| interval.0 <= 0) {
        Some((which, interval)) => {
            Err(format!("rate_limit.{which}.interval: {interval} is not more than zero"))
        }
        None => Ok(()),
    }
}

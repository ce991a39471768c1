//! The engine and the machine that it runs on.

use std::time::{SystemTime, UNIX_EPOCH};

use mainstay_plan::stack::Stack;

use super::Finding;
use crate::engine::EngineInfo;
use crate::engine::docker::OLDEST_API;

/// An image of PostgreSQL, its build and its first data need about this much.
const LEAST_FREE_BYTES: u64 = 1 << 30;
/// Below this share a disk fills before somebody has looked.
const LOW_FREE_PERCENT: u64 = 10;
/// Certificates and tokens fail from about here on.
const MOST_SKEW_S: u64 = 5;
/// 2026-11-01: this program did not exist before.
const NOT_BEFORE_S: u64 = 1_793_491_200;

pub(super) fn examine(info: &EngineInfo) -> Vec<Finding> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    [old_engine(info), clock(now), skew(info, now), disk(info)].into_iter().flatten().collect()
}

fn old_engine(info: &EngineInfo) -> Option<Finding> {
    let (major, minor) = info.api_version.split_once('.')?;
    let api = (major.parse().ok()?, minor.parse().ok()?);
    (api < OLDEST_API).then(|| {
        Finding::error(
            format!(
                "engine {} is too old: its API is {}, and {}.{} is needed",
                info.version, info.api_version, OLDEST_API.0, OLDEST_API.1
            ),
            "upgrade it to 20.10 or later: `apt-get install docker.io` on Debian 12 or Ubuntu 22.04 and later",
        )
    })
}

fn clock(now_s: u64) -> Option<Finding> {
    (now_s < NOT_BEFORE_S).then(|| {
        Finding::error(
            "this machine's clock is wrong: it shows a time before this program was made",
            "set it, and keep it right: `timedatectl set-ntp true`, or `apt-get install systemd-timesyncd`",
        )
    })
}

fn skew(info: &EngineInfo, now_s: u64) -> Option<Finding> {
    let engine_s = rfc3339_seconds(info.time.as_deref()?)?;
    let apart = engine_s.abs_diff(now_s);
    (apart > MOST_SKEW_S).then(|| {
        Finding::warning(
            format!("the engine's clock and this machine's are {apart} s apart"),
            "keep both right: `timedatectl set-ntp true`",
        )
    })
}

/// Seconds since 1970 of a UTC time such as `2026-11-23T16:00:00.123Z`; an
/// offset is taken into account. Days are counted from the civil date
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn rfc3339_seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let offset = offset_seconds(text.get(19..)?);
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second - offset).ok()
}

/// The offset after the seconds and their fraction: `Z`, `+02:00`.
fn offset_seconds(rest: &str) -> i64 {
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let number = |range| zone.get(range).and_then(|text: &str| text.parse::<i64>().ok()).unwrap_or(0);
    sign * (number(1..3) * 3600 + number(4..6) * 60)
}

/// Only where the engine runs on this machine: its disk is ours to see.
fn disk(info: &EngineInfo) -> Option<Finding> {
    let stat = rustix::fs::statvfs(info.root_dir.as_str()).ok().filter(|_| info.is_local)?;
    let free = stat.f_bavail * stat.f_frsize;
    let percent = (stat.f_bavail * 100).checked_div(stat.f_blocks)?;
    let inodes_percent = (stat.f_favail * 100).checked_div(stat.f_files).unwrap_or(100);
    let hint = "`docker system df` shows what takes it; `docker image prune` and `docker builder prune` give room back";
    let dir = &info.root_dir;
    if free < LEAST_FREE_BYTES {
        return Some(Finding::error(
            format!("the disk is short: {} MiB are free under `{dir}`, and 1 GiB is needed", free >> 20),
            hint,
        ));
    }
    if percent < LOW_FREE_PERCENT {
        return Some(Finding::warning(format!("the disk is short: {percent} % is free under `{dir}`"), hint));
    }
    (inodes_percent < LOW_FREE_PERCENT).then(|| {
        Finding::warning(format!("the disk is short of inodes: {inodes_percent} % are free under `{dir}`"), hint)
    })
}

/// Limits that the file asks for and the engine cannot keep.
pub(super) fn limits(info: &EngineInfo, stack: &Stack) -> Vec<Finding> {
    let asks = |has: fn(&mainstay_plan::stack::Resources) -> bool| {
        stack.services.values().find(|service| has(&service.run.resources)).map(|service| service.name.clone())
    };
    let cases = [
        ("memory", info.limits_memory, asks(|r| r.memory_bytes.is_some())),
        ("processor", info.limits_cpu, asks(|r| r.nano_cpus.is_some())),
        ("process", info.limits_pids, asks(|r| r.pids.is_some())),
    ];
    let finding = |(what, kept, asked): (&str, bool, Option<String>)| {
        let service = asked.filter(|_| !kept)?;
        Some(Finding::warning(
            format!("service `{service}` asks for a {what} limit, and this engine cannot keep it"),
            "the kernel's cgroup controller is off: add `cgroup_enable=memory swapaccount=1` to its command line, and look at `docker info`",
        ))
    };
    cases.into_iter().filter_map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_an_offset() {
        assert_eq!(rfc3339_seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339_seconds("2026-11-01T00:00:00.123456789Z"), Some(NOT_BEFORE_S));
        assert_eq!(rfc3339_seconds("2026-11-01T02:00:00.5+02:00"), Some(NOT_BEFORE_S));
        assert_eq!(rfc3339_seconds("2000-02-29T23:59:59Z"), Some(951_868_799));
        assert_eq!(rfc3339_seconds("not a time"), None);
    }

    #[test]
    fn an_old_engine_a_wrong_clock_and_a_skewed_one_are_found() {
        let info = EngineInfo {
            version: "19.03".into(),
            api_version: "1.40".into(),
            time: Some("2026-11-01T00:01:00Z".into()),
            ..Default::default()
        };
        assert!(old_engine(&info).unwrap().is_error());
        assert!(clock(NOT_BEFORE_S - 1).unwrap().is_error());
        assert!(!skew(&info, NOT_BEFORE_S).unwrap().is_error());
        assert_eq!(skew(&info, NOT_BEFORE_S + 59), None);
    }
}

//! The older spellings of `deploy.resources`, and the limits that have no newer one.

use indexmap::IndexMap;

use super::field::Field;
use crate::stack::Resources;

/// Adds to what `deploy.resources` says. Both may say a thing, and then the same.
pub(super) fn of_service(entries: &IndexMap<&str, Field<'_>>, resources: &mut Resources) {
    let get = |key: &str| entries.get(key).filter(|field| !field.is_empty());
    let bytes = |key: &str| get(key).and_then(Field::bytes);
    join(&mut resources.memory_bytes, bytes("mem_limit"), get("mem_limit"), "limits.memory");
    let reservation = get("mem_reservation");
    let reserved = reservation.and_then(Field::bytes);
    join(&mut resources.memory_reservation_bytes, reserved, reservation, "reservations.memory");
    join(&mut resources.nano_cpus, get("cpus").and_then(Field::nano_cpus), get("cpus"), "limits.cpus");
    join(&mut resources.pids, get("pids_limit").and_then(Field::number), get("pids_limit"), "limits.pids");
    resources.memory_swap_bytes = get("memswap_limit").and_then(swap);
    resources.cpu_shares = get("cpu_shares").and_then(Field::number);
    resources.cpuset = get("cpuset").and_then(Field::text);
    resources.shm_bytes = bytes("shm_size");
    for (name, limit) in get("ulimits").and_then(Field::entries).unwrap_or_default() {
        if let Some(pair) = ulimit(&limit) {
            resources.ulimits.insert(name.to_owned(), pair);
        }
    }
}

fn join<T: PartialEq>(newer: &mut Option<T>, older: Option<T>, field: Option<&Field<'_>>, newer_key: &str) {
    match (newer.as_ref(), older) {
        (Some(newer), Some(older)) if *newer != older => {
            if let Some(field) = field {
                field.error(format!("it contradicts `deploy.resources.{newer_key}`"), "take it away");
            }
        }
        (None, older) => *newer = older,
        _ => {}
    }
}

/// A size, or -1 for as much as there is.
fn swap(field: &Field<'_>) -> Option<i64> {
    if field.scalar() == Some("-1") { Some(-1) } else { field.bytes().and_then(|bytes| i64::try_from(bytes).ok()) }
}

fn ulimit(field: &Field<'_>) -> Option<(i64, i64)> {
    if !field.is_map() {
        let both = field.number()?;
        return Some((both, both));
    }
    field.only(&["soft", "hard"]);
    let get = |key: &str| field.get(key).and_then(|limit| limit.number::<i64>());
    match (get("soft"), get("hard")) {
        (None, None) => {
            field.error("a limit has a `soft` and a `hard` value", "such as `{soft: 1024, hard: 4096}`");
            None
        }
        (soft, hard) => Some((soft.or(hard)?, hard.or(soft)?)),
    }
}

//! What Linux tells about processes. Elsewhere nothing is known.

/// Whether somebody in a group still runs. A zombie that its parent has not fetched counts as gone: in a
/// container the first process often fetches late or never.
#[cfg(target_os = "linux")]
pub(super) fn is_group_alive(leader: i32) -> bool {
    processes().any(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // `id (name) state parent group …`, and the name may hold anything.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let state = fields.next();
        let group = fields.nth(1).and_then(|group| group.parse().ok());
        group == Some(leader) && !matches!(state, Some("Z" | "X"))
    })
}

/// Whether somebody in a group still runs: taken to be so.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_group_alive(_leader: i32) -> bool {
    true
}

/// Ids of all processes.
#[cfg(target_os = "linux")]
pub(super) fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

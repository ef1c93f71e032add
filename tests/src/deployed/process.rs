//! The processes of a function's execution environments, for tests that kill one or see what it takes.

use std::process::Command;

/// The processes below `ancestor` that run the function: found by where they come from, not by what they are called.
pub(super) fn of_function(ancestor: u64, function: &str) -> Vec<u64> {
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let processes = std::fs::read_dir("/proc").expect("is Linux").flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    ids.filter(|&id| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment
            .split(|&byte| byte == 0)
            .any(|variable| variable == wanted.as_bytes())
            && descends(id, ancestor)
    })
    .collect()
}

fn descends(mut id: u64, ancestor: u64) -> bool {
    while id > 1 && id != ancestor {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        id = parent.and_then(|parent| parent.trim().parse().ok()).unwrap_or(0);
    }
    id == ancestor
}

/// Sends a signal, such as `STOP` or `KILL`; whether the process was there to take it.
pub(super) fn signal(id: u64, signal: &str) -> bool {
    let status = Command::new("kill").args(["-s", signal, &id.to_string()]).status();
    status.expect("kill runs").success()
}

/// The most memory that a running process has had, in MiB.
pub(super) fn peak_memory(id: u64) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1024)
}

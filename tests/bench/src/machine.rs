//! On what it was measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::BenchError;

/// The processor, the system and cargo's profile, as far as they tell.
pub(crate) fn describe() -> BTreeMap<&'static str, String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    };
    let flags = field("flags").or_else(|| field("Features")).unwrap_or_default();
    let flags: Vec<&str> = flags.split(' ').collect();
    let vectors = ["avx2", "avx512f", "avx512vbmi", "asimd"]
        .into_iter()
        .filter(|name| flags.contains(name));
    let mut machine = BTreeMap::from([
        ("arch", std::env::consts::ARCH.to_owned()),
        ("os", std::env::consts::OS.to_owned()),
        ("vectors", vectors.collect::<Vec<_>>().join(" ")),
        ("cores", cpuinfo.matches("processor\t").count().to_string()),
    ]);
    for (key, name) in [("cpu", "model name"), ("family", "cpu family"), ("model", "model\t")] {
        if let Some(value) = field(name) {
            machine.insert(key, value.to_owned());
        }
    }
    // target/PROFILE/sardonyx-bench
    let program = std::env::current_exe().unwrap_or_default();
    if let Some(profile) = program.parent().and_then(Path::file_name) {
        machine.insert("profile", profile.to_string_lossy().into_owned());
    }
    machine
}

/// What of this process is in memory: code and data, its own and those of the libraries.
pub(crate) struct Memory {
    /// Now, in MiB.
    pub(crate) resident: f64,
    /// At most so far, in MiB.
    pub(crate) peak: f64,
}

impl Memory {
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn read() -> Result<Self, BenchError> {
        Self::parse(&fs::read_to_string("/proc/self/status")?)
    }

    fn parse(status: &str) -> Result<Self, BenchError> {
        let mebibytes = |name: &str| -> Result<f64, BenchError> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let kibibytes = kibibytes.ok_or_else(|| format!("/proc/self/status has no {name}"))?;
            Ok(kibibytes.parse::<f64>()? / 1024.0)
        };
        Ok(Self {
            resident: mebibytes("VmRSS:")?,
            peak: mebibytes("VmHWM:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_system_says() {
        let status = "Name:\tbench\nVmPeak:\t  999999 kB\nVmHWM:\t    3072 kB\nVmRSS:\t    1536 kB\n";
        let memory = Memory::parse(status).expect("is complete");
        assert_eq!((memory.resident, memory.peak), (1.5, 3.0));
        assert!(Memory::parse("Name:\tbench\n").is_err());
    }
}

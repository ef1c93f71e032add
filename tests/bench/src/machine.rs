//! On what it was measured.

use std::collections::BTreeMap;
use std::fs;

/// The processor and the system, as far as they tell.
pub(crate) fn describe() -> BTreeMap<&'static str, String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    };
    let flags: Vec<&str> = field("flags").unwrap_or_default().split(' ').collect();
    let vectors = ["avx2", "avx512f", "avx512vbmi"]
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
    machine
}

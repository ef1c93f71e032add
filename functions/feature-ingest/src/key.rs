use sardonyx_ingest::Format;

/// How the keys of files begin that are to be loaded.
const SNAPSHOTS: &str = "snapshots/";

/// What a key says of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileKey<'a> {
    /// It has rows of a view.
    Rows { view: &'a str, format: Format },
    /// It has no rows, and is not meant to: the marker of a folder, or what other tools put beside data.
    NoData,
    /// It cannot be told what it is, in words.
    Unknown(String),
}

/// Reads `snapshots/<view>/…/<name>.<format>`.
pub(crate) fn parse_key(key: &str) -> FileKey<'_> {
    let name = key.rsplit('/').next().unwrap_or_default();
    if name.is_empty() || name.starts_with(['_', '.']) {
        return FileKey::NoData;
    }
    let in_view = key.strip_prefix(SNAPSHOTS).and_then(|rest| rest.split_once('/'));
    let Some((view, _)) = in_view else {
        return FileKey::Unknown("its key is not of the form snapshots/<view>/<name>".into());
    };
    match Format::of(name) {
        Some(format) => FileKey::Rows { view, format },
        None => FileKey::Unknown(format!(
            "its name does not say its format: end it with {}",
            Format::ENDINGS
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_view_and_format() {
        let rows = |view| FileKey::Rows {
            view,
            format: Format::Parquet,
        };
        assert_eq!(parse_key("snapshots/card_stats/a.parquet"), rows("card_stats"));
        assert_eq!(
            parse_key("snapshots/card_stats/2026/01/a b.parquet"),
            rows("card_stats")
        );
        for key in [
            "snapshots/card_stats/",
            "snapshots/card_stats/_SUCCESS",
            "snapshots/card_stats/.a.csv.crc",
        ] {
            assert_eq!(parse_key(key), FileKey::NoData, "{key}");
        }
        for (key, what) in [
            ("snapshots/a.csv", "<view>"),
            ("rejects/card_stats/a.csv", "<view>"),
            ("snapshots/card_stats/a.xlsx", ".parquet"),
        ] {
            let FileKey::Unknown(problem) = parse_key(key) else {
                panic!("{key} is known")
            };
            assert!(problem.contains(what), "{problem}");
        }
    }
}

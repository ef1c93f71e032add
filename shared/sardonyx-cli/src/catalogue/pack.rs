use std::path::PathBuf;

use clap::Args;
use sardonyx_core::artifact::MANIFEST_FILE;
use sardonyx_core::manifest::Manifest;
use sardonyx_core::rank::{CatalogueBuilder, CatalogueId};
use sardonyx_ingest::parse_event_time;
use serde_json::{Map, Value as Json};

use crate::features::now_ms;
use crate::{CommandError, read_file};

/// How many problems are listed before the rest is only counted.
const PROBLEMS_SHOWN: usize = 20;

#[derive(Args)]
pub(crate) struct PackArgs {
    /// The offers as JSON Lines: offer_id; valid_from, valid_to, regions, budget_left, category where they have them; the features
    offers: PathBuf,
    /// The folder of the model that ranks them
    #[arg(long)]
    model: PathBuf,
    /// Where the packed catalogue goes
    #[arg(short, long)]
    output: PathBuf,
}

/// Checks every offer, then packs them all; a file with a bad line packs nothing.
pub(crate) fn pack(args: &PackArgs) -> Result<String, CommandError> {
    let manifest = Manifest::from_json(&read_file(&args.model.join(MANIFEST_FILE))?)?;
    let text = String::from_utf8(read_file(&args.offers)?)?;
    let mut builder = CatalogueBuilder::new(&manifest, parse_event_time)?;
    let problems = add_lines(&mut builder, &text);
    if !problems.is_empty() {
        let problems = list(&problems);
        return Err(format!("{}: nothing was packed\n{problems}", args.offers.display()).into());
    }
    let (catalogue, schema) = builder.finish(now_ms());
    let packed = catalogue.to_bytes(&schema);
    std::fs::write(&args.output, &packed).map_err(|error| format!("{}: {error}", args.output.display()))?;
    Ok(format!(
        "{}: {} offers, {} bytes, catalogue {}",
        args.output.display(),
        catalogue.len(),
        packed.len(),
        CatalogueId::of(&packed)
    ))
}

/// What is wrong with which line.
fn add_lines(builder: &mut CatalogueBuilder, text: &str) -> Vec<String> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let add = |(line, number): (&str, usize)| {
        let fields = serde_json::from_str::<Map<String, Json>>(line);
        let added = match fields {
            Ok(fields) => builder.add(&fields),
            Err(error) => Err(format!("is not a JSON object: {error}")),
        };
        added.err().map(|problem| format!("line {number}: {problem}"))
    };
    lines.filter_map(add).collect()
}

fn list(problems: &[String]) -> String {
    let mut text = problems[..problems.len().min(PROBLEMS_SHOWN)].join("\n");
    if problems.len() > PROBLEMS_SHOWN {
        text += &format!("\n… and {} more", problems.len() - PROBLEMS_SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use sardonyx_core::rank::{Catalogue, CatalogueSchema};

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../functions/offer-ranking");

    /// Packs a text as the offers of the committed model; what is said, and the bytes, if any.
    fn pack_text(name: &str, text: &str) -> (Result<String, String>, Option<Vec<u8>>) {
        let path = |kind: &str| std::env::temp_dir().join(format!("sardonyx-{name}-{}.{kind}", std::process::id()));
        let (offers, output) = (path("jsonl"), path("catalogue"));
        std::fs::write(&offers, text).expect("can be written");
        let said = pack(&PackArgs {
            offers: offers.clone(),
            model: PathBuf::from(FOLDER).join("model"),
            output: output.clone(),
        });
        let packed = std::fs::read(&output).ok();
        std::fs::remove_file(offers).expect("is there");
        if packed.is_some() {
            std::fs::remove_file(output).expect("is there");
        }
        (said.map_err(|error| error.to_string()), packed)
    }

    fn sample_offers() -> String {
        std::fs::read_to_string(format!("{FOLDER}/samples/offers.jsonl")).expect("is committed")
    }

    #[test]
    fn the_sample_offers_become_a_catalogue() {
        let (said, packed) = pack_text("offers", &sample_offers());
        let packed = packed.expect("was written");
        let said = said.expect("packs");
        assert!(
            said.contains("300 offers") && said.ends_with(CatalogueId::of(&packed).as_str()),
            "{said}"
        );
        let manifest = std::fs::read(format!("{FOLDER}/model/manifest.json")).expect("is committed");
        let manifest = Manifest::from_json(&manifest).expect("is valid");
        let schema = CatalogueSchema::new(&manifest).expect("has a catalogue");
        assert_eq!(Catalogue::from_bytes(&packed, &schema).expect("can be read").len(), 300);
    }

    #[test]
    fn every_bad_line_is_named_and_nothing_is_written() {
        let offers = sample_offers();
        let mut lines: Vec<&str> = offers.lines().take(3).collect();
        lines.extend(["", lines[1], "nonsense", r#"{"offer_id": "x"}"#]);
        let (said, packed) = pack_text("bad-offers", &lines.join("\n"));
        assert_eq!(packed, None);
        let said = said.expect_err("is refused");
        let problems: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(problems.len(), 3, "{said}");
        assert_eq!(problems[0], r#"line 5: offer_id: "o-0001" was there before"#);
        assert!(problems[1].starts_with("line 6: is not a JSON object"), "{said}");
        assert_eq!(
            problems[2],
            "line 7: category: is absent; expected one of grocery, dining, travel, fashion, electronics, wellness"
        );
    }
}

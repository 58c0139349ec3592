//! Texts that people wrote: wine reviews where `$VINEDB_DATA` has them, otherwise those of the sommelier's own list. No
//! text comes twice, so that nothing need not be embedded.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use vinedb_tests::measure::Failure;

/// Under `$VINEDB_DATA`.
const REVIEWS: &str = "wine/winemag_130k_v2_first5811.csv";
/// In the repository.
const LIST: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/sommelier/wines.jsonl"
);
/// The column with the text, in either file.
pub(crate) const COLUMN: &str = "description";

/// A file to import, and its texts.
pub(crate) struct Reviews {
    pub(crate) file: PathBuf,
    pub(crate) texts: Vec<String>,
    /// What they are, for the head of a report.
    pub(crate) source: &'static str,
}

impl Reviews {
    /// Writes a file with `count` of them into `folder`.
    pub(crate) fn write(folder: &Path, count: usize) -> Result<Self, Failure> {
        let data = std::env::var_os("VINEDB_DATA").filter(|folder| !folder.is_empty());
        let reviews = match data {
            Some(data) => from_csv(&Path::new(&data).join(REVIEWS), folder, count)?,
            None => from_list(folder, count)?,
        };
        if reviews.texts.len() == count {
            return Ok(reviews);
        }
        Err(format!(
            "there are {} different reviews, {count} were asked for",
            reviews.texts.len()
        )
        .into())
    }
}

/// The first rows with a text of their own, all columns kept; a row with too few is left out.
fn from_csv(source: &Path, folder: &Path, count: usize) -> Result<Reviews, Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(source)
        .map_err(|error| format!("{}: {error}", source.display()))?;
    let header = reader.headers()?.clone();
    let column = header.iter().position(|name| name == COLUMN);
    let column = column.ok_or_else(|| format!("{} has no column {COLUMN}", source.display()))?;
    let file = folder.join("reviews.csv");
    let mut writer = csv::Writer::from_path(&file)?;
    writer.write_record(&header)?;
    let (mut seen, mut texts) = (HashSet::new(), Vec::new());
    let mut record = csv::StringRecord::new();
    while texts.len() < count && reader.read_record(&mut record)? {
        let text = record.get(column).unwrap_or_default();
        if record.len() == header.len() && seen.insert(text.to_owned()) {
            writer.write_record(&record)?;
            texts.push(text.to_owned());
        }
    }
    writer.flush()?;
    Ok(Reviews {
        file,
        texts,
        source: "wine reviews",
    })
}

/// Notes and reviews of the list, over and over, numbered from the second time on.
fn from_list(folder: &Path, count: usize) -> Result<Reviews, Failure> {
    let list = BufReader::new(File::open(LIST).map_err(|error| format!("{LIST}: {error}"))?);
    let mut once = Vec::new();
    for line in list.lines() {
        once.extend(texts_of(&serde_json::from_str(&line?)?));
    }
    let numbered = |(position, text): (usize, &String)| match position / once.len() {
        0 => text.clone(),
        round => format!("{text} Bottle {round}."),
    };
    let texts: Vec<String> = once
        .iter()
        .cycle()
        .take(count)
        .enumerate()
        .map(numbered)
        .collect();
    let file = folder.join("reviews.jsonl");
    let mut writer = BufWriter::new(File::create(&file)?);
    for (id, text) in texts.iter().enumerate() {
        writeln!(writer, "{}", json!({"id": id, COLUMN: text}))?;
    }
    writer.flush()?;
    Ok(Reviews {
        file,
        texts,
        source: "texts of the wine list",
    })
}

fn texts_of(wine: &Value) -> Vec<String> {
    let reviews = wine["reviews"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|review| &review["review"]);
    let texts = std::iter::once(&wine["notes"]).chain(reviews);
    texts
        .filter_map(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Runs `vinedb` and fails with what it said when it does.
pub(crate) fn vinedb(arguments: &[&str]) -> Result<vinedb_tests::Run, Failure> {
    let run = vinedb_tests::vinedb(arguments);
    if run.code == 0 {
        Ok(run)
    } else {
        Err(format!("vinedb {}: {}", arguments.join(" "), run.stderr).into())
    }
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> Result<&str, Failure> {
    path.to_str()
        .ok_or_else(|| format!("{}: the path is not UTF-8", path.display()).into())
}

/// Makes the database `database` with a collection `reviews`, in place of one that was there.
pub(crate) fn create(database: &Path) -> Result<(), Failure> {
    if database.exists() {
        fs::remove_dir_all(database)?;
    }
    vinedb(&["create", argument(database)?, "reviews"]).map(drop)
}

/// Imports the reviews into it.
pub(crate) fn import(database: &Path, reviews: &Reviews) -> Result<(), Failure> {
    let file = argument(&reviews.file)?;
    vinedb(&[
        "import",
        argument(database)?,
        "reviews",
        file,
        "--text",
        COLUMN,
    ])
    .map(drop)
}

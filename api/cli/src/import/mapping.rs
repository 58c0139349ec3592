//! From a row to a document: which field is the key, which the text, which the vector.

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;
use vinedb::{CollectionConfig, Document, Key, Metadata, Template, Vectors};

use crate::{
    args::Import,
    rows::{Item, Row, Source},
    vectors::from_json,
};

/// Fields that a row may have and still be a document as it stands.
const DOCUMENT_FIELDS: [&str; 4] = ["key", "text", "vector", "metadata"];

/// How rows become documents.
pub(crate) struct Mapping {
    key: Option<String>,
    text: Option<String>,
    vector: Option<String>,
    /// The template given for this import; the collection's own is the collection's to render.
    template: Option<Template>,
    /// The fields that make the text, by whichever template.
    template_fields: Vec<String>,
    needs_text: bool,
    dimension: usize,
}

impl Mapping {
    /// For a collection of `config` whose vectors have `dimension` components.
    pub(crate) fn new(args: &Import, config: &CollectionConfig, dimension: usize) -> Result<Self> {
        let template = args
            .template
            .as_deref()
            .map(Template::compile)
            .transpose()?;
        let (own, needs_text) = match &config.vectors {
            Vectors::Embedded { template, .. } => (
                template.as_deref().map(Template::compile).transpose()?,
                true,
            ),
            Vectors::Given { .. } => (None, false),
        };
        let template_fields = match (&template, &own, &args.text) {
            (Some(template), ..) | (None, Some(template), None) => template.fields(),
            _ => Vec::new(),
        };
        Ok(Self {
            key: args.key.clone(),
            text: args.text.clone(),
            vector: args.vector.clone(),
            template,
            template_fields,
            needs_text,
            dimension,
        })
    }

    /// The columns whose cells are taken as they are written: in a key or a text, `1.10` is not `1.1`.
    pub(crate) fn verbatim(&self) -> Vec<&str> {
        let mut columns = vec![self.text.as_deref().unwrap_or("text")];
        match &self.key {
            Some(key) => columns.push(key),
            None => columns.extend(["key", "id"]),
        }
        columns
    }

    /// Refuses a source that lacks a column that the mapping names, or whose vectors are of another dimension. `first` are its
    /// first rows, for formats without a header.
    pub(crate) fn check(&self, source: &Source, first: &[std::io::Result<Row>]) -> Result<()> {
        if let Some(Ok(Row {
            item: Ok(Item::Vector(vector)),
            ..
        })) = first.first()
            && vector.len() != self.dimension
        {
            bail!(
                "{}: its vectors have dimension {}, the collection's dimension is {}: choose another file or collection",
                source.path.display(),
                vector.len(),
                self.dimension
            );
        }
        let rows: Vec<&Metadata> = first
            .iter()
            .filter_map(|row| match row.as_ref().ok()?.item.as_ref() {
                Ok(Item::Fields(fields)) => Some(fields),
                _ => None,
            })
            .collect();
        let documents = self.takes_documents() && rows.iter().any(|row| is_document(row));
        if source.columns.is_none() && (rows.is_empty() || documents) {
            return Ok(());
        }
        let mut columns = source.columns.clone().unwrap_or_default();
        for name in rows.iter().flat_map(|row| row.keys()) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        self.check_columns(&source.path, &columns)
    }

    fn check_columns(&self, path: &Path, columns: &[String]) -> Result<()> {
        let named = [
            ("--key", &self.key),
            ("--text", &self.text),
            ("--vector", &self.vector),
        ];
        let named = named
            .into_iter()
            .filter_map(|(option, field)| Some((option, field.as_ref()?)));
        let template = self
            .template_fields
            .iter()
            .map(|field| ("the template", field));
        for (option, field) in named.chain(template) {
            if !columns.contains(field) {
                bail!(
                    "{}: there is no column {field:?}, which {option} names; its columns are {}",
                    path.display(),
                    columns.join(", ")
                );
            }
        }
        let has_text = self.text.is_some()
            || !self.template_fields.is_empty()
            || columns.iter().any(|column| column == "text");
        let has_vector = self.vector.is_some() || columns.iter().any(|column| column == "vector");
        if self.needs_text && !has_text && !has_vector {
            bail!(
                "{}: it is not clear what to embed: choose with --text COLUMN or --template; its columns are {}",
                path.display(),
                columns.join(", ")
            );
        }
        Ok(())
    }

    /// Whether rows in our own form are documents as they stand: when nothing was said of where their parts are.
    fn takes_documents(&self) -> bool {
        [&self.key, &self.text, &self.vector]
            .iter()
            .all(|field| field.is_none())
            && self.template.is_none()
    }

    /// The document of the row `number` (from 0) of the file `path`.
    pub(crate) fn document(
        &self,
        path: &Path,
        number: usize,
        item: Item,
    ) -> Result<Document, String> {
        match item {
            Item::Vector(vector) => {
                let number = i64::try_from(number).map_err(|error| error.to_string())?;
                Ok(Document::from_vector(number, vector))
            }
            Item::Fields(fields) if self.takes_documents() && is_document(&fields) => {
                own_form(fields)
            }
            Item::Fields(fields) => self.fields_document(path, number, fields),
        }
    }

    fn fields_document(
        &self,
        path: &Path,
        number: usize,
        mut fields: Metadata,
    ) -> Result<Document, String> {
        let key = self.key_of(path, number, &mut fields)?;
        let vector = match fields.shift_remove(self.vector.as_deref().unwrap_or("vector")) {
            Some(value) => Some(from_json(&value)?),
            None if self.vector.is_some() => {
                return Err(format!(
                    "{:?} is missing",
                    self.vector.as_deref().unwrap_or_default()
                ));
            }
            None => None,
        };
        let text = self.text_of(&mut fields)?;
        Ok(Document {
            key,
            text,
            vector,
            metadata: fields,
        })
    }

    fn key_of(&self, path: &Path, number: usize, fields: &mut Metadata) -> Result<Key, String> {
        if let Some(field) = &self.key {
            return key(field, fields.get(field));
        }
        if let Some(value) = fields.shift_remove("key") {
            return key("key", Some(&value));
        }
        match fields.get("id") {
            Some(value) => key("id", Some(value)),
            None => Ok(Key::from(format!("{}:{}", file_name(path), number + 1))),
        }
    }

    fn text_of(&self, fields: &mut Metadata) -> Result<Option<String>, String> {
        if let Some(template) = &self.template {
            return template
                .render(fields)
                .map(Some)
                .map_err(|error| error.to_string());
        }
        if let Some(field) = &self.text {
            return match fields.shift_remove(field) {
                Some(value) => Ok(Some(plain(value))),
                None => Err(format!("{field:?} is missing")),
            };
        }
        if !self.template_fields.is_empty() {
            return Ok(None);
        }
        Ok(fields.shift_remove("text").map(plain))
    }
}

/// Whether the row is a document in our own form, rather than a row whose columns happen to be called so.
fn is_document(fields: &Metadata) -> bool {
    let fits = |(name, value): (&String, &Value)| match name.as_str() {
        "text" => value.is_string() || value.is_null(),
        "metadata" => value.is_object(),
        name => DOCUMENT_FIELDS.contains(&name),
    };
    fields.contains_key("key") && fields.iter().all(fits)
}

fn own_form(mut fields: Metadata) -> Result<Document, String> {
    let vector = fields.get("vector").filter(|vector| !vector.is_null());
    Ok(Document {
        key: key("key", fields.get("key"))?,
        vector: vector.map(from_json).transpose()?,
        text: match fields.shift_remove("text") {
            Some(Value::String(text)) => Some(text),
            _ => None,
        },
        metadata: match fields.shift_remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => Metadata::new(),
        },
    })
}

fn key(field: &str, value: Option<&Value>) -> Result<Key, String> {
    let value = value.ok_or_else(|| format!("the key, {field:?}, is missing"))?;
    serde_json::from_value(value.clone())
        .map_err(|error| format!("{field:?} cannot be a key: {error}"))
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The file's name. Without its folder, so that the same file is known again wherever the command is run.
fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(key: Option<&str>, text: Option<&str>, template: Option<&str>) -> Mapping {
        let template = template.map(|source| Template::compile(source).unwrap());
        Mapping {
            key: key.map(str::to_owned),
            text: text.map(str::to_owned),
            vector: None,
            template_fields: template.as_ref().map(Template::fields).unwrap_or_default(),
            template,
            needs_text: true,
            dimension: 2,
        }
    }

    fn document(mapping: &Mapping, row: Value) -> Result<Document, String> {
        let Value::Object(fields) = row else {
            panic!("an object")
        };
        mapping.document(Path::new("a/wines.csv.gz"), 6, Item::Fields(fields))
    }

    #[test]
    fn the_key_is_the_named_field_or_key_or_id_or_the_place() {
        let row = json!({"sku": "A1", "id": 4, "text": "t"});
        assert_eq!(
            document(&mapping(Some("sku"), None, None), row.clone())
                .unwrap()
                .key,
            "A1".into()
        );
        assert_eq!(
            document(&mapping(None, None, None), row).unwrap().key,
            4.into()
        );
        assert_eq!(
            document(&mapping(None, None, None), json!({"text": "t"}))
                .unwrap()
                .key,
            "wines.csv.gz:7".into()
        );
        assert!(
            document(&mapping(Some("sku"), None, None), json!({"text": "t"}))
                .unwrap_err()
                .contains("sku")
        );
        assert!(document(&mapping(None, None, None), json!({"id": [1], "text": "t"})).is_err());
    }

    #[test]
    fn text_comes_from_the_field_or_the_template() {
        let row = json!({"id": 1, "name": "Rosso", "notes": "ripe"});
        let by_field = document(&mapping(None, Some("notes"), None), row.clone()).unwrap();
        assert_eq!(by_field.text.as_deref(), Some("ripe"));
        assert_eq!(
            Value::Object(by_field.metadata),
            json!({"id": 1, "name": "Rosso"})
        );
        let by_template =
            document(&mapping(None, None, Some("{{ name }}: {{ notes }}")), row).unwrap();
        assert_eq!(by_template.text.as_deref(), Some("Rosso: ripe"));
    }

    #[test]
    fn a_row_in_our_own_form_is_taken_as_it_is() {
        let row = json!({"key": "k", "text": "t", "metadata": {"a": 1}, "vector": [1.0, 2.0]});
        let taken = document(&mapping(None, None, None), row).unwrap();
        assert_eq!(
            taken,
            Document::new("k", "t")
                .metadata(json!({"a": 1}))
                .vector(vec![1.0, 2.0])
        );
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let columns = ["id".to_owned(), "notes".to_owned()];
        let error = mapping(None, None, Some("{{ name }}"))
            .check_columns(Path::new("f.csv"), &columns)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("\"name\"") && error.contains("id, notes"),
            "{error}"
        );
        let error = mapping(None, None, None)
            .check_columns(Path::new("f.csv"), &columns)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--text"), "{error}");
    }
}

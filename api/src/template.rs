//! The template that makes a document's text from its metadata: Jinja, by minijinja.
//!
//! A field that is missing renders as nothing, also below other fields; a template that renders to nothing but white space
//! is the caller's to refuse. Rendering is bounded, so that no template runs for ever.

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, value::Serde};
use storage::Metadata;

use crate::error::{Error, Result};

const NAME: &str = "text";
/// Instructions that one rendering may take; a page of fields takes a few hundred.
const FUEL: u64 = 1_000_000;

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
}

impl Template {
    /// Compiles `source`.
    ///
    /// # Errors
    /// [`Error::Template`] with the line and what is wrong there.
    pub fn compile(source: &str) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| failure(&error))?;
        let template = Self { environment };
        template.check_names()?;
        Ok(template)
    }

    /// Refuses a template that names no field, or a filter, test or function that there is not: nothing could be made of it.
    fn check_names(&self) -> Result<()> {
        if self.fields().is_empty() {
            let reason = "it names no field, such as {{ name }}, so every text would be the same";
            return Err(Error::Template {
                reason: reason.to_owned(),
            });
        }
        let kinds = [
            ErrorKind::UnknownFilter,
            ErrorKind::UnknownTest,
            ErrorKind::UnknownFunction,
        ];
        let template = self.environment.get_template(NAME);
        match template.and_then(|template| template.render(Serde(Metadata::new()))) {
            Err(error) if kinds.contains(&error.kind()) => Err(failure(&error)),
            // Whether it renders is for the values to say.
            _ => Ok(()),
        }
    }

    /// The text of a document with this metadata.
    ///
    /// # Errors
    /// [`Error::Template`] when an expression fails on these values.
    pub fn render(&self, metadata: &Metadata) -> Result<String> {
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| failure(&error))?;
        template
            .render(Serde(metadata))
            .map_err(|error| failure(&error))
    }

    /// The names of the metadata fields that the template reads, sorted.
    #[must_use]
    pub fn fields(&self) -> Vec<String> {
        let Ok(template) = self.environment.get_template(NAME) else {
            return Vec::new();
        };
        let globals: Vec<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let mut fields: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        fields.retain(|field| !globals.contains(&field.as_str()));
        fields.sort_unstable();
        fields
    }
}

fn failure(error: &minijinja::Error) -> Error {
    let place = error
        .line()
        .map_or_else(String::new, |line| format!("line {line}: "));
    let detail = error
        .detail()
        .map_or_else(String::new, |detail| format!(": {detail}"));
    Error::Template {
        reason: format!("{place}{}{detail}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(value: serde_json::Value) -> Metadata {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn renders_fields_and_loops_and_leaves_out_what_is_missing() {
        let template =
            Template::compile("Name: {{ name }}{% for r in reviews %}\n{{ r.author }}: {{ r.review }}{% endfor %}{{ a.b.c }}").unwrap();
        let text = template
            .render(&metadata(
                json!({"name": "A & <b>", "reviews": [{"author": "X", "review": "good"}]}),
            ))
            .unwrap();
        assert_eq!(text, "Name: A & <b>\nX: good");
        assert_eq!(template.fields(), ["a", "name", "reviews"]);
    }

    #[test]
    fn a_broken_template_names_its_line_and_an_endless_one_ends() {
        let error = Template::compile("fine\n{{ broken")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        for (source, named) in [
            ("{{ name|shout }}", "shout"),
            ("always the same", "no field"),
        ] {
            let error = Template::compile(source).unwrap_err().to_string();
            assert!(error.contains(named), "{source}: {error}");
        }
        let endless = Template::compile(
            "{% for a in range(90000) %}{% for b in range(90000) %}{{ name }}{% endfor %}{% endfor %}",
        )
        .unwrap();
        assert!(endless.render(&Metadata::new()).is_err());
    }
}

//! What a document must have to be written: checked before anything is embedded or stored, and refused by its key.

use std::collections::HashMap;

use engine::{Kind, Metric};

use crate::{
    collection::core::Core,
    document::{Document, MAX_TEXT_BYTES, check_vector},
    error::{Error, Result},
};

pub(super) fn check_keys(documents: &[Document]) -> Result<()> {
    let mut seen = HashMap::with_capacity(documents.len());
    for (position, document) in documents.iter().enumerate() {
        if let Some(first) = seen.insert(&document.key, position) {
            return Err(Error::DuplicateKey {
                key: document.key.clone(),
                first: first + 1,
                second: position + 1,
            });
        }
    }
    Ok(())
}

/// Renders the text that a document lacks, and checks that it has what its collection needs.
pub(super) fn complete(core: &Core, gauge: &Gauge, document: &mut Document) -> Result<()> {
    if document.vector.is_some() && core.locked.config.chunk.is_some() {
        let reason = format!(
            "it brings a vector, and collection {:?} has one of each passage of a text; leave \"vector\" out",
            core.name
        );
        return Err(unusable(document, reason));
    }
    if let Some(vector) = &document.vector {
        check_vector(&core.locked, vector, || {
            format!("the vector of document {}", document.key)
        })?;
        gauge.check(document, vector)?;
    } else if core.locked.model.is_none() {
        let reason = format!(
            "it has no vector, and collection {:?} has no model to make one; give \"vector\"",
            core.name
        );
        return Err(unusable(document, reason));
    }
    if document.text.is_none() && document.vector.is_none() {
        document.text = Some(render(core, document)?);
    }
    check_text(document)
}

fn render(core: &Core, document: &Document) -> Result<String> {
    let Some(template) = &core.template else {
        return Err(unusable(
            document,
            "it has neither text nor vector, and the collection has no template to make a text"
                .to_owned(),
        ));
    };
    template.render(&document.metadata)
}

fn check_text(document: &Document) -> Result<()> {
    let Some(text) = &document.text else {
        return Ok(());
    };
    if text.len() > MAX_TEXT_BYTES {
        let reason = format!(
            "its text has {} bytes, at most {MAX_TEXT_BYTES} are taken; split it into several documents",
            text.len()
        );
        return Err(unusable(document, reason));
    }
    if document.vector.is_none() && text.trim().is_empty() {
        return Err(unusable(
            document,
            "its text is empty, so there is nothing to embed".to_owned(),
        ));
    }
    Ok(())
}

/// Asks the index layer about a vector before it is committed: one that it refused afterwards could never be searched.
pub(super) struct Gauge {
    kind: Kind,
    dimension: usize,
    metric: Metric,
}

impl Gauge {
    pub(super) fn new(core: &Core) -> Self {
        let (dimension, config) = (core.locked.dimension(), &core.locked.config);
        Self {
            kind: config.index.kind_for(usize::MAX, dimension),
            dimension,
            metric: config.metric,
        }
    }

    fn check(&self, document: &Document, vector: &[f32]) -> Result<()> {
        match (self.kind).check_vectors(vector, self.dimension, self.metric) {
            Ok(()) => Ok(()),
            Err(engine::Error::NormTooLarge { maximum, .. }) => {
                let reason = format!(
                    "its vector is longer than {maximum:e}, so that its distances overflow; scale the vectors down, or use the metric cosine"
                );
                Err(unusable(document, reason))
            }
            Err(engine::Error::ComponentTooLarge {
                component, maximum, ..
            }) => {
                let reason = format!(
                    "its vector has a component ({component}) beyond {maximum}, the most that the index {} can hold; use SQbf16 or SQ8 instead of SQfp16, or scale the vectors down",
                    self.kind
                );
                Err(unusable(document, reason))
            }
            Err(engine::Error::Negative {
                component, metric, ..
            }) => {
                let reason = format!(
                    "its vector has a component below 0 ({component}), which the metric {metric} has no meaning for"
                );
                Err(unusable(document, reason))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn unusable(document: &Document, reason: String) -> Error {
    Error::UnusableDocument {
        key: document.key.clone(),
        reason,
    }
}

